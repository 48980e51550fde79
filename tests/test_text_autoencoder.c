/* Training a text autoencoder on a tiny model: it learns, goes on where it stopped, and knows its model. */
#include "tiny_model.h"

#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "autoencoder/open.h"
#include "autoencoder/text_refine.h"

static const double LEARNED_FULL = 0.12; // nats a token
static const char *corpus_file;

static rv_autoencoder_train_params tiny_params(const char *output)
{
    rv_autoencoder_train_params p = rv_autoencoder_train_params_default();
    corpus_file = tiny_path("corpus.txt");
    static char copies[8][128];
    static size_t turn;
    char *folder = copies[turn++ % 8];
    snprintf(folder, sizeof copies[0], "%s/%s", tiny_folder, output);
    p.model = tiny_folder;
    p.corpus = &corpus_file;
    p.corpus_count = 1;
    p.output = folder;
    p.steps = 30, p.tokens = 2000, p.batch = 8, p.draws = 32, p.longest = 12;
    p.width = 16, p.heads = 2, p.encoder_layers = 1, p.decoder_layers = 2, p.code = 8;
    p.noise = 0.1, p.rate = 0.01, p.judge_every = 10, p.threads = 1;
    return p;
}

static rv_autoencoder_training train(const rv_autoencoder_train_params *p)
{
    rv_autoencoder_training t;
    rv_error err;
    if (rv_autoencoder_train(&t, p, &err) != RV_OK) fail_msg("%s", err.message);
    return t;
}

static void same_files(const char *a, const char *b, const char *name)
{
    char path[256], *bytes[2];
    size_t length[2];
    rv_error err;
    const char *const folders[] = {a, b};
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", folders[i], name);
        if (rv_read_file(&bytes[i], &length[i], path, 1 << 24, &err) != RV_OK)
            fail_msg("%s", err.message);
    }
    assert_int_equal(length[0], length[1]);
    assert_memory_equal(bytes[0], bytes[1], length[0]);
    free(bytes[0]);
    free(bytes[1]);
}

static void learns(void **state)
{
    (void)state;
    rv_autoencoder_train_params p = tiny_params("learns");
    p.steps = 400, p.judge_every = 100, p.width = 32, p.code = 16, p.dropout = 0.1;
    rv_autoencoder_training t = train(&p);
    assert_true(t.complete);
    assert_int_equal(t.points, 4);
    // Recorded; instruction sets differ in rounding, which 400 steps amplify.
    if (fabs(t.curve[3].full - LEARNED_FULL) > 0.1)
        fail_msg("held-out loss: expected about %g, found %g (at first %g)", LEARNED_FULL,
                 t.curve[3].full, t.curve[0].full);
    assert_true(t.curve[3].full < 0.8 * t.curve[0].full);
    rv_autoencoder_training_release(&t);
    const char *const written[] = {"curve.svg", "curve.jsonl", "autoencoder.safetensors"};
    for (size_t i = 0; i < 3; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s/%s", p.output, written[i]);
        assert_true(rv_file_exists(path));
    }
}

static void a_stopped_training_goes_on(const char *site, const char *whole, const char *parts)
{
    rv_autoencoder_train_params p = tiny_params(whole), q = tiny_params(parts);
    p.site = q.site = site;
    rv_autoencoder_training t = train(&p);
    rv_autoencoder_training_release(&t);
    for (q.stop = 7; q.stop < 40; q.stop += 9) { // 7, 16, 25, 34: the end
        q.threads = q.stop == 16 ? 2 : 1;
        t = train(&q);
        assert_int_equal(t.complete, q.stop >= q.steps);
        rv_autoencoder_training_release(&t);
    }
    same_files(p.output, q.output, "state.safetensors");
    same_files(p.output, q.output, "autoencoder.safetensors");
    same_files(p.output, q.output, "model.cache");
}

static void resumed_equals_uninterrupted(void **state)
{
    (void)state;
    a_stopped_training_goes_on("embed", "whole", "parts");
    a_stopped_training_goes_on("blocks.1.hook_resid_pre", "whole-inner", "parts-inner");
}

