#include "explain/answer.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/text.h"
#include "explain/evidence.h"

/* ---- explanations ---------------------------------------------------------------------------- */
static const char *skip_space(const char *p)
{
    while (isspace((unsigned char)*p)) p++;
    return p;
}

/* Cuts a lead-in off, in whatever case; true if there was one. */
static bool cut_lead(const char **start, size_t *length)
{
    static const char *const leads[] = {"this neuron fires on",
                                        "the neuron fires on",
                                        "this neuron activates on",
                                        "the neuron activates on",
                                        "this neuron activates for",
                                        "the neuron activates for",
                                        "this neuron responds to",
                                        "the neuron responds to",
                                        "this neuron detects",
                                        "the neuron detects",
                                        "fires on",
                                        "explanation",
                                        "answer",
                                        "the answer is",
                                        ":",
                                        "**",
                                        "-",
                                        "*",
                                        "#",
                                        ">",
                                        "\"",
                                        "'",
                                        "`",
                                        "\xe2\x80\x9c",
                                        "...",
                                        "<answer>",
                                        "<final_answer>",
                                        "<response>",
                                        "<explanation>",
                                        "<|begin_of_solution|>",
                                        "<|START_RESPONSE|>",
                                        "<|begin_of_box|>"};
    for (size_t i = 0; i < sizeof leads / sizeof leads[0]; i++) {
        size_t n = strlen(leads[i]);
        if (*length < n || strncasecmp(*start, leads[i], n) != 0) continue;
        bool word = isalpha((unsigned char)leads[i][n - 1]);
        if (word && *length > n && isalnum((unsigned char)(*start)[n])) continue;
        *start += n;
        *length -= n;
        return true;
    }
    size_t digits = 0; // "1. " and "1) "
    while (digits < *length && isdigit((unsigned char)(*start)[digits])) digits++;
    if (!digits || digits + 1 >= *length || !strchr(".)", (*start)[digits]) ||
        (*start)[digits + 1] != ' ')
        return false;
    *start += digits + 1;
    *length -= digits + 1;
    return true;
}

static bool cut_tail(const char *start, size_t *length)
{
    static const char *const tails[] = {".",
                                        "\"",
                                        "'",
                                        "`",
                                        "**",
                                        "\xe2\x80\x9d",
                                        ",",
                                        ";",
                                        ":",
                                        "</answer>",
                                        "</final_answer>",
                                        "</response>",
                                        "</explanation>",
                                        "<|end_of_solution|>",
                                        "<|END_RESPONSE|>",
                                        "<|end_of_box|>"};
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
        size_t n = strlen(tails[i]);
        if (*length < n || strncmp(start + *length - n, tails[i], n) != 0) continue;
        bool mark = strchr("\"'`*", *tails[i]) != NULL; // one that closes what was opened stays
        if (mark && memmem(start, *length - n, tails[i], n)) continue;
        *length -= n;
        return true;
    }
    return false;
}

static void trim(const char **start, size_t *length)
{
    for (bool more = true; more;) {
        while (*length && isspace((unsigned char)**start)) ++*start, --*length;
        while (*length && isspace((unsigned char)(*start)[*length - 1])) --*length;
        more = *length && (cut_lead(start, length) || cut_tail(*start, length));
    }
}

/* Bytes up to the end of a first sentence that another one follows; abbreviations and initials end none. */
static size_t first_sentence(const char *start, size_t length)
{
    for (size_t i = 4; i + 2 < length; i++) {
        bool word = true;
        for (size_t k = 1; k <= 4; k++) word = word && islower((unsigned char)start[i - k]);
        if (word && strchr(".!?", start[i]) && start[i + 1] == ' ' &&
            isupper((unsigned char)start[i + 2]))
            return i;
    }
    return length;
}

/* "Sure! Here is the phrase:" and the like lead to a line that follows. */
static bool is_preamble(const char *start, size_t length)
{
    while (length && isspace((unsigned char)start[length - 1])) length--;
    return length && start[length - 1] == ':';
}

/* Runs of white space become one space. */
static void collapse_space(char *text)
{
    char *to = text;
    for (const char *p = text; *p; p++) {
        bool space = isspace((unsigned char)*p);
        if (!space)
            *to++ = *p;
        else if (to > text && to[-1] != ' ')
            *to++ = ' ';
    }
    *to = '\0';
}

char *rv_answer_explanation(const char *answer, rv_error *err)
{
    const char *fallback = NULL, *line = answer;
    size_t fallback_length = 0;
    for (; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        const char *start = line;
        size_t length = strcspn(line, "\n");
        if (strncmp(skip_space(start), "```", 3) == 0) continue;
        bool preamble = is_preamble(start, length);
        trim(&start, &length);
        if (!preamble) {
            length = first_sentence(start, length);
            trim(&start, &length);
        }
        if (!length) continue;
        fallback = start;
        fallback_length = length;
        if (!preamble) break;
    }
    if (!fallback) {
        rv_fail(err, RV_ERR_FORMAT, "the model's answer holds no explanation");
        return NULL;
    }
    if (fallback_length > RV_EXPLANATION_LIMIT) {
        fallback_length = RV_EXPLANATION_LIMIT;
        while (fallback_length && ((unsigned char)fallback[fallback_length] & 0xC0) == 0x80)
            fallback_length--;
    }
    char *text = rv_utf8_repair(fallback, fallback_length);
    if (text)
        collapse_space(text);
    else
        rv_fail_memory(err, fallback_length);
    return text;
}

