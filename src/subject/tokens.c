#include "subject/tokens.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

void rv_tokens_release(rv_tokens *tokens)
{
    free(tokens->items);
    free(tokens->storage);
    *tokens = (rv_tokens){0};
}

/* The bytes of one id behind *at, moved on; NULL where it has no token. */
static const char *store(char **at, size_t *length, const rv_tokenizer *tokenizer, int32_t id)
{
    const char *bytes = rv_token_bytes(tokenizer, id, length);
    char *copy = *at;
    if (!bytes) *length = 0;
    if (*length) memcpy(copy, bytes, *length);
    *at += *length + 1; // what follows stays 0
    return copy;
}

rv_status rv_tokens_make(rv_tokens *out, const rv_tokenizer *tokenizer, const int32_t *ids,
                         const double *values, size_t count, int32_t bos, const char *why,
                         rv_error *err)
{
    *out = (rv_tokens){.bos = {.added = bos >= 0, .id = bos, .why = why}};
    size_t room = 0, length;
    for (size_t i = 0; i < count; i++)
        room += rv_token_bytes(tokenizer, ids[i], &length) ? length + 1 : 1;
    if (bos >= 0) room += rv_token_bytes(tokenizer, bos, &length) ? length + 1 : 1;
    rv_status status = RV_NEW(out->items, count, err);
    if (status == RV_OK) status = RV_NEW(out->storage, room, err);
    if (status != RV_OK) {
        rv_tokens_release(out);
        return status;
    }
    char *at = out->storage;
    for (size_t i = 0; i < count; i++) {
        rv_token *t = &out->items[i];
        *t = (rv_token){.id = ids[i], .value = values ? values[i] : NAN};
        t->text = store(&at, &t->length, tokenizer, ids[i]);
    }
    out->count = count;
    if (bos >= 0) out->bos.text = store(&at, &out->bos.length, tokenizer, bos);
    return RV_OK;
}

rv_status rv_model_encode(rv_ids *ids, size_t *first, const rv_model *m, const char *text,
                          size_t length, rv_error *err)
{
    if (m->bos >= 0) RV_TRY(rv_ids_push(ids, m->bos, err));
    *first = ids->count;
    return rv_tokenizer_encode(m->tokenizer, text, length, m->encoding, ids, err);
}

/* ---- without weights ------------------------------------------------------------------------ */

/* Path and weights of a name are not wanted here, only its tokenizer. */
static rv_status open_tokenizer(rv_tokenizer **out, const char *name, rv_error *err)
{
    char *path;
    rv_checkpoint *checkpoint;
    RV_TRY(rv_open_parts(&path, &checkpoint, out, name, err));
    rv_checkpoint_close(checkpoint);
    free(path);
    return RV_OK;
}

rv_status rv_subject_tokenize(rv_tokens *out, const char *name, const char *text, size_t length,
                              const rv_model_params *params, rv_error *err)
{
    *out = (rv_tokens){0};
    rv_tokenizer *tokenizer;
    rv_ids ids = {0};
    const char *why;
    int32_t bos;
    rv_status status;
    RV_TRY(open_tokenizer(&tokenizer, name, err));
    RV_GOTO(rv_choose_bos(&bos, &why, tokenizer, params->bos, err));
    if (bos >= 0) RV_GOTO(rv_ids_push(&ids, bos, err));
    RV_GOTO(rv_tokenizer_encode(tokenizer, text, length,
                                params->special ? RV_ENCODE_SPECIAL : RV_ENCODE_PLAIN, &ids,
                                err));
    RV_GOTO(rv_tokens_make(out, tokenizer, ids.items, NULL, ids.count, bos, why, err));
done:
    rv_ids_release(&ids);
    rv_tokenizer_close(tokenizer);
    return status;
}

rv_status rv_detokenize(char **out, size_t *length, const char *name, const int32_t *ids,
                        size_t count, rv_error *err)
{
    *out = NULL;
    *length = 0;
    rv_tokenizer *tokenizer;
    rv_text text = {0};
    size_t ignored;
    RV_TRY(open_tokenizer(&tokenizer, name, err));
    rv_status status = RV_OK;
    for (size_t i = 0; i < count; i++)
        if (!rv_token_bytes(tokenizer, ids[i], &ignored))
            RV_GOTO(rv_fail(err, RV_ERR_USAGE,
                            "id %zu: expected a token's, from 0 to %zu; found %d", i + 1,
                            rv_tokenizer_size(tokenizer) - 1, ids[i]));
    RV_GOTO(rv_tokenizer_decode(tokenizer, ids, count, false, &text, err));
    *length = text.length;
    *out = rv_text_take(&text);
    if (!*out) status = rv_fail_memory(err, *length);
done:
    rv_text_release(&text);
    rv_tokenizer_close(tokenizer);
    return status;
}
