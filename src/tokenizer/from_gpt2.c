/* GPT-2's own files: encoder.json (token to id) with vocab.bpe (merges, one a line, best first),
 * or the same under Hugging Face's names, vocab.json with merges.txt. How text is cut before it is
 * merged stands in neither: transformers has a class for it. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "tokenizer/json.h"
#include "tokenizer/unicode.h"

static rv_status read_encoder(rv_tokenizer *tok, const char *path, rv_error *err)
{
    json_t *json;
    RV_TRY(rv_json_read_object(&json, path, RV_LIMIT_TOKENIZER_FILE, err));
    rv_status status = rv_vocabulary_from_json(&tok->vocabulary, json, path, err);
    json_decref(json);
    rv_bpe_index(&tok->bpe, &tok->vocabulary);
    return status;
}

static rv_status read_lines(rv_tokenizer *tok, const char *text, size_t length, rv_error *err)
{
    size_t number = 0;
    for (size_t at = 0; at < length;) {
        const char *line = text + at, *end = memchr(line, '\n', length - at);
        size_t n = end ? (size_t)(end - line) : length - at;
        at += n + 1;
        number++;
        if (n > 0 && line[n - 1] == '\r') n--;
        if (n == 0 || (n >= 8 && memcmp(line, "#version", 8) == 0)) continue;
        const char *space = memchr(line, ' ', n);
        if (!space)
            return rv_fail(err, RV_ERR_FORMAT,
                           "line %zu: expected two pieces with a space between "
                           "them, found \"%.*s\"",
                           number, (int)n, line);
        size_t left = (size_t)(space - line);
        RV_TRY(rv_bpe_add_merge(&tok->bpe, &tok->vocabulary, line, left, space + 1,
                                n - left - 1, err));
    }
    return RV_OK;
}

static rv_status read_merges(rv_tokenizer *tok, const char *path, rv_error *err)
{
    char *text;
    size_t length;
    RV_TRY(rv_read_file(&text, &length, path, RV_LIMIT_TOKENIZER_FILE, err));
    rv_status status = read_lines(tok, text, length, err);
    free(text);
    return status == RV_OK ? RV_OK : rv_context(err, status, "%s", path);
}

/* ---- the classes ----------------------------------------------------------------------------- */

#define END "<|endoftext|>"

/* Names stand between spaces. */
typedef struct class
{
    const char *names;
    const char *models;  /* model_type where no class is named */
    const char *forced;  /* model_type that overrides the class, which is wrong on the hub */
    const char *pattern; /* NULL: GPT-2's */
    bool nfc, digits;
    const char *defaults[15]; /* special tokens: name, content */
} class;

static const class classes[] = {
    {.names = " GPT2Tokenizer CodeGenTokenizer ",
     .models = " gpt2 gpt_neo gptj phi opt dbrx starcoder2 codegen jais2 blip-2 ",
     .forced = " ",
     .defaults = {"bos_token", END, "eos_token", END, "unk_token", END}},
    {.names = " Qwen2Tokenizer ",
     .models =
         " qwen2_moe qwen2_vl qwen2_5_vl qwen2_5_omni qwen2_audio qwen3 qwen3_moe qwen3_next "
         "qwen3_vl qwen3_vl_moe qwen3_omni_moe internvl ovis2 audioflamingo3 ",
     .forced = " qwen2 ",
     .pattern = RV_QWEN2_PATTERN,
     .nfc = true,
     .defaults = {"eos_token", END, "unk_token", END, "pad_token", END}},
    {.names = " Qwen3_5Tokenizer ",
     .models = " qwen3_5_text ",
     .forced = " qwen3_5 qwen3_5_moe qwen3_5_moe_text qwen4_exp ",
     .pattern = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}"
                "| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     .nfc = true,
     .defaults = {"eos_token", END, "unk_token", END, "pad_token", END}},
    {.names = " GPTNeoXTokenizer ",
     .models = " gpt_neox mpt olmo olmoe mamba mamba2 falcon_mamba rwkv xlstm ",
     .forced = " ",
     .nfc = true,
     .defaults = {"bos_token", END, "eos_token", END, "unk_token", END, "pad_token",
                  "<|padding|>"}},
    {.names = " CohereTokenizer ",
     .models = " cohere cohere2 aya_vision ",
     .forced = " ",
     .nfc = true,
     .digits = true,
     .defaults = {"bos_token", "<BOS_TOKEN>", "eos_token", "<|END_OF_TURN_TOKEN|>", "unk_token",
                  "<UNK>", "sep_token", "<SEP>", "pad_token", "<PAD>", "cls_token", "<CLS>",
                  "mask_token", "<MASK_TOKEN>"}},
};

static bool lists(const char *names, const char *name)
{
    char key[66];
    size_t length = name ? strlen(name) : 0;
    if (length == 0 || length > sizeof key - 3 || strchr(name, ' ')) return false;
    snprintf(key, sizeof key, " %s ", name);
    return strstr(names, key) != NULL;
}

