#include "tokenizer/bpe.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "tokenizer/unicode.h"

enum { SHORT_WORD = 24 }; // up to here a scan over all pairs beats a heap

static size_t merge_slot(const rv_bpe *bpe, int32_t left, int32_t right)
{
    uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    key *= 0x9E3779B97F4A7C15u;
    size_t mask = bpe->slot_count - 1;
    for (size_t i = (key ^ key >> 32) & mask;; i = (i + 1) & mask) {
        const rv_merge *m = &bpe->merges[i];
        if (m->left < 0 || (m->left == left && m->right == right)) return i;
    }
}

static rv_status grow_merges(rv_bpe *bpe, rv_error *err)
{
    size_t old_count = bpe->slot_count, count = old_count ? old_count * 2 : 1024;
    rv_merge *old = bpe->merges, *merges;
    RV_TRY(RV_NEW(merges, count, err));
    for (size_t i = 0; i < count; i++) merges[i].left = -1;
    bpe->merges = merges;
    bpe->slot_count = count;
    for (size_t i = 0; i < old_count; i++)
        if (old[i].left >= 0) merges[merge_slot(bpe, old[i].left, old[i].right)] = old[i];
    free(old);
    return RV_OK;
}

void rv_bpe_index(rv_bpe *bpe, const rv_vocabulary *vocabulary)
{
    for (unsigned c = 0; c < RV_DIRECT_CHARS; c++) {
        char bytes[4];
        bpe->char_ids[c] = rv_vocabulary_find(vocabulary, bytes, rv_utf8_encode(c, bytes));
    }
    for (int i = 0; i < 256; i++) bpe->byte_ids[i] = -1;
    for (size_t id = 0; id < vocabulary->size; id++) {
        size_t length;
        const char *piece = rv_vocabulary_piece(vocabulary, (int64_t)id, &length);
        if (!piece) continue;
        int byte = rv_byte_piece(piece, length);
        if (byte >= 0 && bpe->byte_ids[byte] < 0) bpe->byte_ids[byte] = (int32_t)id;
        for (size_t i = 1; i < length; i++)
            if (piece[i] == ' ' ||
                (length - i >= 3 && memcmp(piece + i, "\xE2\x96\x81", 3) == 0))
                bpe->joined[(unsigned char)piece[i - 1]] = true;
    }
}

rv_status rv_bpe_add_merge(rv_bpe *bpe, const rv_vocabulary *vocabulary, const char *left,
                           size_t left_length, const char *right, size_t right_length,
                           rv_error *err)
{
    size_t skip = bpe->prefix ? strlen(bpe->prefix) : 0;
    if (skip > right_length) skip = right_length;
    rv_text both = {0};
    rv_text_append(&both, left, left_length);
    rv_text_append(&both, right + skip, right_length - skip);
    if (both.failed) return rv_fail_memory(err, left_length + right_length);
    rv_merge merge = {
        .left = rv_vocabulary_find(vocabulary, left, left_length),
        .right = rv_vocabulary_find(vocabulary, right, right_length),
        .id = rv_vocabulary_find(vocabulary, both.bytes, both.length),
        .rank = (uint32_t)bpe->merge_count,
    };
    rv_text_release(&both);
    if (merge.left < 0 || merge.right < 0 || merge.id < 0)
        return rv_fail(err, RV_ERR_FORMAT,
                       "merge %zu (\"%.*s\" \"%.*s\"): %s is not in the vocabulary",
                       bpe->merge_count, (int)left_length, left, (int)right_length, right,
                       merge.left < 0    ? "the first part"
                       : merge.right < 0 ? "the second part"
                                         : "the two together");
    if (bpe->merge_count >= UINT32_MAX)
        return rv_fail(err, RV_ERR_FORMAT, "merges: more than %u", UINT32_MAX);
    if (2 * (bpe->merge_count + 1) > bpe->slot_count) RV_TRY(grow_merges(bpe, err));
    bpe->merges[merge_slot(bpe, merge.left, merge.right)] = merge;
    bpe->merge_count++;
    return RV_OK;
}

