/* tokenizer.json: normalizer, pre_tokenizer, decoder, post_processor. */
#include <string.h>

#include "base/memory.h"
#include "tokenizer/json.h"
#include "tokenizer/regex_translate.h"
#include "tokenizer/unicode.h"

enum { LIMIT_DEPTH = 16 };

static rv_status missing(rv_error *err, const char *component, const char *field,
                         const char *what)
{
    return rv_fail(err, RV_ERR_FORMAT, "%s: %s: expected %s", component, field, what);
}

static rv_status unknown_type(rv_error *err, const char *part, const json_t *json)
{
    if (!json_is_object(json)) return missing(err, part, "value", "an object");
    return rv_fail(err, RV_ERR_UNSUPPORTED, "%s: type \"%s\" is not supported", part,
                   rv_json_type(json));
}

typedef rv_status (*component_fn)(rv_tokenizer *tok, const json_t *json, int depth,
                                  rv_error *err);

/* The members of a Sequence, one after the other. */
static rv_status each(rv_tokenizer *tok, const json_t *list, const char *part,
                      const char *field, component_fn component, int depth, rv_error *err)
{
    if (!json_is_array(list)) return missing(err, part, field, "an array");
    if (depth >= LIMIT_DEPTH) return missing(err, part, field, "at most 16 levels");
    size_t i;
    const json_t *item;
    json_array_foreach(list, i, item) RV_TRY(component(tok, item, depth + 1, err));
    return RV_OK;
}

/* {"String": text} or {"Regex": text}. */
static bool read_pattern(const json_t *json, const char *kind, const char **out, size_t *length)
{
    const json_t *value = json_object_get(json_object_get(json, "pattern"), kind);
    if (!json_is_string(value)) return false;
    *out = json_string_value(value);
    *length = json_string_length(value);
    return true;
}

/* ---- normalizer --------------------------------------------------------------------------- */

static rv_status normalizer(rv_tokenizer *tok, const json_t *json, int depth, rv_error *err)
{
    static const struct {
        const char *type;
        rv_normalize_kind kind;
    } kinds[] = {
        {"NFC", RV_NORMALIZE_NFC},         {"NFD", RV_NORMALIZE_NFD},
        {"NFKC", RV_NORMALIZE_NFKC},       {"NFKD", RV_NORMALIZE_NFKD},
        {"Strip", RV_NORMALIZE_STRIP},     {"StripAccents", RV_NORMALIZE_STRIP_ACCENTS},
        {"Prepend", RV_NORMALIZE_PREPEND}, {"Replace", RV_NORMALIZE_REPLACE},
        {"ByteLevel", RV_NORMALIZE_BYTES}, {"Lowercase", RV_NORMALIZE_LOWERCASE},
    };
    const char *type = rv_json_type(json);
    if (strcmp(type, "Sequence") == 0)
        return each(tok, json_object_get(json, "normalizers"), "normalizer", "normalizers",
                    normalizer, depth, err);
    rv_normalize_step *step = NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && !step; i++)
        if (strcmp(type, kinds[i].type) == 0)
            RV_TRY(rv_normalizer_add(&step, &tok->normalizer, kinds[i].kind, err));
    if (!step) return unknown_type(err, "normalizer", json);
    if (step->kind == RV_NORMALIZE_STRIP) {
        step->left = step->right = true;
        RV_TRY(rv_json_bool(&step->left, json, "strip_left", err));
        return rv_json_bool(&step->right, json, "strip_right", err);
    }
    if (step->kind == RV_NORMALIZE_PREPEND && !rv_json_text(&step->content, json, "prepend"))
        return missing(err, "normalizer Prepend", "prepend", "a string");
    if (step->kind != RV_NORMALIZE_REPLACE) return RV_OK;
    const char *pattern;
    size_t length;
    if (!rv_json_text(&step->content, json, "content"))
        return missing(err, "normalizer Replace", "content", "a string");
    if (read_pattern(json, "Regex", &pattern, &length))
        return rv_regex_compile(&step->regex, pattern, length, err);
    if (!read_pattern(json, "String", &pattern, &length))
        return missing(err, "normalizer Replace", "pattern",
                       "{\"String\": ...} or {\"Regex\": ...}");
    rv_text_append(&step->pattern, pattern, length);
    return RV_OK;
}

rv_status rv_normalizer_from_json(rv_tokenizer *tok, const json_t *json, rv_error *err)
{
    return !json || json_is_null(json) ? RV_OK : normalizer(tok, json, 0, err);
}

/* ---- pre_tokenizer ------------------------------------------------------------------------- */

