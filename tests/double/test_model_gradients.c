/* Whole models of every family in double: what backward says against differences of forward.
 *
 * A functional L is a random combination of one site's values, or of the losses. Backward gives its
 * gradient g at the input vectors, at the weights, or at a site; forward gives its slope along a
 * random direction u, by a difference of sixth order. The adjoint identity  slope = <g, u>  holds
 * within 1e-9; single coordinates within 1e-7. The batch is ragged, and one sequence of it
 * continues a prefix. */
#include "../golden.h"

#include "base/random.h"

#define IDENTITY   1e-9
#define KINKED     1e-8 /* ReLU: steps that avoid its kinks are short, and rounding shows */
#define COORDINATE 1e-7

enum { SEQUENCES = 3, PREFIX = 5 };

typedef struct lab {
    const char *fixture;
    rv_transformer *model;
    rv_pass *pass;
    rv_prefix *prefix;
    rv_sequence sequences[SEQUENCES];
    size_t rows, width;
    real *inputs;  /* (rows, C) at hook_embed */
    real *weights; /* (rows) of the losses; NULL: the functional has none */
    rv_tap tap;    /* at most one, while tapped */
    bool tapped;
    double step;
    rv_tap watched[8]; /* ReLU: mlp.hook_pre of every layer, for `kinks` */
    size_t watched_count;
    rv_tap taps[9]; /* of the pass: the one above, and the watched */
    uint64_t kinks; /* of the last forward: which units were on; 0 without ReLU */
    rv_random random;
    size_t identities; /* checked so far, and the worst of them */
    double worst;
} lab;

static real *normal(lab *t, size_t count)
{
    real *out = rv_alloc(count, sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; i < count; i++) out[i] = rv_random_normal(&t->random);
    return out;
}

static double dot(const real *a, const real *b, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += a[i] * b[i];
    return sum;
}

/* ---- the functional --------------------------------------------------------------------------- */

static size_t numbers_at(const lab *t, rv_site site)
{
    return rv_pass_site_size(t->pass, site);
}

static void forward(lab *t)
{
    size_t count = 0;
    rv_error err;
    if (t->tapped) t->taps[count++] = t->tap;
    for (size_t i = 0; i < t->watched_count; i++) t->taps[count++] = t->watched[i];
    if (rv_pass_begin(t->pass, t->sequences, SEQUENCES, t->taps, count, &err) != RV_OK)
        fail_msg("%s: %s", t->fixture, err.message);
    rv_pass_forward(t->pass, t->model->config.layers);
    rv_pass_finish(t->pass);
}

static uint64_t units_that_are_on(const lab *t)
{
    uint64_t hash = 14695981039346656037u; // FNV-1a
    for (size_t i = 0; i < t->watched_count; i++)
        for (size_t k = 0; k < numbers_at(t, t->watched[i].site); k++)
            hash = (hash ^ (t->watched[i].value[k] > 0)) * 1099511628211u;
    return hash;
}

static double functional(lab *t)
{
    double sum = 0;
    real nll[64];
    forward(t);
    rv_pass_losses(t->pass, nll);
    t->kinks = units_that_are_on(t);
    if (t->weights) sum = dot(t->weights, nll, t->rows);
    if (t->tapped && t->tap.seed)
        for (size_t k = 0; k < numbers_at(t, t->tap.site); k++)
            if (t->tap.seed[k] != 0) // masked scores have none
                sum += t->tap.seed[k] * t->tap.value[k];
    return sum;
}

static void backward(lab *t, rv_gradients *gradients)
{
    functional(t);
    rv_pass_backward(t->pass, t->weights, gradients);
}

/* Slope of the functional where `move(c)` puts its argument c along the direction. */
static double slope(lab *t, void (*move)(lab *, void *, double), void *context)
{
    static const double coefficient[] = {45.0 / 60, -9.0 / 60, 1.0 / 60};
    functional(t);
    uint64_t kinks = t->kinks;
    for (double step = t->step;; step /= 4) { // shorter, until no kink of ReLU is in between
        double sum = 0;
        bool smooth = true;
        for (int i = -3; i <= 3; i++) {
            if (i == 0) continue;
            move(t, context, i * step);
            sum += (i < 0 ? -1 : 1) * coefficient[abs(i) - 1] * functional(t);
            smooth = smooth && t->kinks == kinks;
        }
        move(t, context, 0);
        if (smooth) return sum / step;
        if (step < t->step * 1e-4) fail_msg("%s: a kink lies at the point itself", t->fixture);
    }
}

static double identity(const lab *t)
{
    return t->watched_count ? KINKED : IDENTITY;
}

