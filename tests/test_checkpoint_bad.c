/* Checkpoints that are not what they claim to be. Each is refused with one sentence that says
 * which file, which field, what was expected and what was found. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "checkpoint/internal.h"

#define FIXTURES "tests/fixtures/checkpoint/"

/* Little-endian, in `width` bytes. */
static void put_integer(rv_text *out, uint64_t value, size_t width)
{
    for (; width--; value >>= 8) rv_text_putc(out, (char)(value & 255));
}

/* Assembles bytes from words: `5.4` is 5 in four bytes, `'name` a string behind its length in
 * eight bytes, `=text` the text itself, `z9` nine zero bytes, `p32` zeros up to a multiple. */
static void assemble(rv_text *out, const char *words)
{
    for (const char *p = words; *p; p += strspn(p, " ")) {
        size_t length = strcspn(p, " ");
        char *end;
        if (*p == '\'') {
            put_integer(out, length - 1, 8);
            rv_text_append(out, p + 1, length - 1);
        } else if (*p == '=') {
            rv_text_append(out, p + 1, length - 1);
        } else if (*p == 'z') {
            put_integer(out, 0, strtoul(p + 1, NULL, 10));
        } else if (*p == 'p') {
            size_t multiple = strtoul(p + 1, NULL, 10);
            while (out->length % multiple) rv_text_putc(out, '\0');
        } else {
            uint64_t value = strtoull(p, &end, 0);
            assert_int_equal(*end, '.');
            put_integer(out, value, strtoul(end + 1, NULL, 10));
        }
        p += length;
    }
    assert_false(out->failed);
}

/* Control characters and line breaks must not reach a terminal. */
static void assert_one_sentence(const rv_error *err, const char *file, const char *part)
{
    if (strncmp(err->message, file, strlen(file)) != 0 || !strstr(err->message, part))
        fail_msg("expected '%s: ...%s...', found '%s'", file, part, err->message);
    for (const char *p = err->message; *p; p++) assert_in_range(*p, ' ', '~');
}

static void assert_refused(const rv_text *bytes, const char *name, rv_status status,
                           const char *message)
{
    rv_checkpoint *ck;
    rv_error err = {.message = ""};
    // A copy of exactly this length lets the address sanitizer see any step beyond it.
    void *exact = malloc(bytes->length ? bytes->length : 1);
    assert_non_null(exact);
    if (bytes->length) memcpy(exact, bytes->bytes, bytes->length);
    rv_status found = rv_checkpoint_open_memory(&ck, exact, bytes->length, name, &err);
    if (found != status)
        fail_msg("expected %s about '%s', found %s: %s", rv_status_text(status), message,
                 rv_status_text(found), err.message);
    assert_null(ck);
    assert_one_sentence(&err, name, message);
    free(exact);
}

#define G      "=GGUF 3.4 "
#define TENSOR G "1.8 0.8 'a " /* a whole file, but for what follows the tensor's name */

