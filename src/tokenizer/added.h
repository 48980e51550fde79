/* Added tokens: found in the text as they stand, before anything else happens to it. */
#ifndef RV_TOKENIZER_ADDED_H
#define RV_TOKENIZER_ADDED_H

#include "base/text.h"
#include "tokenizer/normalize.h"
#include "tokenizer/vocabulary.h"

typedef struct rv_added_token {
    int32_t id;
    char *content;
    size_t length;
    bool special;
    bool single_word;    /* only where no word character touches it */
    bool lstrip, rstrip; /* takes the white space on that side with it */
    bool normalized;     /* is sought, normalised, in the normalised text */
    bool shadows;   /* its id is another piece's too: both are encoded, this one is decoded */
    rv_text normal; /* then: its content, normalised, which it also decodes to */
} rv_added_token;

/* A trie over bytes; children of a node are a list of siblings. */
typedef struct rv_trie_node {
    uint32_t child, sibling; /* 0: none */
    int32_t token;           /* index of an added token that ends here; -1: none */
    unsigned char byte;
} rv_trie_node;

typedef struct rv_trie {
    rv_trie_node *nodes; /* nodes[0] is the root */
    size_t count, capacity;
    uint32_t first[256]; /* the root's child for each byte */
} rv_trie;

typedef struct rv_added {
    rv_added_token *tokens;
    size_t count, capacity;
    rv_vocabulary index; /* content to place in tokens */
    int32_t last_id;     /* the largest; 0 where there are none */
    rv_trie raw, normalized;
} rv_added;

/* Copies the content. A content that is there already gets the new flags and keeps its id. */
rv_status rv_added_push(rv_added *added, const rv_added_token *token, rv_error *err);

/* Call once after the last push. Special tokens win over others of the same spelling, then the
 * earlier one wins. */
rv_status rv_added_build(rv_added *added, const rv_normalizer *normalizer, rv_error *err);
void rv_added_release(rv_added *added);

/* By content; NULL where there is none. */
const rv_added_token *rv_added_find(const rv_added *added, const char *content, size_t length);

typedef struct rv_added_match {
    const rv_added_token *token; /* NULL: none was found; start and end are then the length */
    size_t start, end;           /* with the white space that it takes */
    size_t resume;               /* where the search goes on */
} rv_added_match;

/* The first match at or after `from`, the longest of those that begin there. It takes no white
 * space before `taken`, the end of the last match. skip_special: a special token in the text is
 * passed over as plain text. */
rv_added_match rv_added_next(const rv_added *added, const rv_trie *trie, const char *text,
                             size_t length, size_t from, size_t taken, bool skip_special);

#endif