static rv_status read_behavior(rv_split_behavior *out, const json_t *json, rv_error *err)
{
    static const char *const names[] = {"Removed", "Isolated", "MergedWithPrevious",
                                        "MergedWithNext", "Contiguous"};
    const json_t *value = json_object_get(json, "behavior");
    if (!value) return RV_OK;
    const char *name = json_string_value(value);
    for (size_t i = 0; name && i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) == 0) {
            *out = (rv_split_behavior)i;
            return RV_OK;
        }
    }
    return rv_fail(err, RV_ERR_UNSUPPORTED, "pre_tokenizer: behavior \"%s\" is not supported",
                   name ? name : "");
}

static rv_status add_class(rv_tokenizer *tok, bool (*in_class)(unsigned),
                           rv_split_behavior behavior, rv_error *err)
{
    rv_pretokenize_step *step;
    RV_TRY(rv_pretokenizer_add(&step, &tok->pretokenizer, RV_PRETOKENIZE_CLASS, err));
    step->in_class = in_class;
    step->behavior = behavior;
    return RV_OK;
}

static rv_status add_literal(rv_tokenizer *tok, const char *text, size_t length,
                             rv_split_behavior behavior, bool invert, rv_error *err)
{
    rv_pretokenize_step *step;
    RV_TRY(rv_pretokenizer_add(&step, &tok->pretokenizer, RV_PRETOKENIZE_LITERAL, err));
    step->behavior = behavior;
    step->invert = invert;
    rv_text_append(&step->content, text, length);
    return RV_OK;
}

static rv_status split(rv_tokenizer *tok, const json_t *json, rv_error *err)
{
    rv_split_behavior behavior = RV_SPLIT_ISOLATED;
    bool invert = false;
    const char *pattern;
    size_t length;
    RV_TRY(read_behavior(&behavior, json, err));
    RV_TRY(rv_json_bool(&invert, json, "invert", err));
    if (read_pattern(json, "Regex", &pattern, &length))
        return rv_pretokenizer_add_regex(&tok->pretokenizer, pattern, length, behavior, invert,
                                         err);
    if (read_pattern(json, "String", &pattern, &length))
        return add_literal(tok, pattern, length, behavior, invert, err);
    return missing(err, "pre_tokenizer Split", "pattern",
                   "{\"String\": ...} or {\"Regex\": ...}");
}

/* prepend_scheme, or add_prefix_space of older files. */
static rv_status read_prepend(rv_prepend_scheme *out, const json_t *json, rv_error *err)
{
    static const char *const names[] = {"never", "first", "always"};
    const char *name = json_string_value(json_object_get(json, "prepend_scheme"));
    bool prefix = true;
    RV_TRY(rv_json_bool(&prefix, json, "add_prefix_space", err));
    *out = prefix ? RV_PREPEND_ALWAYS : RV_PREPEND_NEVER;
    if (!name) return RV_OK;
    for (size_t i = 0; i < 3; i++) {
        if (strcmp(name, names[i]) == 0) {
            *out = (rv_prepend_scheme)i;
            return RV_OK;
        }
    }
    return rv_fail(err, RV_ERR_UNSUPPORTED, "Metaspace: prepend_scheme \"%s\" is not supported",
                   name);
}

static rv_status metaspace(rv_tokenizer *tok, const json_t *json, rv_error *err)
{
    rv_pretokenize_step *step;
    bool cut = true;
    RV_TRY(rv_pretokenizer_add(&step, &tok->pretokenizer, RV_PRETOKENIZE_METASPACE, err));
    RV_TRY(read_prepend(&step->prepend, json, err));
    RV_TRY(rv_json_bool(&cut, json, "split", err));
    if (!rv_json_text(&step->content, json, "replacement"))
        return missing(err, "pre_tokenizer Metaspace", "replacement", "a string");
    const char *replacement = json_string_value(json_object_get(json, "replacement"));
    size_t length = json_string_length(json_object_get(json, "replacement"));
    return cut ? add_literal(tok, replacement, length, RV_SPLIT_MERGED_WITH_NEXT, false, err)
               : RV_OK;
}