static void bad_gguf_files_are_refused(void **state)
{
    (void)state;
    static const struct {
        rv_status status;
        const char *message, *words;
    } cases[] = {
        {RV_ERR_FORMAT, "magic: expected 4 bytes, found 0", ""},
        {RV_ERR_FORMAT, "magic: expected \"GGUF\", found \"GGML\"", "=GGML 3.4 0.8 0.8"},
        {RV_ERR_FORMAT, "version: expected 4 bytes, found 2", "=GGUF 3.2"},
        {RV_ERR_FORMAT, "tensor count: expected 8 bytes", G "0.4"},
        {RV_ERR_UNSUPPORTED, "expected 2 or 3, found 1", "=GGUF 1.4 0.4 0.4"},
        {RV_ERR_UNSUPPORTED, "expected 2 or 3, found 4", "=GGUF 4.4 0.8 0.8"},
        {RV_ERR_UNSUPPORTED, "found a big-endian one", "=GGUF 0x03000000.4 0.8 0.8"},
        {RV_ERR_FORMAT, "metadata count: expected at most 0", G "0.8 1.8"},
        {RV_ERR_FORMAT, "metadata count", G "0.8 0xffffffffffffffff.8 z100"},
        {RV_ERR_FORMAT, "tensor count: expected at most 0", G "1.8 0.8"},
        {RV_ERR_FORMAT, "tensor count", G "0xffffffffffffffff.8 0.8 z100"},
        // metadata
        {RV_ERR_FORMAT, "pair 0: key: expected 1000 bytes", G "0.8 1.8 1000.8 z50"},
        {RV_ERR_FORMAT, "key length: expected 1 to 65535, found 0", G "0.8 1.8 ' 0.4 z20"},
        {RV_ERR_FORMAT, "key 'k': type: expected 0 to 12, found 13", G "0.8 1.8 'k 13.4 z20"},
        {RV_ERR_FORMAT, "key 'k': value: expected 8 bytes, found 3", G "0.8 1.8 'k 10.4 z3"},
        {RV_ERR_FORMAT, "key 'k': string: expected 99", G "0.8 1.8 'k 8.4 99.8 z9"},
        {RV_ERR_FORMAT, "key 'k': string", G "0.8 1.8 'k 8.4 0xffffffffffffffff.8 z9"},
        {RV_ERR_FORMAT, "key 'k': expected once", G "0.8 2.8 'k 0.4 1.1 'k 0.4 2.1"},
        {RV_ERR_FORMAT, "array: expected 9 elements of 4", G "0.8 1.8 'k 9.4 4.4 9.8 z35"},
        {RV_ERR_FORMAT, "of 8 bytes", G "0.8 1.8 'k 9.4 10.4 0x2000000000000001.8 z8"},
        {RV_ERR_FORMAT, "array: expected 3 strings", G "0.8 1.8 'k 9.4 8.4 3.8 z16"},
        {RV_ERR_FORMAT, "string in array: expected 5", G "0.8 1.8 'k 9.4 8.4 2.8 z8 5.8 z4"},
        {RV_ERR_FORMAT, "key 'k': type: expected 0 to 12", G "0.8 1.8 'k 9.4 77.4 2.8 z99"},
        {RV_ERR_FORMAT, "type of inner array", G "0.8 1.8 'k 9.4 9.4 2.8 0.4 0.8"},
        {RV_ERR_FORMAT, "at most 4 levels",
         G "0.8 1.8 'k 9.4 9.4 1.8 9.4 1.8 9.4 1.8 9.4 1.8 9.4 1.8 0.4 0.8"},
        {RV_ERR_FORMAT, "key '?[31mred'", G "0.8 1.8 '\033[31mred 13.4 z20"},
        {RV_ERR_FORMAT, "general.alignment: expected", G "0.8 1.8 'general.alignment 4.4 12.4"},
        {RV_ERR_FORMAT, "general.alignment: expected", G "0.8 1.8 'general.alignment 4.4 0.4"},
        {RV_ERR_FORMAT, "general.alignment: expected", G "0.8 1.8 'general.alignment 8.4 '8"},
        {RV_ERR_UNSUPPORTED, "found one of 3 parts", G "0.8 1.8 'split.count 2.4 3.2"},
        // tensor infos
        {RV_ERR_FORMAT, "name of tensor 0: expected 1", G "1.8 0.8 ' 0.4 0.4 0.8 z99"},
        {RV_ERR_FORMAT, "found a NUL byte", G "1.8 0.8 2.8 97.2 0.4 0.4 0.8 p32 z32"},
        {RV_ERR_FORMAT, "tensor info 0: name: expected 70", G "1.8 0.8 70.8 z60"},
        {RV_ERR_FORMAT, "tensor 'a': number of dimensions: expected at most 4, found 5",
         TENSOR "5.4 z40 0.4 0.8"},
        {RV_ERR_FORMAT, "tensor info 0: dimension: expected 8 bytes", TENSOR "4.4 z16"},
        {RV_ERR_FORMAT, "tensor 'a': shape: found more elements",
         TENSOR "2.4 0x100000000.8 0x100000000.8 0.4 0.8 p32 z32"},
        {RV_ERR_FORMAT, "tensor 'a': shape: found more elements",
         TENSOR "3.4 0x100000000.8 0x100000000.8 0.8 0.4 0.8 p32 z32"},
        {RV_ERR_FORMAT, "tensor 'a': shape: found more bytes",
         TENSOR "1.4 0x4000000000000000.8 0.4 0.8 p32 z32"},
        {RV_ERR_FORMAT, "row length: expected a multiple of Q4_0's 32 elements, found 48",
         TENSOR "1.4 48.8 2.4 0.8 p32 z32"},
        {RV_ERR_FORMAT, "row length", TENSOR "2.4 16.8 2.8 2.4 0.8 p32 z32"},
        {RV_ERR_FORMAT, "offset: expected a multiple of 32, found 8",
         TENSOR "1.4 2.8 0.4 8.8 p32 z32"},
        {RV_ERR_FORMAT, "expected 12 bytes at offset 0, found only 11 data bytes",
         TENSOR "1.4 3.8 0.4 0.8 p32 z11"},
        {RV_ERR_FORMAT, "at offset 64, found only 32", TENSOR "1.4 1.8 0.4 64.8 p32 z32"},
        {RV_ERR_FORMAT, "found only 32", TENSOR "1.4 1.8 0.4 0xffffffffffffffe0.8 p32 z32"},
        {RV_ERR_FORMAT, "found only 0 data bytes", TENSOR "1.4 1.8 0.4 0.8"},
        {RV_ERR_FORMAT, "tensor 'a': expected once, found twice",
         G "2.8 0.8 'a 1.4 1.8 0.4 0.8 'a 1.4 1.8 0.4 32.8 p32 z64"},
        {RV_ERR_FORMAT, "tensors 'a' and 'b': expected separate bytes",
         G "2.8 0.8 'a 1.4 9.8 0.4 0.8 'b 1.4 1.8 0.4 32.8 p32 z64"},
        {RV_ERR_FORMAT, "expected separate bytes",
         G "2.8 0.8 'a 1.4 1.8 0.4 0.8 'b 1.4 1.8 0.4 0.8 p32 z64"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rv_text bytes = {0};
        assemble(&bytes, cases[i].words);
        assert_refused(&bytes, "bad.gguf", cases[i].status, cases[i].message);
        rv_text_release(&bytes);
    }
}

static rv_checkpoint *open_words(rv_text *bytes, const char *words)
{
    rv_checkpoint *ck;
    rv_error err;
    assemble(bytes, words);
    if (rv_checkpoint_open_memory(&ck, bytes->bytes, bytes->length, "good", &err) != RV_OK)
        fail_msg("%s", err.message);
    return ck;
}

/* New quantisations must not make the rest of a file unreadable. */
static void unknown_gguf_types_fail_only_when_read(void **state)
{
    (void)state;
    rv_text bytes = {0};
    rv_error err;
    float value;
    rv_checkpoint *ck =
        open_words(&bytes, G "3.8 0.8 'new 1.4 32.8 77.4 0.8 'iq 1.4 256.8 19.4 "
                             "0.8 'f 1.4 1.8 0.4 64.8 p32 z64 0x3f800000.4");
    const rv_tensor *t = rv_checkpoint_find(ck, "new");
    assert_int_equal(t->dtype, RV_OTHER);
    assert_string_equal(t->type_name, "type 77");
    assert_int_equal(rv_tensor_read(t, &value, &err), RV_ERR_UNSUPPORTED);
    assert_one_sentence(&err, "tensor 'new': type", "found type 77");
    t = rv_checkpoint_find(ck, "iq");
    assert_string_equal(t->type_name, "IQ1_S");
    assert_int_equal(t->length, 50);
    assert_int_equal(rv_tensor_read(t, &value, &err), RV_ERR_UNSUPPORTED);
    assert_int_equal(rv_tensor_read(rv_checkpoint_find(ck, "f"), &value, &err), RV_OK);
    assert_float_equal(value, 1, 0);
    rv_checkpoint_close(ck);
    rv_text_release(&bytes);
}

static void gguf_shapes_are_turned_row_major(void **state)
{
    (void)state;
    rv_text bytes = {0};
    rv_checkpoint *ck = open_words(&bytes, "=GGUF 2.4 1.8 1.8 'general.alignment 4.4 8.4 "
                                           "'a 3.4 2.8 3.8 5.8 0.4 0.8 p8 z120");
    const rv_tensor *t = rv_checkpoint_at(ck, 0);
    assert_int_equal(t->rank, 3);
    assert_int_equal(t->shape[0], 5);
    assert_int_equal(t->shape[1], 3);
    assert_int_equal(t->shape[2], 2);
    assert_int_equal(t->elements, 30);
    rv_checkpoint_close(ck);
    rv_text_release(&bytes);
}

/* A tensor entry and a header around it. */
#define ENTRY(dtype, shape, offsets) \
    "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"
#define ONE(dtype, shape, offsets) "{\"a\":" ENTRY(dtype, shape, offsets) "}"

static void put_safetensors(rv_text *out, const char *header, size_t data)
{
    put_integer(out, strlen(header), 8);
    rv_text_puts(out, header);
    put_integer(out, 0, data);
}

static void bad_safetensors_files_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *message, *header;
        size_t data;
    } cases[] = {
        {"header: expected JSON", "{", 0},
        {"header: expected JSON", "{\"a\":1", 0},
        {"header: expected JSON", "{\"\xff\":1}", 0},
        {"header: expected JSON", "{\"a\\u0000b\":1}", 0},
        {"header: expected a JSON object", "[]", 0},
        {"header: expected JSON, found duplicate object key",
         "{\"a\":" ENTRY("U8", "[1]", "[0,1]") ",\"a\":" ENTRY("U8", "[1]", "[1,2]") "}", 2},
        {"name of tensor 0: expected 1 to", "{\"\":" ENTRY("U8", "[1]", "[0,1]") "}", 1},
        {"tensor 'a': expected an object", "{\"a\":[]}", 0},
        {"tensor 'a': shape: expected an array", "{\"a\":{\"dtype\":\"F32\"}}", 0},
        {"tensor 'a': data_offsets: expected two", "{\"a\":{\"dtype\":\"F32\",\"shape\":[]}}",
         0},
        {"tensor 'a': dtype: expected a string",
         "{\"a\":{\"shape\":[],\"data_offsets\":[0,4]}}", 4},
        {"shape[1]: expected an integer", ONE("F32", "[1,-1]", "[0,4]"), 4},
        {"shape[0]: expected an integer", ONE("F32", "[1.0]", "[0,4]"), 4},
        {"shape: found more elements", ONE("F32", "[4294967296,4294967296]", "[0,4]"), 4},
        {"expected the length of", ONE("F32", "[4611686018427387904]", "[0,0]"), 4},
        {"header: expected JSON", ONE("F32", "[99999999999999999999]", "[0,0]"), 4},
        {"data_offsets: expected two", ONE("F32", "[1]", "[0,4,8]"), 4},
        {"data_offsets: expected two", ONE("F32", "[1]", "[-4,0]"), 4},
        {"within the file's 4 data bytes, found [4, 0]", ONE("F32", "[1]", "[4,0]"), 4},
        {"within the file's 4 data bytes, found [0, 5]", ONE("U8", "[5]", "[0,5]"), 4},
        {"found [9, 9]", ONE("F32", "[0]", "[9,9]"), 4},
        {"length of 2 elements of type F32, found 4", ONE("F32", "[2]", "[0,4]"), 8},
        {"length of 3 elements of type F4, found 2", ONE("F4", "[3]", "[0,2]"), 2},
        {"tensors 'a' and 'b': expected separate bytes",
         "{\"b\":" ENTRY("U8", "[2]", "[1,3]") ",\"a\":" ENTRY("U8", "[2]", "[0,2]") "}", 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rv_text bytes = {0};
        put_safetensors(&bytes, cases[i].header, cases[i].data);
        assert_refused(&bytes, "bad.safetensors", RV_ERR_FORMAT, cases[i].message);
        rv_text_release(&bytes);
    }
}

