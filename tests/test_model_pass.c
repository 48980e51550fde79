/* What a pass promises whatever the model: on every golden fixture, bit for bit. A row's numbers do not
 * depend on later tokens, on the rest of the batch, on prefixes being cached or computed again, or on
 * the number of threads. And what it refuses. */
#include "golden.h"

enum { MAX_ROWS = 64 };

typedef struct bench {
    golden_fixture fixture;
    rv_transformer *model;
    size_t V, C;
} bench;

static void open_bench(bench *b, const char *name)
{
    char path[512];
    golden_load(&b->fixture, name);
    golden_path(path, name, "");
    b->model = golden_model(path, NULL);
    b->V = b->model->config.vocabulary;
    b->C = b->model->config.width;
}

static void close_bench(bench *b)
{
    rv_transformer_free(b->model);
    golden_release(&b->fixture);
}

static rv_pass *new_pass(const bench *b, bool keep, int threads)
{
    rv_pass *pass;
    rv_error err;
    rv_pass_options options = {
        .rows = MAX_ROWS, .sequences = 8, .keep = keep, .select = !keep, .threads = threads};
    assert_int_equal(rv_pass_new(&pass, b->model, &options, &err), RV_OK);
    return pass;
}

/* Runs sequences to the end; logits (MAX_ROWS, V) and nll (MAX_ROWS) of all rows. */
static size_t run(rv_pass *pass, const bench *b, const rv_sequence *sequences, size_t count,
                  real *logits, real *nll)
{
    size_t rows[MAX_ROWS];
    rv_error err;
    if (rv_pass_begin(pass, sequences, count, NULL, 0, &err) != RV_OK)
        fail_msg("%s", err.message);
    rv_pass_forward(pass, b->model->config.layers);
    rv_pass_finish(pass);
    for (size_t r = 0; r < rv_pass_rows(pass); r++) rows[r] = r;
    rv_pass_logits(pass, logits, rows, rv_pass_rows(pass));
    rv_pass_losses(pass, nll);
    return rv_pass_rows(pass);
}

typedef struct outcome {
    real *logits, *nll;
    size_t rows;
} outcome;

static outcome outcome_of(rv_pass *pass, const bench *b, const rv_sequence *sequences,
                          size_t count)
{
    outcome o = {rv_alloc(MAX_ROWS * b->V, sizeof(real)), rv_alloc(MAX_ROWS, sizeof(real)), 0};
    o.rows = run(pass, b, sequences, count, o.logits, o.nll);
    return o;
}

static void release(outcome *o)
{
    free(o->logits);
    free(o->nll);
}

static void same_bits(const bench *b, const char *what, const real *a, const real *other,
                      size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (memcmp(&a[i], &other[i], sizeof *a) != 0)
            fail_msg("%s: %s: number %zu: expected %.9g, found %.9g", b->fixture.name, what, i,
                     other[i], a[i]);
}

/* ---- promises --------------------------------------------------------------------------------- */

static void later_tokens_change_nothing(const bench *b, rv_pass *pass)
{
    size_t T = b->fixture.length[1];
    int32_t changed[MAX_ROWS];
    rv_sequence s = {.ids = b->fixture.ids[1], .count = T};
    outcome whole = outcome_of(pass, b, &s, 1);
    for (size_t at = 1; at < T; at += 3) {
        memcpy(changed, s.ids, T * sizeof *changed);
        changed[at] = (changed[at] + 1) % (int32_t)b->V;
        rv_sequence t = {.ids = changed, .count = T};
        outcome other = outcome_of(pass, b, &t, 1);
        same_bits(b, "logits before a changed token", other.logits, whole.logits, at * b->V);
        assert_memory_not_equal(other.logits + at * b->V, whole.logits + at * b->V,
                                b->V * sizeof(real));
        release(&other);
    }
    release(&whole);
}