/* Unsigned numbers in the opposite order of the scores. */
static uint32_t order_of(float score)
{
    uint32_t bits;
    score += 0.0f; // -0 is 0
    memcpy(&bits, &score, sizeof bits);
    return bits >> 31 ? bits : ~(bits | 0x80000000u);
}

rv_status rv_bpe_set_scores(rv_bpe *bpe, const float *scores, size_t count, rv_error *err)
{
    RV_TRY(RV_NEW(bpe->order, count, err));
    bpe->order_count = count;
    for (size_t i = 0; i < count; i++) {
        if (isnan(scores[i]))
            return rv_fail(err, RV_ERR_FORMAT,
                           "score of token %zu: expected a number, found NaN", i);
        bpe->order[i] = order_of(scores[i]);
    }
    return RV_OK;
}

void rv_bpe_release(rv_bpe *bpe)
{
    free(bpe->merges);
    free(bpe->order);
    free(bpe->prefix);
    free(bpe->suffix);
    *bpe = (rv_bpe){0};
}

void rv_bpe_work_release(rv_bpe_work *work)
{
    free(work->symbols);
    free(work->heap);
    *work = (rv_bpe_work){0};
}

/* ---- one word --------------------------------------------------------------------------- */

typedef struct encoder {
    const rv_bpe *bpe;
    const rv_vocabulary *vocabulary;
    rv_bpe_work *work;
    const char *word;
    size_t length;
    rv_ids *ids;
    uint32_t unknown_start,
        unknown_length; /* an unknown piece that may yet grow; length 0: none */
} encoder;

static rv_status push_symbol(encoder *e, int32_t id, size_t start, size_t length, rv_error *err)
{
    rv_bpe_work *w = e->work;
    RV_TRY(rv_grow((void **)&w->symbols, &w->symbols_capacity, w->count + 1, sizeof *w->symbols,
                   err));
    int32_t index = (int32_t)w->count++;
    if (index > 0) w->symbols[index - 1].next = index;
    w->symbols[index] = (rv_symbol){id, index - 1, -1, (uint32_t)start, (uint32_t)length};
    return RV_OK;
}

static rv_status push_unknown(encoder *e, rv_error *err)
{
    if (!e->unknown_length) return RV_OK;
    uint32_t length = e->unknown_length;
    e->unknown_length = 0;
    return push_symbol(e, e->bpe->unknown, e->unknown_start, length, err);
}

/* A character that is no piece: its bytes, or the unknown piece, or nothing. As in the
 * reference, bytes do not push out an unknown piece that waits. */
static rv_status push_fallback(encoder *e, const char *text, size_t length, size_t start,
                               rv_error *err)
{
    bool bytes = e->bpe->byte_fallback;
    for (size_t i = 0; bytes && i < length; i++)
        bytes = e->bpe->byte_ids[(unsigned char)text[i]] >= 0;
    for (size_t i = 0; bytes && i < length; i++)
        RV_TRY(push_symbol(e, e->bpe->byte_ids[(unsigned char)text[i]], start, 1, err));
    if (bytes || e->bpe->unknown < 0) return RV_OK;
    if (e->unknown_length && e->bpe->fuse_unknown) {
        e->unknown_length += (uint32_t)length;
        return RV_OK;
    }
    RV_TRY(push_unknown(e, err));
    e->unknown_start = (uint32_t)start;
    e->unknown_length = (uint32_t)length;
    return RV_OK;
}

