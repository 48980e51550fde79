/* Filters, tests and methods of chat templates. */
#include <string.h>

#include "template/run.h"
#include "tokenizer/unicode.h"

#include <utf8proc.h>

static rv_status unsupported(jinja_run *run, const char *what, jinja_string name)
{
    return rv_fail(run->err, RV_ERR_UNSUPPORTED, "%s \"%.*s\" is not supported", what,
                   (int)(name.length < 40 ? name.length : 40), name.bytes);
}

rv_status jinja_wants(jinja_run *run, jinja_string name, const char *what,
                      const jinja_value *found)
{
    return rv_fail(run->err, RV_ERR_FORMAT, "%.*s wants %s, found %s", (int)name.length,
                   name.bytes, what, jinja_kind_name(found->kind));
}

/* Hands over what was put together. */
static rv_status take_text(jinja_run *run, jinja_value *out, rv_text *text)
{
    rv_status status = text->failed
                           ? rv_fail_memory(run->err, text->length)
                           : jinja_copy(out, run->memory, text->bytes, text->length, run->err);
    rv_text_release(text);
    return status;
}

/* ---- members and elements ------------------------------------------------------------------- */

rv_status jinja_elements(jinja_run *run, jinja_list **out, const jinja_value *value)
{
    jinja_value list;
    if (value->kind == JINJA_LIST) {
        *out = value->list;
        return RV_OK;
    }
    RV_TRY(jinja_new_list(&list, run->memory, run->err));
    *out = list.list;
    switch (value->kind) {
    case JINJA_UNDEFINED:
        return RV_OK;
    case JINJA_DICT:
        for (size_t i = 0; i < value->dict->count; i++)
            RV_TRY(jinja_push(run->memory, *out, jinja_from_string(value->dict->entries[i].key),
                              run->err));
        return RV_OK;
    case JINJA_STRING:
        for (size_t i = 0, n; i < value->string.length; i += n) {
            rv_char_at(value->string.bytes + i, &n);
            RV_TRY(jinja_push(run->memory, *out,
                              jinja_from_string((jinja_string){value->string.bytes + i, n}),
                              run->err));
        }
        return RV_OK;
    default:
        return rv_fail(run->err, RV_ERR_FORMAT, "%s has no elements",
                       jinja_kind_name(value->kind));
    }
}

rv_status jinja_member(jinja_run *run, jinja_value *out, const jinja_value *object,
                       const jinja_value *key)
{
    jinja_list *items;
    if (object->kind == JINJA_UNDEFINED)
        return rv_fail(run->err, RV_ERR_FORMAT, "\"%.*s\" is undefined",
                       (int)object->string.length, object->string.bytes);
    if (key->kind == JINJA_STRING) {
        const jinja_value *found =
            object->kind == JINJA_DICT ? jinja_get(object->dict, key->string) : NULL;
        *out = found ? *found : jinja_undefined(key->string);
        return RV_OK;
    }
    *out = jinja_undefined(jinja_literal("element"));
    if (key->kind != JINJA_INT || (object->kind != JINJA_LIST && object->kind != JINJA_STRING))
        return RV_OK;
    RV_TRY(jinja_elements(run, &items, object));
    int64_t count = (int64_t)items->count,
            index = key->integer < 0 ? key->integer + count : key->integer;
    if (index >= 0 && index < count) *out = items->items[index];
    return RV_OK;
}

/* ---- strings -------------------------------------------------------------------------------- */

static bool in_set(unsigned c, const jinja_string *set)
{
    // Python's white space has four controls more than Unicode's.
    if (!set) return rv_is_space(c) || (c >= 0x1C && c <= 0x1F);
    for (size_t i = 0, n; i < set->length; i += n)
        if (rv_char_at(set->bytes + i, &n) == c) return true;
    return false;
}

static jinja_string strip(jinja_string s, const jinja_string *set, bool left, bool right)
{
    size_t n;
    while (left && s.length && in_set(rv_char_at(s.bytes, &n), set)) {
        s.bytes += n;
        s.length -= n;
    }
    while (right && s.length && in_set(rv_char_before(s.bytes, s.length, &n), set))
        s.length -= n;
    return s;
}

