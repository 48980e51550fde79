#include "dream/emit.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"

rv_status rv_emit_lines(rv_dreaming *d, size_t before, rv_error *err)
{
    if (d->lines.failed) return rv_fail_memory(err, d->lines.length);
    if (d->output.writer)
        rv_text_append(rv_record_writer_batch(d->output.writer), d->lines.bytes + before,
                       d->lines.length - before);
    return RV_OK;
}

rv_status rv_emit_commit(rv_dreaming *d, rv_error *err)
{
    return d->output.writer ? rv_record_writer_commit(d->output.writer, err) : RV_OK;
}

rv_string rv_emit_token(const rv_dreaming *d, int32_t id)
{
    return rv_token_text(d->model, id);
}

rv_status rv_emit_text(rv_string *out, rv_arena *arena, const rv_dreaming *d,
                       const rv_candidate *c, rv_error *err)
{
    rv_text text = {0};
    RV_TRY(rv_tokenizer_decode(d->model->tokenizer, c->ids, c->length, false, &text, err));
    char *bytes = rv_arena_alloc(arena, text.length + 1, 1);
    if (bytes && text.length) memcpy(bytes, text.bytes, text.length);
    *out = (rv_string){bytes, text.length};
    rv_text_release(&text);
    return bytes ? RV_OK : rv_fail_memory(err, out->length);
}

double rv_emit_normalised(const rv_dreaming *d, double f)
{
    return (double)d->target.sign * (f - d->stats->mean) / d->stats->deviation;
}

size_t rv_emit_headline(const rv_point *points, const double *per_byte, size_t n,
                        const rv_dreaming *d)
{
    double strongest = -INFINITY;
    for (size_t i = 0; i < d->window_count; i++) strongest = fmax(strongest, d->windows[i].g);
    return rv_choose_headline_by_byte(points, per_byte, n, d->fluency_50, d->byte_fluency_50,
                                      strongest);
}