static void company_changes_nothing(const bench *b, rv_pass *pass)
{
    rv_sequence both[2];
    for (size_t s = 0; s < 2; s++)
        both[s] = (rv_sequence){.ids = b->fixture.ids[s], .count = b->fixture.length[s]};
    outcome together = outcome_of(pass, b, both, 2), alone = outcome_of(pass, b, &both[1], 1);
    size_t row = both[0].count;
    same_bits(b, "logits in a batch", together.logits + row * b->V, alone.logits,
              both[1].count * b->V);
    same_bits(b, "losses in a batch", together.nll + row, alone.nll, both[1].count);
    release(&together);
    release(&alone);
}

/* A text computed in three links of a chain, cut at all pairs of places; the last link also starts
 * before the end of the one that it continues. */
static void prefixes_change_nothing(const bench *b, rv_pass *pass)
{
    size_t T = b->fixture.length[1];
    const int32_t *ids = b->fixture.ids[1];
    rv_prefix *first, *second;
    rv_error err;
    rv_sequence all = {.ids = ids, .count = T};
    outcome whole = outcome_of(pass, b, &all, 1);
    assert_int_equal(rv_prefix_new(&first, b->model, T, &err), RV_OK);
    assert_int_equal(rv_prefix_new(&second, b->model, T, &err), RV_OK);
    for (size_t cut = 1; cut < T - 2; cut += 2)
        for (size_t end = cut + 1; end < T; end += 3) {
            size_t start = end > cut + 1 ? end - 1 : end;
            rv_sequence links[] = {
                {.ids = ids, .count = cut, .save = first},
                {.ids = ids + cut,
                 .count = end - cut,
                 .prefix = first,
                 .shared = cut,
                 .save = second},
                {.ids = ids + start, .count = T - start, .prefix = second, .shared = start}};
            for (size_t i = 0; i < 3; i++) {
                outcome o = outcome_of(pass, b, &links[i], 1);
                same_bits(b, "logits behind a prefix", o.logits,
                          whole.logits + links[i].shared * b->V, o.rows * b->V);
                same_bits(b, "losses behind a prefix", o.nll, whole.nll + links[i].shared,
                          o.rows);
                release(&o);
            }
            assert_int_equal(rv_prefix_length(second), end);
            double sum = 0;
            for (size_t i = 0; i < end; i++) sum += whole.nll[i];
            assert_true(fabs(rv_prefix_loss(second, 0, end) - sum) <= 1e-12 * fabs(sum));
        }
    rv_prefix_free(first);
    rv_prefix_free(second);
    release(&whole);
}

static void threads_change_nothing(const bench *b)
{
    rv_sequence both[2];
    real *gradient = rv_alloc(MAX_ROWS * b->C, sizeof *gradient), ones[MAX_ROWS];
    for (size_t i = 0; i < MAX_ROWS; i++) ones[i] = 1;
    for (size_t s = 0; s < 2; s++)
        both[s] = (rv_sequence){.ids = b->fixture.ids[s], .count = b->fixture.length[s]};
    outcome one = {0};
    for (int threads = 1; threads <= 4; threads++) {
        rv_pass *pass = new_pass(b, true, threads);
        outcome o = outcome_of(pass, b, both, 2);
        rv_pass_backward(pass, ones, NULL);
        size_t numbers = o.rows * b->C;
        if (threads == 1) {
            one = o;
            memcpy(gradient, rv_pass_input_gradient(pass), numbers * sizeof *gradient);
        } else {
            same_bits(b, "logits with threads", o.logits, one.logits, o.rows * b->V);
            same_bits(b, "losses with threads", o.nll, one.nll, o.rows);
            same_bits(b, "gradients with threads", rv_pass_input_gradient(pass), gradient,
                      numbers);
            release(&o);
        }
        rv_pass_free(pass);
    }
    release(&one);
    free(gradient);
}

