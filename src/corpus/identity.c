/* What a corpus is known by: the content of its files. */
#include <stdlib.h>
#include <string.h>

#include "corpus/ask.h"
#include "store/digest.h"

char *rv_corpus_name(const rv_corpus *corpus)
{
    rv_text name = {0};
    for (size_t i = 0; i < corpus->file_count; i++) {
        const char *slash = strrchr(corpus->files[i], '/');
        rv_text_printf(&name, "%s%s", i ? "+" : "", slash ? slash + 1 : corpus->files[i]);
    }
    return rv_text_take(&name);
}

static rv_status stamp_all(char **out, const rv_corpus *corpus, rv_error *err)
{
    rv_text stamps = {0};
    rv_status status = RV_OK;
    for (size_t i = 0; status == RV_OK && i < corpus->file_count; i++) {
        status = rv_file_stamp(&stamps, corpus->files[i], err);
        rv_text_putc(&stamps, '\n');
    }
    *out = rv_text_take(&stamps);
    return status == RV_OK && !*out ? rv_fail_memory(err, 256) : status;
}

rv_status rv_corpus_identify(rv_corpus_identity *out, const rv_corpus *corpus, rv_store *store,
                             rv_progress_fn progress, void *context, rv_error *err)
{
    char digest[RV_HASH_HEX];
    rv_text digests = {0};
    *out = (rv_corpus_identity){.name = rv_corpus_name(corpus)};
    rv_status status =
        out->name ? stamp_all(&out->stamps, corpus, err) : rv_fail_memory(err, 256);
    for (size_t i = 0; status == RV_OK && i < corpus->file_count; i++) {
        status = rv_file_digest(digest, store, corpus->files[i], progress, context, err);
        if (status == RV_OK) rv_text_printf(&digests, " %s", digest);
    }
    out->digests = rv_text_take(&digests);
    if (status == RV_OK && !out->digests) status = rv_fail_memory(err, 256);
    if (status != RV_OK) rv_corpus_identity_release(out);
    return status;
}

void rv_corpus_identity_release(rv_corpus_identity *identity)
{
    free(identity->digests);
    free(identity->stamps);
    free(identity->name);
    *identity = (rv_corpus_identity){0};
}

bool rv_corpus_is_still(const rv_corpus_identity *identity, const rv_corpus *corpus)
{
    char *now = NULL;
    bool still = stamp_all(&now, corpus, NULL) == RV_OK && strcmp(now, identity->stamps) == 0;
    free(now);
    return still;
}