static void must_be_close(lab *t, const char *what, double slope_found, double expected,
                          double size, double tolerance)
{
    double scale = size > 0 ? fmax(fabs(expected), size) : 1; // 0: no influence at all
    if (tolerance < COORDINATE) {
        t->identities++;
        t->worst = fmax(t->worst, fabs(slope_found - expected) / scale);
    }
    if (!(fabs(slope_found - expected) <= tolerance * scale))
        fail_msg("%s: %s: backward says %.15g, differences of forward %.15g (off by %.1e)",
                 t->fixture, what, expected, slope_found, fabs(slope_found - expected) / scale);
}

/* ---- along an array --------------------------------------------------------------------------- */

typedef struct line {
    real *values, *base, *direction;
    size_t count;
} line;

static void move_array(lab *t, void *context, double by)
{
    line *l = context;
    (void)t;
    for (size_t i = 0; i < l->count; i++) l->values[i] = l->base[i] + by * l->direction[i];
}

/* The identity along a random direction, then single coordinates, of an array that forward reads. */
static void check_array(lab *t, const char *what, real *values, const real *gradient,
                        size_t count, int samples)
{
    line l = {values, rv_alloc(count, sizeof(real)), normal(t, count), count};
    memcpy(l.base, values, count * sizeof *values);
    double length = sqrt(dot(gradient, gradient, count));
    must_be_close(t, what, slope(t, move_array, &l), dot(gradient, l.direction, count), length,
                  identity(t));
    for (int i = 0; i < samples; i++) {
        size_t at = rv_random_below(&t->random, count);
        memset(l.direction, 0, count * sizeof *values);
        l.direction[at] = 1;
        must_be_close(t, what, slope(t, move_array, &l), gradient[at],
                      length / sqrt((double)count), COORDINATE);
    }
    free(l.base);
    free(l.direction);
}

/* ---- checks ----------------------------------------------------------------------------------- */

static real *copy_of(const real *values, size_t count)
{
    real *out = rv_alloc(count, sizeof *out);
    memcpy(out, values, count * sizeof *out);
    return out;
}

static void check_input_gradient(lab *t, const char *what, int samples)
{
    backward(t, NULL);
    size_t count = t->rows * t->width;
    real *gradient = copy_of(rv_pass_input_gradient(t->pass), count);
    check_array(t, what, t->inputs, gradient, count, samples);
    free(gradient);
}

/* Functional: the losses, weighted at random. */
static void losses_at_the_inputs(lab *t)
{
    t->tapped = false;
    check_input_gradient(t, "losses at hook_embed", 12);
}

/* Functional: the values of one site, for every site of the last layer that there is. */
static void sites_at_the_inputs(lab *t)
{
    real *weights = t->weights;
    t->weights = NULL;
    for (size_t kind = 0; kind < RV_SITE_KINDS; kind++) {
        rv_site site = {(rv_site_kind)kind, t->model->config.layers - 1};
        char name[RV_SITE_NAME_MAX];
        rv_site_name(name, site);
        if (strncmp(name, "blocks.", 7) != 0) site.layer = 0;
        if (!rv_site_exists(site, &t->model->config)) continue;
        t->tapped = false;
        forward(t);
        size_t count = numbers_at(t, site);
        real *seed = normal(t, count), *value = rv_alloc(count, sizeof *value);
        t->tap = (rv_tap){.site = site, .value = value};
        t->tapped = true;
        forward(t);
        for (size_t i = 0; i < count; i++)
            if (!isfinite(value[i])) seed[i] = 0;
        t->tap.seed = seed;
        check_input_gradient(t, name, 1);
        free(seed);
        free(value);
    }
    t->weights = weights;
    t->tapped = false;
}

/* Functional: the losses; what is moved: the values of a site, replaced by the test. */
static void losses_at_the_sites(lab *t)
{
    static const rv_site_kind kinds[] = {RV_SITE_EMBED,      RV_SITE_POS_EMBED,
                                         RV_SITE_RESID_PRE,  RV_SITE_Q,
                                         RV_SITE_K,          RV_SITE_V,
                                         RV_SITE_ROT_Q,      RV_SITE_ROT_K,
                                         RV_SITE_Z,          RV_SITE_ATTN_OUT,
                                         RV_SITE_RESID_MID,  RV_SITE_MLP_IN,
                                         RV_SITE_MLP_PRE,    RV_SITE_MLP_PRE_LINEAR,
                                         RV_SITE_MLP_POST,   RV_SITE_MLP_OUT,
                                         RV_SITE_RESID_POST, RV_SITE_UNEMBED_IN};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        rv_site site = {kinds[k], t->model->config.layers / 2};
        char name[RV_SITE_NAME_MAX];
        rv_site_name(name, site);
        if (strncmp(name, "blocks.", 7) != 0) site.layer = 0;
        if (!rv_site_exists(site, &t->model->config)) continue;
        t->tapped = false;
        forward(t);
        size_t count = numbers_at(t, site);
        real *value = rv_alloc(count, sizeof *value),
             *gradient = rv_alloc(count, sizeof *value);
        t->tap = (rv_tap){.site = site, .value = value};
        t->tapped = true;
        forward(t);
        t->tap = (rv_tap){.site = site, .replace = value, .gradient = gradient};
        backward(t, NULL);
        t->tap.gradient = NULL;
        check_array(t, name, value, gradient, count, 1);
        free(value);
        free(gradient);
    }
    t->tapped = false;
}