static rv_status pretokenizer(rv_tokenizer *tok, const json_t *json, int depth, rv_error *err)
{
    const char *type = rv_json_type(json);
    rv_split_behavior behavior = RV_SPLIT_ISOLATED;
    if (strcmp(type, "Sequence") == 0)
        return each(tok, json_object_get(json, "pretokenizers"), "pre_tokenizer",
                    "pretokenizers", pretokenizer, depth, err);
    if (strcmp(type, "ByteLevel") == 0) {
        bool prefix_space = true, use_regex = true;
        RV_TRY(rv_json_bool(&prefix_space, json, "add_prefix_space", err));
        RV_TRY(rv_json_bool(&use_regex, json, "use_regex", err));
        return rv_tokenizer_byte_level(tok, prefix_space, use_regex, err);
    }
    if (strcmp(type, "Digits") == 0) {
        bool individual = false;
        RV_TRY(rv_json_bool(&individual, json, "individual_digits", err));
        return add_class(tok, rv_is_numeric,
                         individual ? RV_SPLIT_ISOLATED : RV_SPLIT_CONTIGUOUS, err);
    }
    if (strcmp(type, "Split") == 0) return split(tok, json, err);
    if (strcmp(type, "Metaspace") == 0) return metaspace(tok, json, err);
    if (strcmp(type, "WhitespaceSplit") == 0)
        return add_class(tok, rv_is_space, RV_SPLIT_REMOVED, err);
    if (strcmp(type, "Whitespace") == 0) {
        // \w of Rust's regular expressions: with the joiners, without Oniguruma's extras.
        static const char words[] = "[" RV_REGEX_LETTERS "\\x{200C}\\x{200D}]+|"
                                    "[^" RV_REGEX_LETTERS "\\x{200C}\\x{200D}\\s]+";
        return rv_pretokenizer_add_regex(&tok->pretokenizer, words, sizeof words - 1,
                                         RV_SPLIT_REMOVED, true, err);
    }
    if (strcmp(type, "Punctuation") == 0) {
        RV_TRY(read_behavior(&behavior, json, err));
        return add_class(tok, rv_is_punctuation, behavior, err);
    }
    if (strcmp(type, "BertPreTokenizer") == 0) {
        RV_TRY(add_class(tok, rv_is_space, RV_SPLIT_REMOVED, err));
        return add_class(tok, rv_is_punctuation, RV_SPLIT_ISOLATED, err);
    }
    if (strcmp(type, "CharDelimiterSplit") == 0) {
        const json_t *delimiter = json_object_get(json, "delimiter");
        if (!json_is_string(delimiter))
            return missing(err, "pre_tokenizer CharDelimiterSplit", "delimiter", "a string");
        return add_literal(tok, json_string_value(delimiter), json_string_length(delimiter),
                           RV_SPLIT_REMOVED, false, err);
    }
    return unknown_type(err, "pre_tokenizer", json);
}

rv_status rv_pretokenizer_from_json(rv_tokenizer *tok, const json_t *json, rv_error *err)
{
    return !json || json_is_null(json) ? RV_OK : pretokenizer(tok, json, 0, err);
}

/* ---- decoder ----------------------------------------------------------------------------- */

static rv_status decode_strip(rv_decode_step *step, const json_t *json, rv_error *err)
{
    const json_t *left = json_object_get(json, "start"), *right = json_object_get(json, "stop");
    if (!rv_json_text(&step->content, json, "content") || step->content.length == 0)
        return missing(err, "decoder Strip", "content", "a character");
    if (!json_is_integer(left) || !json_is_integer(right) || json_integer_value(left) < 0 ||
        json_integer_value(right) < 0)
        return missing(err, "decoder Strip", "start and stop", "counts");
    step->left = (size_t)json_integer_value(left);
    step->right = (size_t)json_integer_value(right);
    return RV_OK;
}

static rv_status decode_replace(rv_decode_step *step, const json_t *json, rv_error *err)
{
    const char *pattern;
    size_t length;
    if (!read_pattern(json, "String", &pattern, &length))
        return missing(err, "decoder Replace", "pattern", "{\"String\": ...}");
    rv_text_append(&step->pattern, pattern, length);
    if (!rv_json_text(&step->content, json, "content"))
        return missing(err, "decoder Replace", "content", "a string");
    return RV_OK;
}

static rv_status decoder(rv_tokenizer *tok, const json_t *json, int depth, rv_error *err)
{
    static const struct {
        const char *type;
        rv_decode_kind kind;
        const char *pattern; /* the field with it, and what it is by default */
        const char *otherwise;
    } kinds[] = {
        {"ByteLevel", RV_DECODE_BYTE_LEVEL, NULL, NULL},
        {"ByteFallback", RV_DECODE_BYTE_FALLBACK, NULL, NULL},
        {"Replace", RV_DECODE_REPLACE, NULL, NULL},
        {"Strip", RV_DECODE_STRIP, NULL, NULL},
        {"Metaspace", RV_DECODE_METASPACE, "replacement", "\xE2\x96\x81"},
        {"BPEDecoder", RV_DECODE_SUFFIX, "suffix", "</w>"},
        {"WordPiece", RV_DECODE_WORDPIECE, "prefix", "##"},
    };
    const char *type = rv_json_type(json);
    if (strcmp(type, "Sequence") == 0)
        return each(tok, json_object_get(json, "decoders"), "decoder", "decoders", decoder,
                    depth, err);
    if (strcmp(type, "Fuse") == 0) {
        if (tok->decoder.joint == SIZE_MAX) tok->decoder.joint = tok->decoder.count;
        return RV_OK;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(type, kinds[i].type) != 0) continue;
        rv_decode_step *step;
        RV_TRY(rv_decoder_add(&step, &tok->decoder, kinds[i].kind, err));
        if (step->kind == RV_DECODE_STRIP) return decode_strip(step, json, err);
        if (step->kind == RV_DECODE_REPLACE) return decode_replace(step, json, err);
        if (!kinds[i].pattern) return RV_OK;
        if (!rv_json_text(&step->pattern, json, kinds[i].pattern))
            rv_text_puts(&step->pattern, kinds[i].otherwise);
        tok->decoder.positional = true;
        if (step->kind != RV_DECODE_METASPACE) return RV_OK;
        rv_prepend_scheme scheme;
        RV_TRY(read_prepend(&scheme, json, err));
        step->drop_first = scheme != RV_PREPEND_NEVER;
        return RV_OK;
    }
    return unknown_type(err, "decoder", json);
}

