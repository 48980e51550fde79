/* GPT-2's own files: encoder.json (token to id) with vocab.bpe (merges, one a line, best first),
 * or the same under Hugging Face's names, vocab.json with merges.txt. */
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "tokenizer/json.h"

static rv_status read_encoder(rv_tokenizer *tok, const char *path, rv_error *err)
{
    json_t *json, *id;
    RV_TRY(rv_json_read_object(&json, path, RV_LIMIT_TOKENIZER_FILE, err));
    rv_status status = RV_OK;
    const char *piece;
    json_object_foreach(json, piece, id)
    {
        if (status != RV_OK) break;
        status = json_is_integer(id)
                     ? rv_vocabulary_add(&tok->vocabulary, json_integer_value(id), piece,
                                         strlen(piece), err)
                     : rv_fail(err, RV_ERR_FORMAT, "\"%s\": expected an integer", piece);
    }
    json_decref(json);
    if (status != RV_OK) return rv_context(err, status, "%s", path);
    rv_bpe_index(&tok->bpe, &tok->vocabulary);
    return RV_OK;
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
        if (n == 0 || (number == 1 && n >= 8 && memcmp(line, "#version", 8) == 0)) continue;
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

static rv_status add_special(rv_tokenizer *tok, rv_error *err)
{
    static const char name[] = "<|endoftext|>";
    int32_t id = rv_vocabulary_find(&tok->vocabulary, name, sizeof name - 1);
    if (id < 0) return RV_OK;
    rv_added_token token = {
        .id = id, .content = (char *)name, .length = sizeof name - 1, .special = true};
    tok->special.bos = tok->special.eos = tok->special.unknown = id;
    return rv_added_push(&tok->added, &token, err);
}

rv_status rv_tokenizer_from_gpt2(rv_tokenizer *tok, const char *folder, rv_error *err)
{
    char *openai = rv_path_join(folder, "vocab.bpe");
    bool original = openai && rv_file_exists(openai);
    free(openai);
    char *encoder = rv_path_join(folder, original ? "encoder.json" : "vocab.json");
    char *merges = rv_path_join(folder, original ? "vocab.bpe" : "merges.txt");
    rv_decode_step *step;
    rv_status status;
    if (!encoder || !merges) {
        status = rv_fail_memory(err, strlen(folder));
        goto done;
    }
    RV_GOTO(read_encoder(tok, encoder, err));
    RV_GOTO(read_merges(tok, merges, err));
    RV_GOTO(rv_tokenizer_byte_level(tok, false, true, err));
    RV_GOTO(rv_decoder_add(&step, &tok->decoder, RV_DECODE_BYTE_LEVEL, err));
    tok->decoder.joint = tok->decoder.count;
    RV_GOTO(add_special(tok, err));
    RV_GOTO(rv_tokenizer_read_config(tok, folder, err));
done:
    free(encoder);
    free(merges);
    return status;
}
