/* Filters of chat templates on lists and dictionaries. */
#include <string.h>

#include "template/run.h"

/* a.b.0 of an item; `otherwise` where it is undefined. */
static rv_status get_path(jinja_run *run, jinja_value *out, const jinja_value *item,
                          const jinja_value *path, const jinja_value *otherwise)
{
    *out = *item;
    if (path->kind != JINJA_STRING) return jinja_item(run, out, item, path);
    jinja_string rest = path->string;
    for (bool more = true; more;) {
        const char *dot = memchr(rest.bytes, '.', rest.length);
        size_t length = dot ? (size_t)(dot - rest.bytes) : rest.length;
        bool number = length > 0 && length < 10;
        int64_t index = 0;
        for (size_t i = 0; i < length && number; i++) {
            number = rest.bytes[i] >= '0' && rest.bytes[i] <= '9';
            index = 10 * index + (rest.bytes[i] - '0');
        }
        const jinja_value object = *out,
                          key = number ? jinja_int(index)
                                       : jinja_from_string((jinja_string){rest.bytes, length});
        RV_TRY(jinja_item(run, out, &object, &key));
        if (out->kind == JINJA_UNDEFINED && otherwise && otherwise->kind != JINJA_MISSING)
            *out = *otherwise;
        more = dot != NULL;
        rest = (jinja_string){rest.bytes + length + more, rest.length - length - more};
    }
    return RV_OK;
}

/* What an item is compared by: an attribute of it (a comma between several), strings in small letters. */
static rv_status make_key(jinja_run *run, jinja_value *out, const jinja_value *item,
                          const jinja_value *path, const jinja_value *otherwise,
                          bool case_sensitive)
{
    bool given = path->kind != JINJA_MISSING && path->kind != JINJA_NONE;
    if (given && path->kind == JINJA_STRING &&
        memchr(path->string.bytes, ',', path->string.length)) {
        jinja_string rest = path->string;
        jinja_value key, several;
        RV_TRY(jinja_new_list(&several, run->memory, FLAVOR_LIST));
        for (bool more = true; more;) {
            const char *comma = memchr(rest.bytes, ',', rest.length);
            size_t length = comma ? (size_t)(comma - rest.bytes) : rest.length;
            const jinja_value one = jinja_from_string((jinja_string){rest.bytes, length});
            RV_TRY(make_key(run, &key, item, &one, otherwise, case_sensitive));
            RV_TRY(jinja_push(run->memory, several.list, key));
            more = comma != NULL;
            rest = (jinja_string){rest.bytes + length + more, rest.length - length - more};
        }
        *out = several;
        return RV_OK;
    }
    *out = *item;
    if (given) RV_TRY(get_path(run, out, item, path, otherwise));
    if (out->kind != JINJA_STRING || case_sensitive) return RV_OK;
    return jinja_change_case(run, out, out->string, CASE_LOWER);
}

typedef struct keyed {
    jinja_value key, item;
} keyed;

/* Stable; equals keep their order in a reversed sort too. */
static rv_status merge_sort(jinja_run *run, keyed *items, keyed *spare, size_t count,
                            bool reverse)
{
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t left = 0; left < count; left += 2 * width) {
            size_t middle = left + width < count ? left + width : count,
                   end = left + 2 * width < count ? left + 2 * width : count;
            for (size_t a = left, b = middle, k = left; k < end; k++) {
                int order = a < middle && b < end ? 0 : a < middle ? -1 : 1;
                if (a < middle && b < end) {
                    RV_TRY(jinja_order(&order, run->memory, &items[a].key, &items[b].key));
                    if (reverse) order = -order;
                }
                spare[k] = order <= 0 ? items[a++] : items[b++];
            }
        }
        memcpy(items, spare, count * sizeof *items);
    }
    return RV_OK;
}

