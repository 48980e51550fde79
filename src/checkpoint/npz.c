/* .npz: a zip of .npy files, an array each: \x93NUMPY, version, length of a header, the header (a Python dictionary with
 * 'descr', 'fortran_order', 'shape'), the numbers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "checkpoint/internal.h"
#include "checkpoint/zip.h"

enum { MAGIC_BYTES = 6, HEADER_MAX = 65536 };

bool rv_npz_recognise(const rv_mapping *file)
{
    rv_zip zip;
    bool arrays = rv_zip_recognise(file) && rv_zip_read(&zip, file, NULL) == RV_OK;
    if (!arrays) return false;
    arrays = zip.count > 0;
    for (size_t i = 0; i < zip.count; i++) {
        const rv_zip_member *m = &zip.members[i];
        arrays &= m->name_length > 4 && memcmp(m->name + m->name_length - 4, ".npy", 4) == 0;
    }
    rv_zip_release(&zip);
    return arrays;
}

static rv_status bad(rv_error *err, const rv_zip_member *m, const char *what)
{
    return rv_fail(err, RV_ERR_FORMAT, "array '%s': %s", RV_LABEL(m->name, m->name_length),
                   what);
}

/* What stands behind 'key': in the dictionary. */
static const char *value_of(const char *header, const char *key)
{
    const char *at = strstr(header, key);
    if (!at) return NULL;
    at += strlen(key);
    at += strspn(at, " ");
    if (*at++ != ':') return NULL;
    return at + strspn(at, " ");
}

static bool read_type(rv_tensor *t, const char *header)
{
    static const struct {
        const char *descr, *name;
        rv_dtype dtype;
        size_t bytes;
    } types[] = {{"'<f4'", "<f4", RV_F32, 4},   {"'<f2'", "<f2", RV_F16, 2},
                 {"'<f8'", "<f8", RV_F64, 8},   {"'<i4'", "<i4", RV_OTHER, 4},
                 {"'<i8'", "<i8", RV_OTHER, 8}, {"'|u1'", "|u1", RV_OTHER, 1},
                 {"'|i1'", "|i1", RV_OTHER, 1}, {"'|b1'", "|b1", RV_OTHER, 1}};
    const char *descr = value_of(header, "'descr'");
    for (size_t i = 0; descr && i < sizeof types / sizeof types[0]; i++) {
        if (strncmp(descr, types[i].descr, strlen(types[i].descr)) != 0) continue;
        t->dtype = types[i].dtype;
        t->type_name = types[i].name;
        t->length = types[i].bytes; // of one, for now
        return true;
    }
    return false;
}

static bool read_shape(rv_tensor *t, const char *header)
{
    const char *c = value_of(header, "'shape'");
    if (!c || *c++ != '(') return false;
    for (;;) {
        char *end;
        c += strspn(c, " ,");
        if (*c == ')') break;
        if (*c < '0' || *c > '9' || t->rank == RV_MAX_RANK) return false;
        t->shape[t->rank++] = strtoull(c, &end, 10);
        c = end;
    }
    return rv_tensor_count_elements(t);
}

/* In Fortran's order a matrix is the transposed one in C's. */
static bool read_order(rv_tensor *t, const char *header)
{
    const char *order = value_of(header, "'fortran_order'");
    if (order && strncmp(order, "False", 5) == 0) return true;
    if (!order || strncmp(order, "True", 4) != 0) return false;
    for (size_t i = 0; i < t->rank / 2; i++) {
        size_t other = t->shape[i];
        t->shape[i] = t->shape[t->rank - 1 - i];
        t->shape[t->rank - 1 - i] = other;
    }
    return true;
}

/* bytes (length): the .npy file. */
static rv_status add_array(rv_checkpoint *ck, const rv_zip_member *m,
                           const unsigned char *bytes, rv_error *err)
{
    size_t n = m->length, start = MAGIC_BYTES + 2;
    if (n < start + 4 || memcmp(bytes, "\x93NUMPY", MAGIC_BYTES) != 0)
        return bad(err, m, "expected a .npy file, found another");
    bool first = bytes[MAGIC_BYTES] == 1;
    size_t length = first ? rv_load_u16(bytes + start) : rv_load_u32(bytes + start);
    start += first ? 2 : 4;
    if (length > HEADER_MAX || length > n - start)
        return bad(err, m, "expected a header inside the file, found one beyond it");
    char *header = rv_strndup((const char *)bytes + start, length);
    if (!header) return rv_fail_memory(err, length);
    rv_tensor t = {0};
    bool typed = read_type(&t, header),
         known = typed && read_shape(&t, header) && read_order(&t, header);
    free(header);
    if (!typed) return bad(err, m, "descr: expected little-endian numbers, found another type");
    if (!known)
        return bad(err, m, "expected shape and fortran_order, found none that can be read");
    size_t size;
    if (rv_mul_overflows(t.elements, t.length, &size) || size != n - start - length)
        return bad(err, m, "expected as many bytes as its shape says, found others");
    t.length = size;
    t.bytes = bytes + start + length;
    return rv_checkpoint_add(ck, &t, m->name, m->name_length - 4, err);
}

/* Unpacked members become files of the checkpoint's own. */
static rv_status add_member(rv_checkpoint *ck, const rv_zip_member *m, rv_error *err)
{
    unsigned char *unpacked;
    RV_TRY(rv_zip_unpack(&unpacked, m, err));
    if (!unpacked) return add_array(ck, m, m->bytes, err);
    rv_status status = rv_checkpoint_own(ck, unpacked, m->length, err);
    return status == RV_OK ? add_array(ck, m, unpacked, err) : status;
}

rv_status rv_npz_read(rv_checkpoint *ck, const rv_mapping *file, rv_error *err)
{
    rv_zip zip;
    ck->format = RV_FORMAT_NPZ;
    RV_TRY(rv_zip_read(&zip, file, err));
    rv_status status = RV_OK;
    for (size_t i = 0; status == RV_OK && i < zip.count; i++)
        status = add_member(ck, &zip.members[i], err);
    rv_zip_release(&zip);
    return status;
}
