/* Opens hostile bytes as a checkpoint and reads everything that a reader may read. */
#ifndef RV_FUZZ_CHECKPOINT_H
#define RV_FUZZ_CHECKPOINT_H

#include <string.h>

#include "checkpoint/internal.h"
#include "fuzz.h"

static void read_tensor(const rv_checkpoint *ck, const rv_tensor *t)
{
    rv_error err;
    size_t row = t->rank ? t->shape[t->rank - 1] : 1, rows = row ? t->elements / row : 0;
    FUZZ_REQUIRE(rv_checkpoint_find(ck, t->name) == t);
    FUZZ_REQUIRE(t->type_name && t->rank <= RV_MAX_RANK);
    unsigned char sum = 0;
    for (size_t i = 0; i < t->length; i++) sum ^= t->bytes[i];
    volatile unsigned char touched = sum; // so that the reads are not optimised away
    (void)touched;
    if (t->dtype == RV_OTHER) {
        FUZZ_REQUIRE(rv_tensor_read_rows(t, 0, 0, NULL, &err) == RV_ERR_UNSUPPORTED);
        return;
    }
    if (t->elements == 0) return;
    FUZZ_REQUIRE(t->elements <= 8 * t->length);
    real *out = malloc(row * sizeof *out);
    FUZZ_REQUIRE(out);
    for (size_t i = 0; i < rows; i++)
        FUZZ_REQUIRE(rv_tensor_read_rows(t, i, 1, out, &err) == RV_OK);
    FUZZ_REQUIRE(rv_tensor_read_rows(t, rows, 1, out, &err) == RV_ERR_USAGE);
    free(out);
}

static void read_meta(const rv_checkpoint *ck, const rv_meta *meta)
{
    char *key = malloc(meta->key_length + 1);
    FUZZ_REQUIRE(key);
    memcpy(key, meta->key, meta->key_length);
    key[meta->key_length] = '\0';
    const char *text;
    size_t length, count;
    int64_t integer;
    double number;
    bool truth;
    rv_meta_integer(ck, key, &integer);
    rv_meta_number(ck, key, &number);
    rv_meta_bool(ck, key, &truth);
    if (rv_meta_string(ck, key, &text, &length)) free(memcpy(malloc(length + 1), text, length));
    if (rv_meta_array(ck, key, &count)) {
        for (size_t i = 0; i < count; i++) {
            rv_meta_array_number(ck, key, i, &number);
            if (rv_meta_array_string(ck, key, i, &text, &length))
                free(memcpy(malloc(length + 1), text, length));
        }
        FUZZ_REQUIRE(!rv_meta_array_number(ck, key, count, &number));
        FUZZ_REQUIRE(!rv_meta_array_string(ck, key, count, &text, &length));
    }
    free(key);
}

static int read_checkpoint(const uint8_t *data, size_t size, const char *name)
{
    rv_checkpoint *ck;
    rv_error err = {.message = ""};
    rv_status status = rv_checkpoint_open_memory(&ck, data, size, name, &err);
    if (status != RV_OK) {
        FUZZ_REQUIRE(!ck && err.status == status &&
                     strncmp(err.message, name, strlen(name)) == 0);
        return 0;
    }
    for (size_t i = 0; i < rv_checkpoint_count(ck); i++)
        read_tensor(ck, rv_checkpoint_at(ck, i));
    for (size_t i = 0; i < ck->meta_count; i++) read_meta(ck, &ck->meta[i]);
    rv_checkpoint_plan plan;
    rv_checkpoint_plan_memory(&plan, ck);
    rv_checkpoint_close(ck);
    return 0;
}

#endif