/* The items with their keys, in order where `sorted`. */
static rv_status key_all(jinja_run *run, keyed **out, size_t *count, const jinja_value *over,
                         const jinja_value *path, const jinja_value *otherwise,
                         bool case_sensitive, bool sorted, bool reverse)
{
    const jinja_list *items;
    keyed *spare;
    RV_TRY(jinja_elements(run, &items, over));
    *count = items->count;
    RV_TRY(JINJA_NEW(*out, run->memory, *count));
    for (size_t i = 0; i < *count; i++) {
        RV_TRY(
            make_key(run, &(*out)[i].key, &items->items[i], path, otherwise, case_sensitive));
        (*out)[i].item = items->items[i];
    }
    if (!sorted) return RV_OK;
    RV_TRY(JINJA_NEW(spare, run->memory, *count));
    return merge_sort(run, *out, spare, *count, reverse);
}

static rv_status sort(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    keyed *items;
    size_t count;
    RV_TRY(key_all(run, &items, &count, c->self, &c->argv[2], NULL,
                   jinja_flag(&c->argv[1], false), true, jinja_flag(&c->argv[0], false)));
    RV_TRY(jinja_new_list(out, run->memory, FLAVOR_LIST));
    for (size_t i = 0; i < count; i++)
        RV_TRY(jinja_push(run->memory, out->list, items[i].item));
    return RV_OK;
}

static rv_status dict_sort(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    keyed *items, *spare;
    bool by_value = c->argv[1].kind == JINJA_STRING && jinja_same(c->argv[1].string, "value");
    const jinja_value missing = {0};
    if (c->self->kind != JINJA_DICT)
        return jinja_wants(run->memory, "dictsort", "a dictionary", c->self);
    size_t count = c->self->dict->count;
    RV_TRY(JINJA_NEW(items, run->memory, count));
    RV_TRY(JINJA_NEW(spare, run->memory, count));
    for (size_t i = 0; i < count; i++) {
        const jinja_entry *e = &c->self->dict->entries[i];
        RV_TRY(make_key(run, &items[i].key, by_value ? &e->value : &e->key, &missing, NULL,
                        jinja_flag(&c->argv[0], false)));
        RV_TRY(jinja_pair(&items[i].item, run->memory, e->key, e->value));
    }
    RV_TRY(merge_sort(run, items, spare, count, jinja_flag(&c->argv[2], false)));
    RV_TRY(jinja_new_list(out, run->memory, FLAVOR_LIST));
    for (size_t i = 0; i < count; i++)
        RV_TRY(jinja_push(run->memory, out->list, items[i].item));
    return RV_OK;
}

static rv_status unique(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    keyed *items;
    size_t count;
    RV_TRY(key_all(run, &items, &count, c->self, &c->argv[1], NULL,
                   jinja_flag(&c->argv[0], false), false, false));
    RV_TRY(jinja_new_list(out, run->memory, FLAVOR_GENERATOR));
    for (size_t i = 0; i < count; i++) {
        const jinja_dict none = {0};
        const jinja_value *ignored;
        RV_TRY(jinja_get(&ignored, run->memory, &none, &items[i].key)); // refuses lists
        bool seen = false;
        for (size_t k = 0; k < i && !seen; k++)
            RV_TRY(jinja_equal(&seen, run->memory, &items[i].key, &items[k].key));
        if (!seen) RV_TRY(jinja_push(run->memory, out->list, items[i].item));
    }
    return RV_OK;
}

static rv_status extreme(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    keyed *items;
    size_t count, best = 0;
    RV_TRY(key_all(run, &items, &count, c->self, &c->argv[1], NULL,
                   jinja_flag(&c->argv[0], false), false, false));
    *out = jinja_undefined(jinja_literal("element"));
    if (!count) return RV_OK;
    for (size_t i = 1; i < count; i++) {
        int order;
        RV_TRY(jinja_order(&order, run->memory, &items[i].key, &items[best].key));
        if (order * c->builtin->variant > 0) best = i;
    }
    *out = items[best].item;
    return RV_OK;
}

