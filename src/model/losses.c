/* Unembedding: losses without ever storing the logits, and logits where they are asked for. */
#include <string.h>

#include "base/assert.h"
#include "model/pass_internal.h"
#include "model/unembed.h"

/* log-sum-exp of the rows whose next token is scored here, or may be scored by a continuation. */
static void fill_lse(rv_pass *p)
{
    const rv_config *c = &p->model->config;
    size_t C = c->width, count = 0;
    for (size_t s = 0; s < p->sequence_count; s++) {
        rv_row_span span = p->spans[s];
        const rv_sequence *q = &p->sequences[s];
        size_t needed = span.count - (q->save == NULL && span.count == q->count);
        for (size_t i = 0; i < needed; i++) {
            p->labels[count] = q->ids && i + 1 < q->count ? q->ids[i + 1] : -1;
            p->index[count++] = span.row + i;
        }
    }
    for (size_t i = 0; i < count; i++)
        memcpy(p->gathered + i * C, p->hidden + p->index[i] * C, C * sizeof *p->hidden);
    const rv_kernels *k = p->model->kernels;
    if (count)
        (p->options.narrow ? k->logsumexp_forward_narrow : k->logsumexp_forward)(
            p->weights, p->label_logit, p->gathered, C, p->labels, p->model->head, count,
            c->vocabulary, (real)c->logit_softcap, p->options.threads);
    for (size_t i = 0; i < count; i++) p->lse[p->index[i]] = p->weights[i];
    // back to their rows, from the last on: index[i] >= i
    for (size_t i = count; i-- > 0;) p->label_logit[p->index[i]] = p->label_logit[i];
}

/* The logit of the token behind a row. Narrow ones must come from the sum they belong to, so that rounding
 * cancels; exact ones are computed alone, as rv_pass_first_loss does, so that it is the same number everywhere. */
static real next_logit(const rv_pass *p, size_t row, int32_t id)
{
    return p->options.narrow
               ? p->label_logit[row]
               : rv_unembed_one(p->model, (size_t)id, p->hidden + row * p->model->config.width);
}

/* The last shared position, which a prefix holds, predicts it. */
real rv_pass_first_loss(const rv_pass *p, const rv_sequence *q)
{
    if (q->shared == 0 || !q->ids) return 0;
    size_t i;
    const rv_prefix *owner = rv_prefix_owner(q->prefix, q->shared - 1, &i);
    return owner->lse[i] -
           rv_unembed_one(p->model, (size_t)q->ids[0], owner->hidden + i * owner->width);
}

static void save_losses(const rv_pass *p, const real *nll)
{
    size_t C = p->model->config.width;
    for (size_t s = 0; s < p->sequence_count; s++) {
        rv_prefix *save = p->sequences[s].save;
        if (!save) continue;
        size_t row = p->spans[s].row, before = rv_saved_before(&p->sequences[s]),
               count = p->sequences[s].count;
        memcpy(save->hidden + before * C, p->hidden + row * C,
               count * C * sizeof *save->hidden);
        memcpy(save->lse + before, p->lse + row, count * sizeof *save->lse);
        memcpy(save->nll + before, nll + row, count * sizeof *save->nll);
        save->complete = true;
    }
}

void rv_pass_losses(rv_pass *p, real *nll)
{
    fill_lse(p);
    for (size_t s = 0; s < p->sequence_count; s++) {
        const rv_sequence *q = &p->sequences[s];
        real *out = nll + p->spans[s].row;
        size_t row = p->spans[s].row;
        out[0] = rv_pass_first_loss(p, q);
        for (size_t i = 1; i < p->spans[s].count; i++)
            out[i] = q->ids ? p->lse[row + i - 1] - next_logit(p, row + i - 1, q->ids[i]) : 0;
    }
    save_losses(p, nll);
}

void rv_pass_next_losses(rv_pass *p, real *nll)
{
    fill_lse(p);
    for (size_t s = 0; s < p->sequence_count; s++) {
        const rv_sequence *q = &p->sequences[s];
        rv_row_span span = p->spans[s];
        for (size_t i = 0; i < span.count; i++)
            nll[span.row + i] =
                i + 1 < q->count
                    ? p->lse[span.row + i] - next_logit(p, span.row + i, q->ids[i + 1])
                    : 0;
    }
}

void rv_pass_logits(const rv_pass *p, real *logits, const size_t *rows, size_t count)
{
    const rv_config *c = &p->model->config;
    RV_ASSERT(p->finished && count <= p->options.rows);
    for (size_t i = 0; i < count; i++)
        memcpy(p->gathered + i * c->width, p->hidden + rows[i] * c->width,
               c->width * sizeof *p->hidden);
    rv_unembed(logits, p->model, p->gathered, count, p->options.threads);
}
