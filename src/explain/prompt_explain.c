/* Asking what a neuron fires on. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "explain/lesson.h"
#include "explain/prompt.h"

enum { TOKENS_SHOWN = 10, PAIRS_SHOWN = 6, FEW_PERCENT = 20 };

static const char task[] =
    "You study the neurons of a language model. A neuron reads a text token by token and "
    "answers "
    "each token with an activation. You are shown texts and how one neuron responds to them, "
    "and "
    "you say in one short phrase what it fires on. Name what the responses have in common, as "
    "narrowly as the evidence allows: a word or a kind of word, a topic, a grammatical form, "
    "or "
    "the context that must come before. Do not describe the texts, do not list examples, do "
    "not "
    "explain your reasoning.";

static const char question[] =
    "\nComplete the sentence with one short phrase, and answer with that phrase only.\n"
    "This neuron fires on";

/* ---- token and activation pairs -------------------------------------------------------------- */
static rv_status print_levels(rv_text *out, const rv_activation_record *record, double maximum,
                              bool only_active, rv_error *err)
{
    int *levels;
    RV_TRY(RV_NEW(levels, record->count, err));
    rv_discretise(levels, record->activations, record->count, maximum, RV_ROUND_DOWN);
    for (size_t i = 0; i < record->count; i++) {
        if (only_active && levels[i] == 0) continue;
        rv_print_token(out, record->tokens[i]);
        rv_text_printf(out, "\t%d\n", levels[i]);
    }
    free(levels);
    return RV_OK;
}

static rv_status print_view_levels(rv_text *out, const rv_record_view *view, double maximum,
                                   bool only_active, rv_error *err)
{
    for (size_t r = 0; r < view->count; r++) {
        rv_text_printf(out, "<text %zu>\n", r + 1);
        RV_TRY(print_levels(out, view->items[r], maximum, only_active, err));
        rv_text_puts(out, "</text>\n");
    }
    return RV_OK;
}

static rv_status print_pairs_of(rv_text *out, const char *title, const rv_record_view *view,
                                double maximum, rv_error *err)
{
    if (!view->count) return RV_OK;
    rv_text_printf(out, "\n%s\n", title);
    RV_TRY(print_view_levels(out, view, maximum, false, err));
    double share = rv_nonzero_share(view, maximum);
    if (share == 0 || share >= FEW_PERCENT / 100.0) return RV_OK;
    rv_text_puts(out, "\nThe same texts, only the tokens on which it is not silent:\n");
    return print_view_levels(out, view, maximum, true, err);
}

/* ---- maximal activations --------------------------------------------------------------------- */
static size_t strongest(const rv_activation_record *record)
{
    size_t best = 0;
    for (size_t i = 1; i < record->count; i++)
        if (record->activations[i] > record->activations[best]) best = i;
    return best;
}

static void print_strongest(rv_text *out, const rv_record_view *view, size_t after)
{
    for (size_t r = 0; r < view->count; r++) {
        const rv_activation_record *record = view->items[r];
        size_t at = record->count ? strongest(record) + after : 0;
        if (at < record->count)
            rv_print_token(out, record->tokens[at]);
        else
            rv_text_puts(out, "(nothing)");
        rv_text_putc(out, '\n');
    }
}

static void print_weights(rv_text *out, const char *title, const rv_token_weights *weights)
{
    if (!weights || !weights->count) return;
    rv_text_printf(out, "\n%s\n", title);
    for (size_t i = 0; i < weights->count && i < TOKENS_SHOWN; i++) {
        rv_print_token(out, weights->items[i].token);
        rv_text_putc(out, '\n');
    }
}

