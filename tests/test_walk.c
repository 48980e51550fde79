/* Long texts in windows and pieces, against passes over whole windows. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "subject/walk.h"
#include "base/memory.h"
#include "base/random.h"

enum { VOCABULARY = 50, WIDTH = 16, LAYERS = 2, COLUMNS = 3 };

typedef struct seen {
    real nll[4096], value[4096][COLUMNS], tapped[4096 * COLUMNS], losses[4096];
    size_t next, pieces;
} seen;

static rv_transformer *new_model(size_t context)
{
    rv_config *c = rv_alloc(1, sizeof *c);
    *c = (rv_config){.family = "llama",
                     .vocabulary = VOCABULARY,
                     .context = context,
                     .layers = LAYERS,
                     .width = WIDTH,
                     .heads = 2,
                     .kv_heads = 1,
                     .head_size = 8,
                     .mlp_width = 24,
                     .norm = RV_NORM_RMS,
                     .norm_eps = 1e-5,
                     .rotary_size = 8,
                     .rope = {{.theta = 1e4}},
                     .activation = RV_ACT_SILU,
                     .gated = true,
                     .tied = true,
                     .embedding_scale = 40};
    for (size_t l = 0; l < LAYERS; l++) c->layer[l].score_scale = 2;
    rv_transformer *m;
    rv_error err;
    assert_int_equal(rv_transformer_new(&m, c, NULL, &err), RV_OK);
    assert_int_equal(rv_transformer_randomise(m, 1, &err), RV_OK);
    free(c);
    return m;
}

static int32_t *some_ids(size_t count)
{
    int32_t *ids = rv_alloc(count, sizeof *ids);
    rv_random random = rv_random_stream(2, 0, 0);
    for (size_t i = 0; i < count; i++) ids[i] = (int32_t)rv_random_below(&random, VOCABULARY);
    return ids;
}

static rv_status look(void *context, const rv_piece *piece, rv_error *err)
{
    (void)err;
    seen *s = context;
    assert_int_equal(piece->at, s->next);
    rv_pass_losses(piece->pass, s->losses);
    for (size_t i = 0; i < piece->count; i++) {
        size_t row = piece->lead + i;
        s->nll[piece->at + i] = s->losses[row];
        memcpy(s->value[piece->at + i], s->tapped + row * COLUMNS, sizeof s->value[0]);
    }
    s->next += piece->count;
    s->pieces++;
    return RV_OK;
}

static rv_tap tap_into(real *buffer)
{
    return (rv_tap){
        .site = {RV_SITE_MLP_POST, 1}, .column = 4, .columns = COLUMNS, .value = buffer};
}

static seen *walk(rv_model *m, const int32_t *ids, size_t count)
{
    seen *s = rv_alloc(1, sizeof *s);
    rv_tap tap = tap_into(s->tapped);
    rv_walk w = {.model = m,
                 .ids = ids,
                 .count = count,
                 .depth = LAYERS + 1,
                 .taps = &tap,
                 .tap_count = 1,
                 .visit = look,
                 .context = s};
    rv_error err;
    if (rv_walk_text(&w, &err) != RV_OK) fail_msg("%s", err.message);
    assert_int_equal(s->next, count);
    return s;
}

/* A window on its own in one pass; its rows from `lead` on must be what the walk saw at `at`. */
static void same_as_alone(const seen *s, const rv_model *m, size_t at, const int32_t *ids,
                          size_t count, size_t lead)
{
    rv_pass *pass;
    rv_error err;
    rv_pass_options options = {.rows = count, .sequences = 1, .threads = 1};
    assert_int_equal(rv_pass_new(&pass, m->transformer, &options, &err), RV_OK);
    real *nll = rv_alloc(count, sizeof *nll), *value = rv_alloc(count * COLUMNS, sizeof *value);
    rv_sequence sequence = {.ids = ids, .count = count};
    rv_tap tap = tap_into(value);
    assert_int_equal(rv_pass_begin(pass, &sequence, 1, &tap, 1, &err), RV_OK);
    rv_pass_forward(pass, LAYERS);
    rv_pass_finish(pass);
    rv_pass_losses(pass, nll);
    for (size_t i = lead; i < count; i++) {
        assert_memory_equal(&nll[i], &s->nll[at + i - lead], sizeof *nll);
        assert_memory_equal(value + i * COLUMNS, s->value[at + i - lead], sizeof s->value[0]);
    }
    rv_pass_free(pass);
    free(nll);
    free(value);
}