static void bad_safetensors_headers_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *message, *words;
    } cases[] = {
        {"length: expected at least 8 bytes, found 0", ""},
        {"length: expected at least 8 bytes, found 7", "z7"},
        {"header length: expected at most 100000000, found 100000001", "100000001.8 ={}"},
        {"header length: expected at most 100000000", "0xffffffffffffffff.8 ={}"},
        {"header length: expected at most the 2 bytes that follow, found 3", "3.8 ={}"},
        {"header: expected JSON", "0.8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rv_text bytes = {0};
        assemble(&bytes, cases[i].words);
        assert_refused(&bytes, "bad.safetensors", RV_ERR_FORMAT, cases[i].message);
        rv_text_release(&bytes);
    }
    rv_text bytes = {0};
    put_safetensors(&bytes, ONE("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4);
    assert_refused(&bytes, "bad.safetensors", RV_ERR_UNSUPPORTED,
                   "at most 8 dimensions, found 9");
    rv_text_release(&bytes);
}

static void unknown_safetensors_types_fail_only_when_read(void **state)
{
    (void)state;
    rv_text bytes = {0};
    rv_checkpoint *ck;
    rv_error err;
    float value;
    put_safetensors(&bytes, ONE("F99", "[1]", "[0,3]"), 3);
    assert_int_equal(
        rv_checkpoint_open_memory(&ck, bytes.bytes, bytes.length, "new.safetensors", &err),
        RV_OK);
    assert_string_equal(rv_checkpoint_at(ck, 0)->type_name, "F99");
    assert_int_equal(rv_tensor_read(rv_checkpoint_at(ck, 0), &value, &err), RV_ERR_UNSUPPORTED);
    assert_one_sentence(&err, "tensor 'a': type", "found F99");
    rv_checkpoint_close(ck);
    rv_text_release(&bytes);
}

/* dim 4, hidden 3, one layer, 2 heads, one of them for keys, 3 tokens, context 2:
 * embeddings 12, norms 4 + 4 + 4, q and o 16 each, k and v 8 each, MLP 3 x 12, tables 4 */
#define LLAMA2C(vocabulary) "4.4 3.4 1.4 2.4 1.4 " vocabulary ".4 2.4 "
enum { LLAMA2C_NUMBERS = 12 + 12 + 32 + 16 + 36 + 4 };

static void bad_llama2c_files_are_refused(void **state)
{
    (void)state;
    static const struct {
        rv_status status;
        const char *message, *words;
    } cases[] = {
        {RV_ERR_FORMAT, "expected a safetensors, GGUF or llama2.c file, found none", ""},
        {RV_ERR_FORMAT, "found none of them", "=text"},
        {RV_ERR_FORMAT, "found none of them", "0.4 3.4 1.4 2.4 1.4 3.4 2.4 z448"},
        {RV_ERR_FORMAT, "found none of them", "4.4 3.4 1.4 3.4 1.4 3.4 2.4 z448"},
        {RV_ERR_FORMAT, "found none of them", "4.4 3.4 1.4 2.4 1.4 0x80000000.4 2.4 z448"},
        {RV_ERR_FORMAT, "found none of them", "4.4 3.4 2000.4 2.4 1.4 3.4 2.4 z448"},
        {RV_ERR_FORMAT, "length: expected the llama2.c file to end", LLAMA2C("3") "z449"},
        {RV_ERR_FORMAT, "'lm_head.weight': expected 12 numbers", LLAMA2C("-3") "z448"},
        {RV_ERR_FORMAT, "'model.embed_tokens.weight': expected 12 num", LLAMA2C("3") "z47"},
        {RV_ERR_FORMAT, "rotary tables: expected 2 positions", LLAMA2C("3") "z440"},
        {RV_ERR_FORMAT, "'model.embed_tokens.weight'",
         "0x7ffffffc.4 3.4 1.4 2.4 1.4 0x7fffffff.4 2.4 z448"},
        {RV_ERR_UNSUPPORTED, "llama2.c version: expected 0", "=24ka 1.4 z300"},
        {RV_ERR_UNSUPPORTED, "PyTorch pickle", "=PK 3.1 4.1 z30"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rv_text bytes = {0};
        assemble(&bytes, cases[i].words);
        assert_refused(&bytes, "bad.bin", cases[i].status, cases[i].message);
        rv_text_release(&bytes);
    }
}

static void llama2c_heads_may_be_tied_or_not(void **state)
{
    (void)state;
    rv_text tied = {0}, untied = {0};
    rv_checkpoint *ck = open_words(&tied, LLAMA2C("3") "z448");
    assert_int_equal(tied.length, 28 + 4 * LLAMA2C_NUMBERS);
    assert_null(rv_checkpoint_find(ck, "lm_head.weight"));
    assert_int_equal(rv_checkpoint_find(ck, "model.layers.0.mlp.down_proj.weight")->shape[1],
                     3);
    rv_checkpoint_close(ck);
    ck = open_words(&untied, LLAMA2C("-3") "z496");
    assert_int_equal(rv_checkpoint_find(ck, "lm_head.weight")->shape[0], 3);
    assert_true(
        json_is_false(json_object_get(rv_checkpoint_config(ck), "tie_word_embeddings")));
    rv_checkpoint_close(ck);
    rv_text_release(&tied);
    rv_text_release(&untied);
}

/* A file cut anywhere before the end of its last tensor is refused. */
static void every_truncation_is_noticed(void **state)
{
    (void)state;
    static const char *const paths[] = {FIXTURES "quants.gguf", FIXTURES "types.safetensors"};
    for (size_t i = 0; i < 2; i++) {
        rv_text whole = {0};
        rv_checkpoint *ck;
        rv_error err;
        size_t end = 0;
        assert_int_equal(rv_read_file(&whole.bytes, &whole.length, paths[i], 1 << 20, &err), 0);
        assert_int_equal(
            rv_checkpoint_open_memory(&ck, whole.bytes, whole.length, paths[i], &err), RV_OK);
        for (size_t j = 0; j < rv_checkpoint_count(ck); j++) {
            const rv_tensor *t = rv_checkpoint_at(ck, j);
            size_t stop = (size_t)(t->bytes + t->length - (unsigned char *)whole.bytes);
            if (stop > end) end = stop;
        }
        rv_checkpoint_close(ck);
        for (size_t length = 0; length < end; length += length < 2048 ? 1 : 97) {
            const rv_text cut = {.bytes = whole.bytes, .length = length};
            assert_refused(&cut, paths[i], RV_ERR_FORMAT, ":");
        }
        free(whole.bytes);
    }
}

/* ---- files and folders on disk ------------------------------------------------------------ */

static char folder[] = "/tmp/reverie-test-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static void write_text(const char *name, const char *text)
{
    char *path = rv_path_join(folder, name);
    rv_error err;
    assert_int_equal(rv_write_file(path, text, strlen(text), &err), RV_OK);
    free(path);
}

static void assert_folder_refused(rv_status status, const char *message)
{
    rv_checkpoint *ck;
    rv_error err = {.message = ""};
    assert_int_equal(rv_checkpoint_open(&ck, folder, &err), status);
    assert_null(ck);
    assert_one_sentence(&err, folder, message);
}

static void bad_folders_are_refused(void **state)
{
    (void)state;
    static const char index[] = "model.safetensors.index.json";
    assert_folder_refused(RV_ERR_NOT_FOUND, "config.json");
    write_text("config.json", "{");
    assert_folder_refused(RV_ERR_FORMAT, "config.json: line 1: expected JSON");
    write_text("config.json", "[]");
    assert_folder_refused(RV_ERR_FORMAT, "config.json: expected a JSON object");
    write_text("config.json", "{}");
    assert_folder_refused(RV_ERR_NOT_FOUND, "expected model.safetensors");
    write_text("pytorch_model.bin", "PK");
    assert_folder_refused(RV_ERR_UNSUPPORTED, "convert it to safetensors");
    write_text(index, "{}");
    assert_folder_refused(RV_ERR_FORMAT, "weight_map: expected an object");
    write_text(index, "{\"weight_map\":{\"a\":7}}");
    assert_folder_refused(RV_ERR_FORMAT, "weight_map['a']: expected the name of a file");
    write_text(index, "{\"weight_map\":{\"a\":\"../a.safetensors\"}}");
    assert_folder_refused(RV_ERR_FORMAT, "weight_map['a']: expected the name of a file");
    write_text(index, "{\"weight_map\":{\"a\":\"/etc/passwd\"}}");
    assert_folder_refused(RV_ERR_FORMAT, "weight_map['a']: expected the name of a file");
    write_text(index, "{\"weight_map\":{\"a\":\"1.safetensors\"}}");
    assert_folder_refused(RV_ERR_NOT_FOUND, "1.safetensors: cannot open");
    write_text("1.safetensors", "oh");
    assert_folder_refused(RV_ERR_FORMAT, "1.safetensors: length: expected at least 8");
}

static void put_shard(const char *name, const char *header)
{
    char *path = rv_path_join(folder, name);
    rv_text bytes = {0};
    rv_error err;
    put_safetensors(&bytes, header, 2);
    assert_int_equal(rv_write_file(path, bytes.bytes, bytes.length, &err), RV_OK);
    rv_text_release(&bytes);
    free(path);
}

static void an_index_must_keep_its_promises(void **state)
{
    (void)state;
    static const char index[] = "model.safetensors.index.json";
    write_text("config.json", "{}");
    write_text(index, "{\"weight_map\":{\"a\":\"1.safetensors\",\"b\":\"2.safetensors\"}}");
    put_shard("1.safetensors", ONE("U8", "[1]", "[0,1]"));
    put_shard("2.safetensors", "{}");
    assert_folder_refused(RV_ERR_FORMAT, "2.safetensors: expected the 1 tensors");
    put_shard("2.safetensors", ONE("U8", "[1]", "[0,1]"));
    assert_folder_refused(RV_ERR_FORMAT, "2.safetensors: expected the 1 tensors");
    put_shard("2.safetensors",
              "{\"b\":" ENTRY("U8", "[1]", "[0,1]") ",\"a\":" ENTRY("U8", "[1]", "[1,2]") "}");
    assert_folder_refused(RV_ERR_FORMAT, "tensor 'a': expected once, found twice");
}

static void a_folder_with_one_file_is_read(void **state)
{
    (void)state;
    rv_checkpoint *ck;
    rv_error err;
    write_text("config.json", "{\"hidden_size\": 3}");
    put_shard("model.safetensors", ONE("U8", "[1]", "[0,1]"));
    assert_int_equal(rv_checkpoint_open(&ck, folder, &err), RV_OK);
    assert_string_equal(rv_checkpoint_path(ck), folder);
    assert_int_equal(rv_checkpoint_count(ck), 1);
    assert_null(rv_checkpoint_at(ck, 1));
    assert_int_equal(
        json_integer_value(json_object_get(rv_checkpoint_config(ck), "hidden_size")), 3);
    rv_checkpoint_close(ck);
}

static void absent_files_are_named(void **state)
{
    (void)state;
    rv_checkpoint *ck;
    rv_error err;
    assert_int_equal(rv_checkpoint_open(&ck, "absent.gguf", &err), RV_ERR_NOT_FOUND);
    assert_null(ck);
    assert_one_sentence(&err, "absent.gguf", "No such file");
    assert_int_equal(rv_checkpoint_open(&ck, "/dev/null", &err), RV_ERR_IO);
    assert_one_sentence(&err, "/dev/null", "expected a regular file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_gguf_files_are_refused),
        cmocka_unit_test(unknown_gguf_types_fail_only_when_read),
        cmocka_unit_test(gguf_shapes_are_turned_row_major),
        cmocka_unit_test(bad_safetensors_files_are_refused),
        cmocka_unit_test(bad_safetensors_headers_are_refused),
        cmocka_unit_test(unknown_safetensors_types_fail_only_when_read),
        cmocka_unit_test(bad_llama2c_files_are_refused),
        cmocka_unit_test(llama2c_heads_may_be_tied_or_not),
        cmocka_unit_test(every_truncation_is_noticed),
        cmocka_unit_test(bad_folders_are_refused),
        cmocka_unit_test(an_index_must_keep_its_promises),
        cmocka_unit_test(a_folder_with_one_file_is_read),
        cmocka_unit_test(absent_files_are_named),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
