#include "explain/chat_local.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "explain/evidence.h"
#include "model/pass.h"
#include "subject/chat.h"
#include "subject/ends.h"

enum {
    TALKS = 2,
    ROWS = 512,
    SEQUENCES = 64,
    LOGIT_ROWS = 16,
    LEAST_ROOM = 2048,
    CANDIDATE_TOKENS = 2,
    WORTH = 64
};

/* A conversation as far as it was read. */
typedef struct memory {
    rv_prefix *cache; /* keys and values of `held`; NULL: never used */
    rv_ids held;
    uint64_t used; /* turn in which it last went on */
} memory;

typedef struct local {
    rv_model *model;
    rv_chat_encoder encoder;
    rv_pass *pass;
    size_t room;         /* positions of the pass and of each cache */
    memory talks[TALKS]; /* explaining and simulating alternate: neither is read anew */
    memory *now;
    uint64_t turns;
    real *logits; /* (LOGIT_ROWS, V) */
    rv_progress_fn progress;
    void *progress_context;
} local;

/* ---- running --------------------------------------------------------------------------------- */
static void forget(local *l)
{
    rv_pass_free(l->pass);
    for (size_t i = 0; i < TALKS; i++) {
        rv_prefix_free(l->talks[i].cache);
        l->talks[i].cache = NULL;
        l->talks[i].held.count = 0;
    }
    l->pass = NULL;
    l->room = 0;
}

/* Room for so many positions. */
static rv_status make_room(local *l, size_t positions, rv_error *err)
{
    const rv_transformer *t = l->model->transformer;
    size_t context = t->config.context, room = LEAST_ROOM;
    if (positions > context)
        return rv_fail(
            err, RV_ERR_USAGE,
            "%s: the question and its answer need %zu tokens, the model has %zu; show "
            "fewer or shorter texts",
            l->model->name, positions, context);
    if (l->room >= positions) return RV_OK;
    forget(l);
    while (room < positions) room *= 2;
    if (room > context) room = context;
    rv_pass_options options = {
        .rows = ROWS, .sequences = SEQUENCES, .positions = room, .threads = l->model->threads};
    RV_TRY(rv_pass_new(&l->pass, t, &options, err));
    l->room = room;
    return RV_OK;
}

static size_t common(const rv_ids *a, const rv_ids *b)
{
    size_t n = 0;
    while (n < a->count && n < b->count && a->items[n] == b->items[n]) n++;
    return n;
}

/* Goes on with the conversation that shares most with ids, or begins one in place of the one that was left
 * longest ago. Outputs how many tokens are shared. */
static rv_status resume(local *l, size_t *shared, const rv_ids *ids, rv_error *err)
{
    memory *best = l->talks, *oldest = l->talks;
    for (memory *t = l->talks; t < l->talks + TALKS; t++) {
        if (common(&t->held, ids) > common(&best->held, ids)) best = t;
        if (t->used < oldest->used) oldest = t;
    }
    size_t most = common(&best->held, ids);
    l->now = most >= WORTH || 2 * most >= ids->count ? best : oldest;
    l->now->used = ++l->turns;
    if (!l->now->cache)
        RV_TRY(rv_prefix_new(&l->now->cache, l->model->transformer, l->room, err));
    *shared = common(&l->now->held, ids);
    return RV_OK;
}

static rv_status run(local *l, const rv_sequence *sequences, size_t count, rv_error *err)
{
    RV_TRY(rv_pass_begin(l->pass, sequences, count, NULL, 0, err));
    rv_pass_forward(l->pass, l->model->transformer->config.layers);
    rv_pass_finish(l->pass);
    return RV_OK;
}

