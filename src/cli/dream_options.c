#include "dream_options.h"

#include <stdio.h>
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

void dream_options_settle(dream_options *o, const char *line)
{
    rv_dream_params *p = &o->dream;
    o->open.threads = (int)o->threads;
    o->open.bos = o->bos < 0 ? RV_BOS_AUTO : o->bos ? RV_BOS_ADD : RV_BOS_OMIT;
    o->open.progress = p->progress = show_progress;
    p->budget = (uint64_t)o->budget;
    p->most = (uint64_t)o->length;
    p->least = o->least ? (uint64_t)o->least : p->most;
    p->corpus = o->corpus.items, p->corpus_count = o->corpus.count;
    p->corpus_tokens = (uint64_t)o->tokens;
    p->memory = (uint64_t)o->memory << 20;
    p->prompts = o->prompts.items, p->prompt_count = o->prompts.count;
    p->forbidden = o->forbidden.items, p->forbidden_count = o->forbidden.count;
    p->command = line;
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

/* Single quotes around what a shell would read otherwise. */
static size_t quote(char *out, const char *word)
{
    size_t n = 0;
    bool plain = *word && !strpbrk(word, " \t\n\"'`$&;|<>()*?[]{}#~!\\");
    if (!plain) out[n++] = '\'';
    for (; *word; word++) {
        if (*word == '\'') n += (size_t)sprintf(out + n, "'\\'");
        out[n++] = *word;
    }
    if (!plain) out[n++] = '\'';
    out[n] = '\0';
    return n;
}

char *command_line(int argc, char **argv)
{
    size_t room = 16;
    for (int i = 0; i < argc; i++) room += 4 * strlen(argv[i]) + 4;
    char *line = malloc(room);
    if (!line) return NULL;
    size_t used = (size_t)snprintf(line, room, "reverie");
    for (int i = 0; i < argc; i++) {
        line[used++] = ' ';
        used += quote(line + used, argv[i]);
    }
    return line;
}