static void pieces_are_as_one_pass(void **state)
{
    (void)state;
    enum { LENGTH = 1300 };
    rv_model m = {.transformer = new_model(2048), .bos = -1, .threads = 1, .path = "model"};
    int32_t *ids = some_ids(LENGTH);
    seen *one = walk(&m, ids, LENGTH);
    assert_int_equal(one->pieces, 3);
    same_as_alone(one, &m, 0, ids, LENGTH, 0);
    m.threads = 2;
    seen *two = walk(&m, ids, LENGTH);
    assert_memory_equal(one->nll, two->nll, sizeof one->nll);
    assert_memory_equal(one->value, two->value, sizeof one->value);
    free(one);
    free(two);
    free(ids);
    rv_transformer_free(m.transformer);
}

static void windows_begin_with_bos(void **state)
{
    (void)state;
    enum { CONTEXT = 600, LENGTH = 1500, BOS = 7 };
    rv_model m = {.transformer = new_model(CONTEXT), .bos = BOS, .threads = 1, .path = "model"};
    int32_t *ids = some_ids(LENGTH);
    ids[0] = BOS;
    seen *s = walk(&m, ids, LENGTH);
    same_as_alone(s, &m, 0, ids, CONTEXT, 0);
    for (size_t at = CONTEXT; at < LENGTH; at += CONTEXT - 1) {
        size_t own = LENGTH - at < CONTEXT - 1 ? LENGTH - at : CONTEXT - 1;
        int32_t *window = rv_alloc(own + 1, sizeof *window);
        window[0] = BOS;
        memcpy(window + 1, ids + at, own * sizeof *window);
        same_as_alone(s, &m, at, window, own + 1, 1);
        free(window);
    }
    free(s);
    free(ids);
    rv_transformer_free(m.transformer);
}

static void windows_without_bos_begin_with_the_last_token(void **state)
{
    (void)state;
    enum { CONTEXT = 8, LENGTH = 21 };
    rv_model m = {.transformer = new_model(CONTEXT), .bos = -1, .threads = 1, .path = "model"};
    int32_t *ids = some_ids(LENGTH);
    seen *s = walk(&m, ids, LENGTH);
    assert_int_equal(s->pieces, 3);
    same_as_alone(s, &m, 0, ids, CONTEXT, 0);
    same_as_alone(s, &m, CONTEXT, ids + CONTEXT - 1, CONTEXT, 1);
    same_as_alone(s, &m, 2 * CONTEXT - 1, ids + 2 * CONTEXT - 2, 7, 1);
    free(s);
    free(ids);
    rv_transformer_free(m.transformer);
}

static bool stop_after_two(void *context, const rv_progress *event)
{
    (void)event;
    return ++*(int *)context < 2;
}

static void walks_can_be_cancelled(void **state)
{
    (void)state;
    enum { LENGTH = 30 };
    int calls = 0;
    rv_model m = {.transformer = new_model(8),
                  .bos = -1,
                  .threads = 1,
                  .path = "model",
                  .progress = stop_after_two,
                  .progress_context = &calls};
    int32_t *ids = some_ids(LENGTH);
    seen *s = rv_alloc(1, sizeof *s);
    rv_tap tap = tap_into(s->tapped);
    rv_walk w = {&m, ids, LENGTH, LAYERS + 1, false, NULL, &tap, 1, look, s};
    rv_error err;
    assert_int_equal(rv_walk_text(&w, &err), RV_ERR_CANCELLED);
    assert_non_null(strstr(err.message, "after 15 of 30 tokens"));
    assert_int_equal(s->pieces, 2);
    free(s);
    free(ids);
    rv_transformer_free(m.transformer);
}

static void a_context_of_one_holds_no_window(void **state)
{
    (void)state;
    rv_model m = {.transformer = new_model(1), .bos = -1, .threads = 1, .path = "model"};
    int32_t ids[] = {1, 2, 3};
    seen *s = rv_alloc(1, sizeof *s);
    rv_tap tap = tap_into(s->tapped);
    rv_walk w = {&m, ids, 3, LAYERS + 1, false, NULL, &tap, 1, look, s};
    rv_error err;
    assert_int_equal(rv_walk_text(&w, &err), RV_ERR_UNSUPPORTED);
    free(s);
    rv_transformer_free(m.transformer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_as_one_pass),
        cmocka_unit_test(windows_begin_with_bos),
        cmocka_unit_test(windows_without_bos_begin_with_the_last_token),
        cmocka_unit_test(walks_can_be_cancelled),
        cmocka_unit_test(a_context_of_one_holds_no_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
