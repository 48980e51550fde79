/* Whole models beside this processor's measured peak.
 *
 *     bench_model [KERNELS [ROUNDS]]        bench_model avx2 7
 *
 * What a search consists of: 256 sequences of 12 tokens forward, with the cross-entropy of every token, in
 * float32 and in bf16 where the kernels have it; and 8 of them forward and backward to the embeddings. A round
 * measures each at 1 and at 2 threads, one after the other, and the peak just before each; shown are
 * medians over the rounds. "busy" counts processor time instead of the clock on the wall: what the
 * work is worth where other programs compete for the processor. */
#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "bench.h"
#include "model/pass.h"

enum { TOKENS = 12, FORWARD = 256, BACKWARD = 8, SETTINGS = 6, ROUNDS_MAX = 99 };

typedef struct setting {
    const char *what;
    size_t sequences;
    bool backward, narrow;
    int threads;
    rv_pass *pass; /* NULL: these kernels have no use for it */
    double rate[ROUNDS_MAX], share[ROUNDS_MAX], busy[ROUNDS_MAX];
} setting;

typedef struct bench {
    const rv_transformer *model;
    int32_t ids[FORWARD * TOKENS];
    rv_sequence sequences[FORWARD];
    real nll[FORWARD * TOKENS], weights[FORWARD * TOKENS];
} bench;

static void must(rv_status status, const rv_error *err)
{
    if (status == RV_OK) return;
    fprintf(stderr, "bench_model: %s\n", err->message);
    exit(1);
}

/* Multiplications and additions of a batch. Attention: what a causal mask leaves; its backward takes
 * five products where forward takes two. Unembedding: the rows before each scored token; backward
 * makes the logits once more. */
static double operations(const rv_config *c, const setting *s)
{
    double rows = (double)(s->sequences * TOKENS), C = (double)c->width;
    double queries = (double)(c->heads * c->head_size),
           keys = (double)(c->kv_heads * c->head_size);
    double mlp = (double)c->mlp_width * (c->gated ? 3 : 2);
    double linear = 2 * rows * (double)c->layers * C * (2 * queries + 2 * keys + mlp);
    double pairs = (double)s->sequences * TOKENS * (TOKENS + 1) / 2;
    double product = 2 * pairs * (double)c->layers * queries;
    double head = 2 * (double)(s->sequences * (TOKENS - 1)) * C * (double)c->vocabulary;
    return s->backward ? 2 * linear + 7 * product + 3 * head : linear + 2 * product + head;
}

static void run(bench *b, const setting *s)
{
    rv_error err;
    must(rv_pass_begin(s->pass, b->sequences, s->sequences, NULL, 0, &err), &err);
    rv_pass_forward(s->pass, b->model->config.layers);
    rv_pass_finish(s->pass);
    rv_pass_losses(s->pass, b->nll);
    if (s->backward) rv_pass_backward(s->pass, b->weights, NULL);
}

static void sample(bench *b, setting *s, size_t round)
{
    double amount = operations(&b->model->config, s);
    const peak_loop *peak = peak_find(s->narrow ? "bf16" : b->model->kernels->name);
    moment top = peak_rate(peak, s->threads), start = now();
    run(b, s);
    moment rate = rate_since(start, amount, s->threads);
    s->rate[round] = rate.wall;
    s->share[round] = rate.wall / top.wall;
    s->busy[round] = rate.busy / top.busy;
}

static void print_setting(const bench *b, setting *s, size_t rounds)
{
    double amount = operations(&b->model->config, s), tokens = (double)(s->sequences * TOKENS);
    double rate = median(s->rate, rounds);
    printf("  %-30s %d thread%s %9.0f tokens/s (%.0f to %.0f) %8.1f GFLOP/s, %3.0f %% of peak, "
           "busy %3.0f %%\n",
           s->what, s->threads, s->threads > 1 ? "s" : " ", rate / amount * tokens,
           s->rate[0] / amount * tokens, s->rate[rounds - 1] / amount * tokens, rate / 1e9,
           100 * median(s->share, rounds), 100 * median(s->busy, rounds));
}