static rv_status group_by(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    keyed *items;
    size_t count;
    bool case_sensitive = jinja_flag(&c->argv[2], false);
    const jinja_value *otherwise = &c->argv[1];
    RV_TRY(key_all(run, &items, &count, c->self, &c->argv[0], otherwise, case_sensitive, true,
                   false));
    RV_TRY(jinja_new_list(out, run->memory, FLAVOR_LIST));
    for (size_t i = 0, end; i < count; i = end) {
        jinja_value group, members, shown;
        bool same = true;
        RV_TRY(jinja_new_list(&members, run->memory, FLAVOR_LIST));
        for (end = i; end < count && same;) {
            RV_TRY(jinja_push(run->memory, members.list, items[end++].item));
            if (end < count)
                RV_TRY(jinja_equal(&same, run->memory, &items[i].key, &items[end].key));
        }
        RV_TRY(make_key(run, &shown, &items[i].item, &c->argv[0], otherwise, true));
        RV_TRY(jinja_pair(&group, run->memory, case_sensitive ? items[i].key : shown, members));
        group.list->flavor = FLAVOR_GROUP;
        RV_TRY(jinja_push(run->memory, out->list, group));
    }
    return RV_OK;
}

static rv_status sum(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    const jinja_list *items;
    jinja_value value, total = c->argv[1].kind == JINJA_MISSING ? jinja_int(0) : c->argv[1];
    RV_TRY(jinja_elements(run, &items, c->self));
    for (size_t i = 0; i < items->count; i++) {
        bool path = c->argv[0].kind != JINJA_MISSING && c->argv[0].kind != JINJA_NONE;
        value = items->items[i];
        if (path) RV_TRY(get_path(run, &value, &items->items[i], &c->argv[0], NULL));
        if (value.kind == JINJA_STRING)
            return jinja_wants(run->memory, "sum", "numbers", &value);
        RV_TRY(jinja_add(run, &total, &total, &value));
    }
    *out = total;
    return RV_OK;
}

/* ---- choosing -------------------------------------------------------------------------------- */

/* The arguments behind the first `skipped`. */
static jinja_arguments rest_of(const jinja_arguments *all, size_t skipped)
{
    jinja_arguments rest = *all;
    if (skipped > rest.positional.count) skipped = rest.positional.count;
    if (skipped) rest.positional.items += skipped;
    rest.positional.count -= skipped;
    return rest;
}

/* select, reject, selectattr, rejectattr */
static rv_status choose(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    bool keep = *c->builtin->name == 's', member = c->builtin->variant;
    const jinja_list *given = &c->arguments->positional, *items;
    size_t first = member ? 1 : 0;
    const jinja_value *test = given->count > first ? &given->items[first] : NULL;
    jinja_arguments rest = rest_of(c->arguments, first + 1);
    if (member && given->count == 0)
        return rv_fail(run->memory->err, RV_ERR_FORMAT, "%s wants an attribute",
                       c->builtin->name);
    if (test && test->kind != JINJA_STRING)
        return jinja_wants(run->memory, c->builtin->name, "the name of a test", test);
    RV_TRY(jinja_new_list(out, run->memory, FLAVOR_GENERATOR));
    if (!jinja_truth(c->self)) return RV_OK;
    RV_TRY(jinja_elements(run, &items, c->self));
    for (size_t i = 0; i < items->count; i++) {
        jinja_value value = items->items[i];
        if (member) RV_TRY(get_path(run, &value, &items->items[i], &given->items[0], NULL));
        bool holds = jinja_truth(&value);
        if (test) RV_TRY(jinja_apply_test(run, &holds, test->string, &value, &rest));
        if (holds == keep) RV_TRY(jinja_push(run->memory, out->list, items->items[i]));
    }
    return RV_OK;
}

static rv_status map(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    const jinja_value *path = jinja_get_name(&c->arguments->named, jinja_literal("attribute")),
                      *otherwise =
                          jinja_get_name(&c->arguments->named, jinja_literal("default"));
    const jinja_list *given = &c->arguments->positional, *items;
    jinja_arguments rest = rest_of(c->arguments, 1);
    bool by_filter = given->count > 0;
    if (!by_filter && !path)
        return rv_fail(run->memory->err, RV_ERR_FORMAT, "map wants a filter or an attribute");
    if (by_filter && given->items[0].kind != JINJA_STRING)
        return jinja_wants(run->memory, "map", "the name of a filter", &given->items[0]);
    RV_TRY(jinja_new_list(out, run->memory, FLAVOR_GENERATOR));
    if (!jinja_truth(c->self)) return RV_OK;
    RV_TRY(jinja_elements(run, &items, c->self));
    for (size_t i = 0; i < items->count; i++) {
        jinja_value value;
        RV_TRY(by_filter ? jinja_apply_filter(run, &value, given->items[0].string,
                                              &items->items[i], &rest)
                         : get_path(run, &value, &items->items[i], path, otherwise));
        RV_TRY(jinja_push(run->memory, out->list, value));
    }
    return RV_OK;
}

