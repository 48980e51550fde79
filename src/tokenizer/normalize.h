/* Normalizers: what is done to the text before it is cut into words. A list of steps, each of
 * which rewrites the whole text. */
#ifndef RV_TOKENIZER_NORMALIZE_H
#define RV_TOKENIZER_NORMALIZE_H

#include "base/text.h"
#include "tokenizer/regex.h"

typedef enum rv_normalize_kind {
    RV_NORMALIZE_NFC,
    RV_NORMALIZE_NFD,
    RV_NORMALIZE_NFKC,
    RV_NORMALIZE_NFKD,
    RV_NORMALIZE_LOWERCASE,
    RV_NORMALIZE_STRIP,         /* white space at the ends */
    RV_NORMALIZE_STRIP_ACCENTS, /* characters of categories M* */
    RV_NORMALIZE_PREPEND,       /* content, unless the text is empty */
    RV_NORMALIZE_REPLACE,       /* pattern (or regex) by content, everywhere */
    RV_NORMALIZE_BYTES          /* each byte by its character in GPT-2's alphabet */
} rv_normalize_kind;

typedef struct rv_normalize_step {
    rv_normalize_kind kind;
    bool left, right; /* RV_NORMALIZE_STRIP */
    rv_text pattern, content;
    rv_regex *regex;
} rv_normalize_step;

typedef struct rv_normalizer {
    rv_normalize_step *steps;
    size_t count, capacity;
} rv_normalizer;

/* A zeroed step at the end, to be filled in; it belongs to the normalizer. */
rv_status rv_normalizer_add(rv_normalize_step **out, rv_normalizer *normalizer,
                            rv_normalize_kind kind, rv_error *err);
void rv_normalizer_release(rv_normalizer *normalizer);

/* Appends the normalised text to out. text is valid UTF-8. scratch may be NULL where no step
 * has a regex. */
rv_status rv_normalize(const rv_normalizer *normalizer, rv_text *out, const char *text,
                       size_t length, rv_regex_scratch *scratch, rv_error *err);

/* Appends text with every `from` replaced by `to`, from left to right. */
void rv_replace_all(rv_text *out, const char *text, size_t length, const rv_text *from,
                    const rv_text *to);

#endif
