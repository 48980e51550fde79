/* Going on with a text, token by token: the prompt once, then one row a step on its keys and values. */
#include <stdlib.h>
#include <string.h>

#include "subject/ends.h"
#include "subject/walk.h"
#include "subject/sample.h"
#include "subject/tokens.h"
#include "base/memory.h"
#include "template/conversation.h"

enum { PIECE_ROWS = 512 };

typedef struct generating {
    rv_model *model;
    const rv_generate_params *params;
    rv_generation *out;
    rv_ids ids;  /* the prompt, then what was generated */
    int32_t bos; /* what the prompt begins with; -1: nothing */
    const char *bos_why;
    rv_pass *pass;
    rv_prefix *cache;
    rv_sampler sampler;
    real *logits; /* (V) */
    size_t last;  /* row of the pass whose logits are wanted */
    rv_text text;
} generating;

rv_generate_params rv_generate_params_default(void)
{
    return (rv_generate_params){.size = sizeof(rv_generate_params),
                                .max_tokens = 200,
                                .temperature = 0.8,
                                .top_p = 0.95,
                                .seed = 1};
}

/* ---- the prompt ----------------------------------------------------------------------------- */

static rv_status render(rv_text *out, const generating *g, const char *prompt, size_t length,
                        rv_error *err)
{
    rv_chat_message messages[2];
    size_t count = 0;
    if (memchr(prompt, '\0', length))
        return rv_fail(err, RV_ERR_USAGE, "prompt: expected no NUL byte in a chat, found one");
    char *content = rv_strndup(prompt, length);
    if (!content) return rv_fail_memory(err, length);
    if (g->params->system) messages[count++] = (rv_chat_message){"system", g->params->system};
    messages[count++] = (rv_chat_message){"user", content};
    rv_status status =
        rv_conversation_render(g->model->tokenizer, messages, count, true, out, err);
    free(content);
    return status;
}

/* The template decides about BOS, unless the user did. */
static rv_status settle_bos(generating *g, rv_error *err)
{
    const rv_model *m = g->model;
    int32_t own = rv_tokenizer_special(m->tokenizer).bos;
    bool there = g->ids.count && own >= 0 && g->ids.items[0] == own;
    g->bos_why = "the chat template";
    g->bos = there ? own : -1;
    if (m->bos_choice == RV_BOS_AUTO) return RV_OK;
    g->bos_why = m->bos_why;
    g->bos = m->bos;
    if (there) {
        memmove(g->ids.items, g->ids.items + 1, (g->ids.count - 1) * sizeof *g->ids.items);
        g->ids.count--;
    }
    if (m->bos < 0) return RV_OK;
    RV_TRY(rv_ids_push(&g->ids, m->bos, err));
    memmove(g->ids.items + 1, g->ids.items, (g->ids.count - 1) * sizeof *g->ids.items);
    g->ids.items[0] = m->bos;
    return RV_OK;
}

static rv_status encode_chat(generating *g, const char *prompt, size_t length, rv_error *err)
{
    rv_text text = {0};
    rv_status status = render(&text, g, prompt, length, err);
    if (status == RV_OK)
        status = rv_tokenizer_encode(g->model->tokenizer, text.bytes, text.length,
                                     RV_ENCODE_SPECIAL, &g->ids, err);
    rv_text_release(&text);
    return status == RV_OK ? settle_bos(g, err) : status;
}

static rv_status encode_prompt(generating *g, const char *prompt, size_t length, rv_error *err)
{
    const rv_model *m = g->model;
    rv_chat_choice chat = g->params->chat;
    g->out->chat = chat == RV_CHAT_USE ||
                   (chat == RV_CHAT_AUTO && rv_tokenizer_chat_template(m->tokenizer));
    if (g->params->system && !g->out->chat)
        return rv_fail(err, RV_ERR_USAGE,
                       "system message: expected a chat, found a model without a template, or "
                       "a chat that was declined");
    size_t first;
    g->bos = m->bos;
    g->bos_why = m->bos_why;
    RV_TRY(g->out->chat ? encode_chat(g, prompt, length, err)
                        : rv_model_encode(&g->ids, &first, m, prompt, length, err));
    g->out->prompt_tokens = g->ids.count;
    if (g->ids.count == 0)
        return rv_fail(err, RV_ERR_USAGE,
                       "prompt: expected a text where no BOS stands before it, found none");
    size_t limit = rv_walk_window(m, SIZE_MAX);
    if (g->ids.count < limit) return RV_OK;
    return rv_fail(err, RV_ERR_USAGE,
                   "prompt: expected fewer tokens than the context's %zu, found %zu", limit,
                   g->ids.count);
}

/* ---- the loop ------------------------------------------------------------------------------- */

static rv_status allocate(generating *g, rv_error *err)
{
    const rv_transformer *t = g->model->transformer;
    size_t prompt = g->ids.count, window = rv_walk_window(g->model, SIZE_MAX);
    size_t room = g->params->max_tokens < window - prompt
                      ? prompt + (size_t)g->params->max_tokens
                      : window;
    rv_pass_options options = {.rows = prompt < PIECE_ROWS ? prompt : PIECE_ROWS,
                               .sequences = 1,
                               .positions = room,
                               .threads = g->model->threads};
    RV_TRY(rv_sampler_new(&g->sampler, g->params, rv_writable_tokens(g->model), err));
    RV_TRY(RV_NEW(g->logits, t->config.vocabulary, err));
    RV_TRY(rv_prefix_new(&g->cache, t, room, err));
    return rv_pass_new(&g->pass, t, &options, err);
}