typedef enum letter_case { CASE_LOWER, CASE_UPPER, CASE_CAPITAL, CASE_TITLE } letter_case;

static rv_status change_case(jinja_run *run, jinja_value *out, jinja_string s, letter_case to)
{
    rv_text text = {0};
    bool first = true;
    for (size_t i = 0, n; i < s.length; i += n) {
        utf8proc_int32_t c = (utf8proc_int32_t)rv_char_at(s.bytes + i, &n);
        bool raise = to == CASE_UPPER || (first && (to == CASE_CAPITAL || to == CASE_TITLE));
        char bytes[4];
        utf8proc_category_t category = utf8proc_category(c);
        first = to == CASE_TITLE &&
                !(category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LT);
        c = raise ? (to == CASE_UPPER ? utf8proc_toupper(c) : utf8proc_totitle(c))
                  : utf8proc_tolower(c);
        rv_text_append(&text, bytes, rv_utf8_encode((unsigned)c, bytes));
    }
    return take_text(run, out, &text);
}

static rv_status replace(jinja_run *run, jinja_value *out, jinja_string s,
                         const jinja_arguments *arguments, jinja_string name)
{
    const jinja_value *from = jinja_argument(arguments, 0, "old"),
                      *to = jinja_argument(arguments, 1, "new"),
                      *count = jinja_argument(arguments, 2, "count");
    int64_t left = count && count->kind == JINJA_INT ? count->integer : -1;
    if (!from || from->kind != JINJA_STRING || !to || to->kind != JINJA_STRING ||
        from->string.length == 0)
        return rv_fail(run->err, RV_ERR_UNSUPPORTED,
                       "%.*s wants two strings, the first not empty", (int)name.length,
                       name.bytes);
    rv_text text = {0};
    while (s.length && left != 0) {
        const char *hit = memmem(s.bytes, s.length, from->string.bytes, from->string.length);
        if (!hit) break;
        size_t skipped = (size_t)(hit - s.bytes);
        rv_text_append(&text, s.bytes, skipped);
        rv_text_append(&text, to->string.bytes, to->string.length);
        s.bytes += skipped + from->string.length;
        s.length -= skipped + from->string.length;
        left--;
    }
    rv_text_append(&text, s.bytes, s.length);
    return take_text(run, out, &text);
}

/* Where the next separator begins; a separator NULL is a run of white space. */
static bool find_separator(jinja_string s, const jinja_string *separator, size_t *start,
                           size_t *end)
{
    if (separator) {
        const char *hit = memmem(s.bytes, s.length, separator->bytes, separator->length);
        if (!hit) return false;
        *start = (size_t)(hit - s.bytes);
        *end = *start + separator->length;
        return true;
    }
    for (size_t i = 0, n; i < s.length; i += n) {
        if (!in_set(rv_char_at(s.bytes + i, &n), NULL)) continue;
        *start = *end = i;
        while (*end < s.length && in_set(rv_char_at(s.bytes + *end, &n), NULL)) *end += n;
        return true;
    }
    return false;
}

static rv_status split(jinja_run *run, jinja_value *out, jinja_string s,
                       const jinja_arguments *arguments)
{
    const jinja_value *by = jinja_argument(arguments, 0, "sep"),
                      *most = jinja_argument(arguments, 1, "maxsplit");
    const jinja_string *separator = by && by->kind == JINJA_STRING ? &by->string : NULL;
    int64_t left = most && most->kind == JINJA_INT ? most->integer : -1;
    if ((by && by->kind != JINJA_STRING && by->kind != JINJA_NONE) ||
        (separator && separator->length == 0))
        return rv_fail(run->err, RV_ERR_FORMAT, "split wants a string that is not empty");
    RV_TRY(jinja_new_list(out, run->memory, run->err));
    if (!separator) s = strip(s, NULL, true, left < 0);
    size_t start, end;
    while (left-- != 0 && find_separator(s, separator, &start, &end)) {
        RV_TRY(jinja_push(run->memory, out->list,
                          jinja_from_string((jinja_string){s.bytes, start}), run->err));
        s.bytes += end;
        s.length -= end;
    }
    if (!separator && s.length == 0) return RV_OK;
    return jinja_push(run->memory, out->list, jinja_from_string(s), run->err);
}