/* ---- numbered lines -------------------------------------------------------------------------- */
static void find_nothing(rv_found *found, size_t count)
{
    for (size_t i = 0; i < count; i++) found[i] = (rv_found){NAN, 0};
}

/* The number that a line begins with, after list marks and a word such as "Text"; 0: none. */
static size_t line_number(const char *line, const char *end, const char **rest)
{
    const char *p = line;
    while (p < end && !isdigit((unsigned char)*p) && *p != '\t') p++;
    if (p == end || *p == '\t' || p - line > 12) return 0;
    size_t number = 0;
    for (; p < end && isdigit((unsigned char)*p) && number < 1000000; p++)
        number = 10 * number + (size_t)(*p - '0');
    *rest = p;
    return number;
}

/* The last number of a line; NULL if it does not end with one. */
static const char *last_number(const char *start, const char *end, double *value)
{
    while (end > start && (isspace((unsigned char)end[-1]) || strchr("*`\"'.,;|)]", end[-1])))
        end--;
    const char *p = end;
    while (p > start && (isdigit((unsigned char)p[-1]) || p[-1] == '.')) p--;
    if (p == end || (p > start && (isalnum((unsigned char)p[-1]) || p[-1] == '-'))) return NULL;
    char digits[16];
    size_t length = (size_t)(end - p);
    if (length >= sizeof digits) return NULL;
    memcpy(digits, p, length);
    digits[length] = '\0';
    char *stop;
    *value = strtod(digits, &stop);
    return *stop ? NULL : p;
}

size_t rv_answer_levels(rv_found *found, size_t count, const char *answer)
{
    size_t total = 0;
    find_nothing(found, count);
    for (const char *line = answer; *line; line += *line == '\n') {
        const char *end = line + strcspn(line, "\n"), *rest = line, *at;
        size_t number = line_number(line, end, &rest);
        double value;
        if (number >= 1 && number <= count && isnan(found[number - 1].value) &&
            (at = last_number(rest, end, &value)) && value >= 0 && value <= RV_LEVELS) {
            found[number - 1] = (rv_found){value, (size_t)(at - answer)};
            total++;
        }
        line = end;
    }
    return total;
}

/* ---- verdicts -------------------------------------------------------------------------------- */
/* The verdict that p begins with: 1, 0, or -1. */
static int verdict_at(const char *p)
{
    static const struct {
        const char *word;
        int verdict;
    } words[] = {{"yes", 1}, {"no", 0}, {"true", 1}, {"false", 0}, {"1", 1}, {"0", 0}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t n = strlen(words[i].word);
        if (strncasecmp(p, words[i].word, n) == 0 && !isalnum((unsigned char)p[n]))
            return words[i].verdict;
    }
    return -1;
}

/* [1, 0, ...] of exactly count entries. */
static bool list_at(rv_found *found, size_t count, const char *answer, const char *p)
{
    for (size_t i = 0; i < count; i++) {
        p += strspn(p, i ? " ,\n\t" : " \n\t[");
        int verdict = verdict_at(p);
        if (verdict < 0) return false;
        found[i] = (rv_found){verdict, (size_t)(p - answer)};
        while (isalnum((unsigned char)*p)) p++;
    }
    return p[strspn(p, " \n\t")] == ']';
}

size_t rv_answer_verdicts(rv_found *found, size_t count, const char *answer)
{
    for (const char *p = answer; (p = strchr(p, '[')); p++)
        if (list_at(found, count, answer, p)) return count;
    size_t total = 0;
    find_nothing(found, count);
    for (const char *line = answer; *line; line += *line == '\n') {
        const char *end = line + strcspn(line, "\n"), *rest = line;
        size_t number = line_number(line, end, &rest);
        if (number >= 1 && number <= count && isnan(found[number - 1].value)) {
            while (rest < end && strchr(" \t:.)-=*`\"", *rest)) rest++;
            int verdict = rest < end ? verdict_at(rest) : -1;
            if (verdict >= 0) {
                found[number - 1] = (rv_found){verdict, (size_t)(rest - answer)};
                total++;
            }
        }
        line = end;
    }
    return total;
}

bool rv_answer_rating(rv_found *found, int most, const char *answer)
{
    for (const char *p = answer; *p; p++) {
        if (!isdigit((unsigned char)*p)) continue;
        const char *end = p;
        int number = 0;
        for (; isdigit((unsigned char)*end); end++)
            if (number < 1000) number = 10 * number + (*end - '0');
        bool alone =
            (p == answer || !(isalnum((unsigned char)p[-1]) || p[-1] == '.' || p[-1] == '-')) &&
            !isalpha((unsigned char)*end) && !(*end == '.' && isdigit((unsigned char)end[1]));
        if (alone && number >= 1 && number <= most) {
            *found = (rv_found){number, (size_t)(p - answer)};
            return true;
        }
        p = end - 1;
    }
    return false;
}
