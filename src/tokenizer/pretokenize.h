/* Pre-tokenizers: how a text is cut into the words that BPE then works on. A list of steps;
 * every step cuts or rewrites each piece that the step before it left. */
#ifndef RV_TOKENIZER_PRETOKENIZE_H
#define RV_TOKENIZER_PRETOKENIZE_H

#include "base/text.h"
#include "tokenizer/regex.h"

/* What becomes of the matches of a splitting step. Names as in tokenizer.json. */
typedef enum rv_split_behavior {
    RV_SPLIT_REMOVED,
    RV_SPLIT_ISOLATED,
    RV_SPLIT_MERGED_WITH_PREVIOUS,
    RV_SPLIT_MERGED_WITH_NEXT,
    RV_SPLIT_CONTIGUOUS
} rv_split_behavior;

typedef enum rv_pretokenize_kind {
    RV_PRETOKENIZE_REGEX,       /* split at matches of regex (or between them: invert) */
    RV_PRETOKENIZE_LITERAL,     /* split at content */
    RV_PRETOKENIZE_CLASS,       /* split at each character of a class */
    RV_PRETOKENIZE_SPACE_FIRST, /* put a space before a piece that does not begin with one */
    RV_PRETOKENIZE_METASPACE,   /* spaces become content; see `prepend` */
    RV_PRETOKENIZE_BYTES        /* each byte becomes its character in GPT-2's alphabet */
} rv_pretokenize_kind;

typedef enum rv_prepend_scheme {
    RV_PREPEND_NEVER,
    RV_PREPEND_FIRST,
    RV_PREPEND_ALWAYS
} rv_prepend_scheme;

typedef struct rv_pretokenize_step {
    rv_pretokenize_kind kind;
    rv_split_behavior behavior;
    bool invert;
    rv_prepend_scheme prepend; /* RV_PRETOKENIZE_METASPACE */
    bool (*in_class)(unsigned c);
    rv_regex *regex;
    rv_text content;
} rv_pretokenize_step;

typedef struct rv_pretokenizer {
    rv_pretokenize_step *steps;
    size_t count, capacity;
} rv_pretokenizer;

rv_status rv_pretokenizer_add(rv_pretokenize_step **out, rv_pretokenizer *pretokenizer,
                              rv_pretokenize_kind kind, rv_error *err);

/* A step that splits at a regular expression. */
rv_status rv_pretokenizer_add_regex(rv_pretokenizer *pretokenizer, const char *pattern,
                                    size_t length, rv_split_behavior behavior, bool invert,
                                    rv_error *err);
void rv_pretokenizer_release(rv_pretokenizer *pretokenizer);

extern const char rv_gpt2_pattern[]; /* what ByteLevel splits by */
#define RV_QWEN2_PATTERN                                                \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}" \
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

typedef rv_status (*rv_word_fn)(void *context, const char *word, size_t length, rv_error *err);

/* The buffers of one run; {0} at first, may be used again for the next text. */
typedef struct rv_pretokenize_work {
    rv_text *texts; /* one for each step */
    size_t count;
    rv_regex_scratch *scratch;
} rv_pretokenize_work;

rv_status rv_pretokenize_work_init(rv_pretokenize_work *work,
                                   const rv_pretokenizer *pretokenizer, rv_error *err);
void rv_pretokenize_work_release(rv_pretokenize_work *work);

/* Calls `word` for every word of text, in order. `first`: the text begins where the whole input
 * begins (Metaspace asks). */
rv_status rv_pretokenize(const rv_pretokenizer *pretokenizer, rv_pretokenize_work *work,
                         const char *text, size_t length, bool first, rv_word_fn word,
                         void *context, rv_error *err);

#endif