/* startswith, endswith: of a string or any of a list of strings. */
static rv_status has_affix(jinja_run *run, jinja_value *out, jinja_string s, jinja_string name,
                           const jinja_arguments *arguments)
{
    const jinja_value *wanted = jinja_argument(arguments, 0, NULL);
    bool at_end = *name.bytes == 'e', found = false;
    if (!wanted || (wanted->kind != JINJA_STRING && wanted->kind != JINJA_LIST))
        return rv_fail(run->err, RV_ERR_FORMAT, "%.*s wants a string", (int)name.length,
                       name.bytes);
    const jinja_value *items = wanted->kind == JINJA_LIST ? wanted->list->items : wanted;
    size_t count = wanted->kind == JINJA_LIST ? wanted->list->count : 1;
    for (size_t i = 0; i < count && !found; i++) {
        jinja_string affix = items[i].string;
        if (items[i].kind != JINJA_STRING) return jinja_wants(run, name, "strings", &items[i]);
        if (affix.length > s.length) continue;
        const char *at = at_end ? s.bytes + (s.length - affix.length) : s.bytes;
        found = affix.length == 0 || memcmp(at, affix.bytes, affix.length) == 0;
    }
    *out = jinja_bool(found);
    return RV_OK;
}

static rv_status string_method(jinja_run *run, jinja_value *out, jinja_string s,
                               jinja_string name, const jinja_arguments *arguments)
{
    bool left = jinja_same(name, "lstrip"), right = jinja_same(name, "rstrip");
    if (left || right || jinja_same(name, "strip")) {
        const jinja_value *set = jinja_argument(arguments, 0, "chars");
        if (set && set->kind == JINJA_NONE) set = NULL;
        if (set && set->kind != JINJA_STRING) return jinja_wants(run, name, "a string", set);
        *out = jinja_from_string(strip(s, set ? &set->string : NULL, !right, !left));
        return RV_OK;
    }
    if (jinja_same(name, "split")) return split(run, out, s, arguments);
    if (jinja_same(name, "startswith") || jinja_same(name, "endswith"))
        return has_affix(run, out, s, name, arguments);
    if (jinja_same(name, "replace")) return replace(run, out, s, arguments, name);
    if (jinja_same(name, "upper")) return change_case(run, out, s, CASE_UPPER);
    if (jinja_same(name, "lower")) return change_case(run, out, s, CASE_LOWER);
    if (jinja_same(name, "capitalize")) return change_case(run, out, s, CASE_CAPITAL);
    if (jinja_same(name, "title")) return change_case(run, out, s, CASE_TITLE);
    return unsupported(run, "method of strings", name);
}

/* ---- dictionaries --------------------------------------------------------------------------- */

static rv_status dict_items(jinja_run *run, jinja_value *out, const jinja_dict *dict, bool keys,
                            bool values)
{
    RV_TRY(jinja_new_list(out, run->memory, run->err));
    for (size_t i = 0; i < dict->count; i++) {
        jinja_value key = jinja_from_string(dict->entries[i].key),
                    value = dict->entries[i].value, pair;
        if (keys && values) {
            RV_TRY(jinja_new_list(&pair, run->memory, run->err));
            RV_TRY(jinja_push(run->memory, pair.list, key, run->err));
            RV_TRY(jinja_push(run->memory, pair.list, value, run->err));
        } else {
            pair = keys ? key : value;
        }
        RV_TRY(jinja_push(run->memory, out->list, pair, run->err));
    }
    return RV_OK;
}