/* Runs ids [from, from + count) on what the cache holds, and adds them to it. */
static rv_status advance(local *l, const rv_ids *ids, size_t from, size_t count, rv_error *err)
{
    rv_sequence sequence = {.ids = ids->items + from,
                            .count = count,
                            .prefix = from ? l->now->cache : NULL,
                            .shared = from,
                            .save = l->now->cache};
    const rv_progress event = {"the local model reads", "tokens", NULL, (double)from,
                               (double)ids->count};
    if (l->progress && count > 1 && !l->progress(l->progress_context, &event))
        return rv_fail(err, RV_ERR_CANCELLED, "cancelled");
    l->now->held.count = from;
    RV_TRY(run(l, &sequence, 1, err));
    for (size_t i = 0; i < count; i++)
        RV_TRY(rv_ids_push(&l->now->held, ids->items[from + i], err));
    return RV_OK;
}

/* What turns a row's logits into log-probabilities: -log sum exp. */
static double log_base(const real *logits, size_t V)
{
    double most = -INFINITY, sum = 0;
    for (size_t v = 0; v < V; v++) most = fmax(most, (double)logits[v]);
    for (size_t v = 0; v < V; v++) sum += exp((double)logits[v] - most);
    return -most - log(sum);
}

/* ---- answering ------------------------------------------------------------------------------- */
static int32_t draw(const local *l, const rv_chat_request *request, uint32_t step)
{
    size_t V = rv_writable_tokens(l->model), best = 0;
    for (size_t v = 1; v < V; v++)
        if (l->logits[v] > l->logits[best]) best = v;
    if (!(request->temperature > 0)) return (int32_t)best;
    rv_random random = rv_random_stream(request->seed, 3, step);
    double sum = 0, most = (double)l->logits[best];
    for (size_t v = 0; v < V; v++)
        sum += exp(((double)l->logits[v] - most) / request->temperature);
    double left = rv_random_uniform(&random) * sum;
    for (size_t v = 0; v < V; v++) {
        left -= exp(((double)l->logits[v] - most) / request->temperature);
        if (left < 0) return (int32_t)v;
    }
    return (int32_t)best;
}

/* Where a model that only goes on with texts starts to ask the next question itself. */
static bool ends_answer(const local *l, rv_text *text)
{
    char *next = l->encoder.plain && text->bytes ? strstr(text->bytes, "\n###") : NULL;
    if (next) {
        *next = '\0';
        text->length = (size_t)(next - text->bytes);
    }
    return next != NULL;
}

static rv_status generate(local *l, rv_text *text, rv_ids *ids, const rv_chat_request *request,
                          size_t *made, rv_error *err)
{
    size_t prompt = ids->count, from, row = 0;
    RV_TRY(resume(l, &from, ids, err));
    if (from == ids->count) from--;
    for (size_t count; from < ids->count; from += count) {
        count = ids->count - from < ROWS ? ids->count - from : ROWS;
        RV_TRY(advance(l, ids, from, count, err));
        row = count - 1;
    }
    for (*made = 0; *made < request->max_tokens; ++*made) {
        rv_pass_logits(l->pass, l->logits, &row, 1);
        int32_t id = draw(l, request, (uint32_t)*made);
        if (!isfinite((double)l->logits[id]))
            return rv_fail(err, RV_ERR_NUMERIC, "%s: expected finite logits, found %g",
                           l->model->name, (double)l->logits[id]);
        if (rv_model_ends(l->model, id)) return RV_OK;
        RV_TRY(rv_ids_push(ids, id, err));
        text->length = 0;
        RV_TRY(rv_tokenizer_decode(l->model->tokenizer, ids->items + prompt,
                                   ids->count - prompt, true, text, err));
        if (ends_answer(l, text)) return RV_OK;
        RV_TRY(advance(l, ids, ids->count - 1, 1, err));
        row = 0;
    }
    return RV_OK;
}

