/* GGUF metadata, keys tokenizer.ggml.*. What a key that is missing means is what llama.cpp
 * takes it to mean. */
#include <string.h>

#include "base/memory.h"
#include "tokenizer/internal.h"
#include "tokenizer/unicode.h"

enum token_type { NORMAL = 1, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE };

#define LLAMA3                                                               \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}" \
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
/* tokenizer.ggml.pre: the regular expressions that cut a text, one after the other, before the
 * bytes become characters. GPT2 stands for rv_gpt2_pattern. */
#define GPT2 ""
typedef struct pre_tokenizer {
    const char *names; /* between spaces */
    const char *patterns[4];
    bool ignore_merges, add_bos, nfc;
} pre_tokenizer;

static const pre_tokenizer pre_tokenizers[] = {
    {" gpt-2 gpt2 olmo jais phi-2 mpt roberta-bpe gigachat jina-es jina-de jina-v1-en "
     "jina-v2-es jina-v2-de "
     "modern-bert ",
     {GPT2},
     false,
     false,
     false},
    {" smollm starcoder refact command-r codeshell exaone minerva-7b ",
     {"\\p{N}", GPT2},
     false,
     false,
     false},
    {" llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 ",
     {LLAMA3},
     true,
     true,
     false},
    {" dbrx smaug-bpe ", {LLAMA3}, false, false, false},
    {" qwen2 deepseek-r1-qwen kormo megrez ", {RV_QWEN2_PATTERN}, false, false, true},
    {" stablelm2 hunyuan ", {RV_QWEN2_PATTERN}, false, false, false},
    {" falcon ", {"[\\p{P}\\$\\+<=>\\^~\\|`]+", GPT2, "[0-9][0-9][0-9]"}, false, false, false},
    {" default ",
     {"[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"},
     false,
     false,
     false},
};

static int32_t id_of(const rv_checkpoint *ck, const char *key)
{
    int64_t id;
    return rv_meta_integer(ck, key, &id) && id >= 0 && id < RV_LIMIT_IDS ? (int32_t)id : -1;
}

static bool flag(const rv_checkpoint *ck, const char *key, bool otherwise)
{
    bool value;
    return rv_meta_bool(ck, key, &value) ? value : otherwise;
}

static bool is_gemma(const rv_checkpoint *ck)
{
    const char *name;
    size_t length;
    return rv_meta_string(ck, "general.architecture", &name, &length) && length >= 5 &&
           memcmp(name, "gemma", 5) == 0;
}

static int type_of(const rv_checkpoint *ck, size_t id)
{
    double type;
    if (!rv_meta_array_number(ck, "tokenizer.ggml.token_type", id, &type)) return NORMAL;
    return type >= NORMAL && type <= BYTE ? (int)type : NORMAL;
}

/* Gemma's tokens of two or more spaces are written as spaces and marked as user-defined. The
 * reference spells them with U+2581 and lets merging find them. */
static bool is_space_run(const rv_checkpoint *ck, const char *piece, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (piece[i] != ' ') return false;
    return length > 1 && is_gemma(ck);
}

static rv_status add_space_run(rv_tokenizer *tok, int64_t id, size_t length, rv_error *err)
{
    rv_text piece = {0};
    for (size_t i = 0; i < length; i++) rv_text_puts(&piece, "\xE2\x96\x81");
    rv_status status =
        piece.failed ? rv_fail_memory(err, 3 * length)
                     : rv_vocabulary_add(&tok->vocabulary, id, piece.bytes, piece.length, err);
    rv_text_release(&piece);
    return status;
}

/* In a model with scores only normal and user-defined tokens can come out of merging, as in
 * SentencePiece. */
static rv_status read_token(rv_tokenizer *tok, const rv_checkpoint *ck, size_t id, bool scored,
                            rv_error *err)
{
    const char *piece;
    size_t length;
    if (!rv_meta_array_string(ck, "tokenizer.ggml.tokens", id, &piece, &length))
        return rv_fail(err, RV_ERR_FORMAT, "tokenizer.ggml.tokens: expected strings");
    int type = type_of(ck, id);
    if (type == USER_DEFINED && scored && is_space_run(ck, piece, length))
        return add_space_run(tok, (int64_t)id, length, err);
    bool hidden = length == 0 || (scored && type != NORMAL && type != USER_DEFINED);
    RV_TRY((hidden ? rv_vocabulary_name : rv_vocabulary_add)(&tok->vocabulary, (int64_t)id,
                                                             piece, length, err));
    bool special = type == CONTROL || type == UNKNOWN;
    if (length == 0 || !(special || type == USER_DEFINED)) return RV_OK;
    rv_added_token token = {
        .id = (int32_t)id, .content = (char *)piece, .length = length, .special = special};
    return rv_added_push(&tok->added, &token, err);
}

