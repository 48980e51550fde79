/* safetensors: u64 length of a JSON header, the header, then the tensors' bytes. The header maps
 * names to {"dtype", "shape", "data_offsets": [begin, end]}, counted from the header's end. */
#include <string.h>

#include "base/memory.h"
#include "checkpoint/internal.h"

enum { LENGTH_BYTES = 8, MAX_HEADER = 100000000 };

/* Numbers of all widths are kept so that lengths can be checked; only some can be read. */
static const struct {
    const char *name;
    rv_dtype dtype;
    size_t bits;
} types[] = {
    {"F32", RV_F32, 32},      {"F16", RV_F16, 16},      {"BF16", RV_BF16, 16},
    {"F64", RV_F64, 64},      {"BOOL", RV_OTHER, 8},    {"U8", RV_OTHER, 8},
    {"I8", RV_OTHER, 8},      {"F8_E5M2", RV_OTHER, 8}, {"F8_E4M3", RV_OTHER, 8},
    {"F8_E8M0", RV_OTHER, 8}, {"I16", RV_OTHER, 16},    {"U16", RV_OTHER, 16},
    {"I32", RV_OTHER, 32},    {"U32", RV_OTHER, 32},    {"I64", RV_OTHER, 64},
    {"U64", RV_OTHER, 64},    {"C64", RV_OTHER, 64},    {"F4", RV_OTHER, 4},
    {"F6_E2M3", RV_OTHER, 6}, {"F6_E3M2", RV_OTHER, 6},
};

bool rv_safetensors_recognise(const rv_mapping *file)
{
    return file->length > LENGTH_BYTES && file->bytes[LENGTH_BYTES] == '{' &&
           rv_load_u64(file->bytes) <= MAX_HEADER;
}

/* A JSON integer that is at least 0. */
static bool get_size(size_t *out, const json_t *value)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
    *out = (size_t)json_integer_value(value);
    return true;
}

static rv_status read_shape(rv_tensor *t, const json_t *shape, rv_error *err)
{
    if (!json_is_array(shape))
        return rv_fail(err, RV_ERR_FORMAT, "shape: expected an array of integers");
    t->rank = json_array_size(shape);
    if (t->rank > RV_MAX_RANK)
        return rv_fail(err, RV_ERR_UNSUPPORTED,
                       "shape: expected at most %d dimensions, found %zu", RV_MAX_RANK,
                       t->rank);
    for (size_t i = 0; i < t->rank; i++) {
        if (!get_size(&t->shape[i], json_array_get(shape, i)))
            return rv_fail(err, RV_ERR_FORMAT,
                           "shape[%zu]: expected an integer that is at least 0", i);
    }
    if (!rv_tensor_count_elements(t))
        return rv_fail(err, RV_ERR_FORMAT, "shape: found more elements than can be counted");
    return RV_OK;
}

static rv_status read_offsets(rv_tensor *t, const json_t *offsets, const unsigned char *data,
                              size_t data_length, rv_error *err)
{
    size_t begin, end;
    if (json_array_size(offsets) != 2 || !get_size(&begin, json_array_get(offsets, 0)) ||
        !get_size(&end, json_array_get(offsets, 1)))
        return rv_fail(err, RV_ERR_FORMAT,
                       "data_offsets: expected two integers that are at least 0");
    if (begin > end || end > data_length)
        return rv_fail(err, RV_ERR_FORMAT,
                       "data_offsets: expected a range within the file's %zu data bytes, found "
                       "[%zu, %zu]",
                       data_length, begin, end);
    t->bytes = data + begin;
    t->length = end - begin;
    return RV_OK;
}

