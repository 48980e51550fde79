#include "report/terminal.h"

#include <math.h>
#include <stdlib.h>

#include "report/heat.h"

enum { LABEL = 13 };

typedef struct page {
    rv_text *out;
    rv_terminal terminal;
    double scale, sign;
} page;

static void put_label(const page *p, const char *label)
{
    size_t width = strlen(label);
    rv_put_ink(p->out, RV_INK_STRONG, label, p->terminal.colour);
    rv_text_printf(p->out, "%*s", (int)(width < LABEL ? LABEL - width : 1), "");
}

static void put_indent(const page *p)
{
    rv_text_printf(p->out, "%*s", LABEL, "");
}

static void put_quiet(const page *p, rv_text *line)
{
    if (!line->failed && line->bytes)
        rv_put_ink(p->out, RV_INK_QUIET, line->bytes, p->terminal.colour);
    p->out->failed |= line->failed;
    rv_text_putc(p->out, '\n');
    rv_text_release(line);
}

static void put_tokens(const page *p, const rv_token_entry *tokens, size_t count, size_t focus)
{
    rv_heat_token *heat = calloc(count + 1, sizeof *heat);
    if (!heat) {
        p->out->failed = true;
        return;
    }
    for (size_t i = 0; i < count; i++)
        heat[i] = (rv_heat_token){tokens[i].text.bytes, tokens[i].text.length,
                                  p->sign * tokens[i].value};
    rv_terminal inner = p->terminal;
    inner.columns -= LABEL;
    rv_put_heat(p->out, heat, count, focus, p->scale, inner);
    rv_text_putc(p->out, '\n');
    free(heat);
}

static size_t peak_of(const rv_token_entry *tokens, size_t count, double sign)
{
    size_t peak = count ? count - 1 : 0;
    for (size_t i = 0; i < count; i++)
        if (!(sign * tokens[i].value <= sign * tokens[peak].value)) peak = i;
    return peak;
}

static void put_name(rv_text *out, const char *name)
{
    rv_put_visible(out, name, strlen(name));
}

static void put_dream(const page *p, const char *label, const rv_dream_record *dream,
                      bool whole)
{
    if (label)
        put_label(p, label);
    else
        put_indent(p);
    put_tokens(p, dream->tokens, dream->token_count,
               dream->token_count ? dream->token_count - 1 : 0);
    put_indent(p);
    rv_text line = {0};
    rv_text_puts(&line, "g ");
    rv_put_figure(&line, dream->activation, 1);
    if (whole && isfinite(dream->raw)) rv_text_printf(&line, "   f %.4g", dream->raw);
    rv_text_puts(&line, "   ");
    rv_put_figure(&line, dream->cross_entropy, 2);
    rv_text_puts(&line, " nats/token");
    if (whole && isfinite(dream->bits_per_byte))
        rv_text_printf(&line, "   %.2f bits/byte", dream->bits_per_byte);
    if (whole && isfinite(dream->second_bits_per_byte))
        rv_text_printf(&line, "   %.2f bits/byte under the second model",
                       dream->second_bits_per_byte);
    if (whole) {
        rv_text_puts(&line, "   ");
        put_name(&line, dream->method);
        rv_text_printf(&line, ", seed %llu", (unsigned long long)dream->seed);
    }
    put_quiet(p, &line);
}

/* Those of a run whose numbers differ in their last digits from the first run's; NULL: none. */
static const char *other_kernels(const rv_story *story)
{
    const char *first = story->run->about.kernels;
    for (size_t r = 0; first && r < story->run_count; r++) {
        const char *kernels = story->runs[r]->about.kernels;
        if (kernels && strcmp(kernels, first) != 0) return kernels;
    }
    return NULL;
}

static void put_head(const page *p, const rv_story *story)
{
    const rv_run_record *about = &story->run->about;
    rv_text line = {0};
    rv_text_puts(&line, about->target.sign < 0 ? "-" : "");
    put_name(&line, about->target.name);
    rv_put_ink(p->out, RV_INK_STRONG, line.bytes ? line.bytes : "", p->terminal.colour);
    p->out->failed |= line.failed;
    rv_text_release(&line);
    rv_text_puts(p->out, " of ");
    put_name(p->out, rv_model_title(&about->model));
    line = (rv_text){0};
    if (about->model.quantisation) {
        rv_text_puts(&line, "  ");
        put_name(&line, about->model.quantisation);
    }
    rv_text_printf(&line, "  %zu run%s", story->run_count, story->run_count == 1 ? "" : "s");
    if (isfinite(about->normalisation.deviation))
        rv_text_printf(&line, "  g = (%sf %s %.3g) / %.3g",
                       about->normalisation.sign < 0 ? "-" : "",
                       about->normalisation.mean * about->normalisation.sign < 0 ? "+" : "-",
                       fabs(about->normalisation.mean), about->normalisation.deviation);
    const char *other = other_kernels(story);
    if (other) {
        rv_text_puts(&line, "  kernels differ: ");
        put_name(&line, about->kernels);
        rv_text_puts(&line, ", ");
        put_name(&line, other);
    }
    put_quiet(p, &line);
    rv_text_putc(p->out, '\n');
}

static void put_corpus(const page *p, const rv_story *story)
{
    if (story->example_count == 0) return;
    const rv_example_record *example = story->examples[0];
    put_label(p, "Corpus");
    put_tokens(p, example->tokens, example->token_count,
               peak_of(example->tokens, example->token_count, p->sign));
    put_indent(p);
    rv_text line = {0};
    rv_text_puts(&line, "g ");
    rv_put_figure(&line, example->activation, 1);
    rv_text_puts(&line, ", the strongest in the corpus");
    if (example->source.file) {
        rv_text_puts(&line, "   ");
        put_name(&line, example->source.file);
        rv_text_printf(&line, ":%llu", (unsigned long long)example->source.offset);
    }
    if (isfinite(story->median))
        rv_text_printf(&line, "   median window %.2f nats/token", story->median);
    put_quiet(p, &line);
}

