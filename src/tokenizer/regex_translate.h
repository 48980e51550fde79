/* Oniguruma's regular expressions (ONIG_SYNTAX_ONIGURUMA, what the tokenizers library compiles
 * patterns with) written as PCRE2's. What differs is rewritten:
 *
 *     [\p{L}&&[^\p{Han}]]   (?:(?=[\p{L}])[^\p{sc:Han}])    intersections, sets in sets
 *     \p{N}{1,3}+           (?:\p{N}{1,3})+                 a plus behind an interval repeats it
 *     a(?i)b|c              a(?i:b|c)                       an option lasts to the group's end
 *     \h \w \s \b \p{Punct} what Oniguruma means by them
 *
 * Refused by name, with RV_ERR_UNSUPPORTED: absent operators, callouts, conditions, text segments,
 * options of ASCII classes, properties that PCRE2 does not know. */
#ifndef RV_TOKENIZER_REGEX_TRANSLATE_H
#define RV_TOKENIZER_REGEX_TRANSLATE_H

#include "base/error.h"
#include "base/text.h"

/* Appends the pattern for PCRE2 with UTF, UCP and MULTILINE. */
rv_status rv_regex_translate(rv_text *out, const char *pattern, size_t length, rv_error *err);

/* Inside brackets: letters, marks, digits, connectors; Unicode's property Alphabetic is among
 * them. */
#define RV_REGEX_LETTERS                                                        \
    "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{24B6}-\\x{24E9}\\x{1F130}-\\x{1F149}" \
    "\\x{1F150}-\\x{1F169}\\x{1F170}-\\x{1F189}"

#endif