/* ---- weights ---------------------------------------------------------------------------------- */

/* All weights of a model, wherever they are packed, as one array of places; one functional. */
typedef struct everything {
    real **place, *base, *gradient, *direction;
    size_t count, capacity;
} everything;

static void add(everything *e, real *place, real gradient)
{
    assert_true(e->count < e->capacity);
    e->place[e->count] = place;
    e->base[e->count] = *place;
    e->gradient[e->count++] = gradient;
}

static void add_matrix(everything *e, rv_matrix *m, const real *weight, const real *bias)
{
    for (size_t row = 0; row < m->M; row++)
        for (size_t k = 0; k < m->K; k++)
            add(e, m->data + (row / m->width * m->K + k) * m->width + row % m->width,
                weight[row * m->K + k]);
    for (size_t row = 0; m->bias && row < m->M; row++) add(e, &m->bias[row], bias[row]);
}

static void add_norm(everything *e, rv_norm *n, const rv_norm *gradient, size_t width)
{
    for (size_t i = 0; n->weight && i < width; i++) add(e, &n->weight[i], gradient->weight[i]);
    for (size_t i = 0; n->bias && i < width; i++) add(e, &n->bias[i], gradient->bias[i]);
}

static void add_model(everything *e, rv_transformer *m, const rv_gradients *g)
{
    const rv_config *c = &m->config;
    add_matrix(e, &m->embedding, g->embedding, NULL);
    if (!c->tied) add_matrix(e, &m->untied_head, g->head, NULL);
    for (size_t i = 0; c->learned_positions && i < c->context * c->width; i++)
        add(e, &m->positions[i], g->positions[i]);
    add_norm(e, &m->final_norm, &g->final_norm, c->width);
    for (size_t l = 0; l < c->layers; l++) {
        rv_block *b = &m->blocks[l];
        const rv_block_gradients *d = &g->blocks[l];
        add_norm(e, &b->ln1, &d->ln1, c->width);
        add_norm(e, &b->ln2, &d->ln2, c->width);
        add_norm(e, &b->post_attention, &d->post_attention, c->width);
        add_norm(e, &b->post_mlp, &d->post_mlp, c->width);
        add_norm(e, &b->q_norm, &d->q_norm, c->head_size);
        add_norm(e, &b->k_norm, &d->k_norm, c->head_size);
        add_matrix(e, &b->qkv, d->qkv, d->qkv_bias);
        add_matrix(e, &b->o, d->o, d->o_bias);
        add_matrix(e, &b->up, d->up, d->up_bias);
        add_matrix(e, &b->down, d->down, d->down_bias);
    }
}

static void move_weights(lab *t, void *context, double by)
{
    everything *e = context;
    (void)t;
    for (size_t i = 0; i < e->count; i++) *e->place[i] = e->base[i] + by * e->direction[i];
}

/* Tokens, not vectors, enter here, so that the embedding's gradient is whole. The prefix was made by the
 * weights as they were and is a constant, so the token that it predicts is left out. */
static void losses_at_the_weights(lab *t)
{
    rv_gradients *g;
    rv_error err;
    everything e = {.capacity = rv_config_parameters(&t->model->config)};
    const real *inputs[SEQUENCES];
    for (size_t s = 0; s < SEQUENCES; s++) {
        inputs[s] = t->sequences[s].inputs;
        t->sequences[s].inputs = NULL;
    }
    t->weights[t->rows - t->sequences[2].count] = 0;
    assert_int_equal(rv_gradients_new(&g, t->model, &err), RV_OK);
    backward(t, g);
    e.place = rv_alloc(e.capacity, sizeof *e.place);
    e.base = rv_alloc(e.capacity, sizeof(real));
    e.gradient = rv_alloc(e.capacity, sizeof(real));
    add_model(&e, t->model, g);
    assert_int_equal(e.count, e.capacity);
    e.direction = normal(t, e.count);
    double length = sqrt(dot(e.gradient, e.gradient, e.count)), step = t->step;
    t->step = step / 8; // so many weights move at once
    must_be_close(t, "losses at all weights", slope(t, move_weights, &e),
                  dot(e.gradient, e.direction, e.count), length, identity(t));
    t->step = step;
    for (int i = 0; i < 24; i++) {
        size_t at = rv_random_below(&t->random, e.count);
        memset(e.direction, 0, e.count * sizeof *e.direction);
        e.direction[at] = 1;
        must_be_close(t, "losses at a weight", slope(t, move_weights, &e), e.gradient[at],
                      length / sqrt((double)e.count), COORDINATE);
    }
    for (size_t s = 0; s < SEQUENCES; s++) t->sequences[s].inputs = inputs[s];
    rv_gradients_free(g, t->model);
    free(e.place);
    free(e.base);
    free(e.gradient);
    free(e.direction);
}