static rv_status push_char(encoder *e, size_t start, size_t n, unsigned c, rv_error *err)
{
    const rv_bpe *bpe = e->bpe;
    const char *text = e->word + start;
    bool prefixed = bpe->prefix && start > 0, suffixed = bpe->suffix && start + n == e->length;
    if (!prefixed && !suffixed) {
        int32_t id =
            c < RV_DIRECT_CHARS ? bpe->char_ids[c] : rv_vocabulary_find(e->vocabulary, text, n);
        if (id < 0 && !bpe->order) return push_fallback(e, text, n, start, err);
        RV_TRY(push_unknown(e, err));
        return push_symbol(e, id, start, n, err);
    }
    rv_text piece = {0};
    if (prefixed) rv_text_puts(&piece, bpe->prefix);
    rv_text_append(&piece, text, n);
    if (suffixed) rv_text_puts(&piece, bpe->suffix);
    rv_status status = RV_OK;
    if (piece.failed) {
        status = rv_fail_memory(err, n);
    } else {
        int32_t id = rv_vocabulary_find(e->vocabulary, piece.bytes, piece.length);
        if (id < 0) {
            status = push_fallback(e, piece.bytes, piece.length, start, err);
        } else {
            status = push_unknown(e, err);
            if (status == RV_OK) status = push_symbol(e, id, start, n, err);
        }
    }
    rv_text_release(&piece);
    return status;
}

/* Whether the symbols at `left` and right of it may merge. */
static bool find_merge(const encoder *e, int32_t left, rv_candidate *out)
{
    const rv_symbol *a = &e->work->symbols[left];
    if (a->next < 0) return false;
    const rv_symbol *b = &e->work->symbols[a->next];
    out->position = (uint32_t)left;
    out->length = a->length + b->length;
    if (e->bpe->order) {
        out->id = rv_vocabulary_find(e->vocabulary, e->word + a->start, out->length);
        if (out->id < 0) return false;
        out->rank = e->bpe->order[out->id];
        return true;
    }
    if (!e->bpe->slot_count || a->id < 0 || b->id < 0) return false;
    const rv_merge *merge = &e->bpe->merges[merge_slot(e->bpe, a->id, b->id)];
    if (merge->left < 0) return false;
    out->id = merge->id;
    out->rank = merge->rank;
    return true;
}

static void apply_merge(encoder *e, const rv_candidate *candidate)
{
    rv_symbol *symbols = e->work->symbols, *a = &symbols[candidate->position];
    rv_symbol *b = &symbols[a->next];
    a->id = candidate->id;
    a->length = candidate->length;
    a->next = b->next;
    b->length = 0;
    if (a->next >= 0) symbols[a->next].previous = (int32_t)candidate->position;
}

static void merge_short(encoder *e)
{
    rv_candidate pairs[SHORT_WORD]; // by left symbol; length 0: no merge
    size_t n = e->work->count;
    for (size_t i = 0; i < n; i++)
        if (!find_merge(e, (int32_t)i, &pairs[i])) pairs[i].length = 0;
    for (;;) {
        size_t best = n;
        for (size_t i = 0; i < n; i++)
            if (pairs[i].length && (best == n || pairs[i].rank < pairs[best].rank)) best = i;
        if (best == n) return;
        int32_t right = e->work->symbols[best].next, left = e->work->symbols[best].previous;
        apply_merge(e, &pairs[best]);
        pairs[right].length = 0;
        if (!find_merge(e, (int32_t)best, &pairs[best])) pairs[best].length = 0;
        if (left >= 0 && !find_merge(e, left, &pairs[left])) pairs[left].length = 0;
    }
}

static bool before(const rv_candidate *a, const rv_candidate *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->position < b->position;
}

static rv_status heap_push(rv_bpe_work *w, const rv_candidate *candidate, rv_error *err)
{
    RV_TRY(
        rv_grow((void **)&w->heap, &w->heap_capacity, w->heap_count + 1, sizeof *w->heap, err));
    size_t i = w->heap_count++;
    for (; i > 0 && before(candidate, &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = *candidate;
    return RV_OK;
}

static rv_candidate heap_pop(rv_bpe_work *w)
{
    rv_candidate top = w->heap[0], last = w->heap[--w->heap_count];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= w->heap_count) break;
        if (child + 1 < w->heap_count && before(&w->heap[child + 1], &w->heap[child])) child++;
        if (!before(&w->heap[child], &last)) break;
        w->heap[i] = w->heap[child];
        i = child;
    }
    w->heap[i] = last;
    return top;
}

