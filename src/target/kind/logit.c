/* logit:" Paris" or logit: Paris (quotes may be left out), or logit:#1234: the logit of a token minus the best other
 * one, read off what the unembedding sees. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "model/unembed.h"
#include "target/kind/kind.h"

static const char PREFIX[] = "logit:";

typedef struct logit {
    int32_t token;
} logit;

static bool claims(const char *text)
{
    return rv_take_word(&text, PREFIX);
}

static rv_status find_token(logit *own, const rv_target *t, const char *text, size_t length,
                            const rv_tokenizer *tokenizer, rv_error *err)
{
    rv_ids ids = {0};
    rv_status status = RV_OK;
    if (tokenizer)
        status = rv_tokenizer_encode(tokenizer, text, length, RV_ENCODE_PLAIN, &ids, err);
    if (status == RV_OK && ids.count != 1)
        status = rv_fail(err, RV_ERR_USAGE,
                         "target \"%.100s\": text: expected exactly one token, found %zu",
                         t->written, ids.count);
    if (status == RV_OK) own->token = ids.items[0];
    rv_ids_release(&ids);
    return status;
}

static rv_status parse(rv_target *t, const char *text, const rv_naming *from, rv_error *err)
{
    const char *rest = text + strlen(PREFIX), *digits = rest + 1;
    size_t length = strlen(rest), id;
    logit *own;
    t->site = (rv_site){RV_SITE_UNEMBED_IN, 0};
    RV_TRY(RV_NEW(own, 1, err));
    t->own = own;
    if (rest[0] == '#' && rv_take_number(&digits, &id) && !*digits) {
        if (id >= from->config->vocabulary)
            return rv_fail_range(t, "token", from->config->vocabulary, id, err);
        own->token = (int32_t)id;
        snprintf(t->name, sizeof t->name, "logit:#%zu", id);
        return RV_OK;
    }
    if (length >= 2 && rest[0] == '"' && rest[length - 1] == '"') rest++, length -= 2;
    RV_TRY(find_token(own, t, rest, length, from->tokenizer, err));
    if ((size_t)own->token >=
        from->config->vocabulary) // the tokenizer has more entries than the head has rows
        return rv_fail_range(t, "token", from->config->vocabulary, (size_t)own->token, err);
    int needed = snprintf(t->name, sizeof t->name, "logit:\"%.*s\"", (int)length, rest);
    if ((size_t)needed >= sizeof t->name) // a token of many bytes
        snprintf(t->name, sizeof t->name, "logit:#%d", (int)own->token);
    return RV_OK;
}

static size_t numbers(const rv_target *t, const rv_config *c, size_t rows, size_t positions)
{
    (void)t, (void)positions;
    return rows * c->width;
}

/* The best token other than the target's; SIZE_MAX: there is none. */
static size_t best_other(const rv_target *t, const real *logits, size_t vocabulary)
{
    size_t best = SIZE_MAX, token = (size_t)((const logit *)t->own)->token;
    for (size_t v = 0; v < vocabulary; v++)
        if (v != token && (best == SIZE_MAX || logits[v] > logits[best])) best = v;
    return best;
}

static void values(real *out, const rv_target *t, const rv_pass *pass, const real *tapped,
                   size_t end, real *logits)
{
    (void)tapped, (void)end;
    size_t V = rv_pass_config(pass)->vocabulary;
    for (size_t r = 0; r < rv_pass_rows(pass); r++) {
        rv_pass_logits(pass, logits, &r, 1);
        size_t other = best_other(t, logits, V);
        out[r] =
            logits[((const logit *)t->own)->token] - (other == SIZE_MAX ? 0 : logits[other]);
    }
}

/* The difference of the two tokens' unembedding vectors, each times the slope of the soft cap. */
static void seed(rv_tap taps[RV_TARGET_TAPS], real *out, const rv_target *t, const rv_climb *c)
{
    const rv_transformer *m = rv_pass_model(c->pass);
    size_t C = m->config.width, row;
    (void)taps;
    for (size_t s = 0; s < c->sequences; s++) {
        if (!rv_climbed_row(c, s, &row)) continue;
        rv_pass_logits(c->pass, c->logits, &row, 1);
        const size_t tokens[] = {(size_t)((const logit *)t->own)->token,
                                 best_other(t, c->logits, m->config.vocabulary)};
        for (int k = 0; k < 2 && tokens[k] != SIZE_MAX; k++)
            rv_unembed_one_backward(out + row * C, m, tokens[k], c->logits[tokens[k]],
                                    (k == 0 ? t->sign : -t->sign) * c->weight[s]);
    }
}

const rv_target_kind rv_kind_logit = {
    .form = "logit:\" Paris\"",
    .untapped = true,
    .claims = claims,
    .parse = parse,
    .numbers = numbers,
    .values = values,
    .seed = seed,
};