/* Differences say nothing across a kink of ReLU, so the signs of its inputs are watched. */
static void watch_kinks(lab *t)
{
    const rv_config *c = &t->model->config;
    if (c->activation != RV_ACT_RELU) return;
    assert_in_range(c->layers, 1, 8);
    for (size_t l = 0; l < c->layers; l++)
        t->watched[t->watched_count++] =
            (rv_tap){.site = {RV_SITE_MLP_PRE, l},
                     .value = rv_alloc(t->rows * c->mlp_width, sizeof(real))};
}

/* ---- one fixture ------------------------------------------------------------------------------ */

/* The first tokens of sequence 1, kept for sequence 2 to continue. */
static void make_prefix(lab *t, const golden_fixture *f)
{
    rv_pass *pass;
    rv_error err;
    real nll[PREFIX];
    assert_int_equal(rv_prefix_new(&t->prefix, t->model, PREFIX, &err), RV_OK);
    rv_sequence start = {.ids = f->ids[1], .count = PREFIX, .save = t->prefix};
    rv_pass_options options = {.rows = PREFIX, .sequences = 1, .threads = 1};
    assert_int_equal(rv_pass_new(&pass, t->model, &options, &err), RV_OK);
    assert_int_equal(rv_pass_begin(pass, &start, 1, NULL, 0, &err), RV_OK);
    rv_pass_forward(pass, t->model->config.layers);
    rv_pass_finish(pass);
    rv_pass_losses(pass, nll);
    rv_pass_free(pass);
}

static void start(lab *t, const golden_fixture *f)
{
    char path[512];
    rv_error err;
    golden_path(path, f->name, "");
    *t = (lab){.fixture = f->name, .random = rv_random_stream(7, 0, 0), .step = 1e-4};
    t->model = golden_model(path, NULL);
    t->width = t->model->config.width;
    make_prefix(t, f);
    for (size_t s = 0; s < GOLDEN_SEQUENCES; s++)
        t->sequences[s] = (rv_sequence){.ids = f->ids[s], .count = f->length[s]};
    t->sequences[2] = (rv_sequence){.ids = f->ids[1] + PREFIX,
                                    .count = f->length[1] - PREFIX,
                                    .prefix = t->prefix,
                                    .shared = PREFIX};
    for (size_t s = 0; s < SEQUENCES; s++) t->rows += t->sequences[s].count;
    assert_in_range(t->rows, 1, 64);
    rv_pass_options options = {
        .rows = t->rows, .sequences = SEQUENCES, .keep = true, .threads = 1};
    assert_int_equal(rv_pass_new(&t->pass, t->model, &options, &err), RV_OK);
    t->inputs = rv_alloc(t->rows * t->width, sizeof *t->inputs);
    t->tap = (rv_tap){.site = {RV_SITE_EMBED, 0}, .value = t->inputs};
    t->tapped = true;
    forward(t);
    t->tapped = false;
    real *row = t->inputs;
    for (size_t s = 0; s < SEQUENCES; row += t->sequences[s++].count * t->width)
        t->sequences[s].inputs = row;
    t->weights = normal(t, t->rows);
    watch_kinks(t);
}

static void finish(lab *t)
{
    rv_pass_free(t->pass);
    rv_prefix_free(t->prefix);
    rv_transformer_free(t->model);
    free(t->inputs);
    free(t->weights);
    for (size_t i = 0; i < t->watched_count; i++) free(t->watched[i].value);
}

static void backward_is_the_adjoint_of_forward(void **state)
{
    golden_fixture f;
    lab t;
    golden_load(&f, *state);
    start(&t, &f);
    losses_at_the_inputs(&t);
    sites_at_the_inputs(&t);
    losses_at_the_sites(&t);
    losses_at_the_weights(&t);
    print_message("%s: %zu identities, off by at most %.1e\n", t.fixture, t.identities,
                  t.worst);
    finish(&t);
    golden_release(&f);
}

int main(void)
{
    return golden_run("backward is the adjoint of forward", backward_is_the_adjoint_of_forward);
}
