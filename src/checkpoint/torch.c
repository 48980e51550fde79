/* .pt: a zip whose data.pkl is a pickle of a state dict and whose data/N are raw little-endian storages. No pickle is run:
 * a few opcodes and a few names are understood, which state dicts of tensors are made of; anything else is refused.
 *
 * The machine: a stack of values, marks, a memo. A tensor is (storage, offset, size, stride); of a matrix that was
 * transposed the strides say so, and it is shown with the shape that its storage has. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "checkpoint/internal.h"
#include "checkpoint/zip.h"

enum { DEPTH_MAX = 4096, MEMO_MAX = 1 << 20, PICKLE_MAX = 1 << 20 };

typedef enum kind {
    NOTHING,
    INTEGER,
    TEXT,
    GLOBAL,
    TUPLE,   /* items[first .. first + count) of the arena of tuples */
    DICT,    /* of tensors: found ones are added as they are set */
    STORAGE, /* of a type, with a key */
    TENSOR,
    MARK
} kind;

typedef struct value {
    kind kind;
    int64_t integer;
    const char *text; /* inside the pickle: of a TEXT, GLOBAL (its name), STORAGE (its key) */
    size_t length;
    size_t first, count; /* TUPLE */
    rv_dtype dtype;      /* STORAGE, TENSOR; RV_DTYPE_COUNT: none that is known */
    rv_tensor tensor;    /* TENSOR; .name NULL */
} value;

typedef struct machine {
    rv_checkpoint *ck;
    const rv_zip *zip;
    const char *folder; /* of data.pkl in the archive, with its slash */
    size_t folder_length;
    const unsigned char *p, *end;
    value *stack, *memo, *items; /* items: of tuples */
    size_t depth, stack_room, memo_count, memo_room, item_count, item_room;
    rv_error *err;
} machine;

static rv_status refuse(machine *m, const char *what, const char *text, size_t length)
{
    return rv_fail(m->err, RV_ERR_UNSUPPORTED,
                   "pickle: expected a state dict of tensors, found %s%s", what,
                   length ? RV_LABEL(text, length) : "");
}

static rv_status short_of(machine *m)
{
    return rv_fail(m->err, RV_ERR_FORMAT, "pickle: expected more, found its end");
}

/* ---- stack and memo ----------------------------------------------------------------------------- */

static rv_status push(machine *m, value v)
{
    if (m->depth >= DEPTH_MAX) return refuse(m, "a stack that is too deep", "", 0);
    RV_TRY(rv_grow((void **)&m->stack, &m->stack_room, m->depth + 1, sizeof *m->stack, m->err));
    m->stack[m->depth++] = v;
    return RV_OK;
}

static bool pop(machine *m, value *out)
{
    if (m->depth == 0) return false;
    *out = m->stack[--m->depth];
    return true;
}

static rv_status remember(machine *m, size_t index)
{
    if (index >= MEMO_MAX || m->depth == 0) return refuse(m, "an odd memo", "", 0);
    RV_TRY(rv_grow((void **)&m->memo, &m->memo_room, index + 1, sizeof *m->memo, m->err));
    while (m->memo_count <= index) m->memo[m->memo_count++] = (value){0};
    m->memo[index] = m->stack[m->depth - 1];
    return RV_OK;
}

static rv_status recall(machine *m, size_t index)
{
    if (index >= m->memo_count) return refuse(m, "an odd memo", "", 0);
    return push(m, m->memo[index]);
}

/* The last `count` values of the stack become a tuple. */
static rv_status make_tuple(machine *m, size_t count)
{
    if (count > m->depth) return short_of(m);
    RV_TRY(rv_grow((void **)&m->items, &m->item_room, m->item_count + count, sizeof *m->items,
                   m->err));
    value v = {.kind = TUPLE, .first = m->item_count, .count = count};
    for (size_t i = 0; i < count; i++)
        m->items[m->item_count++] = m->stack[m->depth - count + i];
    m->depth -= count;
    return push(m, v);
}

static bool find_mark(const machine *m, size_t *at)
{
    for (*at = m->depth; *at > 0; --*at)
        if (m->stack[*at - 1].kind == MARK) return true;
    return false;
}

/* ---- what a state dict is made of --------------------------------------------------------------- */

static bool is_named(const value *v, const char *name)
{
    return v->kind == GLOBAL && v->length == strlen(name) &&
           memcmp(v->text, name, v->length) == 0;
}

