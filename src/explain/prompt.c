#include "explain/prompt.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

void rv_prompt_print(rv_text *out, const rv_chat_message *messages, size_t count)
{
    for (size_t i = 0; i < count; i++)
        rv_text_printf(out, "[%s]\n%s\n\n", messages[i].role, messages[i].content);
}

void rv_pieces_release(rv_pieces *pieces)
{
    for (size_t i = 0; i < pieces->count; i++) free(pieces->items[i]);
    free(pieces->items);
    *pieces = (rv_pieces){0};
}

const char *rv_style_name(rv_style style)
{
    return style == RV_STYLE_PAIRS ? "pairs" : style == RV_STYLE_MAXIMA ? "maxima" : NULL;
}

const char *rv_style_method(rv_style style)
{
    return style == RV_STYLE_PAIRS    ? "oai_token-act-pair"
           : style == RV_STYLE_MAXIMA ? "np_max-act-logits"
                                      : NULL;
}

/* ---- texts ----------------------------------------------------------------------------------- */
static void print_with(rv_text *out, const char *token, const char *line_break, const char *tab)
{
    for (const char *p = token; *p; p++) {
        if (*p == '\n')
            rv_text_puts(out, line_break);
        else if (*p == '\t')
            rv_text_puts(out, tab);
        else if (*p == '\r')
            continue;
        else if (p[0] == '<' && p[1] == '|')
            rv_text_puts(out, "< ");
        else
            rv_text_putc(out, *p);
    }
}

void rv_print_token(rv_text *out, const char *token)
{
    print_with(out, token, "\\n", "\\t");
}

char *rv_record_text(const rv_activation_record *record, const bool *marked)
{
    rv_text text = {0};
    for (size_t i = 0; i < record->count; i++) {
        bool here = marked && marked[i];
        if (here && (i == 0 || !marked[i - 1])) rv_text_puts(&text, "<<");
        print_with(&text, record->tokens[i], " ", " ");
        if (here && (i + 1 == record->count || !marked[i + 1])) rv_text_puts(&text, ">>");
    }
    return rv_text_take(&text);
}

size_t rv_mark_active(bool *marked, const rv_activation_record *record, double maximum)
{
    size_t count = 0;
    for (size_t i = 0; i < record->count; i++) {
        marked[i] = maximum > 0 && record->activations[i] > RV_MARK_SHARE * maximum;
        count += marked[i];
    }
    return count;
}

size_t rv_mark_quiet(bool *marked, const rv_activation_record *record, double maximum,
                     size_t wanted, rv_random *random)
{
    size_t quiet = 0, done = 0;
    for (size_t i = 0; i < record->count; i++) {
        marked[i] = false;
        quiet += record->activations[i] <= 0.1 * maximum;
    }
    if (wanted > quiet) wanted = quiet;
    for (size_t i = 0; i < record->count && done < wanted; i++) {
        if (record->activations[i] > 0.1 * maximum) continue;
        // selection sampling: of the quiet tokens left, so many are still wanted
        if (rv_random_below(random, quiet--) < wanted - done) marked[i] = true, done++;
    }
    return done;
}

const char rv_levels_explained[] = "Activations are whole numbers from 0 to 10. 0 means that "
                                   "the neuron is silent, as it is on "
                                   "most tokens; 10 is as strongly as it ever fires.";