static rv_status dict_method(jinja_run *run, jinja_value *out, const jinja_dict *dict,
                             jinja_string name, const jinja_arguments *arguments)
{
    if (jinja_same(name, "items")) return dict_items(run, out, dict, true, true);
    if (jinja_same(name, "keys")) return dict_items(run, out, dict, true, false);
    if (jinja_same(name, "values")) return dict_items(run, out, dict, false, true);
    if (!jinja_same(name, "get")) return unsupported(run, "method of dictionaries", name);
    const jinja_value *key = jinja_argument(arguments, 0, NULL),
                      *otherwise = jinja_argument(arguments, 1, "default");
    const jinja_value *found =
        key && key->kind == JINJA_STRING ? jinja_get(dict, key->string) : NULL;
    *out = found ? *found : otherwise ? *otherwise : (jinja_value){.kind = JINJA_NONE};
    return RV_OK;
}

rv_status jinja_call_method(jinja_run *run, jinja_value *out, const jinja_value *object,
                            jinja_string name, const jinja_arguments *arguments)
{
    if (object->kind == JINJA_STRING)
        return string_method(run, out, object->string, name, arguments);
    if (object->kind == JINJA_DICT) return dict_method(run, out, object->dict, name, arguments);
    if (object->kind == JINJA_UNDEFINED)
        return rv_fail(run->err, RV_ERR_FORMAT, "\"%.*s\" is undefined",
                       (int)object->string.length, object->string.bytes);
    return unsupported(run, "method", name);
}

/* ---- filters -------------------------------------------------------------------------------- */

static rv_status length_of(jinja_run *run, jinja_value *out, jinja_string name,
                           const jinja_value *v)
{
    jinja_list *items;
    if (v->kind == JINJA_DICT) {
        *out = jinja_int((int64_t)v->dict->count);
        return RV_OK;
    }
    if (v->kind != JINJA_LIST && v->kind != JINJA_STRING && v->kind != JINJA_UNDEFINED)
        return jinja_wants(run, name, "something with elements", v);
    RV_TRY(jinja_elements(run, &items, v));
    *out = jinja_int((int64_t)items->count);
    return RV_OK;
}

static rv_status join(jinja_run *run, jinja_value *out, const jinja_value *input,
                      const jinja_arguments *arguments)
{
    const jinja_value *between = jinja_argument(arguments, 0, "d"),
                      *attribute = jinja_argument(arguments, 1, "attribute");
    jinja_list *items;
    RV_TRY(jinja_elements(run, &items, input));
    rv_text text = {0};
    rv_status status = RV_OK;
    for (size_t i = 0; i < items->count && status == RV_OK; i++) {
        jinja_value item = items->items[i];
        if (i && between) status = jinja_print(&text, between, run->err);
        if (status == RV_OK && attribute)
            status = jinja_member(run, &item, &items->items[i], attribute);
        if (status == RV_OK) status = jinja_print(&text, &item, run->err);
    }
    if (status == RV_OK) return take_text(run, out, &text);
    rv_text_release(&text);
    return status;
}

static rv_status to_json(jinja_run *run, jinja_value *out, const jinja_value *input,
                         const jinja_arguments *arguments)
{
    static const char *const others[] = {"ensure_ascii", "separators", "sort_keys"};
    const jinja_value *indent = jinja_get(&arguments->named, jinja_literal("indent"));
    for (size_t i = 0; i < 3; i++)
        if (jinja_get(&arguments->named, jinja_literal(others[i])))
            return unsupported(run, "tojson's argument", jinja_literal(others[i]));
    int width =
        indent && indent->kind == JINJA_INT && indent->integer >= 0 && indent->integer <= 16
            ? (int)indent->integer
            : -1;
    rv_text text = {0};
    rv_status status = jinja_print_json(&text, input, width, run->err);
    if (status == RV_OK) return take_text(run, out, &text);
    rv_text_release(&text);
    return status;
}