/* Finishes the kept: the first `first` and `second` tokens of the text that `alone` is of. */
static void ends_like(const bench *b, rv_pass *pass, const size_t *kept, const outcome *alone,
                      size_t first, size_t second)
{
    size_t rows[MAX_ROWS];
    real *logits = rv_alloc(MAX_ROWS * b->V, sizeof *logits);
    rv_pass_select(pass, kept, (size_t[]){first, second}, second ? 2 : 1);
    rv_pass_finish(pass);
    assert_int_equal(rv_pass_rows(pass), first + second);
    real nll[MAX_ROWS];
    rv_pass_next_losses(pass, nll);
    same_bits(b, "losses behind those that were kept", nll, alone->nll + 1, first - 1);
    if (second)
        same_bits(b, "losses behind rows that were left", nll + first, alone->nll + 1, second);
    for (size_t r = 0; r < first + second; r++) rows[r] = r;
    rv_pass_logits(pass, logits, rows, first + second);
    same_bits(b, "logits of those that were kept", logits, alone->logits, first * b->V);
    same_bits(b, "logits of those that were kept", logits + first * b->V, alone->logits,
              second * b->V);
    free(logits);
}

/* A part of the layers, then only some of the sequences; and others; from between two blocks and, where one neuron
 * was read, from within one. */
static void leaving_sequences_out_changes_nothing(const bench *b, rv_pass *pass)
{
    const rv_config *c = &b->model->config;
    size_t T = b->fixture.length[0], layer = c->layers / 2, F = c->mlp_width;
    int32_t other[MAX_ROWS];
    real *post = rv_alloc(MAX_ROWS * F, sizeof *post);
    rv_error err;
    assert_in_range(b->model->kernels->panel_width, 1, RV_PANEL_MAX);
    for (size_t i = 0; i < T; i++) other[i] = (b->fixture.ids[0][i] + 1) % (int32_t)b->V;
    rv_sequence three[] = {{.ids = other, .count = T},
                           {.ids = b->fixture.ids[0], .count = T},
                           {.ids = b->fixture.ids[0], .count = T - 4}};
    rv_tap tap = {.site = {RV_SITE_MLP_POST, (int)layer}, .value = post};
    assert_int_equal(rv_pass_begin(pass, three, 3, &tap, 1, &err), RV_OK);
    rv_pass_forward(pass, layer + 1);
    outcome alone = outcome_of(pass, b, &three[1], 1);
    for (int within = 0; within <= !c->parallel_residual; within++) {
        assert_int_equal(rv_pass_begin(pass, three, 3, NULL, 0, &err), RV_OK);
        if (within) {
            real one[MAX_ROWS];
            rv_pass_neuron(pass, one, layer, F - 1);
            for (size_t r = 0; r < 3 * T - 4; r++)
                same_bits(b, "one neuron", &one[r], &post[r * F + F - 1], 1);
        } else
            rv_pass_forward(pass, layer);
        ends_like(b, pass, (size_t[]){1, 2}, &alone, T, 1);
        ends_like(b, pass, (size_t[]){2}, &alone, T - 4, 0);
        ends_like(b, pass, (size_t[]){1, 2}, &alone, T, T - 5);
    }
    release(&alone);
    free(post);
}

/* Two columns of a site, read and seeded, against the whole of it. */
static void columns_are_a_part_of_their_site(const bench *b, rv_pass *pass, rv_site site)
{
    size_t T = b->fixture.length[0], W = rv_site_width(site, &b->model->config), from = W / 2,
           some = W - from < 2 ? 1 : 2;
    rv_sequence s = {.ids = b->fixture.ids[0], .count = T};
    real *value = rv_alloc(T * W, sizeof *value), *part = rv_alloc(T * some, sizeof *part);
    real *seed = rv_alloc(T * W, sizeof *seed), *few = rv_alloc(T * some, sizeof *few);
    real *gradient = rv_alloc(T * b->C, sizeof *gradient);
    for (size_t i = 0; i < T * some; i++) {
        few[i] = (real)cos((double)i);
        seed[i / some * W + from + i % some] = few[i];
    }
    rv_tap taps[] = {
        {.site = site, .value = value, .seed = seed},
        {.site = site, .column = from, .columns = some, .value = part, .seed = few}};
    char name[RV_SITE_NAME_MAX];
    rv_site_name(name, site);
    for (size_t t = 0; t < 2; t++) {
        rv_error err;
        if (rv_pass_begin(pass, &s, 1, &taps[t], 1, &err) != RV_OK) fail_msg("%s", err.message);
        rv_pass_forward(pass, b->model->config.layers);
        rv_pass_finish(pass);
        rv_pass_backward(pass, NULL, NULL);
        const real *found = rv_pass_input_gradient(pass);
        for (size_t i = 0; t == 1 && i < T * b->C; i++)
            if (!(found[i] == gradient[i]))
                fail_msg(
                    "%s: gradient of two columns of %s: number %zu: expected %.9g, found %.9g",
                    b->fixture.name, name, i, gradient[i], found[i]);
        memcpy(gradient, found, T * b->C * sizeof *gradient);
    }
    for (size_t i = 0; i < T * some; i++)
        same_bits(b, name, &part[i], &value[i / some * W + from + i % some], 1);
    free(value);
    free(part);
    free(seed);
    free(few);
    free(gradient);
}

