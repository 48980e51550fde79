#include "model/prefix.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

rv_status rv_prefix_new(rv_prefix **out, const rv_transformer *model, size_t capacity,
                        rv_error *err)
{
    *out = NULL;
    rv_prefix *p;
    RV_TRY(RV_NEW(p, 1, err));
    const rv_config *c = &model->config;
    p->capacity = capacity;
    p->layers = c->layers;
    p->key_width = c->kv_heads * c->head_size;
    p->width = c->width;
    rv_status status = RV_NEW(p->keys_values, c->layers * capacity * 2 * p->key_width, err);
    if (status == RV_OK) status = RV_NEW(p->hidden, capacity * c->width, err);
    if (status == RV_OK) status = RV_NEW(p->lse, capacity, err);
    if (status == RV_OK) status = RV_NEW(p->nll, capacity, err);
    if (status != RV_OK) {
        rv_prefix_free(p);
        return status;
    }
    *out = p;
    return RV_OK;
}

void rv_prefix_free(rv_prefix *p)
{
    if (!p) return;
    free(p->keys_values);
    free(p->hidden);
    free(p->lse);
    free(p->nll);
    free(p);
}

void rv_prefix_copy(rv_prefix *to, const rv_prefix *from)
{
    size_t pair = 2 * from->key_width, n = from->count;
    for (size_t layer = 0; layer < from->layers; layer++)
        memcpy(to->keys_values + layer * to->capacity * pair,
               from->keys_values + layer * from->capacity * pair,
               n * pair * sizeof *from->keys_values);
    memcpy(to->hidden, from->hidden, n * from->width * sizeof *from->hidden);
    memcpy(to->lse, from->lse, n * sizeof *from->lse);
    memcpy(to->nll, from->nll, n * sizeof *from->nll);
    to->parent = from->parent;
    to->first = from->first;
    to->count = n;
    to->complete = from->complete;
}

size_t rv_prefix_length(const rv_prefix *p)
{
    return p ? p->first + p->count : 0;
}

const rv_prefix *rv_prefix_owner(const rv_prefix *p, size_t position, size_t *index)
{
    while (position < p->first) p = p->parent;
    *index = position - p->first;
    return p;
}

double rv_prefix_loss(const rv_prefix *p, size_t from, size_t to)
{
    double sum = 0;
    for (size_t position = from; position < to; position++) {
        size_t i;
        const rv_prefix *owner = rv_prefix_owner(p, position, &i);
        sum += (double)owner->nll[i];
    }
    return sum;
}