/* ---- parts ----------------------------------------------------------------------------------- */

static rv_status first_or_last(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    const jinja_list *items;
    bool last = c->builtin->variant;
    jinja_list *once = c->self->kind == JINJA_LIST && c->self->list->flavor == FLAVOR_GENERATOR
                           ? c->self->list
                           : NULL;
    *out = jinja_undefined(jinja_literal("element"));
    if (once && last) return jinja_wants(run->memory, "last", "a list", c->self);
    if (once) { // the others are still to come
        if (!once->count) return RV_OK;
        *out = *once->items++;
        once->count--;
        once->capacity = 0;
        return RV_OK;
    }
    RV_TRY(jinja_elements(run, &items, c->self));
    if (items->count) *out = items->items[last ? items->count - 1 : 0];
    return RV_OK;
}

static rv_status length(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    switch (c->self->kind) {
    case JINJA_STRING:
        RV_TRY(jinja_work(run->memory, c->self->string.length));
        *out = jinja_int((int64_t)jinja_count_chars(c->self->string));
        return RV_OK;
    case JINJA_DICT:
        *out = jinja_int((int64_t)c->self->dict->count);
        return RV_OK;
    case JINJA_UNDEFINED:
        *out = jinja_int(0);
        return RV_OK;
    case JINJA_LOOP:
        *out = jinja_int((int64_t)c->self->loop->items->count);
        return RV_OK;
    default:
        if (c->self->kind != JINJA_LIST || c->self->list->flavor == FLAVOR_GENERATOR)
            return jinja_wants(run->memory, c->builtin->name, "something with a length",
                               c->self);
        *out = jinja_int((int64_t)c->self->list->count);
        return RV_OK;
    }
}

static rv_status list(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    const jinja_list *items;
    RV_TRY(jinja_elements(run, &items, c->self));
    RV_TRY(jinja_new_list(out, run->memory, FLAVOR_LIST));
    for (size_t i = 0; i < items->count; i++)
        RV_TRY(jinja_push(run->memory, out->list, items->items[i]));
    return RV_OK;
}

static rv_status reverse(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    const jinja_list *items;
    jinja_value reversed;
    RV_TRY(jinja_elements(run, &items, c->self));
    RV_TRY(jinja_new_list(&reversed, run->memory, FLAVOR_GENERATOR));
    for (size_t i = items->count; i > 0; i--)
        RV_TRY(jinja_push(run->memory, reversed.list, items->items[i - 1]));
    *out = reversed;
    return c->self->kind == JINJA_STRING
               ? jinja_concat(run, out, reversed.list->items, reversed.list->count)
               : RV_OK;
}

static rv_status items_of(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    bool undefined = c->self->kind == JINJA_UNDEFINED;
    if (!undefined && c->self->kind != JINJA_DICT)
        return jinja_wants(run->memory, "items", "a dictionary", c->self);
    RV_TRY(jinja_new_list(out, run->memory, FLAVOR_GENERATOR));
    for (size_t i = 0; !undefined && i < c->self->dict->count; i++) {
        jinja_value pair;
        RV_TRY(jinja_pair(&pair, run->memory, c->self->dict->entries[i].key,
                          c->self->dict->entries[i].value));
        RV_TRY(jinja_push(run->memory, out->list, pair));
    }
    return RV_OK;
}

