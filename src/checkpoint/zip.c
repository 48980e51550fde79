#include "checkpoint/zip.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/memory.h"
#include "checkpoint/internal.h"

enum {
    END_BYTES = 22,
    END64_BYTES = 56,
    LOCATOR_BYTES = 20,
    ENTRY_BYTES = 46,
    LOCAL_BYTES = 30,
    COMMENT_MAX = 65535,
    RATIO_MAX = 1032 /* that deflate can reach */
};

static const unsigned char *END = (const unsigned char *)"PK\5\6",
                           *END64 = (const unsigned char *)"PK\6\6",
                           *LOCATOR = (const unsigned char *)"PK\6\7",
                           *ENTRY = (const unsigned char *)"PK\1\2",
                           *LOCAL = (const unsigned char *)"PK\3\4";

bool rv_zip_recognise(const rv_mapping *file)
{
    return file->length >= LOCAL_BYTES && memcmp(file->bytes, LOCAL, 4) == 0;
}

/* The directory: where it begins, how many entries it has. */
typedef struct directory {
    uint64_t offset, count;
} directory;

static rv_status bad(rv_error *err, const char *what)
{
    return rv_fail(err, RV_ERR_FORMAT, "zip: %s", what);
}

static rv_status find_directory(directory *out, const rv_mapping *file, rv_error *err)
{
    const unsigned char *b = file->bytes;
    size_t n = file->length, at = n < END_BYTES ? 0 : n - END_BYTES;
    size_t least = at > COMMENT_MAX ? at - COMMENT_MAX : 0;
    if (n < END_BYTES)
        return bad(err, "expected a directory at its end, found the file too short");
    while (memcmp(b + at, END, 4) != 0)
        if (at-- == least) return bad(err, "expected a directory at its end, found none");
    *out = (directory){rv_load_u32(b + at + 16), rv_load_u16(b + at + 10)};
    if (at < LOCATOR_BYTES || memcmp(b + at - LOCATOR_BYTES, LOCATOR, 4) != 0) return RV_OK;
    uint64_t wide = rv_load_u64(b + at - LOCATOR_BYTES + 8);
    if (wide > n || n - wide < END64_BYTES || memcmp(b + wide, END64, 4) != 0)
        return bad(err, "expected the wide directory that its end names, found none");
    *out = (directory){rv_load_u64(b + wide + 48), rv_load_u64(b + wide + 32)};
    return RV_OK;
}

/* Sizes and offset of an entry that are too large for it stand in its extra field 1, in this order. */
static bool read_wide(uint64_t *values[3], const unsigned char *extra, size_t length)
{
    while (length >= 4) {
        size_t size = rv_load_u16(extra + 2);
        if (size > length - 4) return false;
        if (rv_load_u16(extra) == 1) {
            const unsigned char *p = extra + 4, *end = p + size;
            for (int i = 0; i < 3; i++) {
                if (*values[i] != UINT32_MAX) continue;
                if (end - p < 8) return false;
                *values[i] = rv_load_u64(p);
                p += 8;
            }
            return true;
        }
        extra += 4 + size;
        length -= 4 + size;
    }
    return true;
}

/* Where a member's bytes begin: behind its own header, which has names of its own lengths. */
static rv_status find_bytes(rv_zip_member *m, const rv_mapping *file, uint64_t offset,
                            rv_error *err)
{
    size_t n = file->length;
    if (offset > n || n - offset < LOCAL_BYTES || memcmp(file->bytes + offset, LOCAL, 4) != 0)
        return bad(err, "expected a member where the directory says, found none");
    const unsigned char *local = file->bytes + offset;
    size_t head = LOCAL_BYTES + (size_t)rv_load_u16(local + 26) + rv_load_u16(local + 28);
    if (n - offset < head || n - offset - head < m->stored)
        return bad(err, "expected a member inside the file, found one that goes beyond it");
    m->bytes = local + head;
    return RV_OK;
}