static rv_status local_complete(void *self, rv_chat_answer *out, const rv_chat_request *request,
                                rv_error *err)
{
    local *l = self;
    rv_ids ids = {0};
    rv_text text = {0};
    rv_status status = RV_OK;
    RV_GOTO(rv_chat_encode(&ids, &l->encoder, request->messages, request->message_count, err));
    RV_GOTO(make_room(l, ids.count + request->max_tokens, err));
    out->prompt_tokens = ids.count;
    RV_GOTO(generate(l, &text, &ids, request, &out->answer_tokens, err));
    out->cut = out->answer_tokens == request->max_tokens;
    out->text = rv_utf8_repair(text.bytes ? text.bytes : "", text.length);
    if (!out->text) status = rv_fail_memory(err, text.length);
done:
    rv_ids_release(&ids);
    rv_text_release(&text);
    return status;
}

/* ---- probing --------------------------------------------------------------------------------- */
typedef struct probing {
    local *l;
    const rv_chat_probe *probe;
    double *logprobs;
    rv_ids ids;
    size_t *ends; /* (piece_count): index of each piece's last token */
    struct {
        int32_t ids[CANDIDATE_TOKENS];
        size_t count;
    } * candidates;
} probing;

static rv_status encode_probe(probing *p, rv_error *err)
{
    const rv_chat_probe *probe = p->probe;
    RV_TRY(rv_chat_encode(&p->ids, &p->l->encoder, probe->messages, probe->message_count, err));
    RV_TRY(RV_NEW(p->ends, probe->piece_count, err));
    for (size_t i = 0; i < probe->piece_count; i++) {
        RV_TRY(rv_chat_encode_plain(&p->ids, &p->l->encoder, probe->pieces[i], err));
        p->ends[i] = p->ids.count - 1;
    }
    RV_TRY(RV_NEW(p->candidates, probe->candidate_count, err));
    for (size_t c = 0; c < probe->candidate_count; c++) {
        rv_ids ids = {0};
        rv_status status =
            rv_chat_encode_plain(&ids, &p->l->encoder, probe->candidates[c], err);
        if (status == RV_OK && (ids.count == 0 || ids.count > CANDIDATE_TOKENS))
            status = rv_fail(err, RV_ERR_UNSUPPORTED,
                             "%s: \"%s\": expected 1 or 2 tokens, found %zu", p->l->model->name,
                             probe->candidates[c], ids.count);
        for (size_t i = 0; status == RV_OK && i < ids.count; i++)
            p->candidates[c].ids[p->candidates[c].count++] = ids.items[i];
        rv_ids_release(&ids);
        RV_TRY(status);
    }
    return RV_OK;
}

/* logprobs[i, c] += the log-probability of token t of each candidate c that has it, behind piece i, for
 * `count` pieces from `first` on whose last rows are given. */
static void read_tokens(probing *p, size_t t, size_t only, size_t first, const size_t *rows,
                        size_t count)
{
    size_t K = p->probe->candidate_count, V = p->l->model->transformer->config.vocabulary;
    for (size_t done = 0; done < count; done += LOGIT_ROWS) {
        size_t n = count - done < LOGIT_ROWS ? count - done : LOGIT_ROWS;
        rv_pass_logits(p->l->pass, p->l->logits, rows + done, n);
        for (size_t i = 0; i < n; i++) {
            const real *logits = p->l->logits + i * V;
            double base = log_base(logits, V), *out = p->logprobs + (first + done + i) * K;
            for (size_t c = 0; c < K; c++)
                if (only == K || only == c)
                    out[c] += base + (double)logits[p->candidates[c].ids[t]];
        }
    }
}

/* The candidates' first tokens behind the pieces that end in the rows just run. */
static void read_first_tokens(probing *p, size_t from, size_t count)
{
    size_t rows[ROWS], first = 0, found = 0, pieces = p->probe->piece_count;
    while (first < pieces && p->ends[first] < from) first++;
    for (; first + found < pieces && p->ends[first + found] < from + count; found++)
        rows[found] = p->ends[first + found] - from;
    read_tokens(p, 0, p->probe->candidate_count, first, rows, found);
}