/* Each text with its active tokens marked, and these again with levels, rounded up. */
static rv_status print_marked(rv_text *out, const rv_record_view *view, double maximum,
                              rv_error *err)
{
    for (size_t r = 0; r < view->count; r++) {
        const rv_activation_record *record = view->items[r];
        bool *marked;
        RV_TRY(RV_NEW(marked, record->count, err));
        size_t count = rv_mark_active(marked, record, maximum);
        char *text = rv_record_text(record, marked);
        if (!text)
            out->failed = true;
        else
            rv_text_printf(out, "%zu: %s\n", r + 1, text);
        free(text);
        if (count) rv_text_puts(out, "   ");
        for (size_t i = 0; i < record->count; i++) {
            int level;
            if (!marked[i]) continue;
            rv_discretise(&level, &record->activations[i], 1, maximum, RV_ROUND_UP);
            rv_text_puts(out, " \"");
            rv_print_token(out, record->tokens[i]);
            rv_text_printf(out, "\" %d%s", level, --count ? "," : "\n");
        }
        free(marked);
    }
    return RV_OK;
}

static rv_status print_maxima_of(rv_text *out, const char *title, const rv_record_view *view,
                                 double maximum, rv_error *err)
{
    if (!view->count) return RV_OK;
    rv_text_printf(out, "\n%s\nThe strongest token of each:\n", title);
    print_strongest(out, view, 0);
    rv_text_puts(out, "\nThe token that follows it:\n");
    print_strongest(out, view, 1);
    rv_text_puts(out, "\nThe texts, the tokens on which it fires in << >>, then their "
                      "activations:\n");
    return print_marked(out, view, maximum, err);
}

/* ---- the question ---------------------------------------------------------------------------- */
static void print_minimal_pairs(rv_text *out, const rv_minimal_pairs *pairs)
{
    if (!pairs || !pairs->count) return;
    rv_text_puts(out, "\nChanging one token changes the activation at the end of the text:\n");
    for (size_t i = 0; i < pairs->count && i < PAIRS_SHOWN; i++) {
        const rv_minimal_pair *p = &pairs->items[i];
        rv_text_puts(out, "- in \"");
        rv_print_token(out, p->before);
        rv_text_puts(out, "[");
        rv_print_token(out, p->token);
        rv_text_puts(out, "]");
        rv_print_token(out, p->after);
        rv_text_puts(out, "\", replacing [");
        rv_print_token(out, p->token);
        rv_text_puts(out, "] by [");
        rv_print_token(out, p->replacement);
        double left = p->activation > 0 ? 100 * p->changed / p->activation : 0;
        rv_text_printf(out, "] leaves %.0f %% of it\n", left > 0 ? left : 0);
    }
}

static rv_status print_shown(rv_text *out, rv_style style, const rv_shown *shown, rv_error *err)
{
    static const char corpus[] = "Texts from a corpus:";
    static const char dreams[] =
        "Texts made to excite the neuron as much as possible; they need "
        "not make sense:";
    static const char quantiles[] =
        "Other texts from it, from its weakest responses to its strongest:";
    rv_status (*print)(rv_text *, const char *, const rv_record_view *, double, rv_error *) =
        style == RV_STYLE_PAIRS ? print_pairs_of : print_maxima_of;
    double strongest_text =
        fmax(rv_view_maximum(&shown->corpus), rv_view_maximum(&shown->quantiles));
    RV_TRY(print(out, corpus, &shown->corpus, strongest_text, err));
    if (style == RV_STYLE_PAIRS)
        RV_TRY(print_pairs_of(out, quantiles, &shown->quantiles, strongest_text, err));
    else if (shown->quantiles.count) { // their strongest tokens say little
        rv_text_printf(out, "\n%s\n", quantiles);
        RV_TRY(print_marked(out, &shown->quantiles, strongest_text, err));
    }
    RV_TRY(print(out, dreams, &shown->dreams, rv_view_maximum(&shown->dreams), err));
    print_minimal_pairs(out, shown->pairs);
    if (style == RV_STYLE_MAXIMA) {
        print_weights(
            out, "When it fires, it makes these next tokens more likely:", shown->promoted);
        print_weights(out, "and these less likely:", shown->suppressed);
    }
    rv_text_puts(out, question);
    return RV_OK;
}