static rv_status read_dtype(rv_checkpoint *ck, rv_tensor *t, const json_t *dtype, rv_error *err)
{
    if (!json_is_string(dtype)) return rv_fail(err, RV_ERR_FORMAT, "dtype: expected a string");
    const char *name = json_string_value(dtype);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(types[i].name, name) != 0) continue;
        t->dtype = types[i].dtype;
        t->type_name = types[i].name;
        size_t bits;
        if (rv_mul_overflows(t->elements, types[i].bits, &bits) || bits % 8 ||
            bits / 8 != t->length)
            return rv_fail(
                err, RV_ERR_FORMAT,
                "data_offsets: expected the length of %zu elements of type %s, found "
                "%zu bytes",
                t->elements, name, t->length);
        return RV_OK;
    }
    t->dtype = RV_OTHER;
    return rv_checkpoint_keep(ck, &t->type_name, name, strlen(name), err);
}

static rv_status read_tensor(rv_checkpoint *ck, const char *name, const json_t *entry,
                             const unsigned char *data, size_t data_length, rv_error *err)
{
    rv_tensor t = {0};
    if (!json_is_object(entry))
        return rv_fail(err, RV_ERR_FORMAT,
                       "expected an object with dtype, shape, data_offsets");
    RV_TRY(read_shape(&t, json_object_get(entry, "shape"), err));
    RV_TRY(read_offsets(&t, json_object_get(entry, "data_offsets"), data, data_length, err));
    RV_TRY(read_dtype(ck, &t, json_object_get(entry, "dtype"), err));
    return rv_checkpoint_add(ck, &t, name, strlen(name), err);
}

/* Unlike other JSON, the format allows no key twice. */
static rv_status parse_header(json_t **out, const char *text, size_t length, rv_error *err)
{
    json_error_t why;
    *out = json_loadb(text, length, JSON_REJECT_DUPLICATES, &why);
    if (json_is_object(*out)) return RV_OK;
    if (*out) {
        json_decref(*out);
        return rv_fail(err, RV_ERR_FORMAT, "header: expected a JSON object");
    }
    if (json_error_code(&why) == json_error_out_of_memory) return rv_fail_memory(err, length);
    return rv_fail(err, RV_ERR_FORMAT, "header: expected JSON, found %s in line %d at byte %d",
                   RV_LABEL(why.text, strlen(why.text)), why.line, why.position);
}

rv_status rv_safetensors_read(rv_checkpoint *ck, const rv_mapping *file, rv_error *err)
{
    ck->format = RV_FORMAT_SAFETENSORS;
    if (file->length < LENGTH_BYTES)
        return rv_fail(err, RV_ERR_FORMAT, "length: expected at least %d bytes, found %zu",
                       LENGTH_BYTES, file->length);
    uint64_t length = rv_load_u64(file->bytes);
    if (length > MAX_HEADER)
        return rv_fail(err, RV_ERR_FORMAT, "header length: expected at most %d, found %llu",
                       MAX_HEADER, (unsigned long long)length);
    if (length > file->length - LENGTH_BYTES)
        return rv_fail(err, RV_ERR_FORMAT,
                       "header length: expected at most the %zu bytes that follow, found %llu "
                       "(a truncated file?)",
                       file->length - LENGTH_BYTES, (unsigned long long)length);
    const unsigned char *data = file->bytes + LENGTH_BYTES + length;
    size_t data_length = file->length - LENGTH_BYTES - (size_t)length;

    json_t *header;
    RV_TRY(
        parse_header(&header, (const char *)file->bytes + LENGTH_BYTES, (size_t)length, err));
    rv_status status = RV_OK;
    const char *name;
    json_t *entry;
    json_object_foreach(header, name, entry)
    {
        if (strcmp(name, "__metadata__") == 0) {
            if (json_is_object(entry) && !ck->metadata) ck->metadata = json_incref(entry);
            continue;
        }
        status = read_tensor(ck, name, entry, data, data_length, err);
        if (status == RV_OK) continue;
        rv_context(err, status, "tensor '%s'", RV_LABEL(name, strlen(name)));
        break;
    }
    json_decref(header);
    return status;
}
