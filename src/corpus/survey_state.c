#include "corpus/survey_state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"

/* The file: head, sums, squares, high, low, then the SHA-256 of all that. In the order of this machine's bytes, for
 * the numbers are those of its kernels. */
typedef struct head {
    char magic[8], kernels[16], question[RV_HASH_HEX - 1];
    uint64_t positions, windows;
} head;

static const char MAGIC[8] = "RVSURV1";
enum {
    DIGEST = RV_HASH_HEX - 1,
    SHARE = 20
}; /* saving takes a twentieth of the time at most */

typedef struct part {
    void *bytes;
    size_t length;
} part;

enum { PARTS = 5 };

/* The parts of the file; returns its length. */
static size_t list_parts(part out[PARTS], head *h, const rv_survey_sums *s)
{
    size_t all = s->survey->layers * s->survey->neurons, places = all * s->survey->top, sum = 0;
    const part parts[PARTS] = {{h, sizeof *h},
                               {s->sum, all * sizeof *s->sum},
                               {s->squares, all * sizeof *s->squares},
                               {s->survey->high, places * sizeof(rv_place)},
                               {s->survey->low, places * sizeof(rv_place)}};
    for (size_t i = 0; i < PARTS; i++) out[i] = parts[i], sum += parts[i].length;
    return sum + DIGEST;
}

static rv_status digest_of(char out[RV_HASH_HEX], const void *bytes, size_t length,
                           rv_error *err)
{
    rv_hash *hash;
    RV_TRY(rv_hash_new(&hash, RV_SHA256, err));
    rv_hash_add(hash, bytes, length);
    rv_hash_finish(hash, out);
    rv_hash_free(hash);
    return RV_OK;
}

bool rv_survey_state_due(const rv_survey_state *s)
{
    double since = rv_seconds() - s->saved;
    return s->path && since >= s->every && since >= SHARE * s->cost;
}

static rv_status write_state(const rv_survey_state *s, const rv_survey_sums *sums,
                             rv_error *err)
{
    head h = {.positions = sums->survey->positions, .windows = sums->windows};
    part parts[PARTS];
    size_t length = list_parts(parts, &h, sums), at = 0;
    char digest[RV_HASH_HEX], *bytes;
    memcpy(h.magic, MAGIC, sizeof h.magic);
    memcpy(h.question, s->question, sizeof h.question);
    snprintf(h.kernels, sizeof h.kernels, "%s", s->kernels);
    RV_TRY(RV_NEW(bytes, length, err));
    for (size_t i = 0; i < PARTS; at += parts[i++].length)
        memcpy(bytes + at, parts[i].bytes, parts[i].length);
    rv_status status = digest_of(digest, bytes, at, err);
    memcpy(bytes + at, digest, DIGEST);
    if (status == RV_OK) status = rv_write_file(s->path, bytes, length, err);
    free(bytes);
    return status;
}

rv_status rv_survey_state_save(rv_survey_state *s, const rv_survey_sums *sums, rv_error *err)
{
    double began = rv_seconds();
    rv_status status =
        rv_corpus_is_still(s->identity, s->corpus)
            ? write_state(s, sums, err)
            : rv_fail(err, RV_ERR_USAGE, "the corpus was changed while it was read");
    s->saved = rv_seconds();
    s->cost = s->saved - began;
    return status;
}

static rv_status check_head(const rv_survey_state *s, const head *h, rv_error *err)
{
    if (memcmp(h->question, s->question, sizeof h->question) == 0) return RV_OK;
    if (strncmp(h->kernels, s->kernels, sizeof h->kernels) != 0)
        return rv_fail(err, RV_ERR_USAGE,
                       "%s: this survey began with the kernels \"%.16s\" and would go on with "
                       "\"%s\"; give --kernels %.16s, or --force to begin anew",
                       s->path, h->kernels, s->kernels, h->kernels);
    return rv_fail(
        err, RV_ERR_USAGE,
        "%s: kept of an interrupted survey of another model or corpus, or with other "
        "options; repeat that command, name another output, or --force to begin "
        "anew",
        s->path);
}

static bool places_fit(const rv_place *places, size_t count, size_t files)
{
    for (size_t i = 0; i < count; i++)
        if (isnan(places[i].f) || (isfinite(places[i].f) && places[i].file >= files))
            return false;
    return true;
}

static rv_status take(bool *found, const rv_survey_state *s, rv_survey_sums *sums,
                      const rv_mapping *file, rv_error *err)
{
    head h;
    part parts[PARTS];
    char digest[RV_HASH_HEX];
    size_t length = list_parts(parts, &h, sums), at = sizeof h;
    if (file->length < sizeof h || memcmp(file->bytes, MAGIC, sizeof MAGIC) != 0)
        return s->force || file->length == 0
                   ? RV_OK
                   : rv_fail(err, RV_ERR_USAGE,
                             "%s: expected the state of an interrupted survey, found another "
                             "file; name another output",
                             s->path);
    memcpy(&h, file->bytes, sizeof h);
    rv_status status = check_head(s, &h, err);
    if (status != RV_OK) return s->force ? RV_OK : status;
    if (file->length != length) return RV_OK;
    RV_TRY(digest_of(digest, file->bytes, length - DIGEST, err));
    if (memcmp(digest, file->bytes + length - DIGEST, DIGEST) != 0) return RV_OK;
    size_t places = parts[3].length / sizeof(rv_place),
           high = length - DIGEST - 2 * parts[3].length;
    if (!places_fit((const rv_place *)(file->bytes + high), 2 * places, s->corpus->file_count))
        return RV_OK;
    for (size_t i = 1; i < PARTS; at += parts[i++].length)
        memcpy(parts[i].bytes, file->bytes + at, parts[i].length);
    sums->survey->positions = h.positions;
    sums->windows = h.windows;
    *found = true;
    return RV_OK;
}

rv_status rv_survey_state_load(bool *found, const rv_survey_state *s, rv_survey_sums *sums,
                               rv_error *err)
{
    rv_mapping file;
    *found = false;
    if (!s->path || !rv_file_exists(s->path)) return RV_OK;
    RV_TRY(rv_map_file(&file, s->path, err));
    rv_status status = take(found, s, sums, &file, err);
    rv_unmap(&file);
    return status;
}

void rv_survey_state_remove(const rv_survey_state *s)
{
    if (s->path) unlink(s->path);
}