/* The second token of one candidate behind all pieces, each as a branch of one row. */
static rv_status add_second_token(probing *p, size_t c, rv_error *err)
{
    size_t pieces = p->probe->piece_count, rows[SEQUENCES];
    rv_sequence branches[SEQUENCES];
    for (size_t first = 0; first < pieces; first += SEQUENCES) {
        size_t count = pieces - first < SEQUENCES ? pieces - first : SEQUENCES;
        for (size_t b = 0; b < count; b++) {
            rows[b] = b;
            branches[b] = (rv_sequence){.ids = p->candidates[c].ids,
                                        .count = 1,
                                        .prefix = p->l->now->cache,
                                        .shared = p->ends[first + b] + 1};
        }
        RV_TRY(run(p->l, branches, count, err));
        read_tokens(p, 1, c, first, rows, count);
    }
    return RV_OK;
}

/* "1" is what is left of the token 1 when "10" is taken off. */
static void separate(probing *p)
{
    size_t K = p->probe->candidate_count;
    for (size_t c = 0; c < K; c++)
        for (size_t longer = 0; longer < K; longer++) {
            if (p->candidates[c].count != 1 || p->candidates[longer].count != 2 ||
                p->candidates[longer].ids[0] != p->candidates[c].ids[0])
                continue;
            for (size_t i = 0; i < p->probe->piece_count; i++) {
                double *whole = &p->logprobs[i * K + c], part = p->logprobs[i * K + longer];
                *whole = part < *whole ? *whole + log1p(-exp(part - *whole)) : -INFINITY;
            }
        }
}

static rv_status local_probe(void *self, double *logprobs, size_t *tokens,
                             const rv_chat_probe *probe, rv_error *err)
{
    probing p = {.l = self, .probe = probe, .logprobs = logprobs};
    rv_status status = RV_OK;
    RV_GOTO(encode_probe(&p, err));
    memset(logprobs, 0, probe->piece_count * probe->candidate_count * sizeof *logprobs);
    *tokens = p.ids.count;
    RV_GOTO(make_room(p.l, p.ids.count + 1, err));
    size_t from;
    RV_GOTO(resume(p.l, &from, &p.ids, err));
    if (from > p.ends[0]) from = p.ends[0];
    for (size_t count; from < p.ids.count; from += count) {
        count = p.ids.count - from < ROWS ? p.ids.count - from : ROWS;
        RV_GOTO(advance(p.l, &p.ids, from, count, err));
        read_first_tokens(&p, from, count);
    }
    for (size_t c = 0; c < probe->candidate_count; c++)
        if (p.candidates[c].count == 2) RV_GOTO(add_second_token(&p, c, err));
    separate(&p);
done:
    rv_ids_release(&p.ids);
    free(p.ends);
    free(p.candidates);
    return status;
}

/* ---- opening --------------------------------------------------------------------------------- */
static void local_close(void *self)
{
    local *l = self;
    forget(l);
    for (size_t i = 0; i < TALKS; i++) rv_ids_release(&l->talks[i].held);
    free(l->logits);
    free(l);
}

static const rv_chat_backend local_backend = {
    .kind = "local",
    .complete = local_complete,
    .probe = local_probe,
    .close = local_close,
};

rv_status rv_chat_open_local(rv_chat **out, rv_model *model, const rv_chat_options *options,
                             rv_error *err)
{
    local *l;
    char shown[256];
    *out = NULL;
    RV_TRY(RV_NEW(l, 1, err));
    l->model = model;
    l->progress = options->progress;
    l->progress_context = options->progress_context;
    rv_status status =
        RV_NEW(l->logits, LOGIT_ROWS * model->transformer->config.vocabulary, err);
    if (status == RV_OK) status = rv_chat_encoder_init(&l->encoder, model, err);
    if (status != RV_OK) {
        local_close(l);
        return status;
    }
    snprintf(shown, sizeof shown, "%.200s%s", model->name,
             l->encoder.plain ? " (no chat template)" : "");
    return rv_chat_open(out, &local_backend, l, shown, options, err);
}