/* ---- attribution ------------------------------------------------------------------------------ */

static int by_drop(const void *left, const void *right)
{
    const rv_attribution_entry *a = *(const rv_attribution_entry *const *)left;
    const rv_attribution_entry *b = *(const rv_attribution_entry *const *)right;
    double x = a->best.drop, y = b->best.drop;
    return x != y ? (x > y ? -1 : 1) : (a > b) - (a < b);
}

static void put_quoted(rv_text *out, rv_string text)
{
    rv_text_puts(out, "“");
    rv_put_fitting(out, text.bytes, text.length, 30);
    rv_text_puts(out, "”");
}

static void put_need(rv_text *out, const rv_attribution_entry *token, double activation)
{
    rv_text_puts(out, "without ");
    put_quoted(out, token->text);
    rv_text_printf(out, " %+.0f %% at worst, %+.0f %% at best, as ",
                   -100 * token->worst.drop / activation, -100 * token->best.drop / activation);
    put_quoted(out, token->best.text);
    rv_text_putc(out, '\n');
}

/* The dream, as warm as the worst replacement of each token hurts; then the three tokens that can
 * least be replaced. */
static void put_attribution(const page *p, const rv_story *story)
{
    const rv_attribution_record *a = story->attribution;
    if (!a || a->token_count == 0 || !(a->activation > 0)) return;
    rv_heat_token *heat = calloc(a->token_count, sizeof *heat);
    const rv_attribution_entry **order = calloc(a->token_count, sizeof *order);
    size_t known = 0;
    for (size_t i = 0; heat && order && i < a->token_count; i++) {
        heat[i] = (rv_heat_token){a->tokens[i].text.bytes, a->tokens[i].text.length,
                                  a->tokens[i].worst.drop / a->activation};
        if (a->tokens[i].best.text.bytes && a->tokens[i].worst.text.bytes)
            order[known++] = &a->tokens[i];
    }
    if (heat && order) {
        put_label(p, "Attribution");
        rv_terminal inner = p->terminal;
        inner.columns -= LABEL;
        rv_put_heat(p->out, heat, a->token_count, a->token_count - 1, 1, inner);
        rv_text_putc(p->out, '\n');
        qsort(order, known, sizeof *order, by_drop);
        for (size_t i = 0; i < known && i < 3; i++) {
            put_indent(p);
            put_need(p->out, order[i], a->activation);
        }
    }
    p->out->failed |= !heat || !order;
    free(heat);
    free(order);
}

/* ---- explanation -------------------------------------------------------------------------------- */

static const rv_score_entry *score_of(const rv_explanation_record *e, const char *scorer,
                                      const char *measure)
{
    for (size_t i = 0; i < e->score_count; i++)
        if (strcmp(e->scores[i].scorer, scorer) == 0 &&
            strcmp(e->scores[i].measure, measure) == 0)
            return &e->scores[i];
    return NULL;
}

static void put_score(rv_text *out, const rv_score_entry *score)
{
    if (!isfinite(score->value)) {
        rv_text_puts(out, "undefined");
        return;
    }
    rv_text_printf(out, "%.2f", score->value);
    if (isfinite(score->low) && isfinite(score->high))
        rv_text_printf(out, " [%.2f, %.2f]", score->low, score->high);
}

static void put_explanation(const page *p, const rv_story *story)
{
    const rv_explanation_record *e = story->explanation;
    if (!e) return;
    put_label(p, "Explanation");
    rv_put_visible(p->out, e->text.bytes, e->text.length);
    rv_text_putc(p->out, '\n');
    if (e->score_count == 0) return;
    put_indent(p);
    rv_text line = {0};
    const rv_score_entry *first = score_of(e, "simulation", "correlation");
    if (!first) first = &e->scores[0];
    put_name(&line, first->scorer);
    rv_text_putc(&line, ' ');
    put_name(&line, first->measure);
    rv_text_putc(&line, ' ');
    put_score(&line, first);
    for (size_t r = 0; r < story->run_count; r++)
        for (size_t i = 0; i < story->runs[r]->explanation_count; i++) {
            const rv_explanation_record *other = &story->runs[r]->explanations[i];
            const rv_score_entry *score =
                other->baseline ? score_of(other, first->scorer, first->measure) : NULL;
            if (!score) continue;
            rv_text_puts(&line, "   ");
            put_name(&line, other->baseline);
            rv_text_putc(&line, ' ');
            put_score(&line, &(rv_score_entry){.value = score->value, .low = NAN, .high = NAN});
        }
    put_quiet(p, &line);
}

void rv_put_story(rv_text *out, const rv_story *story, rv_terminal terminal)
{
    if (terminal.columns < 40) terminal.columns = terminal.columns ? 40 : 100;
    page p = {out, terminal, story->scale, story->run->about.target.sign};
    put_head(&p, story);
    if (story->headline)
        put_dream(&p, "Dream", story->headline, true);
    else
        rv_text_puts(out, "No dream has been found yet.\n");
    for (size_t i = 0; i < story->other_count; i++)
        put_dream(&p, i ? NULL : "Others", story->others[i], false);
    put_corpus(&p, story);
    if (story->naive) put_dream(&p, "Naive", story->naive, false);
    if (story->headline) put_attribution(&p, story);
    put_explanation(&p, story);
    if (story->run->about.command) {
        put_label(&p, "Repeat");
        put_name(out, story->run->about.command);
        rv_text_putc(out, '\n');
    }
}
