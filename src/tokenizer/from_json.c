/* tokenizer.json of Hugging Face's tokenizers, model type BPE. */
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "tokenizer/json.h"

static rv_status read_vocabulary(rv_tokenizer *tok, const json_t *model, rv_error *err)
{
    json_t *vocabulary = json_object_get(model, "vocab");
    if (!json_is_object(vocabulary))
        return rv_fail(err, RV_ERR_FORMAT, "model.vocab: expected an object of token ids");
    return rv_vocabulary_from_json(&tok->vocabulary, vocabulary, "model.vocab", err);
}

static rv_status read_merge(rv_tokenizer *tok, const json_t *merge, size_t index, rv_error *err)
{
    const json_t *left = json_array_get(merge, 0), *right = json_array_get(merge, 1);
    if (json_array_size(merge) == 2 && json_is_string(left) && json_is_string(right))
        return rv_bpe_add_merge(&tok->bpe, &tok->vocabulary, json_string_value(left),
                                json_string_length(left), json_string_value(right),
                                json_string_length(right), err);
    const char *text = json_string_value(merge);
    size_t length = json_string_length(merge);
    const char *space = text ? memchr(text, ' ', length) : NULL;
    if (!space)
        return rv_fail(err, RV_ERR_FORMAT,
                       "model.merges[%zu]: expected \"a b\" or [\"a\", \"b\"]", index);
    return rv_bpe_add_merge(&tok->bpe, &tok->vocabulary, text, (size_t)(space - text),
                            space + 1, length - (size_t)(space - text) - 1, err);
}

static rv_status copy_string(char **out, const json_t *model, const char *name, rv_error *err)
{
    const json_t *value = json_object_get(model, name);
    size_t length = json_string_length(value);
    if (length == 0) return RV_OK;
    *out = rv_strndup(json_string_value(value), length);
    return *out ? RV_OK : rv_fail_memory(err, length);
}

static rv_status read_model(rv_tokenizer *tok, const json_t *model, rv_error *err)
{
    const char *type = rv_json_type(model);
    const json_t *merges = json_object_get(model, "merges"), *merge;
    if (!json_is_object(model)) return rv_fail(err, RV_ERR_FORMAT, "model: expected an object");
    if (strcmp(type, "BPE") != 0 && !(*type == '\0' && merges))
        return rv_fail(err, RV_ERR_UNSUPPORTED, "model: type \"%s\" is not supported (BPE is)",
                       type);
    if (!json_is_array(merges))
        return rv_fail(err, RV_ERR_FORMAT, "model.merges: expected an array");
    if (json_number_value(json_object_get(model, "dropout")) != 0)
        return rv_fail(err, RV_ERR_UNSUPPORTED,
                       "model.dropout: encoding at random is not supported");
    rv_bpe *bpe = &tok->bpe;
    RV_TRY(read_vocabulary(tok, model, err));
    RV_TRY(rv_json_bool(&bpe->fuse_unknown, model, "fuse_unk", err));
    RV_TRY(rv_json_bool(&bpe->byte_fallback, model, "byte_fallback", err));
    RV_TRY(rv_json_bool(&bpe->ignore_merges, model, "ignore_merges", err));
    RV_TRY(copy_string(&bpe->prefix, model, "continuing_subword_prefix", err));
    RV_TRY(copy_string(&bpe->suffix, model, "end_of_word_suffix", err));
    const json_t *unknown = json_object_get(model, "unk_token");
    if (json_is_string(unknown)) {
        bpe->unknown = rv_vocabulary_find(&tok->vocabulary, json_string_value(unknown),
                                          json_string_length(unknown));
        if (bpe->unknown < 0)
            return rv_fail(err, RV_ERR_FORMAT,
                           "model.unk_token: \"%s\" is not in the vocabulary",
                           json_string_value(unknown));
    }
    rv_bpe_index(bpe, &tok->vocabulary);
    size_t i;
    json_array_foreach(merges, i, merge) RV_TRY(read_merge(tok, merge, i, err));
    return RV_OK;
}

/* Where no configuration names them: BOS is what the post-processor puts first, the others go
 * by their usual spellings. */
static void guess_specials(rv_tokenizer *tok)
{
    static const char *const bos[] = {"<s>", "<bos>", "<|begin_of_text|>", NULL};
    static const char *const eos[] = {"</s>", "<eos>", "<|endoftext|>", "<|end_of_text|>",
                                      NULL};
    static const char *const pad[] = {"<pad>", "[PAD]", NULL};
    const struct {
        int32_t *id;
        const char *const *names;
    } guesses[] = {
        {&tok->special.bos, bos}, {&tok->special.eos, eos}, {&tok->special.pad, pad}};
    tok->special.unknown = tok->bpe.unknown;
    if (tok->before.count) tok->special.bos = tok->before.items[0];
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; *guesses[i].id < 0 && guesses[i].names[k]; k++)
            *guesses[i].id =
                rv_tokenizer_id(tok, guesses[i].names[k], strlen(guesses[i].names[k]));
}

static rv_status read_parts(rv_tokenizer *tok, const json_t *json, rv_error *err)
{
    RV_TRY(read_model(tok, json_object_get(json, "model"), err));
    const json_t *added = json_object_get(json, "added_tokens"), *token;
    size_t i;
    json_array_foreach(added, i, token)
        RV_TRY(rv_tokenizer_add_json(tok, token, false, "added_tokens", err));
    RV_TRY(rv_normalizer_from_json(tok, json_object_get(json, "normalizer"), err));
    RV_TRY(rv_pretokenizer_from_json(tok, json_object_get(json, "pre_tokenizer"), err));
    RV_TRY(rv_decoder_from_json(tok, json_object_get(json, "decoder"), err));
    RV_TRY(rv_template_from_json(tok, json_object_get(json, "post_processor"), err));
    guess_specials(tok);
    return RV_OK;
}

rv_status rv_tokenizer_from_json_bytes(rv_tokenizer *tok, const char *bytes, size_t length,
                                       const char *name, rv_error *err)
{
    json_t *json;
    RV_TRY(rv_json_parse_object(&json, bytes, length, name, err));
    rv_status status = read_parts(tok, json, err);
    json_decref(json);
    return status == RV_OK ? RV_OK : rv_context(err, status, "%s", name);
}

rv_status rv_tokenizer_from_json(rv_tokenizer *tok, const char *path, rv_error *err)
{
    char *bytes;
    size_t length;
    RV_TRY(rv_read_file(&bytes, &length, path, RV_LIMIT_TOKENIZER_FILE, err));
    rv_status status = rv_tokenizer_from_json_bytes(tok, bytes, length, path, err);
    free(bytes);
    RV_TRY(status);
    const char *slash = strrchr(path, '/');
    char *folder = slash ? rv_strndup(path, (size_t)(slash - path)) : rv_strndup(".", 1);
    if (!folder) return rv_fail_memory(err, strlen(path));
    status = rv_tokenizer_read_config(tok, *folder ? folder : "/", NULL, false, err);
    free(folder);
    return status;
}