/* Runs ids [from, from + count) on what the cache holds. */
static rv_status advance(generating *g, size_t from, size_t count, rv_error *err)
{
    rv_sequence sequence = {.ids = g->ids.items + from,
                            .count = count,
                            .prefix = g->cache,
                            .shared = from,
                            .save = g->cache};
    RV_TRY(rv_pass_begin(g->pass, &sequence, 1, NULL, 0, err));
    rv_pass_forward(g->pass, g->model->transformer->config.layers);
    rv_pass_finish(g->pass);
    g->last = count - 1;
    return RV_OK;
}

static rv_status read_prompt(generating *g, rv_error *err)
{
    const rv_model *m = g->model;
    for (size_t from = 0, count, total = g->ids.count; from < total; from += count) {
        count = total - from < PIECE_ROWS ? total - from : PIECE_ROWS;
        RV_TRY(advance(g, from, count, err));
        rv_progress event = {"reading the prompt", "tokens", NULL, (double)(from + count),
                             (double)total};
        if (m->progress && !m->progress(m->progress_context, &event))
            return rv_fail(err, RV_ERR_CANCELLED,
                           "reading the prompt was cancelled after %zu of %zu tokens",
                           from + count, total);
    }
    return RV_OK;
}

/* What a token adds to the text behind the token before it. */
static rv_status put_piece(generating *g, rv_error *err)
{
    const rv_tokenizer *tok = g->model->tokenizer;
    const int32_t *last = g->ids.items + g->ids.count - 1;
    bool first = g->ids.count < 2 || rv_token_is_special(tok, last[-1]);
    rv_text before = {0}, both = {0};
    size_t start = g->text.length;
    rv_status status = RV_OK;
    if (!first) status = rv_tokenizer_decode(tok, last - 1, 1, true, &before, err);
    if (status == RV_OK)
        status = rv_tokenizer_decode(tok, last - !first, 1 + !first, true, &both, err);
    if (status == RV_OK && both.length > before.length)
        rv_text_append(&g->text, both.bytes + before.length, both.length - before.length);
    rv_text_release(&before);
    rv_text_release(&both);
    if (g->text.failed) return rv_fail_memory(err, start);
    size_t added = g->text.length - start;
    if (status == RV_OK && added && g->params->token &&
        !g->params->token(g->params->token_context, g->text.bytes + start, added))
        g->out->stopped = "cancelled";
    return status;
}

static rv_status write_text(generating *g, rv_error *err)
{
    rv_generation *out = g->out;
    size_t prompt = out->prompt_tokens;
    while (!out->stopped) {
        size_t made = g->ids.count - prompt;
        if (made == g->params->max_tokens)
            out->stopped = "length";
        else if (g->ids.count == g->cache->capacity)
            out->stopped = "context";
        if (out->stopped) break;
        rv_pass_logits(g->pass, g->logits, &g->last, 1);
        for (size_t v = 0; v < g->sampler.vocabulary; v++)
            if (!isfinite(g->logits[v]))
                return rv_fail(err, RV_ERR_NUMERIC,
                               "token %zu: expected finite logits, found %g; the weights may "
                               "be damaged",
                               g->ids.count, (double)g->logits[v]);
        int32_t id = rv_sample(&g->sampler, g->logits, (uint32_t)made);
        if (rv_model_ends(g->model, id)) {
            out->stopped = "end";
            break;
        }
        RV_TRY(rv_ids_push(&g->ids, id, err));
        RV_TRY(put_piece(g, err));
        if (!out->stopped && g->ids.count < g->cache->capacity)
            RV_TRY(advance(g, g->ids.count - 1, 1, err));
    }
    return RV_OK;
}

static rv_status hand_over(generating *g, rv_error *err)
{
    rv_generation *out = g->out;
    out->length = g->text.length;
    out->text = rv_text_take(&g->text);
    if (!out->text) return rv_fail_memory(err, out->length);
    RV_TRY(rv_tokens_make(&out->tokens, g->model->tokenizer, g->ids.items + out->prompt_tokens,
                          NULL, g->ids.count - out->prompt_tokens, g->bos, g->bos_why, err));
    return RV_OK;
}

rv_status rv_subject_generate(rv_generation *out, rv_model *m, const char *prompt,
                              size_t length, const rv_generate_params *params, rv_error *err)
{
    *out = (rv_generation){0};
    generating g = {.model = m, .params = params, .out = out};
    rv_status status;
    RV_GOTO(encode_prompt(&g, prompt, length, err));
    RV_GOTO(allocate(&g, err));
    RV_GOTO(read_prompt(&g, err));
    RV_GOTO(write_text(&g, err));
    RV_GOTO(hand_over(&g, err));
done:
    rv_pass_free(g.pass);
    rv_prefix_free(g.cache);
    rv_sampler_release(&g.sampler);
    rv_ids_release(&g.ids);
    rv_text_release(&g.text);
    free(g.logits);
    if (status != RV_OK) rv_generation_release(out);
    return status;
}

void rv_generation_release(rv_generation *generation)
{
    free(generation->text);
    rv_tokens_release(&generation->tokens);
    *generation = (rv_generation){0};
}