static rv_dtype type_of(const value *global)
{
    static const struct {
        const char *name;
        rv_dtype dtype;
    } types[] = {{"torch FloatStorage", RV_F32},     {"torch HalfStorage", RV_F16},
                 {"torch BFloat16Storage", RV_BF16}, {"torch DoubleStorage", RV_F64},
                 {"torch LongStorage", RV_OTHER},    {"torch IntStorage", RV_OTHER},
                 {"torch BoolStorage", RV_OTHER}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (is_named(global, types[i].name)) return types[i].dtype;
    return RV_DTYPE_COUNT;
}

/* ('storage', type, key, device, numbers) */
static rv_status load_storage(machine *m)
{
    value id;
    if (!pop(m, &id)) return short_of(m);
    const value *v = m->items + id.first;
    if (id.kind != TUPLE || id.count < 5 || v[2].kind != TEXT || v[1].kind != GLOBAL)
        return refuse(m, "an odd storage", "", 0);
    value storage = {
        .kind = STORAGE, .text = v[2].text, .length = v[2].length, .dtype = type_of(&v[1])};
    if (storage.dtype == RV_DTYPE_COUNT)
        return refuse(m, "a storage of the type ", v[1].text, v[1].length);
    return push(m, storage);
}

static bool read_sizes(const machine *m, const value *tuple, size_t out[RV_MAX_RANK])
{
    if (tuple->kind != TUPLE || tuple->count > RV_MAX_RANK) return false;
    for (size_t i = 0; i < tuple->count; i++) {
        const value *v = &m->items[tuple->first + i];
        if (v->kind != INTEGER || v->integer < 0) return false;
        out[i] = (size_t)v->integer;
    }
    return true;
}

/* As it lies in its storage: rows by rows, or, of a matrix, columns by columns: then the shape is turned round. */
static bool settle_shape(rv_tensor *t, const size_t stride[RV_MAX_RANK])
{
    size_t step = 1;
    bool rows = true;
    for (size_t i = t->rank; i-- > 0; step *= t->shape[i] ? t->shape[i] : 1)
        rows &= t->shape[i] <= 1 || stride[i] == step;
    if (rows) return true;
    if (t->rank != 2 || stride[0] != 1 || stride[1] != t->shape[0]) return false;
    size_t other = t->shape[0];
    t->shape[0] = t->shape[1];
    t->shape[1] = other;
    return true;
}

static rv_status find_storage(machine *m, rv_tensor *t, const value *storage, size_t offset)
{
    char name[512];
    if (storage->length + m->folder_length + 6 > sizeof name)
        return refuse(m, "a long key", "", 0);
    snprintf(name, sizeof name, "%.*sdata/%.*s", (int)m->folder_length, m->folder,
             (int)storage->length, storage->text);
    const rv_zip_member *member = rv_zip_find(m->zip, name);
    size_t one =
               storage->dtype == RV_OTHER ? 1 : rv_dtype_describe(storage->dtype)->block_bytes,
           start, length;
    if (!member || member->deflated)
        return rv_fail(m->err, RV_ERR_FORMAT, "member '%s': expected it stored, found %s",
                       RV_LABEL(name, strlen(name)), member ? "it deflated" : "none");
    if (storage->dtype == RV_OTHER)
        offset = 0, t->elements = member->length; // its bytes, unread
    if (rv_mul_overflows(offset, one, &start) || rv_mul_overflows(t->elements, one, &length) ||
        start > member->length || length > member->length - start)
        return rv_fail(m->err, RV_ERR_FORMAT,
                       "member '%s': expected the tensor inside it, found it beyond",
                       RV_LABEL(name, strlen(name)));
    t->bytes = member->bytes + start;
    t->length = length;
    return RV_OK;
}

/* (storage, offset, size, stride, requires_grad, hooks) */
static rv_status rebuild_tensor(machine *m, const value *arguments)
{
    const value *v = m->items + arguments->first;
    value made = {.kind = TENSOR};
    rv_tensor *t = &made.tensor;
    size_t stride[RV_MAX_RANK];
    if (arguments->count < 4 || v[0].kind != STORAGE || v[1].kind != INTEGER ||
        v[1].integer < 0 || !read_sizes(m, &v[2], t->shape) || !read_sizes(m, &v[3], stride) ||
        v[2].count != v[3].count)
        return refuse(m, "an odd tensor", "", 0);
    t->rank = v[2].count;
    t->dtype = v[0].dtype;
    t->type_name = t->dtype == RV_OTHER ? "integers" : rv_dtype_describe(t->dtype)->name;
    if (!rv_tensor_count_elements(t) || !settle_shape(t, stride))
        return refuse(m, "a tensor with odd strides", "", 0);
    RV_TRY(find_storage(m, t, &v[0], (size_t)v[1].integer));
    return push(m, made);
}

/* A name called with a tuple. */
static rv_status reduce(machine *m)
{
    value arguments, function;
    if (!pop(m, &arguments) || !pop(m, &function)) return short_of(m);
    if (arguments.kind != TUPLE || function.kind != GLOBAL)
        return refuse(m, "an odd call", "", 0);
    if (is_named(&function, "torch._utils _rebuild_tensor_v2"))
        return rebuild_tensor(m, &arguments);
    if (is_named(&function, "torch._utils _rebuild_parameter") && arguments.count >= 1)
        return push(m, m->items[arguments.first]);
    if (is_named(&function, "collections OrderedDict")) return push(m, (value){.kind = DICT});
    return refuse(m, "a call of ", function.text, function.length);
}

static rv_status set_item(machine *m, const value *key, const value *v)
{
    if (v->kind != TENSOR || key->kind != TEXT) return RV_OK; // hooks, versions
    return rv_checkpoint_add(m->ck, &v->tensor, key->text, key->length, m->err);
}

/* Pairs from the mark (or the last two) into the dict below. */
static rv_status set_items(machine *m, bool marked)
{
    size_t at = m->depth >= 2 ? m->depth - 2 : 0;
    if (marked && !find_mark(m, &at)) return short_of(m);
    if ((m->depth - at) % 2 || at < (marked ? 2u : 1u)) return short_of(m);
    for (size_t i = at; i + 1 < m->depth; i += 2)
        RV_TRY(set_item(m, &m->stack[i], &m->stack[i + 1]));
    m->depth = marked ? at - 1 : at;
    return RV_OK;
}

/* ---- opcodes ------------------------------------------------------------------------------------ */

static bool take(machine *m, const unsigned char **out, size_t count)
{
    if ((size_t)(m->end - m->p) < count) return false;
    *out = m->p;
    m->p += count;
    return true;
}

/* Two lines: module and name, kept as "module name". */
static rv_status read_global(machine *m)
{
    const unsigned char *first = memchr(m->p, '\n', (size_t)(m->end - m->p));
    const unsigned char *last =
        first ? memchr(first + 1, '\n', (size_t)(m->end - first - 1)) : NULL;
    const char *kept;
    char name[256];
    if (!last) return short_of(m);
    size_t a = (size_t)(first - m->p), b = (size_t)(last - first - 1);
    if (a + b + 2 > sizeof name) return refuse(m, "a long name", "", 0);
    snprintf(name, sizeof name, "%.*s %.*s", (int)a, (const char *)m->p, (int)b,
             (const char *)first + 1);
    RV_TRY(rv_checkpoint_keep(m->ck, &kept, name, strlen(name), m->err));
    m->p = last + 1;
    return push(m, (value){.kind = GLOBAL, .text = kept, .length = strlen(kept)});
}

static rv_status read_text(machine *m)
{
    const unsigned char *size, *text;
    if (!take(m, &size, 4) || !take(m, &text, rv_load_u32(size))) return short_of(m);
    return push(m,
                (value){.kind = TEXT, .text = (const char *)text, .length = rv_load_u32(size)});
}

static rv_status push_integer(machine *m, size_t width)
{
    const unsigned char *p;
    if (!take(m, &p, width)) return short_of(m);
    int64_t x = width == 1 ? p[0] : width == 2 ? rv_load_u16(p) : (int32_t)rv_load_u32(p);
    return push(m, (value){.kind = INTEGER, .integer = x});
}

/* A signed number of n little-endian bytes. */
static rv_status push_long(machine *m)
{
    const unsigned char *size, *p;
    uint64_t x = 0;
    if (!take(m, &size, 1) || !take(m, &p, *size)) return short_of(m);
    if (*size > 8) return refuse(m, "a number beyond 64 bits", "", 0);
    for (size_t i = 0; i < *size; i++) x |= (uint64_t)p[i] << (8 * i);
    if (*size && *size < 8 && p[*size - 1] & 0x80) x |= ~(uint64_t)0 << (8 * *size);
    return push(m, (value){.kind = INTEGER, .integer = (int64_t)x});
}

static rv_status use_memo(machine *m, bool store, size_t width)
{
    const unsigned char *p;
    if (!take(m, &p, width)) return short_of(m);
    size_t index = width == 1 ? *p : rv_load_u32(p);
    return store ? remember(m, index) : recall(m, index);
}

static rv_status tuple_from_mark(machine *m)
{
    size_t at;
    if (!find_mark(m, &at)) return short_of(m);
    RV_TRY(make_tuple(m, m->depth - at));
    m->stack[m->depth - 2] = m->stack[m->depth - 1]; // in place of the mark
    m->depth--;
    return RV_OK;
}

static rv_status step(machine *m, unsigned char code, bool *done)
{
    const unsigned char *ignored;
    switch (code) {
    case 0x80: /* PROTO */
        return take(m, &ignored, 1) ? RV_OK : short_of(m);
    case '}': /* EMPTY_DICT */
        return push(m, (value){.kind = DICT});
    case ')': /* EMPTY_TUPLE */
        return make_tuple(m, 0);
    case '(':
        return push(m, (value){.kind = MARK});
    case 'q': /* BINPUT */
        return use_memo(m, true, 1);
    case 'r': /* LONG_BINPUT */
        return use_memo(m, true, 4);
    case 'h': /* BINGET */
        return use_memo(m, false, 1);
    case 'j': /* LONG_BINGET */
        return use_memo(m, false, 4);
    case 'X': /* BINUNICODE */
        return read_text(m);
    case 'J': /* BININT */
        return push_integer(m, 4);
    case 'K': /* BININT1 */
        return push_integer(m, 1);
    case 'M': /* BININT2 */
        return push_integer(m, 2);
    case 0x8a: /* LONG1 */
        return push_long(m);
    case 0x88: /* NEWTRUE */
    case 0x89: /* NEWFALSE */
    case 'N':
        return push(m, (value){.kind = NOTHING});
    case 'c':
        return read_global(m);
    case 't':
        return tuple_from_mark(m);
    case 0x85:
    case 0x86:
    case 0x87:
        return make_tuple(m, code - 0x84u);
    case 'Q': /* BINPERSID */
        return load_storage(m);
    case 'R':
        return reduce(m);
    case 's':
        return set_items(m, false);
    case 'u':
        return set_items(m, true);
    case '.':
        *done = true;
        return RV_OK;
    default:
        break;
    }
    char text[8];
    snprintf(text, sizeof text, "0x%02x", code);
    return refuse(m, "the opcode ", text, strlen(text));
}

static rv_status run(machine *m)
{
    bool done = false;
    while (!done) {
        const unsigned char *code;
        if (!take(m, &code, 1)) return short_of(m);
        RV_TRY(step(m, *code, &done));
    }
    return RV_OK;
}

/* ---- the file ----------------------------------------------------------------------------------- */

static const rv_zip_member *find_pickle(const rv_zip *zip)
{
    static const char NAME[] = "data.pkl";
    const size_t n = sizeof NAME - 1;
    for (size_t i = 0; i < zip->count; i++) {
        const rv_zip_member *m = &zip->members[i];
        if (m->name_length > n && memcmp(m->name + m->name_length - n, NAME, n) == 0 &&
            m->name[m->name_length - n - 1] == '/')
            return m;
    }
    return NULL;
}

bool rv_torch_recognise(const rv_mapping *file)
{
    rv_zip zip;
    if (!rv_zip_recognise(file) || rv_zip_read(&zip, file, NULL) != RV_OK) return false;
    bool found = find_pickle(&zip) != NULL;
    rv_zip_release(&zip);
    return found;
}

rv_status rv_torch_read(rv_checkpoint *ck, const rv_mapping *file, rv_error *err)
{
    rv_zip zip;
    ck->format = RV_FORMAT_TORCH;
    RV_TRY(rv_zip_read(&zip, file, err));
    const rv_zip_member *pickle = find_pickle(&zip);
    machine m = {.ck = ck, .zip = &zip, .err = err};
    rv_status status = RV_OK;
    if (!pickle || pickle->deflated || pickle->length > PICKLE_MAX)
        RV_GOTO(rv_fail(err, RV_ERR_UNSUPPORTED,
                        "data.pkl: expected it stored, and at most %d bytes", PICKLE_MAX));
    m.folder = pickle->name;
    m.folder_length = pickle->name_length - strlen("data.pkl");
    m.p = pickle->bytes;
    m.end = pickle->bytes + pickle->length;
    status = run(&m);
done:
    free(m.stack);
    free(m.memo);
    free(m.items);
    rv_zip_release(&zip);
    return status;
}