static void all_sites_have_columns(const bench *b, rv_pass *pass)
{
    for (int kind = 0; kind < RV_SITE_KINDS; kind++) {
        rv_site site = {(rv_site_kind)kind, 0};
        if (rv_site_exists(site, &b->model->config) && !rv_site_is_map(site))
            columns_are_a_part_of_their_site(b, pass, site);
    }
}

/* ---- refusals --------------------------------------------------------------------------------- */

static void refuses(rv_pass *pass, const rv_sequence *s, size_t count, const rv_tap *tap,
                    const char *words)
{
    rv_error err = {.message = ""};
    assert_int_not_equal(rv_pass_begin(pass, s, count, tap, tap ? 1 : 0, &err), RV_OK);
    if (!strstr(err.message, words))
        fail_msg("expected \"%s\" in the message, found \"%s\"", words, err.message);
}

static void nonsense_is_refused(const bench *b, rv_pass *pass)
{
    const rv_config *c = &b->model->config;
    size_t limit = c->context < 200 ? c->context : 200;
    int32_t ids[256] = {0}, wrong[] = {0, (int32_t)b->V}, negative[] = {-1};
    real value[1];
    rv_sequence good = {.ids = ids, .count = 2};
    refuses(pass, &good, 0, NULL, "1 to 8 sequences, found 0");
    refuses(pass, &(rv_sequence){.ids = ids}, 1, NULL, "at least one token, found none");
    refuses(pass, &(rv_sequence){.count = 1}, 1, NULL, "expected tokens, found none");
    refuses(pass, &(rv_sequence){.ids = ids, .count = limit + 1}, 1, NULL, "expected at most");
    refuses(pass, &(rv_sequence){.ids = wrong, .count = 2}, 1, NULL, "token 1: expected a row");
    refuses(pass, &(rv_sequence){.ids = negative, .count = 1}, 1, NULL, "found id -1");
    refuses(pass, &(rv_sequence){.ids = ids, .count = 1, .shared = 1}, 1, NULL,
            "the prefix's 0");
    rv_tap tap = {.site = {RV_SITE_MLP_POST, c->layers}};
    refuses(pass, &good, 1, &tap, "no such site");
    tap = (rv_tap){.site = {RV_SITE_PATTERN, 0}, .value = value};
    refuses(pass, &good, 1, &tap, "keeps its values");
    tap = (rv_tap){.site = {RV_SITE_LN1_NORMALIZED, 0}, .replace = value};
    refuses(pass, &good, 1, &tap, "not replaced");
    tap = (rv_tap){.site = {RV_SITE_MLP_POST, 0}, .seed = value};
    refuses(pass, &good, 1, &tap, "gradients need");
}

/* ---- one fixture ------------------------------------------------------------------------------ */

static void promises_are_kept(void **state)
{
    bench b;
    open_bench(&b, *state);
    rv_pass *pass = new_pass(&b, false, 1);
    later_tokens_change_nothing(&b, pass);
    company_changes_nothing(&b, pass);
    prefixes_change_nothing(&b, pass);
    leaving_sequences_out_changes_nothing(&b, pass);
    threads_change_nothing(&b);
    nonsense_is_refused(&b, pass);
    rv_pass_free(pass);
    pass = new_pass(&b, true, 1);
    all_sites_have_columns(&b, pass);
    rv_pass_free(pass);
    close_bench(&b);
}

int main(void)
{
    return golden_run("a pass keeps its promises", promises_are_kept);
}