static void measure(rv_transformer *model, size_t rounds)
{
    static const setting works[SETTINGS / 2] = {
        {.what = "256 x 12 forward", .sequences = FORWARD},
        {.what = "256 x 12 forward, bf16", .sequences = FORWARD, .narrow = true},
        {.what = "8 x 12 forward and backward", .sequences = BACKWARD, .backward = true}};
    setting settings[SETTINGS];
    rv_error err;
    rv_random random = rv_random_stream(1, 0, 0);
    bench *b;
    must(RV_NEW(b, 1, &err), &err);
    must(rv_transformer_narrow(model, &err), &err);
    b->model = model;
    for (size_t i = 0; i < FORWARD * TOKENS; i++) {
        b->ids[i] = (int32_t)rv_random_below(&random, model->config.vocabulary);
        b->weights[i] = 1;
    }
    for (size_t i = 0; i < FORWARD; i++)
        b->sequences[i] = (rv_sequence){.ids = b->ids + i * TOKENS, .count = TOKENS};
    for (size_t i = 0; i < SETTINGS; i++) {
        setting *s = &settings[i];
        *s = works[i / 2];
        s->threads = (int)(i % 2) + 1;
        if (s->narrow && !model->kernels->narrow) continue;
        rv_pass_options options = {.rows = s->sequences * TOKENS,
                                   .sequences = s->sequences,
                                   .positions = TOKENS,
                                   .keep = s->backward,
                                   .narrow = s->narrow,
                                   .threads = s->threads};
        must(rv_pass_new(&s->pass, model, &options, &err), &err);
        if (s->backward) run(b, s); // memory is touched, caches are warm
    }
    for (size_t round = 0; round < rounds; round++)
        for (size_t i = 0; i < SETTINGS; i++)
            if (settings[i].pass) sample(b, &settings[i], round);
    for (size_t i = 0; i < SETTINGS; i++) {
        if (settings[i].pass) print_setting(b, &settings[i], rounds);
        rv_pass_free(settings[i].pass);
    }
    fflush(stdout);
    free(b);
}

/* The smallest GPT-2, with weights as it was initialised. */
static rv_transformer *gpt2_shape(const rv_kernels *kernels)
{
    rv_config *c;
    rv_transformer *model;
    rv_error err;
    must(RV_NEW(c, 1, &err), &err);
    *c = (rv_config){.family = "gpt2",
                     .vocabulary = 50257,
                     .context = 1024,
                     .layers = 12,
                     .width = 768,
                     .heads = 12,
                     .kv_heads = 12,
                     .head_size = 64,
                     .mlp_width = 3072,
                     .norm = RV_NORM_LAYER,
                     .norm_eps = 1e-5,
                     .learned_positions = true,
                     .activation = RV_ACT_GELU_TANH,
                     .tied = true,
                     .qkv_bias = true,
                     .o_bias = true,
                     .up_bias = true,
                     .down_bias = true,
                     .embedding_scale = 1};
    for (size_t l = 0; l < c->layers; l++) c->layer[l].score_scale = 0.125;
    must(rv_transformer_new(&model, c, kernels, &err), &err);
    must(rv_transformer_randomise(model, 1, &err), &err);
    free(c);
    return model;
}

/* NULL where it has not been fetched. */
static rv_transformer *smollm2(const rv_kernels *kernels)
{
    char *cache = rv_cache_folder();
    char *path = cache ? rv_path_join(cache, "models/smollm2-135m.gguf") : NULL;
    rv_transformer *model = NULL;
    if (path && rv_file_exists(path)) {
        rv_checkpoint *checkpoint;
        rv_error err;
        must(rv_checkpoint_open(&checkpoint, path, &err), &err);
        rv_load_options options = {.kernels = kernels};
        must(rv_transformer_load(&model, checkpoint, &options, &err), &err);
        rv_checkpoint_close(checkpoint);
    }
    free(path);
    free(cache);
    return model;
}

int main(int argc, char **argv)
{
    wait_passively(argv);
    const rv_kernels *kernels = rv_kernels_select(argc > 1 ? argv[1] : NULL);
    int rounds = argc > 2 ? atoi(argv[2]) : 5;
    if (!kernels || rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: bench_model [avx512|avx2|portable|reference [ROUNDS]]\n");
        return 2;
    }
    print_processor();
    printf("%s kernels, medians of %d rounds (slowest to fastest)\n", kernels->name, rounds);
    rv_transformer *model = smollm2(kernels);
    puts(model ? "SmolLM2-135M"
               : "SmolLM2-135M: skipped, it is not there (tools/get-model smollm2-135m)");
    if (model) measure(model, (size_t)rounds);
    rv_transformer_free(model);
    model = gpt2_shape(kernels);
    puts("GPT-2 124M shape, random weights");
    measure(model, (size_t)rounds);
    rv_transformer_free(model);
    return 0;
}
