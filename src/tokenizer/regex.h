/* Regular expressions as the reference's pre-tokenizers write them (Oniguruma, Ruby syntax,
 * Unicode), run by PCRE2. Compiled once; matching needs an rv_regex_scratch per thread.
 *
 * Letters and numbers are those of PCRE2's edition of Unicode (14 in Debian 12); the reference
 * knows some 9,400 characters more, of scripts that Unicode 15 and 16 added. */
#ifndef RV_TOKENIZER_REGEX_H
#define RV_TOKENIZER_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

typedef struct rv_regex rv_regex;
typedef struct rv_regex_scratch rv_regex_scratch;

/* The pattern goes through rv_regex_translate. RV_ERR_UNSUPPORTED for what it or PCRE2 does not know. */
rv_status rv_regex_compile(rv_regex **out, const char *pattern, size_t length, rv_error *err);
void rv_regex_free(rv_regex *regex);

rv_status rv_regex_scratch_new(rv_regex_scratch **out, rv_error *err);
void rv_regex_scratch_free(rv_regex_scratch *scratch);

/* Where the scan of one text stands; {0} at first. */
typedef struct rv_regex_cursor {
    size_t at;         /* search goes on here */
    size_t last_end;   /* of the last match */
    bool matched;      /* there was one */
    size_t start, end; /* the match that rv_regex_next found */
} rv_regex_cursor;

/* The next match in text (valid UTF-8); *found is false at the end. An empty match right after
 * another match is passed over, as in the reference. RV_ERR_UNSUPPORTED where a match takes too many
 * steps or too much memory. */
rv_status rv_regex_next(bool *found, const rv_regex *regex, rv_regex_scratch *scratch,
                        const char *text, size_t length, rv_regex_cursor *cursor,
                        rv_error *err);

#endif
