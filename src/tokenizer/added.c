#include "tokenizer/added.h"

#include <string.h>

#include "base/memory.h"
#include "tokenizer/unicode.h"

enum { LIMIT_CONTENT = 1024 }; // bounds the work at each position of a text

rv_status rv_added_push(rv_added *added, const rv_added_token *token, rv_error *err)
{
    if (token->length == 0 || token->length > LIMIT_CONTENT)
        return rv_fail(err, RV_ERR_FORMAT,
                       "added token %d: content: expected 1 to %d bytes, found %zu", token->id,
                       LIMIT_CONTENT, token->length);
    int32_t place = rv_vocabulary_find(&added->index, token->content, token->length);
    if (place >= 0) {
        rv_added_token *known = &added->tokens[place], old = *known;
        *known = *token;
        known->content = old.content;
        known->id = old.id;
        known->shadows = old.shadows;
        return RV_OK;
    }
    RV_TRY(rv_grow((void **)&added->tokens, &added->capacity, added->count + 1,
                   sizeof *added->tokens, err));
    RV_TRY(rv_vocabulary_add(&added->index, (int64_t)added->count, token->content,
                             token->length, err));
    char *content = rv_strndup(token->content, token->length);
    if (!content) return rv_fail_memory(err, token->length);
    added->tokens[added->count] = *token;
    added->tokens[added->count++].content = content;
    if (token->id > added->last_id) added->last_id = token->id;
    return RV_OK;
}

static uint32_t find_child(const rv_trie *trie, uint32_t node, unsigned char byte)
{
    if (node == 0) return trie->first[byte];
    uint32_t child = trie->nodes[node].child;
    while (child && trie->nodes[child].byte != byte) child = trie->nodes[child].sibling;
    return child;
}

static rv_status insert(rv_trie *trie, const char *key, size_t length, int32_t token,
                        rv_error *err)
{
    uint32_t node = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)key[i];
        uint32_t child = find_child(trie, node, byte);
        if (!child) {
            RV_TRY(rv_grow((void **)&trie->nodes, &trie->capacity, trie->count + 1,
                           sizeof *trie->nodes, err));
            child = (uint32_t)trie->count++;
            trie->nodes[child] = (rv_trie_node){0, trie->nodes[node].child, -1, byte};
            trie->nodes[node].child = child;
            if (node == 0) trie->first[byte] = child;
        }
        node = child;
    }
    if (length && trie->nodes[node].token < 0) trie->nodes[node].token = token;
    return RV_OK;
}

static rv_status start_trie(rv_trie *trie, rv_error *err)
{
    RV_TRY(rv_grow((void **)&trie->nodes, &trie->capacity, 1, sizeof *trie->nodes, err));
    trie->nodes[0] = (rv_trie_node){0, 0, -1, 0};
    trie->count = 1;
    return RV_OK;
}

static rv_status insert_tokens(rv_added *added, const rv_normalizer *normalizer, bool special,
                               rv_regex_scratch *scratch, rv_error *err)
{
    for (size_t i = 0; i < added->count; i++) {
        rv_added_token *token = &added->tokens[i];
        if (token->special != special) continue;
        if (!token->normalized) {
            RV_TRY(insert(&added->raw, token->content, token->length, (int32_t)i, err));
            continue;
        }
        RV_TRY(rv_normalize(normalizer, &token->normal, token->content, token->length, scratch,
                            err));
        RV_TRY(insert(&added->normalized, token->normal.bytes, token->normal.length, (int32_t)i,
                      err));
    }
    return RV_OK;
}

rv_status rv_added_build(rv_added *added, const rv_normalizer *normalizer, rv_error *err)
{
    rv_regex_scratch *scratch;
    RV_TRY(start_trie(&added->raw, err));
    RV_TRY(start_trie(&added->normalized, err));
    RV_TRY(rv_regex_scratch_new(&scratch, err));
    rv_status status = insert_tokens(added, normalizer, true, scratch, err);
    if (status == RV_OK) status = insert_tokens(added, normalizer, false, scratch, err);
    rv_regex_scratch_free(scratch);
    return status;
}

void rv_added_release(rv_added *added)
{
    for (size_t i = 0; i < added->count; i++) {
        free(added->tokens[i].content);
        rv_text_release(&added->tokens[i].normal);
    }
    free(added->tokens);
    rv_vocabulary_release(&added->index);
    free(added->raw.nodes);
    free(added->normalized.nodes);
    *added = (rv_added){0};
}

const rv_added_token *rv_added_find(const rv_added *added, const char *content, size_t length)
{
    int32_t place = rv_vocabulary_find(&added->index, content, length);
    return place < 0 ? NULL : &added->tokens[place];
}

/* Index of the longest token that begins at text[0], or -1; *end is set where one is found. */
static int32_t longest_at(const rv_trie *trie, const char *text, size_t length, size_t *end)
{
    int32_t best = -1;
    uint32_t node = 0;
    for (size_t i = 0; i < length; i++) {
        node = find_child(trie, node, (unsigned char)text[i]);
        if (!node) break;
        if (trie->nodes[node].token >= 0) {
            best = trie->nodes[node].token;
            *end = i + 1;
        }
    }
    return best;
}

static bool touches_word(const char *text, size_t length, size_t start, size_t end)
{
    size_t n;
    return (start > 0 && rv_is_word(rv_char_before(text, start, &n))) ||
           (end < length && rv_is_word(rv_char_at(text + end, &n)));
}

rv_added_match rv_added_next(const rv_added *added, const rv_trie *trie, const char *text,
                             size_t length, size_t from, size_t taken, bool skip_special)
{
    for (size_t i = from; i < length;) {
        size_t used, n;
        int32_t index = -1;
        if (trie->first[(unsigned char)text[i]])
            index = longest_at(trie, text + i, length - i, &used);
        if (index < 0) {
            i++;
            continue;
        }
        const rv_added_token *token = &added->tokens[index];
        size_t start = i, end = i + used, resume = end;
        i = end;
        if (skip_special && token->special) continue;
        if (token->single_word && touches_word(text, length, start, end)) continue;
        while (token->lstrip && start > taken && rv_is_space(rv_char_before(text, start, &n)))
            start -= n;
        while (token->rstrip && end < length && rv_is_space(rv_char_at(text + end, &n)))
            end += n;
        return (rv_added_match){token, start, end, resume};
    }
    return (rv_added_match){NULL, length, length, length};
}