/* Half a cache, as a killed process leaves it. */
static void a_torn_cache_is_completed(void **state)
{
    (void)state;
    rv_autoencoder_train_params p = tiny_params("torn");
    p.stop = 1;
    rv_autoencoder_training t = train(&p);
    rv_autoencoder_training_release(&t);
    char path[256];
    struct stat info;
    snprintf(path, sizeof path, "%s/model.cache", p.output);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(truncate(path, info.st_size / 2 + 13), 0);
    t = train(&p);
    rv_autoencoder_training_release(&t);
    same_files(p.output, tiny_path("whole"), "model.cache");
}

static void another_training_is_not_gone_on_with(void **state)
{
    (void)state;
    rv_autoencoder_train_params p = tiny_params("whole");
    rv_autoencoder_training t;
    rv_error err;
    p.rate = 0.5;
    assert_int_equal(rv_autoencoder_train(&t, &p, &err), RV_ERR_USAGE);
    assert_non_null(strstr(err.message, "another training"));
}

static void texts_go_through(void **state)
{
    (void)state;
    rv_autoencoder *ae;
    rv_error err;
    rv_reconstruction r;
    rv_interpolation way;
    rv_autoencoder_card card;
    rv_reconstruct_params noisy = rv_reconstruct_params_default();
    rv_evaluate_params how = rv_evaluate_params_default();
    char *json;
    if (rv_autoencoder_open(&ae, tiny_path("whole-inner"), NULL, NULL, &err) != RV_OK)
        fail_msg("%s", err.message);
    noisy.noise = 0.1;
    if (rv_autoencoder_reconstruct(&r, ae, "the hen and", 11, &noisy, &err) != RV_OK)
        fail_msg("%s", err.message);
    assert_true(r.same <= r.tokens && r.length > 0 && isfinite(r.cycle));
    assert_int_equal(rv_reconstruction_json(&json, &r, &err), RV_OK);
    free(json);
    rv_reconstruction_release(&r);
    assert_int_equal(rv_autoencoder_reconstruct(&r, ae, "", 0, NULL, &err), RV_ERR_USAGE);
    assert_int_equal(
        rv_autoencoder_reconstruct(&r, ae, "the hen and the heron in the sea", 32, NULL, &err),
        RV_ERR_USAGE);
    if (rv_autoencoder_interpolate(&way, ae, "the hen", 7, "Robin in", 8, 3, &err) != RV_OK)
        fail_msg("%s", err.message);
    assert_int_equal(way.count, 3);
    assert_int_equal(rv_interpolation_json(&json, &way, &err), RV_OK);
    free(json);
    rv_interpolation_release(&way);
    const char *file = tiny_path("corpus.txt");
    how.corpus = &file, how.corpus_count = 1, how.texts = 8, how.noise = 0;
    if (rv_autoencoder_evaluate(&card, ae, &how, &err) != RV_OK) fail_msg("%s", err.message);
    assert_int_equal(card.length_count, 2);             // 8 and 12 tokens
    for (size_t kind = 0; kind < RV_CARD_TEXTS; kind++) // tried under no noise: the same twice
        assert_true(card.tokens[kind][1][RV_CARD_WRITTEN] ==
                    card.tokens[kind][1][RV_CARD_NOISY]);
    how.noise = NAN;
    assert_int_equal(rv_autoencoder_evaluate(&card, ae, &how, &err), RV_ERR_USAGE);
    how.noise = -1;
    assert_int_equal(rv_autoencoder_evaluate(&card, ae, &how, &err), RV_OK);
    assert_true(card.tried == card.noise);
    assert_true(card.inner && card.explained < 1 && isfinite(card.spliced) &&
                isfinite(card.by_mean) && card.real > 0);
    assert_int_equal(rv_autoencoder_card_json(&json, &card, &err), RV_OK);
    assert_non_null(strstr(json, "\"explained\""));
    free(json);
    rv_autoencoder_close(ae);
}

