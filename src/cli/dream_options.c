#include "dream_options.h"

#include <stdlib.h>
#include <string.h>

dream_options dream_options_default(void)
{
    dream_options o = {
        .open = rv_model_params_default(), .dream = rv_dream_params_default(), .bos = -1};
    o.budget = (int64_t)o.dream.budget;
    o.length = (int64_t)o.dream.most;
    return o;
}

/* Every line that holds something is a text to start from. */
static int read_prompts(dream_options *o)
{
    size_t length;
    int code = read_text(&o->prompt_lines, &length, NULL, o->prompt_file);
    if (code >= 0) return code;
    if (strlen(o->prompt_lines) != length)
        return fail_usage("--prompt-file: expected text, found a NUL byte");
    for (char *save = NULL, *line = strtok_r(o->prompt_lines, "\r\n", &save); line;
         line = strtok_r(NULL, "\r\n", &save)) {
        if (o->prompts.count == LIST_MAX)
            return fail_usage("--prompt-file: expected at most %d lines", LIST_MAX);
        o->prompts.items[o->prompts.count++] = line;
    }
    return -1;
}

int dream_options_settle(dream_options *o, const char *line)
{
    rv_dream_params *p = &o->dream;
    int code = o->prompt_file ? read_prompts(o) : -1;
    if (code >= 0) return code;
    o->open.threads = (int)o->threads;
    o->open.bos = o->bos < 0 ? RV_BOS_AUTO : o->bos ? RV_BOS_ADD : RV_BOS_OMIT;
    o->open.progress = p->progress = show_progress;
    o->open.notice = show_notice;
    p->budget = (uint64_t)o->budget;
    p->most = (uint64_t)o->length;
    p->least = o->least ? (uint64_t)o->least : p->most;
    p->corpus = o->corpus.items, p->corpus_count = o->corpus.count;
    p->corpus_tokens = (uint64_t)o->tokens;
    p->memory = (uint64_t)o->memory << 20;
    p->prompts = o->prompts.items, p->prompt_count = o->prompts.count;
    p->forbidden = o->forbidden.items, p->forbidden_count = o->forbidden.count;
    p->command = line;
    return -1;
}

void dream_options_release(dream_options *o)
{
    free(o->prompt_lines);
}

int dream_models_open(rv_model **model, rv_model **fluency, const char *name, dream_options *o)
{
    rv_error err;
    *fluency = NULL;
    if (rv_model_open(model, name, &o->open, &err) != RV_OK) return fail(&err);
    if (o->fluency && rv_model_open(fluency, o->fluency, &o->open, &err) != RV_OK) {
        rv_model_close(*model);
        return fail(&err);
    }
    o->dream.fluency = *fluency;
    return -1;
}