/* selectattr, rejectattr, select, reject, map. */
static rv_status choose(jinja_run *run, jinja_value *out, jinja_string name,
                        const jinja_value *input, const jinja_arguments *arguments)
{
    bool attribute = name.length > 6, keep = *name.bytes == 's';
    size_t first = attribute ? 1 : 0;
    const jinja_value *member = attribute ? jinja_argument(arguments, 0, NULL) : NULL,
                      *test = jinja_argument(arguments, first, NULL),
                      *against = jinja_argument(arguments, first + 1, NULL);
    jinja_arguments rest = {0};
    jinja_list *items;
    if ((attribute && (!member || member->kind != JINJA_STRING)) ||
        (test && test->kind != JINJA_STRING))
        return rv_fail(run->err, RV_ERR_FORMAT, "%.*s wants strings", (int)name.length,
                       name.bytes);
    if (against) RV_TRY(jinja_push(run->memory, &rest.positional, *against, run->err));
    RV_TRY(jinja_elements(run, &items, input));
    RV_TRY(jinja_new_list(out, run->memory, run->err));
    for (size_t i = 0; i < items->count; i++) {
        jinja_value value = items->items[i];
        bool holds;
        if (member) RV_TRY(jinja_member(run, &value, &items->items[i], member));
        if (test)
            RV_TRY(jinja_apply_test(run, &holds, test->string, &value, &rest));
        else
            holds = jinja_truth(&value);
        if (holds == keep)
            RV_TRY(jinja_push(run->memory, out->list, items->items[i], run->err));
    }
    return RV_OK;
}

static rv_status map(jinja_run *run, jinja_value *out, const jinja_value *input,
                     const jinja_arguments *arguments)
{
    const jinja_value *member = jinja_get(&arguments->named, jinja_literal("attribute")),
                      *filter = jinja_argument(arguments, 0, NULL);
    const jinja_arguments none = {0};
    jinja_list *items;
    if (!member && (!filter || filter->kind != JINJA_STRING))
        return rv_fail(run->err, RV_ERR_FORMAT, "map wants a filter or an attribute");
    RV_TRY(jinja_elements(run, &items, input));
    RV_TRY(jinja_new_list(out, run->memory, run->err));
    for (size_t i = 0; i < items->count; i++) {
        jinja_value value;
        RV_TRY(member
                   ? jinja_member(run, &value, &items->items[i], member)
                   : jinja_apply_filter(run, &value, filter->string, &items->items[i], &none));
        RV_TRY(jinja_push(run->memory, out->list, value, run->err));
    }
    return RV_OK;
}

static rv_status first_or_last(jinja_run *run, jinja_value *out, const jinja_value *input,
                               bool last)
{
    jinja_list *items;
    RV_TRY(jinja_elements(run, &items, input));
    *out = items->count ? items->items[last ? items->count - 1 : 0]
                        : jinja_undefined(jinja_literal("element"));
    return RV_OK;
}

static rv_status reverse(jinja_run *run, jinja_value *out, const jinja_value *input)
{
    jinja_list *items;
    RV_TRY(jinja_elements(run, &items, input));
    RV_TRY(jinja_new_list(out, run->memory, run->err));
    for (size_t i = items->count; i > 0; i--)
        RV_TRY(jinja_push(run->memory, out->list, items->items[i - 1], run->err));
    return RV_OK;
}

