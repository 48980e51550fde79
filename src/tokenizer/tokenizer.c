#include "tokenizer/internal.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "tokenizer/unicode.h"

rv_status rv_ids_push(rv_ids *ids, int32_t id, rv_error *err)
{
    RV_TRY(
        rv_grow((void **)&ids->items, &ids->capacity, ids->count + 1, sizeof *ids->items, err));
    ids->items[ids->count++] = id;
    return RV_OK;
}

void rv_ids_release(rv_ids *ids)
{
    free(ids->items);
    *ids = (rv_ids){0};
}

int32_t rv_tokenizer_id(const rv_tokenizer *tok, const char *content, size_t length)
{
    const rv_added_token *added = rv_added_find(&tok->added, content, length);
    return added ? added->id : rv_vocabulary_find(&tok->vocabulary, content, length);
}

/* Behind the vocabulary and everything that was added: gaps in the ids are not looked at. */
static int32_t next_id(const rv_tokenizer *tok)
{
    int32_t count = (int32_t)tok->vocabulary.slots_used;
    return tok->added.count && tok->added.last_id >= count ? tok->added.last_id + 1 : count;
}

rv_status rv_tokenizer_add(rv_tokenizer *tok, const rv_added_token *token, rv_error *err)
{
    if (token->length == 0) return RV_OK;
    rv_added_token added = *token;
    added.id = rv_tokenizer_id(tok, token->content, token->length);
    if (added.id < 0) {
        size_t length;
        added.id = next_id(tok);
        added.shadows = rv_vocabulary_piece(&tok->vocabulary, added.id, &length) != NULL;
        if (!added.shadows)
            RV_TRY(rv_vocabulary_name(&tok->vocabulary, added.id, added.content, added.length,
                                      err));
    }
    return rv_added_push(&tok->added, &added, err);
}

rv_status rv_tokenizer_add_name(rv_tokenizer *tok, const char *name, const char *content,
                                size_t length, rv_error *err)
{
    for (size_t i = 0; i < tok->named_count; i++)
        if (strcmp(tok->named[i].name, name) == 0) return RV_OK;
    RV_TRY(rv_grow((void **)&tok->named, &tok->named_capacity, tok->named_count + 1,
                   sizeof *tok->named, err));
    rv_named_token *named = &tok->named[tok->named_count];
    *named =
        (rv_named_token){rv_strndup(name, strlen(name)), rv_strndup(content, length), length};
    tok->named_count++;
    return named->name && named->content ? RV_OK : rv_fail_memory(err, length);
}

rv_status rv_tokenizer_mark(rv_tokenizer *tok, int32_t id, unsigned kind, rv_error *err)
{
    if (!tok->kinds) RV_TRY(RV_NEW(tok->kinds, tok->vocabulary.size, err));
    if (id >= 0 && (size_t)id < tok->vocabulary.size) tok->kinds[id] |= (unsigned char)kind;
    return RV_OK;
}

rv_status rv_tokenizer_byte_level(rv_tokenizer *tok, bool prefix_space, bool use_regex,
                                  rv_error *err)
{
    rv_pretokenize_step *step;
    if (prefix_space)
        RV_TRY(rv_pretokenizer_add(&step, &tok->pretokenizer, RV_PRETOKENIZE_SPACE_FIRST, err));
    if (use_regex)
        RV_TRY(rv_pretokenizer_add_regex(&tok->pretokenizer, rv_gpt2_pattern,
                                         strlen(rv_gpt2_pattern), RV_SPLIT_ISOLATED, false,
                                         err));
    return rv_pretokenizer_add(&step, &tok->pretokenizer, RV_PRETOKENIZE_BYTES, err);
}

/* ---- opening ---------------------------------------------------------------------------- */

/* The piece that a token is decoded from. */
static const char *shown_piece(const rv_tokenizer *tok, int32_t id, size_t *length)
{
    if (!tok->renamed || !tok->renamed[id])
        return rv_vocabulary_piece(&tok->vocabulary, id, length);
    const rv_added_token *token = &tok->added.tokens[tok->renamed[id] - 1];
    *length = token->normalized ? token->normal.length : token->length;
    return token->normalized ? token->normal.bytes : token->content;
}