/* Texts with a token spoilt, and the latent of the text as it was. */
static void spoilt_tokens_are_corrected(void **state)
{
    (void)state;
    enum { TEXTS = 12, LENGTH = 7 };
    rv_autoencoder *ae;
    rv_error err;
    rv_ids ids = {0};
    int32_t texts[TEXTS * LENGTH], spoilt[TEXTS * LENGTH];
    real z[TEXTS * LENGTH * 16];
    if (rv_autoencoder_open(&ae, tiny_path("learns"), NULL, NULL, &err) != RV_OK ||
        rv_autoencoder_tokens(&ids, ae, "the hen in", 10, &err) != RV_OK)
        fail_msg("%s", err.message);
    assert_int_equal(ids.count, LENGTH);
    for (size_t s = 0; s < TEXTS; s++) {
        memcpy(texts + s * LENGTH, ids.items, sizeof *texts * LENGTH);
        memcpy(spoilt + s * LENGTH, ids.items, sizeof *texts * LENGTH);
        int32_t *token = spoilt + s * LENGTH + s % LENGTH;
        *token = (int32_t)((size_t)(*token + 1) % 56);
    }
    int threads = ae->model->threads;
    if (rv_text_autoencoder_encode(z, ae->text, texts, TEXTS, LENGTH, threads, &err) != RV_OK ||
        rv_text_autoencoder_refine(spoilt, ae->text, z, TEXTS, LENGTH, threads, &err) != RV_OK)
        fail_msg("%s", err.message);
    assert_memory_equal(spoilt, texts, sizeof texts);
    rv_ids_release(&ids);
    rv_autoencoder_close(ae);
}

static void another_model_is_refused(void **state)
{
    (void)state;
    char command[1024], other[160];
    rv_autoencoder *ae;
    rv_error err;
    snprintf(other, sizeof other, "%s/other", tiny_folder);
    snprintf(command, sizeof command,
             "mkdir -p '%s' && cp tests/fixtures/models/llama-biased/* '%s' && cp '%s' '%s'",
             other, other, tiny_path("tokenizer.json"), other);
    assert_int_equal(system(command), 0);
    assert_int_equal(rv_autoencoder_open(&ae, tiny_path("whole"), other, NULL, &err),
                     RV_ERR_USAGE);
    if (!strstr(err.message, "another model")) fail_msg("%s", err.message);
    assert_int_equal(rv_autoencoder_open(&ae, tiny_folder, NULL, NULL, &err), RV_ERR_NOT_FOUND);
}

static void wrong_use(void **state)
{
    (void)state;
    rv_autoencoder_training t;
    rv_error err;
    tiny_write("empty.txt", "\n\n", 2);
    tiny_write("short.txt", "the hen\n", 8);
    const struct {
        const char *file, *site, *says;
        size_t width;
        double noise;
    } cases[] = {
        {"empty.txt", "embed", "expected text", 16, 0.1},
        {"short.txt", "embed", "four windows", 16, 0.1},
        {"corpus.txt", "blocks.0.hook_resid_mid", "site", 16, 0.1},
        {"corpus.txt", "blocks.99.hook_resid_pre", "99", 16, 0.1},
        {"corpus.txt", "embed", "width", 15, 0.1},
        {"corpus.txt", "embed", "noise", 16, -1},
        {"absent.txt", "embed", "absent.txt", 16, 0.1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rv_autoencoder_train_params p = tiny_params("wrong");
        corpus_file = tiny_path(cases[i].file);
        p.site = cases[i].site, p.width = cases[i].width, p.noise = cases[i].noise;
        if (rv_autoencoder_train(&t, &p, &err) == RV_OK) fail_msg("case %zu went through", i);
        if (!strstr(err.message, cases[i].says))
            fail_msg("case %zu: expected '%s' in: %s", i, cases[i].says, err.message);
    }
    rv_autoencoder_train_params p = tiny_params("wrong");
    p.replaced = 1;
    assert_int_equal(rv_autoencoder_train(&t, &p, &err), RV_ERR_USAGE);
    assert_non_null(strstr(err.message, "shares of tokens"));
    p = tiny_params("wild");
    p.rate = 1e30;
    assert_int_equal(rv_autoencoder_train(&t, &p, &err), RV_ERR_NUMERIC);
    assert_non_null(strstr(err.message, "step "));
    assert_non_null(strstr(err.message, "state.safetensors"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(learns),
        cmocka_unit_test(resumed_equals_uninterrupted),
        cmocka_unit_test(a_torn_cache_is_completed),
        cmocka_unit_test(another_training_is_not_gone_on_with),
        cmocka_unit_test(texts_go_through),
        cmocka_unit_test(spoilt_tokens_are_corrected),
        cmocka_unit_test(another_model_is_refused),
        cmocka_unit_test(wrong_use),
    };
    return cmocka_run_group_tests(tests, tiny_make, tiny_remove);
}
