#include "explain/thought.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { NAME_MOST = 40 };

/* A tag <name>, </name>, [NAME], <|name|>, <seed:name key="value"> whose name is about thinking: its length, or 0.
 * *closing: with a slash. */
static size_t tag_at(const char *p, bool *closing)
{
    static const char *const roots[] = {"think",   "thought",    "reason",
                                        "reflect", "scratchpad", "analysis"};
    char name[NAME_MOST] = "";
    size_t length = 0;
    const char *start = p + 1;
    if (*p != '<' && *p != '[') return 0;
    if (*start == '|') start++;
    *closing = *start == '/';
    if (*closing) start++;
    while (length < NAME_MOST - 1 &&
           (isalpha((unsigned char)start[length]) ||
            (length && strchr("_:-", start[length]) && start[length])))
        name[length] = (char)tolower((unsigned char)start[length]), length++;
    const char *end = start + length;
    if (*end == ' ' && !*closing) end += strcspn(end, "<>[]\n"); // attributes
    if (*end == '|') end++;
    if (*end != (*p == '<' ? '>' : ']')) return 0;
    for (size_t i = 0; i < sizeof roots / sizeof roots[0]; i++)
        if (strstr(name, roots[i])) return (size_t)(end + 1 - p);
    return 0;
}

typedef struct mark {
    const char *text;
    bool closing;
} mark;

static const mark marks[] = {
    {"<|channel|>analysis", false},
    {"<|channel|>commentary", false},
    {"<|channel|>final<|message|>", true},
    {"assistantfinal", true}, /* the same with its special tokens left out */
    {"<|START_THINKING|>", false},
    {"<|END_THINKING|>", true},
    {"<|begin_of_thought|>", false},
    {"<|end_of_thought|>", true},
    {"\xe2\x97\x81think\xe2\x96\xb7", false},
    {"\xe2\x97\x81/think\xe2\x96\xb7", true},
    {"<unused94>thought", false},
    {"<unused95>", true},
    {"Here is my thought process:", false},
    {"Here is my response:", true},
};

/* The mark that p begins with: its length, or 0. */
static size_t mark_at(const char *p, bool *closing)
{
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        size_t length = strlen(marks[i].text);
        if (strncmp(p, marks[i].text, length) != 0) continue;
        *closing = marks[i].closing;
        return length;
    }
    return tag_at(p, closing);
}

bool rv_thoughts_skip(size_t *start, size_t *end, const char *text)
{
    *start = 0;
    *end = strlen(text);
    bool closing, fresh = true, any = false; // fresh: nothing but space on this line so far
    for (size_t i = 0; text[i]; i++) {
        size_t length = mark_at(text + i, &closing);
        if (length && closing) {
            *start = i + length;
            *end = strlen(text);
            any = fresh = true;
            i += length - 1;
        } else if (length && fresh && *end > i) {
            *end = i; // unless it is closed further on
            any = true;
        } else if (text[i] == '\n') {
            fresh = true;
        } else if (!isspace((unsigned char)text[i])) {
            fresh = false;
        }
    }
    if (*end < *start) *end = *start;
    return any;
}