static rv_status build_token_bytes(rv_tokenizer *tok, rv_error *err)
{
    rv_text all = {0};
    RV_TRY(RV_NEW(tok->token_starts, tok->vocabulary.size + 1, err));
    for (size_t id = 0; id < tok->vocabulary.size; id++) {
        size_t length;
        const char *piece = shown_piece(tok, (int32_t)id, &length);
        if (piece) rv_decode_piece(&tok->decoder, &all, piece, length, false, false);
        tok->token_starts[id + 1] = all.length;
    }
    tok->token_bytes = rv_text_take(&all);
    return tok->token_bytes ? RV_OK : rv_fail_memory(err, tok->vocabulary.size);
}

/* The token that stands between documents, by a name that says so. */
static int32_t find_separator(const rv_tokenizer *tok)
{
    static const char *const names[] = {"<|endoftext|>", "<|end_of_text|>",
                                        "<|end_of_document|>"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int32_t id = rv_tokenizer_id(tok, names[i], strlen(names[i]));
        if (id >= 0) return id;
    }
    return -1;
}

/* Special tokens that no configuration named, by their ids. */
static rv_status name_specials(rv_tokenizer *tok, rv_error *err)
{
    const struct {
        const char *name;
        int32_t id;
    } ids[] = {{"bos_token", tok->special.bos},
               {"eos_token", tok->special.eos},
               {"unk_token", tok->special.unknown},
               {"pad_token", tok->special.pad}};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        size_t length;
        const char *piece = rv_vocabulary_piece(&tok->vocabulary, ids[i].id, &length);
        if (piece) RV_TRY(rv_tokenizer_add_name(tok, ids[i].name, piece, length, err));
    }
    return RV_OK;
}

static rv_status finish(rv_tokenizer *tok, rv_error *err)
{
    if (tok->vocabulary.size == 0)
        return rv_fail(err, RV_ERR_FORMAT, "vocabulary: expected tokens, found none");
    RV_TRY(rv_tokenizer_mark(tok, tok->special.unknown, RV_TOKEN_SPECIAL, err));
    for (size_t i = 0; i < tok->added.count; i++) {
        const rv_added_token *token = &tok->added.tokens[i];
        if (token->special)
            RV_TRY(rv_tokenizer_mark(tok, token->id, RV_TOKEN_SPECIAL | RV_TOKEN_SKIPPED, err));
        if (!token->normalized && !token->shadows) continue;
        if (!tok->renamed) RV_TRY(RV_NEW(tok->renamed, tok->vocabulary.size, err));
        tok->renamed[token->id] = (uint32_t)i + 1;
    }
    RV_TRY(rv_added_build(&tok->added, &tok->normalizer, err));
    tok->special.separator = find_separator(tok);
    tok->special.add_bos = tok->before.count > 0 && tok->special.bos >= 0 &&
                           tok->before.items[0] == tok->special.bos;
    RV_TRY(name_specials(tok, err));
    return build_token_bytes(tok, err);
}

static rv_status read_any(rv_tokenizer *tok, const char *path, const rv_checkpoint *checkpoint,
                          rv_error *err)
{
    tok->source = "GGUF metadata";
    if (checkpoint && rv_checkpoint_format(checkpoint) == RV_FORMAT_GGUF)
        return rv_tokenizer_from_gguf(tok, checkpoint, err);
    if (!path) return rv_fail(err, RV_ERR_USAGE, "tokenizer: expected a path, found none");
    if (!rv_folder_exists(path)) {
        size_t length = strlen(path);
        bool json = length >= 5 && strcmp(path + length - 5, ".json") == 0;
        tok->source = json ? "tokenizer.json" : "tokenizer.bin";
        return json ? rv_tokenizer_from_json(tok, path, err)
                    : rv_tokenizer_from_llama2c(tok, path, err);
    }
    static const struct {
        const char *name;
        rv_status (*read)(rv_tokenizer *, const char *, rv_error *);
        bool wants_folder;
    } readers[] = {
        {"tokenizer.json", rv_tokenizer_from_json, false},
        {"vocab.bpe", rv_tokenizer_from_gpt2, true},
        {"merges.txt", rv_tokenizer_from_gpt2, true},
        {"tokenizer.bin", rv_tokenizer_from_llama2c, false},
    };
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++) {
        char *file = rv_path_join(path, readers[i].name);
        if (!file) return rv_fail_memory(err, strlen(path));
        bool exists = rv_file_exists(file);
        tok->source = readers[i].name;
        rv_status status = !exists                   ? RV_OK
                           : readers[i].wants_folder ? readers[i].read(tok, path, err)
                                                     : readers[i].read(tok, file, err);
        free(file);
        if (exists) return status;
    }
    return rv_fail(err, RV_ERR_NOT_FOUND,
                   "%s: expected tokenizer.json, vocab.bpe with encoder.json, merges.txt with "
                   "vocab.json or tokenizer.bin, found none of them",
                   path);
}