static rv_status read_tokens(rv_tokenizer *tok, const rv_checkpoint *ck, bool scored,
                             rv_error *err)
{
    size_t count;
    if (!rv_meta_array(ck, "tokenizer.ggml.tokens", &count))
        return rv_fail(err, RV_ERR_FORMAT,
                       "tokenizer.ggml.tokens: expected an array of strings, found none");
    for (size_t id = 0; id < count; id++) RV_TRY(read_token(tok, ck, id, scored, err));
    for (size_t id = 0; id < count; id++)
        if (type_of(ck, id) == UNUSED)
            RV_TRY(rv_tokenizer_mark(tok, (int32_t)id, RV_TOKEN_SPECIAL, err));
    return RV_OK;
}

static rv_status read_merges(rv_tokenizer *tok, const rv_checkpoint *ck, rv_error *err)
{
    size_t count;
    if (!rv_meta_array(ck, "tokenizer.ggml.merges", &count))
        return rv_fail(err, RV_ERR_FORMAT,
                       "tokenizer.ggml.merges: expected an array of strings, "
                       "found none");
    for (size_t i = 0; i < count; i++) {
        const char *merge;
        size_t length;
        if (!rv_meta_array_string(ck, "tokenizer.ggml.merges", i, &merge, &length))
            return rv_fail(err, RV_ERR_FORMAT, "tokenizer.ggml.merges: expected strings");
        const char *space = length > 1 ? memchr(merge + 1, ' ', length - 1) : NULL;
        if (!space)
            return rv_fail(err, RV_ERR_FORMAT,
                           "tokenizer.ggml.merges[%zu]: expected two pieces "
                           "with a space between them, found \"%.*s\"",
                           i, (int)length, merge);
        size_t left = (size_t)(space - merge);
        RV_TRY(rv_bpe_add_merge(&tok->bpe, &tok->vocabulary, merge, left, space + 1,
                                length - left - 1, err));
    }
    return RV_OK;
}

static rv_status read_byte_level(rv_tokenizer *tok, const rv_checkpoint *ck, bool *add_bos,
                                 rv_error *err)
{
    const char *name = "default";
    size_t length = strlen(name);
    rv_meta_string(ck, "tokenizer.ggml.pre", &name, &length);
    char key[66] = " ";
    const pre_tokenizer *pre = NULL;
    if (length < sizeof key - 2 && !memchr(name, ' ', length)) {
        memcpy(key + 1, name, length);
        key[length + 1] = ' ';
        for (size_t i = 0; i < sizeof pre_tokenizers / sizeof *pre_tokenizers && !pre; i++)
            if (strstr(pre_tokenizers[i].names, key)) pre = &pre_tokenizers[i];
    }
    if (!pre)
        return rv_fail(err, RV_ERR_UNSUPPORTED,
                       "tokenizer.ggml.pre: pre-tokenizer \"%.*s\" is not "
                       "supported",
                       (int)length, name);
    if (pre->nfc) {
        rv_normalize_step *step;
        RV_TRY(rv_normalizer_add(&step, &tok->normalizer, RV_NORMALIZE_NFC, err));
    }
    for (size_t i = 0; i < 4 && pre->patterns[i]; i++) {
        const char *pattern = *pre->patterns[i] ? pre->patterns[i] : rv_gpt2_pattern;
        RV_TRY(rv_pretokenizer_add_regex(&tok->pretokenizer, pattern, strlen(pattern),
                                         RV_SPLIT_ISOLATED, false, err));
    }
    RV_TRY(rv_tokenizer_byte_level(tok, flag(ck, "tokenizer.ggml.add_space_prefix", false),
                                   false, err));
    tok->bpe.ignore_merges = pre->ignore_merges;
    *add_bos = pre->add_bos;
    rv_decode_step *step;
    RV_TRY(rv_decoder_add(&step, &tok->decoder, RV_DECODE_BYTE_LEVEL, err));
    tok->decoder.joint = tok->decoder.count;
    rv_bpe_index(&tok->bpe, &tok->vocabulary);
    return read_merges(tok, ck, err);
}

static rv_status read_scores(rv_tokenizer *tok, const rv_checkpoint *ck, rv_error *err)
{
    size_t count = tok->vocabulary.size, found;
    if (!rv_meta_array(ck, "tokenizer.ggml.scores", &found) || found != count)
        return rv_fail(err, RV_ERR_FORMAT, "tokenizer.ggml.scores: expected %zu numbers",
                       count);
    bool gemma = is_gemma(ck); // its merges follow the order of the tokens
    float *scores;
    RV_TRY(RV_NEW(scores, count, err));
    rv_status status = RV_OK;
    for (size_t i = 0; i < count && status == RV_OK; i++) {
        double score;
        if (!rv_meta_array_number(ck, "tokenizer.ggml.scores", i, &score))
            status = rv_fail(err, RV_ERR_FORMAT, "tokenizer.ggml.scores: expected numbers");
        else
            scores[i] = gemma ? -(float)i : (float)score;
    }
    if (status == RV_OK) status = rv_bpe_set_scores(&tok->bpe, scores, count, err);
    free(scores);
    return status;
}