static rv_status read_entry(rv_zip_member *m, size_t *at, const rv_mapping *file, rv_error *err)
{
    size_t left = file->length - *at;
    const unsigned char *e = file->bytes + *at;
    if (left < ENTRY_BYTES || memcmp(e, ENTRY, 4) != 0)
        return bad(err, "expected another entry of its directory, found none");
    size_t name = rv_load_u16(e + 28), extra = rv_load_u16(e + 30),
           comment = rv_load_u16(e + 32), whole = ENTRY_BYTES + name + extra + comment;
    if (left < whole) return bad(err, "expected a whole directory, found it cut short");
    uint64_t length = rv_load_u32(e + 24), stored = rv_load_u32(e + 20),
             offset = rv_load_u32(e + 42), *wide[3] = {&length, &stored, &offset};
    unsigned method = rv_load_u16(e + 10);
    if (!read_wide(wide, e + ENTRY_BYTES + name, extra))
        return bad(err, "expected a wide entry to have its sizes, found them cut short");
    *m = (rv_zip_member){.name = (const char *)e + ENTRY_BYTES,
                         .name_length = name,
                         .stored = (size_t)stored,
                         .length = (size_t)length,
                         .deflated = method == 8};
    *at += whole;
    if (rv_load_u16(e + 8) & 1) return bad(err, "expected no encryption, found it");
    if (method != 0 && method != 8)
        return rv_fail(err, RV_ERR_UNSUPPORTED,
                       "zip: member '%s': expected it stored or deflated, found method %u",
                       RV_LABEL(m->name, m->name_length), method);
    if (stored > file->length || (!m->deflated && stored != length) ||
        (m->deflated && length / RATIO_MAX > stored))
        return bad(err, "expected sizes that can be, found others");
    return find_bytes(m, file, offset, err);
}

rv_status rv_zip_read(rv_zip *out, const rv_mapping *file, rv_error *err)
{
    directory d = {0};
    *out = (rv_zip){0};
    RV_TRY(find_directory(&d, file, err));
    if (d.offset > file->length || d.count > file->length / ENTRY_BYTES)
        return bad(err, "expected a directory inside the file, found one beyond it");
    RV_TRY(RV_NEW(out->members, (size_t)d.count + 1, err));
    rv_status status = RV_OK;
    size_t at = (size_t)d.offset;
    for (; status == RV_OK && out->count < d.count; out->count += status == RV_OK)
        status = read_entry(&out->members[out->count], &at, file, err);
    if (status != RV_OK) rv_zip_release(out);
    return status;
}

void rv_zip_release(rv_zip *zip)
{
    free(zip->members);
    *zip = (rv_zip){0};
}

const rv_zip_member *rv_zip_find(const rv_zip *zip, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < zip->count; i++)
        if (zip->members[i].name_length == length &&
            memcmp(zip->members[i].name, name, length) == 0)
            return &zip->members[i];
    return NULL;
}

rv_status rv_zip_unpack(unsigned char **out, const rv_zip_member *m, rv_error *err)
{
    *out = NULL;
    if (!m->deflated) return RV_OK;
    z_stream z = {.next_in = (Bytef *)(uintptr_t)m->bytes};
    RV_TRY(RV_NEW(*out, m->length + 1, err));
    size_t in = m->stored, room = m->length;
    z.next_out = *out;
    int code = inflateInit2(&z, -MAX_WBITS);
    while (code == Z_OK) { // zlib counts in 32 bits
        if (z.avail_in == 0)
            z.avail_in = (uInt)(in < UINT32_MAX / 2 ? in : UINT32_MAX / 2), in -= z.avail_in;
        if (z.avail_out == 0)
            z.avail_out = (uInt)(room < UINT32_MAX / 2 ? room : UINT32_MAX / 2),
            room -= z.avail_out;
        if (z.avail_in == 0 && z.avail_out == 0) break;
        code = inflate(&z, Z_NO_FLUSH);
        if (code == Z_BUF_ERROR && (in || room)) code = Z_OK;
        if (z.avail_in == 0 && in == 0 && code == Z_OK) code = Z_DATA_ERROR;
    }
    bool whole = code == Z_STREAM_END && room == 0 && z.avail_out == 0;
    inflateEnd(&z);
    if (whole) return RV_OK;
    free(*out);
    *out = NULL;
    return rv_fail(err, RV_ERR_FORMAT,
                   "zip: member '%s': expected %zu deflated bytes, found others",
                   RV_LABEL(m->name, m->name_length), m->length);
}