static rv_status start(rv_tokenizer **out, rv_error *err)
{
    *out = NULL;
    RV_TRY(RV_NEW(*out, 1, err));
    (*out)->special = (rv_special_ids){-1, -1, -1, -1, -1, false};
    (*out)->bpe.unknown = -1;
    return RV_OK;
}

/* Completes a tokenizer that was read; closes it where something went wrong. */
static rv_status complete(rv_tokenizer **out, rv_status status, const char *name, rv_error *err)
{
    if (status == RV_OK) {
        status = finish(*out, err);
        if (status != RV_OK) rv_context(err, status, "%s", name);
    }
    if (status == RV_OK) return RV_OK;
    rv_tokenizer_close(*out);
    *out = NULL;
    return status;
}

rv_status rv_tokenizer_open(rv_tokenizer **out, const char *path,
                            const rv_checkpoint *checkpoint, rv_error *err)
{
    RV_TRY(start(out, err));
    rv_status status = read_any(*out, path, checkpoint, err);
    return complete(out, status,
                    path         ? path
                    : checkpoint ? rv_checkpoint_path(checkpoint)
                                 : "",
                    err);
}

rv_status rv_tokenizer_open_memory(rv_tokenizer **out, const void *bytes, size_t length,
                                   const char *name, rv_error *err)
{
    RV_TRY(start(out, err));
    bool json = length > 0 && *(const char *)bytes == '{';
    rv_status status = json ? rv_tokenizer_from_json_bytes(*out, bytes, length, name, err)
                            : rv_tokenizer_from_llama2c_bytes(*out, bytes, length, name, err);
    return complete(out, status, name, err);
}

void rv_tokenizer_close(rv_tokenizer *tok)
{
    if (!tok) return;
    rv_vocabulary_release(&tok->vocabulary);
    rv_added_release(&tok->added);
    rv_normalizer_release(&tok->normalizer);
    rv_pretokenizer_release(&tok->pretokenizer);
    rv_bpe_release(&tok->bpe);
    rv_ids_release(&tok->before);
    rv_ids_release(&tok->after);
    rv_decoder_release(&tok->decoder);
    free(tok->kinds);
    free(tok->renamed);
    free(tok->token_bytes);
    free(tok->token_starts);
    for (size_t i = 0; i < tok->named_count; i++) {
        free(tok->named[i].name);
        free(tok->named[i].content);
    }
    free(tok->named);
    free(tok->chat_template);
    free(tok);
}

/* ---- encoding --------------------------------------------------------------------------- */

typedef struct job {
    const rv_tokenizer *tok;
    bool skip_special; /* special tokens in the text are plain text */
    rv_pretokenize_work words;
    rv_bpe_work bpe;
    rv_text normalized;
    rv_ids *ids;
} job;

static rv_status encode_word(void *context, const char *word, size_t length, rv_error *err)
{
    job *j = context;
    return rv_bpe_encode(&j->tok->bpe, &j->tok->vocabulary, &j->bpe, word, length, j->ids, err);
}

typedef rv_status (*plain_fn)(job *j, const char *text, size_t length, bool first,
                              rv_error *err);

/* Puts the added tokens of one trie; what lies between them goes to `plain`. */
static rv_status split_added(job *j, const rv_trie *trie, const char *text, size_t length,
                             bool first, plain_fn plain, rv_error *err)
{
    size_t taken = 0, from = 0;
    for (;;) {
        rv_added_match m =
            rv_added_next(&j->tok->added, trie, text, length, from, taken, j->skip_special);
        if (taken < m.start)
            RV_TRY(plain(j, text + taken, m.start - taken, first && taken == 0, err));
        if (!m.token) return RV_OK;
        RV_TRY(rv_ids_push(j->ids, m.token->id, err));
        taken = m.end;
        from = m.resume;
    }
}

static rv_status encode_words(job *j, const char *text, size_t length, bool first,
                              rv_error *err)
{
    return rv_pretokenize(&j->tok->pretokenizer, &j->words, text, length, first, encode_word, j,
                          err);
}

static rv_status encode_normalized(job *j, const char *text, size_t length, bool first,
                                   rv_error *err)
{
    if (j->tok->normalizer.count) {
        j->normalized.length = 0;
        RV_TRY(rv_normalize(&j->tok->normalizer, &j->normalized, text, length, j->words.scratch,
                            err));
        text = j->normalized.bytes;
        length = j->normalized.length;
    }
    return split_added(j, &j->tok->added.normalized, text, length, first, encode_words, err);
}