rv_status jinja_apply_filter(jinja_run *run, jinja_value *out, jinja_string name,
                             const jinja_value *input, const jinja_arguments *arguments)
{
    static const char *const strings[] = {"upper", "lower", "capitalize", "title", "replace"};
    if (jinja_same(name, "length") || jinja_same(name, "count"))
        return length_of(run, out, name, input);
    if (jinja_same(name, "tojson")) return to_json(run, out, input, arguments);
    if (jinja_same(name, "join")) return join(run, out, input, arguments);
    if (jinja_same(name, "map")) return map(run, out, input, arguments);
    if (jinja_same(name, "first") || jinja_same(name, "last"))
        return first_or_last(run, out, input, *name.bytes == 'l');
    if (jinja_same(name, "reverse") && input->kind == JINJA_LIST)
        return reverse(run, out, input);
    if (jinja_same(name, "selectattr") || jinja_same(name, "rejectattr") ||
        jinja_same(name, "select") || jinja_same(name, "reject"))
        return choose(run, out, name, input, arguments);
    if (jinja_same(name, "items") && input->kind == JINJA_DICT)
        return dict_items(run, out, input->dict, true, true);
    if (jinja_same(name, "default") || jinja_same(name, "d")) {
        const jinja_value *otherwise = jinja_argument(arguments, 0, "default_value"),
                          *any = jinja_argument(arguments, 1, "boolean");
        bool taken =
            input->kind == JINJA_UNDEFINED || (any && jinja_truth(any) && !jinja_truth(input));
        *out = !taken ? *input : otherwise ? *otherwise : jinja_text("");
        return RV_OK;
    }
    if (jinja_same(name, "list")) {
        jinja_list *items;
        RV_TRY(jinja_elements(run, &items, input));
        *out = (jinja_value){JINJA_LIST, {.list = items}};
        return RV_OK;
    }
    if (jinja_same(name, "int") && input->kind == JINJA_INT) {
        *out = *input;
        return RV_OK;
    }
    rv_text text = {0};
    jinja_value printed;
    bool known =
        jinja_same(name, "trim") || jinja_same(name, "string") || jinja_same(name, "safe");
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
        known |= jinja_same(name, strings[i]);
    if (!known) return unsupported(run, "filter", name);
    rv_status status = jinja_print(&text, input, run->err);
    if (status != RV_OK) {
        rv_text_release(&text);
        return status;
    }
    RV_TRY(take_text(run, &printed, &text));
    if (jinja_same(name, "string") || jinja_same(name, "safe")) {
        *out = printed;
        return RV_OK;
    }
    return string_method(run, out, printed.string,
                         jinja_same(name, "trim") ? jinja_literal("strip") : name, arguments);
}

/* ---- tests ---------------------------------------------------------------------------------- */

rv_status jinja_apply_test(jinja_run *run, bool *out, jinja_string name,
                           const jinja_value *input, const jinja_arguments *arguments)
{
    static const struct {
        const char *name;
        unsigned kinds; /* bits by jinja_kind */
    } kinds[] = {
        {"none", 1u << JINJA_NONE},
        {"undefined", 1u << JINJA_UNDEFINED},
        {"defined", ~(1u << JINJA_UNDEFINED)},
        {"boolean", 1u << JINJA_BOOL},
        {"string", 1u << JINJA_STRING},
        {"integer", 1u << JINJA_INT},
        {"number", 1u << JINJA_INT | 1u << JINJA_BOOL},
        {"mapping", 1u << JINJA_DICT},
        {"iterable",
         1u << JINJA_LIST | 1u << JINJA_DICT | 1u << JINJA_STRING | 1u << JINJA_UNDEFINED},
        {"sequence",
         1u << JINJA_LIST | 1u << JINJA_DICT | 1u << JINJA_STRING | 1u << JINJA_UNDEFINED},
        {"callable", 1u << JINJA_MACRO | 1u << JINJA_BUILTIN},
    };
    const jinja_value *other = jinja_argument(arguments, 0, NULL);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!jinja_same(name, kinds[i].name)) continue;
        *out = kinds[i].kinds >> input->kind & 1;
        return RV_OK;
    }
    if (jinja_same(name, "true") || jinja_same(name, "false")) {
        *out = input->kind == JINJA_BOOL && input->boolean == (*name.bytes == 't');
        return RV_OK;
    }
    bool equal = jinja_same(name, "==") || jinja_same(name, "eq") ||
                 jinja_same(name, "equalto") || jinja_same(name, "sameas");
    if (other && (equal || jinja_same(name, "ne"))) {
        *out = jinja_equal(input, other) == equal;
        return RV_OK;
    }
    if (other && jinja_same(name, "in") && other->kind == JINJA_LIST) {
        *out = false;
        for (size_t i = 0; i < other->list->count && !*out; i++)
            *out = jinja_equal(input, &other->list->items[i]);
        return RV_OK;
    }
    if (jinja_same(name, "odd") || jinja_same(name, "even")) {
        if (input->kind != JINJA_INT) return jinja_wants(run, name, "a number", input);
        *out = (input->integer % 2 != 0) == (*name.bytes == 'o');
        return RV_OK;
    }
    return unsupported(run, "test", name);
}
