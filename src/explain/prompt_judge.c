/* Asking whether texts fit an explanation, and how well it describes them. */
#include "explain/prompt.h"

static void print_numbered(rv_text *out, const char *explanation, char *const *texts,
                           size_t count)
{
    rv_text_puts(out, "Explanation: ");
    rv_print_token(out, *explanation ? explanation : "(nothing is known about it)");
    rv_text_puts(out, "\n\n");
    for (size_t i = 0; i < count; i++) rv_text_printf(out, "%zu: %s\n", i + 1, texts[i]);
}

/* A worked example, then the question. */
static rv_status ask(rv_conversation *out, const char *task, const char *example,
                     const char *answer, const char *explanation, char *const *texts,
                     size_t count, rv_error *err)
{
    rv_text text = {0};
    rv_text_puts(&text, task);
    RV_TRY(rv_conversation_add(out, "system", &text, err));
    rv_text_puts(&text, example);
    RV_TRY(rv_conversation_add(out, "user", &text, err));
    rv_text_puts(&text, answer);
    RV_TRY(rv_conversation_add(out, "assistant", &text, err));
    print_numbered(&text, explanation, texts, count);
    return rv_conversation_add(out, "user", &text, err);
}

rv_status rv_prompt_detect(rv_conversation *out, const char *explanation, char *const *texts,
                           size_t count, rv_error *err)
{
    return ask(
        out,
        "A neuron of a language model is said to fire on what the explanation names. For "
        "each numbered text say whether something in it should make the neuron fire. Answer "
        "with one line for each text: its number, a colon, and 1 for yes or 0 for no. Write "
        "nothing else.",
        "Explanation: units of length and distance\n\n"
        "1: The nearest town lies twelve miles to the west.\n"
        "2: She bought three kilos of flour.\n"
        "3: It measured two yards across.\n",
        "1: 1\n2: 0\n3: 1", explanation, texts, count, err);
}

rv_status rv_prompt_fuzz(rv_conversation *out, const char *explanation, char *const *texts,
                         size_t count, rv_error *err)
{
    return ask(
        out,
        "A neuron of a language model is said to fire on what the explanation names. In "
        "each numbered text some tokens stand in << >>: the neuron fires on exactly these, "
        "or they were picked at random. For each text say whether the marked tokens are "
        "those that the explanation calls for. Answer with one line for each text: its "
        "number, a colon, and 1 for yes or 0 for no. Write nothing else.",
        "Explanation: units of length and distance\n\n"
        "1: The nearest town lies twelve<< miles>> to the west.\n"
        "2: She<< bought>> two yards of blue cloth.\n"
        "3: It measured two<< yards>> across.\n",
        "1: 1\n2: 0\n3: 1", explanation, texts, count, err);
}

rv_status rv_prompt_rate(rv_conversation *out, const char *explanation, char *const *texts,
                         size_t count, rv_error *err)
{
    return ask(
        out,
        "A neuron of a language model fires on the tokens in << >> of the numbered texts. "
        "Rate how well the explanation describes these tokens, all texts taken together:\n"
        "1 it has nothing to do with them\n"
        "2 it fits a few of them\n"
        "3 it fits about half of them, or is far too wide\n"
        "4 it fits most of them, or is a little too wide\n"
        "5 it fits all of them and would fit little else\n"
        "Answer with the digit only.",
        "Explanation: units of weight\n\n"
        "1: The nearest town lies twelve<< miles>> to the west.\n"
        "2: She bought three<< kilos>> of flour and two<< yards>> of cloth.\n"
        "3: It measured four hundred<< metres>>.\n",
        "2", explanation, texts, count, err);
}