rv_status rv_tokenizer_encode(const rv_tokenizer *tok, const char *text, size_t length,
                              unsigned flags, rv_ids *ids, rv_error *err)
{
    if (length >= INT32_MAX / 8)
        return rv_fail(err, RV_ERR_UNSUPPORTED, "text: expected less than %d bytes, found %zu",
                       INT32_MAX / 8, length);
    job j = {.tok = tok, .skip_special = !(flags & RV_ENCODE_SPECIAL), .ids = ids};
    rv_text repaired = {0};
    rv_status status;
    if (!rv_utf8_valid(text, length)) {
        rv_utf8_replace_invalid(&repaired, text, length);
        if (repaired.failed) {
            status = rv_fail_memory(err, length);
            goto done;
        }
        text = repaired.bytes;
        length = repaired.length;
    }
    RV_GOTO(rv_pretokenize_work_init(&j.words, &tok->pretokenizer, err));
    for (size_t i = 0; i < tok->before.count && flags & RV_ENCODE_TEMPLATE; i++)
        RV_GOTO(rv_ids_push(ids, tok->before.items[i], err));
    RV_GOTO(split_added(&j, &tok->added.raw, text, length, true, encode_normalized, err));
    for (size_t i = 0; i < tok->after.count && flags & RV_ENCODE_TEMPLATE; i++)
        RV_GOTO(rv_ids_push(ids, tok->after.items[i], err));
done:
    rv_pretokenize_work_release(&j.words);
    rv_bpe_work_release(&j.bpe);
    rv_text_release(&j.normalized);
    rv_text_release(&repaired);
    return status;
}

/* ---- decoding --------------------------------------------------------------------------- */

static bool is_kind(const rv_tokenizer *tok, int32_t id, unsigned kind)
{
    return id >= 0 && (size_t)id < tok->vocabulary.size && tok->kinds[id] & kind;
}

static bool is_shown(const rv_tokenizer *tok, int32_t id, bool skip_special)
{
    return id >= 0 && (size_t)id < tok->vocabulary.size && tok->vocabulary.pieces[id].present &&
           !(skip_special && tok->kinds[id] & RV_TOKEN_SKIPPED);
}

rv_status rv_tokenizer_decode(const rv_tokenizer *tok, const int32_t *ids, size_t count,
                              bool skip_special, rv_text *out, rv_error *err)
{
    size_t start = out->length;
    bool first = true;
    while (count > 0 && !is_shown(tok, ids[count - 1], skip_special)) count--;
    for (size_t i = 0; i < count; i++) {
        if (!is_shown(tok, ids[i], skip_special)) continue;
        size_t length;
        if (!first && tok->decoder.spaced) rv_text_putc(out, ' ');
        if (tok->decoder.positional && (first || i + 1 == count)) {
            const char *piece = shown_piece(tok, ids[i], &length);
            rv_decode_piece(&tok->decoder, out, piece, length, first, i + 1 == count);
        } else {
            const char *bytes = rv_token_bytes(tok, ids[i], &length);
            rv_text_append(out, bytes, length);
        }
        first = false;
    }
    rv_decode_joint(&tok->decoder, out, start);
    return out->failed ? rv_fail_memory(err, count) : RV_OK;
}

/* ---- what there is to know -------------------------------------------------------------- */

const char *rv_token_bytes(const rv_tokenizer *tok, int32_t id, size_t *length)
{
    if (!is_shown(tok, id, false)) return NULL;
    *length = tok->token_starts[id + 1] - tok->token_starts[id];
    return tok->token_bytes + tok->token_starts[id];
}

const char *rv_tokenizer_source(const rv_tokenizer *tok)
{
    return tok->source;
}

size_t rv_tokenizer_size(const rv_tokenizer *tok)
{
    return tok->vocabulary.size;
}

bool rv_token_is_special(const rv_tokenizer *tok, int32_t id)
{
    return is_kind(tok, id, RV_TOKEN_SPECIAL);
}

rv_special_ids rv_tokenizer_special(const rv_tokenizer *tok)
{
    return tok->special;
}

const char *rv_tokenizer_named(const rv_tokenizer *tok, size_t index, const char **content,
                               size_t *length)
{
    if (index >= tok->named_count) return NULL;
    *content = tok->named[index].content;
    *length = tok->named[index].length;
    return tok->named[index].name;
}

const char *rv_tokenizer_chat_template(const rv_tokenizer *tok)
{
    return tok->chat_template;
}
