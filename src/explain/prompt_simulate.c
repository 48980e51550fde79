/* Asking what a neuron does, given what it is said to fire on. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "explain/lesson.h"
#include "explain/prompt.h"

static const char task[] =
    "You foresee the activations of single neurons of a language model. You are told what a "
    "neuron "
    "fires on, and you say how strongly it fires on each token of a text.";

/* ---- one pass -------------------------------------------------------------------------------- */
static void print_neuron(rv_text *out, const char *explanation)
{
    rv_text_puts(out, "This neuron fires on: ");
    rv_print_token(out, *explanation ? explanation : "(nothing is known about it)");
}

/* The assistant's part of an example: unknown levels first, then known ones, so that the format is
 * learnt with both. */
static rv_status add_shown_lesson(rv_conversation *out, const rv_lesson *lesson, rv_error *err)
{
    rv_text text = {0};
    rv_status status = RV_OK;
    for (size_t t = 0; t < RV_LESSON_TEXTS; t++) {
        rv_activation_record record = {0};
        print_neuron(&text, lesson->explanation);
        RV_GOTO(rv_conversation_add(out, "user", &text, err));
        RV_GOTO(rv_lesson_record(&record, lesson->texts[t], err));
        for (size_t i = 0; i < record.count; i++) {
            rv_print_token(&text, record.tokens[i]);
            if (i < lesson->known_from[t])
                rv_text_puts(&text, "\tunknown\n");
            else
                rv_text_printf(&text, "\t%.0f\n", record.activations[i]);
        }
        rv_activation_record_release(&record);
        RV_GOTO(rv_conversation_add(out, "assistant", &text, err));
    }
done:
    rv_text_release(&text);
    return status;
}

static rv_status make_pieces(rv_pieces *out, const rv_activation_record *record, rv_error *err)
{
    RV_TRY(RV_NEW(out->items, record->count, err));
    for (size_t i = 0; i < record->count; i++) {
        rv_text piece = {0};
        if (i) rv_text_puts(&piece, "unknown\n");
        rv_print_token(&piece, record->tokens[i]);
        rv_text_putc(&piece, '\t');
        out->items[i] = rv_text_take(&piece);
        if (!out->items[i]) return rv_fail_memory(err, strlen(record->tokens[i]));
        out->count++;
    }
    return RV_OK;
}

rv_status rv_prompt_simulate(rv_conversation *out, rv_pieces *pieces, const char *explanation,
                             const rv_activation_record *record, rv_error *err)
{
    rv_text text = {0};
    rv_status status = RV_OK;
    *pieces = (rv_pieces){0};
    rv_text_printf(&text,
                   "%s\n\n%s You write every token, a tab, and its activation, or \"unknown\" "
                   "where it is not to be told.",
                   task, rv_levels_explained);
    RV_GOTO(rv_conversation_add(out, "system", &text, err));
    for (size_t i = 0; i < rv_lesson_count; i++)
        RV_GOTO(add_shown_lesson(out, &rv_lessons[i], err));
    print_neuron(&text, explanation);
    RV_GOTO(rv_conversation_add(out, "user", &text, err));
    RV_GOTO(make_pieces(pieces, record, err));
done:
    rv_text_release(&text);
    if (status != RV_OK) rv_pieces_release(pieces);
    return status;
}

/* ---- as text --------------------------------------------------------------------------------- */
static rv_status add_numbered(rv_conversation *out, const char *explanation,
                              const rv_activation_record *record, rv_error *err)
{
    rv_text text = {0};
    char *whole = rv_record_text(record, NULL);
    if (!whole) return rv_fail_memory(err, record->count);
    print_neuron(&text, explanation);
    rv_text_printf(&text, "\n\nThe text: %s\nIts %zu tokens:", whole, record->count);
    free(whole);
    for (size_t i = 0; i < record->count;
         i++) { // in one line, lest the answer just goes on with it
        rv_text_puts(&text, " [");
        rv_print_token(&text, record->tokens[i]);
        rv_text_putc(&text, ']');
    }
    rv_text_puts(&text, "\nNumber, token and activation:");
    return rv_conversation_add(out, "user", &text, err);
}

static rv_status add_numbered_lesson(rv_conversation *out, const rv_lesson *lesson,
                                     rv_error *err)
{
    rv_activation_record record;
    rv_text text = {0};
    RV_TRY(rv_lesson_record(&record, lesson->texts[0], err));
    rv_status status = add_numbered(out, lesson->explanation, &record, err);
    for (size_t i = 0; status == RV_OK && i < record.count; i++) {
        rv_text_printf(&text, "%zu\t", i + 1);
        rv_print_token(&text, record.tokens[i]);
        rv_text_printf(&text, "\t%.0f\n", record.activations[i]);
    }
    if (status == RV_OK) status = rv_conversation_add(out, "assistant", &text, err);
    rv_text_release(&text);
    rv_activation_record_release(&record);
    return status;
}

rv_status rv_prompt_simulate_text(rv_conversation *out, const char *explanation,
                                  const rv_activation_record *record, rv_error *err)
{
    rv_text text = {0};
    rv_text_printf(
        &text,
        "%s\n\n%s Answer with one line for every token, in order and without leaving "
        "any out: its number, a tab, the token, a tab, and its activation. Write "
        "nothing else.",
        task, rv_levels_explained);
    RV_TRY(rv_conversation_add(out, "system", &text, err));
    for (size_t i = 0; i < rv_lesson_count; i++)
        RV_TRY(add_numbered_lesson(out, &rv_lessons[i], err));
    return add_numbered(out, explanation, record, err);
}
