/* How likely a text is. */
#include <math.h>
#include <stdlib.h>

#include "subject/walk.h"
#include "subject/tokens.h"
#include "base/memory.h"

typedef struct scoring {
    real *nll;      /* (rows of a piece) */
    double *losses; /* (tokens, BOS included) */
} scoring;

static rv_status take_losses(void *context, const rv_piece *piece, rv_error *err)
{
    scoring *s = context;
    rv_pass_losses(piece->pass, s->nll);
    for (size_t i = 0; i < piece->count; i++) {
        real loss = s->nll[piece->lead + i];
        if (!isfinite(loss))
            return rv_fail(err, RV_ERR_NUMERIC,
                           "token %zu: expected a finite loss, found %g; the weights may be "
                           "damaged",
                           piece->at + i, (double)loss);
        s->losses[piece->at + i] = loss;
    }
    return RV_OK;
}

/* Bytes of the text that its first token covers. */
static rv_status first_token_bytes(size_t *bytes, const rv_tokenizer *tokenizer, int32_t id,
                                   rv_error *err)
{
    rv_text text = {0};
    rv_status status = rv_tokenizer_decode(tokenizer, &id, 1, false, &text, err);
    *bytes = text.length;
    rv_text_release(&text);
    return status;
}

/* `losses` are of the tokens without BOS. */
static rv_status sum_up(rv_score *out, const rv_model *m, const double *losses, size_t length,
                        rv_error *err)
{
    double sum = 0;
    size_t skipped = 0;
    out->scored = out->tokens.count;
    if (m->bos < 0) {
        RV_TRY(first_token_bytes(&skipped, m->tokenizer, out->tokens.items[0].id, err));
        out->tokens.items[0].value = NAN;
        out->scored--;
    }
    if (out->scored == 0)
        return rv_fail(err, RV_ERR_USAGE,
                       "text: expected at least two tokens where no BOS precedes them, found "
                       "one");
    for (size_t i = m->bos < 0; i < out->tokens.count; i++) sum += losses[i];
    out->cross_entropy = sum / (double)out->scored;
    out->perplexity = exp(out->cross_entropy);
    size_t bytes = length > skipped ? length - skipped : 1;
    out->bits_per_byte = sum / log(2) / (double)bytes;
    return RV_OK;
}

rv_status rv_model_score(rv_score *out, rv_model *m, const char *text, size_t length,
                         rv_error *err)
{
    *out = (rv_score){0};
    rv_ids ids = {0};
    scoring s = {0};
    size_t first;
    rv_status status;
    RV_GOTO(rv_model_encode(&ids, &first, m, text, length, err));
    if (ids.count == first)
        RV_GOTO(rv_fail(err, RV_ERR_USAGE, "text: expected at least one token, found none"));
    rv_walk walk = {.model = m,
                    .ids = ids.items,
                    .count = ids.count,
                    .depth = m->transformer->config.layers + 1,
                    .visit = take_losses,
                    .context = &s};
    RV_GOTO(RV_NEW(s.nll, rv_walk_rows(&walk), err));
    RV_GOTO(RV_NEW(s.losses, ids.count, err));
    RV_GOTO(rv_walk_text(&walk, err));
    RV_GOTO(rv_tokens_make(&out->tokens, m->tokenizer, ids.items + first, s.losses + first,
                           ids.count - first, m->bos, m->bos_why, err));
    RV_GOTO(sum_up(out, m, s.losses + first, length, err));
done:
    rv_ids_release(&ids);
    free(s.nll);
    free(s.losses);
    if (status != RV_OK) rv_score_release(out);
    return status;
}

void rv_score_release(rv_score *score)
{
    rv_tokens_release(&score->tokens);
    *score = (rv_score){0};
}