static rv_status add_lesson(rv_conversation *out, rv_style style, const rv_lesson *lesson,
                            rv_error *err)
{
    rv_activation_record records[RV_LESSON_TEXTS] = {{0}};
    const rv_activation_record *items[RV_LESSON_TEXTS];
    rv_token_weight weights[4];
    rv_text text = {0};
    rv_status status = RV_OK;
    for (size_t i = 0; i < RV_LESSON_TEXTS; i++) {
        RV_GOTO(rv_lesson_record(&records[i], lesson->texts[i], err));
        items[i] = &records[i];
    }
    for (size_t i = 0; i < 4; i++)
        weights[i] = (rv_token_weight){(char *)lesson->promoted[i], 0};
    rv_token_weights promoted = {weights, 4, 4};
    rv_shown shown = {.corpus = {items, RV_LESSON_TEXTS}, .promoted = &promoted};
    RV_GOTO(print_shown(&text, style, &shown, err));
    RV_GOTO(rv_conversation_add(out, "user", &text, err));
    rv_text_puts(&text, lesson->explanation);
    RV_GOTO(rv_conversation_add(out, "assistant", &text, err));
done:
    for (size_t i = 0; i < RV_LESSON_TEXTS; i++) rv_activation_record_release(&records[i]);
    rv_text_release(&text);
    return status;
}

rv_status rv_prompt_explain(rv_conversation *out, rv_style style, const rv_shown *shown,
                            rv_error *err)
{
    rv_text text = {0};
    rv_status status = RV_OK;
    rv_text_puts(&text, task);
    if (style == RV_STYLE_PAIRS)
        rv_text_printf(&text, "\n\nEvery line is a token, a tab, and its activation. %s",
                       rv_levels_explained);
    else
        rv_text_printf(
            &text,
            "\n\n%s If the strongest tokens have little in common but the tokens after "
            "them do, the neuron predicts these: then answer \"say ...\".",
            rv_levels_explained);
    RV_GOTO(rv_conversation_add(out, "system", &text, err));
    for (size_t i = 0; i < rv_lesson_count; i++)
        RV_GOTO(add_lesson(out, style, &rv_lessons[i], err));
    RV_GOTO(print_shown(&text, style, shown, err));
    RV_GOTO(rv_conversation_add(out, "user", &text, err));
done:
    rv_text_release(&text);
    return status;
}

/* ---- the second question --------------------------------------------------------------------- */
/* The tokens of a text with what the neuron did and what was expected of it. */
static rv_status print_contradiction(rv_text *out, const rv_counterexample *wrong,
                                     double maximum, rv_error *err)
{
    const rv_activation_record *record = wrong->record;
    int *found, *expected;
    RV_TRY(RV_NEW(found, record->count, err));
    rv_status status = RV_NEW(expected, record->count, err);
    if (status == RV_OK) {
        rv_discretise(found, record->activations, record->count, maximum, RV_ROUND_DOWN);
        rv_discretise(expected, wrong->simulated, record->count, RV_LEVELS, RV_ROUND_DOWN);
        rv_text_puts(out, "<text>\n");
        for (size_t i = 0; i < record->count; i++) {
            rv_print_token(out, record->tokens[i]);
            rv_text_printf(out, "\t%d\t%d\n", found[i], expected[i]);
        }
        rv_text_puts(out, "</text>\n");
        free(expected);
    }
    free(found);
    return status;
}

rv_status rv_prompt_revise(rv_conversation *prompt, const char *explanation,
                           const rv_counterexample *wrong, size_t count, double maximum,
                           rv_error *err)
{
    rv_text text = {0};
    rv_status status = RV_OK;
    rv_text_puts(&text, explanation);
    RV_GOTO(rv_conversation_add(prompt, "assistant", &text, err));
    rv_text_puts(&text,
                 "That explanation was put to the test: a reader who knew nothing else had "
                 "to foresee the activations. On these texts it led the reader astray. "
                 "Every line is a token, a tab, the neuron's true activation, a tab, and "
                 "the activation that was expected from your explanation:\n");
    for (size_t i = 0; i < count; i++)
        RV_GOTO(print_contradiction(&text, &wrong[i], maximum, err));
    rv_text_puts(&text, "\nFind a phrase that fits these texts and the earlier ones. It may be "
                        "narrower, wider, or another one altogether.");
    rv_text_puts(&text, question);
    RV_GOTO(rv_conversation_add(prompt, "user", &text, err));
done:
    rv_text_release(&text);
    return status;
}