static rv_status push_pair(encoder *e, int32_t left, rv_error *err)
{
    rv_candidate candidate;
    if (left < 0 || !find_merge(e, left, &candidate)) return RV_OK;
    return heap_push(e->work, &candidate, err);
}

static rv_status merge_long(encoder *e, rv_error *err)
{
    rv_bpe_work *w = e->work;
    w->heap_count = 0;
    for (size_t i = 0; i < w->count; i++) RV_TRY(push_pair(e, (int32_t)i, err));
    while (w->heap_count) {
        rv_candidate best = heap_pop(w);
        const rv_symbol *a = &w->symbols[best.position];
        // A symbol only ever grows, so that the length tells whether both are still the same.
        if (!a->length || a->next < 0 || a->length + w->symbols[a->next].length != best.length)
            continue;
        apply_merge(e, &best);
        RV_TRY(push_pair(e, (int32_t)best.position, err));
        RV_TRY(push_pair(e, w->symbols[best.position].previous, err));
    }
    return RV_OK;
}

/* Models with scores meet unknown characters only after merging. */
static rv_status put_ids(encoder *e, rv_error *err)
{
    const rv_bpe *bpe = e->bpe;
    for (int32_t i = 0; i >= 0; i = e->work->symbols[i].next) {
        const rv_symbol *s = &e->work->symbols[i];
        if (s->id >= 0) {
            RV_TRY(rv_ids_push(e->ids, s->id, err));
            continue;
        }
        bool bytes = bpe->byte_fallback;
        for (size_t k = 0; bytes && k < s->length; k++)
            bytes = bpe->byte_ids[(unsigned char)e->word[s->start + k]] >= 0;
        for (size_t k = 0; bytes && k < s->length; k++)
            RV_TRY(
                rv_ids_push(e->ids, bpe->byte_ids[(unsigned char)e->word[s->start + k]], err));
        bool repeated =
            bpe->fuse_unknown && s->previous >= 0 && e->work->symbols[s->previous].id < 0;
        if (!bytes && bpe->unknown >= 0 && !repeated)
            RV_TRY(rv_ids_push(e->ids, bpe->unknown, err));
    }
    return RV_OK;
}

static rv_status merge_and_put(encoder *e, rv_error *err)
{
    if (e->work->count == 0) return RV_OK;
    if (e->work->count <= SHORT_WORD)
        merge_short(e);
    else
        RV_TRY(merge_long(e, err));
    RV_TRY(put_ids(e, err));
    e->work->count = 0;
    return RV_OK;
}

rv_status rv_bpe_encode(const rv_bpe *bpe, const rv_vocabulary *vocabulary, rv_bpe_work *work,
                        const char *word, size_t length, rv_ids *ids, rv_error *err)
{
    if (bpe->ignore_merges) {
        int32_t id = rv_vocabulary_find(vocabulary, word, length);
        if (id >= 0) return rv_ids_push(ids, id, err);
    }
    encoder e = {bpe, vocabulary, work, word, length, ids, 0, 0};
    work->count = 0;
    for (size_t i = 0, n; i < length; i += n) {
        unsigned c = rv_char_at(word + i, &n);
        // No piece reaches across this place, so that what is left of it can be finished. It
        // makes short work of models that take a whole text for one word.
        if ((c == 0x2581 || c == ' ') && i > 0 && !bpe->joined[(unsigned char)word[i - 1]] &&
            !e.unknown_length)
            RV_TRY(merge_and_put(&e, err));
        RV_TRY(push_char(&e, i, n, c, err));
    }
    RV_TRY(push_unknown(&e, err));
    return merge_and_put(&e, err);
}