/* Classes that say nothing of how text is cut. */
static bool is_generic(const char *name)
{
    return lists(" PreTrainedTokenizer TokenizersBackend PreTrainedTokenizerFast ", name);
}

static rv_status choose_class(const class **out, const char *model_type, const char *name,
                              const char *folder, rv_error *err)
{
    const size_t count = sizeof classes / sizeof *classes;
    char plain[64] = "";
    size_t length = name ? strlen(name) : 0;
    if (length > 4 && strcmp(name + length - 4, "Fast") == 0) length -= 4;
    if (length < sizeof plain && length) memcpy(plain, name, length);
    *out = NULL;
    for (size_t i = 0; i < count; i++)
        if (lists(classes[i].forced, model_type)) *out = &classes[i];
    for (size_t i = 0; i < count && !*out; i++)
        if (lists(classes[i].names, plain)) *out = &classes[i];
    if (!*out && name && !is_generic(name))
        return rv_fail(err, RV_ERR_UNSUPPORTED,
                       "%s/tokenizer_config.json: tokenizer_class: \"%s\" with vocab.json and "
                       "merges.txt is not supported (a tokenizer.json is)",
                       folder, name);
    for (size_t i = 0; i < count && !*out; i++)
        if (lists(classes[i].models, model_type)) *out = &classes[i];
    if (!*out) *out = &classes[0];
    return RV_OK;
}

/* A string member of a JSON file that may be missing; *file keeps it alive. */
static rv_status peek(const char **out, json_t **file, const char *folder, const char *name,
                      const char *key, rv_error *err)
{
    char *path = rv_path_join(folder, name);
    if (!path) return rv_fail_memory(err, strlen(folder));
    rv_status status = rv_file_exists(path)
                           ? rv_json_read_object(file, path, RV_LIMIT_TOKENIZER_FILE, err)
                           : RV_OK;
    free(path);
    *out = json_string_value(json_object_get(*file, key));
    return status;
}

static rv_status add_steps(rv_tokenizer *tok, const class *c, bool prefix_space, rv_error *err)
{
    rv_normalize_step *normalize;
    rv_pretokenize_step *digits;
    rv_decode_step *decode;
    if (c->nfc) RV_TRY(rv_normalizer_add(&normalize, &tok->normalizer, RV_NORMALIZE_NFC, err));
    if (c->digits) {
        RV_TRY(rv_pretokenizer_add(&digits, &tok->pretokenizer, RV_PRETOKENIZE_CLASS, err));
        digits->in_class = rv_is_numeric;
        digits->behavior = RV_SPLIT_ISOLATED;
    }
    if (c->pattern)
        RV_TRY(rv_pretokenizer_add_regex(&tok->pretokenizer, c->pattern, strlen(c->pattern),
                                         RV_SPLIT_ISOLATED, false, err));
    RV_TRY(rv_tokenizer_byte_level(tok, prefix_space, !c->pattern, err));
    RV_TRY(rv_decoder_add(&decode, &tok->decoder, RV_DECODE_BYTE_LEVEL, err));
    tok->decoder.joint = tok->decoder.count;
    return RV_OK;
}

static rv_status read_class(rv_tokenizer *tok, const char *folder, rv_error *err)
{
    json_t *config = NULL, *model = NULL;
    const char *name, *type;
    const class *c;
    bool prefix_space = false;
    rv_status status;
    RV_GOTO(peek(&name, &config, folder, "tokenizer_config.json", "tokenizer_class", err));
    RV_GOTO(peek(&type, &model, folder, "config.json", "model_type", err));
    if (!name) name = json_string_value(json_object_get(model, "tokenizer_class"));
    RV_GOTO(choose_class(&c, type, name, folder, err));
    RV_GOTO(rv_json_bool(&prefix_space, config, "add_prefix_space", err));
    RV_GOTO(add_steps(tok, c, prefix_space, err));
    status = rv_tokenizer_read_config(tok, folder, c->defaults, true, err);
done:
    json_decref(config);
    json_decref(model);
    return status;
}

rv_status rv_tokenizer_from_gpt2(rv_tokenizer *tok, const char *folder, rv_error *err)
{
    char *openai = rv_path_join(folder, "vocab.bpe");
    bool original = openai && rv_file_exists(openai);
    free(openai);
    char *encoder = rv_path_join(folder, original ? "encoder.json" : "vocab.json");
    char *merges = rv_path_join(folder, original ? "vocab.bpe" : "merges.txt");
    rv_status status;
    if (!encoder || !merges) {
        status = rv_fail_memory(err, strlen(folder));
        goto done;
    }
    RV_GOTO(read_encoder(tok, encoder, err));
    RV_GOTO(read_merges(tok, merges, err));
    status = read_class(tok, folder, err);
done:
    free(encoder);
    free(merges);
    return status;
}