static rv_status read_sentencepiece(rv_tokenizer *tok, const rv_checkpoint *ck, rv_error *err)
{
    bool prefix = flag(ck, "tokenizer.ggml.add_space_prefix", true);
    rv_normalize_step *normalize;
    if (prefix) {
        RV_TRY(rv_normalizer_add(&normalize, &tok->normalizer, RV_NORMALIZE_PREPEND, err));
        rv_text_puts(&normalize->content, "\xE2\x96\x81");
    }
    RV_TRY(rv_normalizer_add(&normalize, &tok->normalizer, RV_NORMALIZE_REPLACE, err));
    rv_text_puts(&normalize->pattern, " ");
    rv_text_puts(&normalize->content, "\xE2\x96\x81");

    rv_decode_step *decode;
    RV_TRY(rv_decoder_add(&decode, &tok->decoder, RV_DECODE_REPLACE, err));
    rv_text_puts(&decode->pattern, "\xE2\x96\x81");
    rv_text_puts(&decode->content, " ");
    RV_TRY(rv_decoder_add(&decode, &tok->decoder, RV_DECODE_BYTE_FALLBACK, err));
    tok->decoder.joint = tok->decoder.count;
    if (prefix) {
        RV_TRY(rv_decoder_add(&decode, &tok->decoder, RV_DECODE_STRIP, err));
        rv_text_puts(&decode->content, " ");
        decode->left = 1;
    }
    tok->bpe.byte_fallback = tok->bpe.fuse_unknown = true;
    tok->bpe.unknown = tok->special.unknown;
    rv_bpe_index(&tok->bpe, &tok->vocabulary);
    return read_scores(tok, ck, err);
}

static rv_status read_specials(rv_tokenizer *tok, const rv_checkpoint *ck, bool scored,
                               rv_error *err)
{
    rv_special_ids *s = &tok->special;
    const struct {
        const char *key;
        int32_t *id;
        int32_t otherwise;
    } keys[] = {
        {"tokenizer.ggml.bos_token_id", &s->bos, scored ? 1 : -1},
        {"tokenizer.ggml.eos_token_id", &s->eos, scored ? 2 : -1},
        {"tokenizer.ggml.unknown_token_id", &s->unknown, scored ? 0 : -1},
        {"tokenizer.ggml.padding_token_id", &s->pad, -1},
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        int64_t found;
        bool present = rv_meta_integer(ck, keys[i].key, &found);
        *keys[i].id = present ? id_of(ck, keys[i].key) : keys[i].otherwise;
        if (*keys[i].id >= (int32_t)tok->vocabulary.size) {
            if (present)
                return rv_fail(err, RV_ERR_FORMAT, "%s: expected less than %zu, found %d",
                               keys[i].key, tok->vocabulary.size, *keys[i].id);
            *keys[i].id = -1;
        }
    }
    return RV_OK;
}

static rv_status read_all(rv_tokenizer *tok, const rv_checkpoint *ck, rv_error *err)
{
    const char *model;
    size_t length;
    if (!rv_meta_string(ck, "tokenizer.ggml.model", &model, &length))
        return rv_fail(err, RV_ERR_FORMAT,
                       "tokenizer.ggml.model: expected a string, found none");
    bool byte_level = length == 4 && memcmp(model, "gpt2", 4) == 0;
    bool scored = length == 5 && memcmp(model, "llama", 5) == 0;
    if (!byte_level && !scored)
        return rv_fail(err, RV_ERR_UNSUPPORTED,
                       "tokenizer.ggml.model: expected gpt2 or llama, "
                       "found \"%.*s\"",
                       (int)length, model);
    RV_TRY(read_tokens(tok, ck, scored, err));
    RV_TRY(read_specials(tok, ck, scored, err));
    bool add_bos = scored;
    RV_TRY(scored ? read_sentencepiece(tok, ck, err) : read_byte_level(tok, ck, &add_bos, err));
    if (flag(ck, "tokenizer.ggml.add_bos_token", add_bos) && tok->special.bos >= 0)
        RV_TRY(rv_ids_push(&tok->before, tok->special.bos, err));
    if (flag(ck, "tokenizer.ggml.add_eos_token", false) && tok->special.eos >= 0)
        RV_TRY(rv_ids_push(&tok->after, tok->special.eos, err));
    const char *template;
    if (rv_meta_string(ck, "tokenizer.chat_template", &template, &length)) {
        tok->chat_template = rv_strndup(template, length);
        if (!tok->chat_template) return rv_fail_memory(err, length);
    }
    return RV_OK;
}

rv_status rv_tokenizer_from_gguf(rv_tokenizer *tok, const rv_checkpoint *ck, rv_error *err)
{
    rv_status status = read_all(tok, ck, err);
    return status == RV_OK ? RV_OK : rv_context(err, status, "%s", rv_checkpoint_path(ck));
}