rv_status rv_decoder_from_json(rv_tokenizer *tok, const json_t *json, rv_error *err)
{
    if (!json || json_is_null(json)) {
        tok->decoder.spaced = true;
        return RV_OK;
    }
    tok->decoder.joint = SIZE_MAX;
    RV_TRY(decoder(tok, json, 0, err));
    if (tok->decoder.joint > tok->decoder.count) tok->decoder.joint = tok->decoder.count;
    return RV_OK;
}

/* ---- post_processor ------------------------------------------------------------------------ */

static rv_status template_item(rv_tokenizer *tok, const json_t *json, const json_t *item,
                               bool *text_seen, rv_error *err)
{
    if (json_object_get(item, "Sequence")) {
        *text_seen = true;
        return RV_OK;
    }
    const char *name =
        json_string_value(json_object_get(json_object_get(item, "SpecialToken"), "id"));
    const json_t *ids = json_object_get(
        json_object_get(json_object_get(json, "special_tokens"), name ? name : ""), "ids");
    if (!name || !json_is_array(ids))
        return rv_fail(
            err, RV_ERR_FORMAT,
            "post_processor: single: expected special_tokens to hold the ids of \"%s\"",
            name ? name : "");
    size_t i;
    const json_t *id;
    json_array_foreach(ids, i, id)
    {
        size_t length;
        if (!json_is_integer(id) ||
            !rv_vocabulary_piece(&tok->vocabulary, json_integer_value(id), &length))
            return rv_fail(err, RV_ERR_FORMAT,
                           "post_processor: special token \"%s\": id %lld is not "
                           "in the vocabulary",
                           name, (long long)json_integer_value(id));
        RV_TRY(rv_ids_push(*text_seen ? &tok->after : &tok->before,
                           (int32_t)json_integer_value(id), err));
    }
    return RV_OK;
}

/* ["</s>", 2]: the cls and sep of BertProcessing and RobertaProcessing. */
static rv_status template_pair(rv_tokenizer *tok, rv_ids *ids, const json_t *json,
                               const char *field, rv_error *err)
{
    const json_t *id = json_array_get(json_object_get(json, field), 1);
    size_t length;
    if (!json_is_integer(id) ||
        !rv_vocabulary_piece(&tok->vocabulary, json_integer_value(id), &length))
        return missing(err, "post_processor", field, "[token, id] from the vocabulary");
    return rv_ids_push(ids, (int32_t)json_integer_value(id), err);
}

static rv_status template(rv_tokenizer *tok, const json_t *json, int depth, rv_error *err)
{
    const char *type = rv_json_type(json);
    if (strcmp(type, "ByteLevel") == 0) return RV_OK; // trims offsets, adds nothing
    if (strcmp(type, "Sequence") == 0)
        return each(tok, json_object_get(json, "processors"), "post_processor", "processors",
                    template, depth, err);
    if (strcmp(type, "BertProcessing") == 0 || strcmp(type, "RobertaProcessing") == 0) {
        RV_TRY(template_pair(tok, &tok->before, json, "cls", err));
        return template_pair(tok, &tok->after, json, "sep", err);
    }
    if (strcmp(type, "TemplateProcessing") != 0)
        return unknown_type(err, "post_processor", json);
    const json_t *single = json_object_get(json, "single"), *item;
    if (!json_is_array(single))
        return missing(err, "post_processor TemplateProcessing", "single", "an array");
    bool text_seen = false;
    size_t i;
    json_array_foreach(single, i, item) RV_TRY(template_item(tok, json, item, &text_seen, err));
    return RV_OK;
}

rv_status rv_template_from_json(rv_tokenizer *tok, const json_t *json, rv_error *err)
{
    return !json || json_is_null(json) ? RV_OK : template(tok, json, 0, err);
}