static rv_status join(jinja_run *run, rv_text *text, const jinja_call *c)
{
    const jinja_list *items;
    bool path = c->argv[1].kind != JINJA_MISSING && c->argv[1].kind != JINJA_NONE;
    RV_TRY(jinja_elements(run, &items, c->self));
    for (size_t i = 0; i < items->count; i++) {
        jinja_value item = items->items[i];
        if (i && c->argv[0].kind != JINJA_MISSING)
            RV_TRY(jinja_print(text, run->memory, &c->argv[0]));
        if (path) RV_TRY(get_path(run, &item, &items->items[i], &c->argv[1], NULL));
        RV_TRY(jinja_print(text, run->memory, &item));
    }
    return RV_OK;
}

static rv_status call_join(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    rv_text text = {0};
    return jinja_take(out, run->memory, &text, join(run, &text, c));
}

/* Lists of `size` items, the last one filled up. */
static rv_status batch(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    const jinja_list *items;
    int64_t size;
    jinja_value now = {0};
    RV_TRY(jinja_integer(run, &size, &c->argv[0], 0, "batch"));
    RV_TRY(jinja_elements(run, &items, c->self));
    RV_TRY(jinja_new_list(out, run->memory, FLAVOR_GENERATOR));
    for (size_t i = 0; i < items->count; i++) {
        if (now.kind == JINJA_MISSING || (int64_t)now.list->count == size) {
            RV_TRY(jinja_new_list(&now, run->memory, FLAVOR_LIST));
            RV_TRY(jinja_push(run->memory, out->list, now));
        }
        RV_TRY(jinja_push(run->memory, now.list, items->items[i]));
    }
    bool fill = c->argv[1].kind != JINJA_MISSING && c->argv[1].kind != JINJA_NONE;
    while (fill && now.kind != JINJA_MISSING && (int64_t)now.list->count < size)
        RV_TRY(jinja_push(run->memory, now.list, c->argv[1]));
    return RV_OK;
}

/* `count` lists of nearly the same length. */
static rv_status slice(jinja_run *run, jinja_value *out, const jinja_call *c)
{
    const jinja_list *items;
    int64_t count;
    RV_TRY(jinja_integer(run, &count, &c->argv[0], 0, "slice"));
    RV_TRY(jinja_elements(run, &items, c->self));
    RV_TRY(jinja_new_list(out, run->memory, FLAVOR_GENERATOR));
    if (count == 0) return rv_fail(run->memory->err, RV_ERR_FORMAT, "division by zero");
    if (count < 0) return RV_OK;
    size_t each = items->count / (size_t)count, more = items->count % (size_t)count, at = 0;
    bool fill = c->argv[1].kind != JINJA_MISSING && c->argv[1].kind != JINJA_NONE;
    for (size_t i = 0; i < (size_t)count; i++) {
        jinja_value part;
        RV_TRY(jinja_new_list(&part, run->memory, FLAVOR_LIST));
        for (size_t k = 0; k < each + (i < more); k++)
            RV_TRY(jinja_push(run->memory, part.list, items->items[at++]));
        if (fill && i >= more) RV_TRY(jinja_push(run->memory, part.list, c->argv[1]));
        RV_TRY(jinja_push(run->memory, out->list, part));
    }
    return RV_OK;
}

const jinja_builtin jinja_sequence_filters[] = {
    {"length", "", length, 0},
    {"count", "", length, 0},
    {"first", "", first_or_last, 0},
    {"last", "", first_or_last, 1},
    {"list", "", list, 0},
    {"reverse", "", reverse, 0},
    {"items", "", items_of, 0},
    {"join", "d? attribute?", call_join, 0},
    {"map", NULL, map, 0},
    {"select", NULL, choose, 0},
    {"reject", NULL, choose, 0},
    {"selectattr", NULL, choose, 1},
    {"rejectattr", NULL, choose, 1},
    {"sort", "reverse? case_sensitive? attribute?", sort, 0},
    {"dictsort", "case_sensitive? by? reverse?", dict_sort, 0},
    {"unique", "case_sensitive? attribute?", unique, 0},
    {"min", "case_sensitive? attribute?", extreme, -1},
    {"max", "case_sensitive? attribute?", extreme, 1},
    {"sum", "attribute? start?", sum, 0},
    {"groupby", "attribute default? case_sensitive?", group_by, 0},
    {"batch", "linecount fill_with?", batch, 0},
    {"slice", "slices fill_with?", slice, 0},
    {0},
};
