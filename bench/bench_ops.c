/* Rates of the kernels beside this processor's measured peak.
 *
 *     bench_ops [KERNELS [THREADS [WORK]]]        bench_ops avx2 1 backward
 *
 * Every sample of a kernel is paired with a sample of the peak taken just before it, since
 * clocks and neighbours change from one moment to the next. Two shares of the peak are shown: by the
 * clock on the wall, and by the processor time that was used ("busy"): the second is what the kernel
 * is worth where other programs compete for the processor. Medians of SAMPLES; the spread is from
 * the slowest to the fastest sample. */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "bench.h"
#include "ops/kernels.h"

enum { SAMPLES = 7, MAX_ROWS = 3072, MAX_WIDTH = 3072 + 16 };

typedef enum work_kind {
    FORWARD,
    NARROW,
    BACKWARD,
    WEIGHT,
    UNEMBED,
    UNEMBED_NARROW,
    UNEMBED_BACKWARD,
    ATTENTION,
    ATTENTION_BACKWARD,
    GELU,
    SILU,
    RMSNORM,
    LAYERNORM
} work_kind;

typedef struct work {
    const char *model, *name;
    work_kind kind;
    size_t N, K, M; /* attention: sequences, positions, heads of 64 */
} work;

typedef struct bench {
    const rv_kernels *k;
    int threads;
    rv_matrix m;
    float *x, *y, *z, *lse, *weight;
    int32_t *label;
    rv_segment *segments;
    rv_attention_sequence *sequences;
    rv_attention_shape shape;
} bench;

static void run(const bench *b, const work *w)
{
    const rv_kernels *k = b->k;
    size_t ldx = w->K + 16, ldy = w->M + 16, N = w->N, F = w->M;
    int t = b->threads;
    switch (w->kind) {
    case FORWARD:
        k->linear_forward(b->y, ldy, b->x, ldx, &b->m, N, RV_STORE, t);
        break;
    case NARROW:
        k->linear_forward_narrow(b->y, ldy, b->x, ldx, &b->m, N, RV_STORE, t);
        break;
    case BACKWARD:
        k->linear_backward(b->x, ldx, b->y, ldy, &b->m, N, t);
        break;
    case WEIGHT:
        k->linear_backward_weight(b->z, NULL, b->y, ldy, b->x, ldx, N, w->K, w->M, t);
        break;
    case UNEMBED:
        k->logsumexp_forward(b->lse, b->weight, b->x, ldx, b->label, &b->m, N, w->M, 0, t);
        break;
    case UNEMBED_NARROW:
        k->logsumexp_forward_narrow(b->lse, b->weight, b->x, ldx, b->label, &b->m, N, w->M, 0,
                                    t);
        break;
    case UNEMBED_BACKWARD:
        k->logsumexp_backward(b->y, ldx, b->lse, b->x, b->label, b->weight, &b->m, N, w->M, 0,
                              t);
        break;
    case ATTENTION:
        k->attention_forward(b->y, F * 64, NULL, b->x, F * 64, b->sequences, N, &b->shape, t);
        break;
    case ATTENTION_BACKWARD:
        k->attention_backward(b->z, F * 64, b->y, F * 64, NULL, NULL, NULL, b->x, F * 64,
                              b->sequences, N, &b->shape, t);
        break;
    case GELU:
        k->activation_forward(b->y, F, b->x, F, NULL, 0, N, F, RV_ACT_GELU_TANH, t);
        break;
    case SILU:
        k->activation_forward(b->y, F, b->x, F, b->z, F, N, F, RV_ACT_SILU, t);
        break;
    case RMSNORM:
        k->rmsnorm_forward(b->y, ldx, b->lse, b->x, ldx, b->z, N, 1, w->K, 1e-5f, t);
        break;
    case LAYERNORM:
        k->layernorm_forward(b->y, ldx, b->lse, b->weight, b->x, ldx, b->z, b->z, N, w->K,
                             1e-5f, t);
        break;
    }
}

/* Operations of one run: multiplications and additions where there is a matrix product (in
 * attention, those that a causal mask leaves), else numbers made. */
static double amount_of(const work *w)
{
    double product = 2.0 * (double)w->N * (double)w->K * (double)w->M;
    double scores = product * 64 * ((double)w->K + 1) / 2;
    switch (w->kind) {
    case UNEMBED_BACKWARD:
        return 2 * product;
    case ATTENTION:
        return 2 * scores;
    case ATTENTION_BACKWARD:
        return 5 * scores;
    case GELU:
    case SILU:
        return (double)w->N * (double)w->M;
    case RMSNORM:
    case LAYERNORM:
        return (double)w->N * (double)w->K;
    default:
        return product;
    }
}

static bool is_product(const work *w)
{
    return w->kind < GELU;
}

static bool is_narrow(const work *w)
{
    return w->kind == NARROW || w->kind == UNEMBED_NARROW;
}

static void give_up(const char *why)
{
    fprintf(stderr, "bench_ops: %s\n", why);
    exit(1);
}

static void prepare(bench *b, const work *w)
{
    if (w->kind == ATTENTION || w->kind == ATTENTION_BACKWARD) {
        size_t G = strcmp(w->model, "SmolLM2") == 0 ? w->M / 3 : w->M;
        b->shape = (rv_attention_shape){.H = w->M, .G = G, .D = 64, .scale = 0.125f};
        for (size_t s = 0; s < w->N; s++) {
            size_t at = s * w->K * w->M * 64;
            b->segments[s] = (rv_segment){.keys = b->x + at,
                                          .values = b->x + at,
                                          .dkeys = b->y + at,
                                          .dvalues = b->y + at,
                                          .count = w->K,
                                          .stride = w->M * 64};
            b->sequences[s] = (rv_attention_sequence){.row = s * w->K,
                                                      .count = w->K,
                                                      .segments = &b->segments[s],
                                                      .segment_count = 1};
        }
    }
    if (w->kind <= UNEMBED_BACKWARD) {
        rv_error err;
        if (rv_matrix_init(&b->m, b->k, w->M, w->K, false, &err) != RV_OK) give_up(err.message);
        for (size_t i = 0; i < b->m.panels * b->m.width * w->K; i++)
            b->m.data[i] = b->z[i % ((size_t)MAX_ROWS * MAX_WIDTH)] * 0.05f;
        if (is_narrow(w) && rv_matrix_narrow(&b->m, b->k, &err) != RV_OK) give_up(err.message);
    }
    for (size_t n = 0; n < w->N && w->kind < ATTENTION; n++) {
        b->label[n] = (int32_t)(n * 7 % w->M);
        b->weight[n] = 1;
    }
}

static void measure(bench *b, const work *w)
{
    if (is_narrow(w) && !b->k->narrow) return;
    const peak_loop *peak = peak_find(is_narrow(w) ? "bf16" : b->k->name);
    prepare(b, w);
    double amount = amount_of(w), rate[SAMPLES], wall[SAMPLES], busy[SAMPLES];
    double busy_rate[SAMPLES];
    run(b, w);
    moment start = now();
    run(b, w);
    size_t rounds = (size_t)(0.01 * b->threads / (now().busy - start.busy)) + 1;
    for (size_t i = 0; i < SAMPLES; i++) {
        moment top = peak_rate(peak, b->threads);
        start = now();
        for (size_t j = 0; j < rounds; j++) run(b, w);
        moment r = rate_since(start, amount * (double)rounds, b->threads);
        rate[i] = r.wall / 1e9;
        busy_rate[i] = r.busy / 1e9;
        wall[i] = r.wall / top.wall;
        busy[i] = r.busy / top.busy;
    }
    double middle = median(rate, SAMPLES);
    printf("%-9s %-20s %5zu %5zu %6zu  %8.2f %-8s (%.2f to %.2f)", w->model, w->name, w->N,
           w->K, w->M, middle, is_product(w) ? "GFLOP/s" : "Gnum/s", rate[0],
           rate[SAMPLES - 1]);
    printf("  busy %.2f", median(busy_rate, SAMPLES));
    if (is_product(w))
        printf("  of peak %3.0f %%  busy %3.0f %%", 100 * median(wall, SAMPLES),
               100 * median(busy, SAMPLES));
    printf("\n");
    fflush(stdout);
    if (w->kind <= UNEMBED_BACKWARD) rv_matrix_release(&b->m);
}

static const work works[] = {
    {"SmolLM2", "qkv", FORWARD, 96, 576, 960},
    {"SmolLM2", "qkv", FORWARD, 1536, 576, 960},
    {"SmolLM2", "o", FORWARD, 96, 576, 576},
    {"SmolLM2", "o", FORWARD, 1536, 576, 576},
    {"SmolLM2", "gate and up", FORWARD, 96, 576, 3072},
    {"SmolLM2", "gate and up", FORWARD, 1536, 576, 3072},
    {"SmolLM2", "gate and up", FORWARD, 3072, 576, 3072},
    {"SmolLM2", "down", FORWARD, 96, 1536, 576},
    {"SmolLM2", "down", FORWARD, 1536, 1536, 576},
    {"SmolLM2", "down", FORWARD, 3072, 1536, 576},
    {"GPT-2", "qkv", FORWARD, 96, 768, 2304},
    {"GPT-2", "qkv", FORWARD, 1536, 768, 2304},
    {"GPT-2", "up", FORWARD, 3072, 768, 3072},
    {"GPT-2", "down", FORWARD, 96, 3072, 768},
    {"GPT-2", "down", FORWARD, 1536, 3072, 768},
    {"SmolLM2", "qkv bf16", NARROW, 96, 576, 960},
    {"SmolLM2", "gate and up bf16", NARROW, 96, 576, 3072},
    {"SmolLM2", "gate and up bf16", NARROW, 1536, 576, 3072},
    {"SmolLM2", "down bf16", NARROW, 1536, 1536, 576},
    {"GPT-2", "up bf16", NARROW, 1536, 768, 3072},
    {"GPT-2", "down bf16", NARROW, 1536, 3072, 768},
    {"SmolLM2", "logsumexp bf16", UNEMBED_NARROW, 384, 576, 49152},
    {"SmolLM2", "logsumexp", UNEMBED, 96, 576, 49152},
    {"SmolLM2", "logsumexp", UNEMBED, 384, 576, 49152},
    {"GPT-2", "logsumexp", UNEMBED, 96, 768, 50257},
    {"SmolLM2", "logsumexp backward", UNEMBED_BACKWARD, 96, 576, 49152},
    {"SmolLM2", "gate/up backward", BACKWARD, 96, 576, 3072},
    {"SmolLM2", "down backward", BACKWARD, 96, 1536, 576},
    {"GPT-2", "up backward", BACKWARD, 2048, 768, 3072},
    {"GPT-2", "up weight gradient", WEIGHT, 2048, 768, 3072},
    {"SmolLM2", "attention", ATTENTION, 256, 12, 9},
    {"GPT-2", "attention", ATTENTION, 32, 64, 12},
    {"GPT-2", "attention", ATTENTION, 4, 512, 12},
    {"SmolLM2", "attention backward", ATTENTION_BACKWARD, 8, 12, 9},
    {"GPT-2", "attention backward", ATTENTION_BACKWARD, 32, 64, 12},
    {"SmolLM2", "SiLU gated", SILU, 1536, 0, 1536},
    {"GPT-2", "GELU", GELU, 1536, 0, 3072},
    {"SmolLM2", "RMSNorm", RMSNORM, 1536, 576, 0},
    {"GPT-2", "LayerNorm", LAYERNORM, 1536, 768, 0},
};

static void print_peak(const char *what, int threads)
{
    double rate[SAMPLES], busy[SAMPLES];
    for (size_t i = 0; i < SAMPLES; i++) {
        moment r = peak_rate(peak_find(what), threads);
        rate[i] = r.wall / 1e9, busy[i] = r.busy / 1e9;
    }
    double middle = median(rate, SAMPLES);
    printf("peak %-8s %.0f GFLOP/s (%.0f to %.0f)  busy %.0f\n", what, middle, rate[0],
           rate[SAMPLES - 1], median(busy, SAMPLES));
}

static void allocate(bench *b)
{
    size_t numbers = (size_t)MAX_ROWS * MAX_WIDTH;
    b->x = rv_alloc(numbers, sizeof(float));
    b->y = rv_alloc(numbers, sizeof(float));
    b->z = rv_alloc(numbers, sizeof(float));
    b->lse = rv_alloc(MAX_ROWS, sizeof(float));
    b->weight = rv_alloc(MAX_ROWS, sizeof(float));
    b->label = rv_alloc(MAX_ROWS, sizeof *b->label);
    b->segments = rv_alloc(MAX_ROWS, sizeof *b->segments);
    b->sequences = rv_alloc(MAX_ROWS, sizeof *b->sequences);
    if (!b->x || !b->y || !b->z || !b->lse || !b->weight || !b->label || !b->segments ||
        !b->sequences)
        give_up("out of memory");
    rv_random random = rv_random_stream(1, 0, 0);
    for (size_t i = 0; i < numbers; i++) {
        b->x[i] = (float)rv_random_uniform(&random) - 0.5f;
        b->z[i] = (float)rv_random_uniform(&random) - 0.5f;
    }
}

static void release(bench *b)
{
    void *all[] = {b->x, b->y, b->z, b->lse, b->weight, b->label, b->segments, b->sequences};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

int main(int argc, char **argv)
{
    wait_passively(argv);
    bench b = {.k = rv_kernels_select(argc > 1 ? argv[1] : NULL)};
    if (!b.k) {
        fprintf(stderr, "bench_ops: '%s' is unknown, or this processor cannot run it\n",
                argv[1]);
        return 1;
    }
    int most = argc > 2 ? atoi(argv[2]) : omp_get_num_procs();
    int least = argc > 2 ? most : 1;
    if (most < 1) most = 1;
    allocate(&b);
    print_processor();
    for (b.threads = least; b.threads <= most; b.threads *= 2) {
        printf("%d thread%s, %s\n", b.threads, b.threads > 1 ? "s" : "", b.k->name);
        print_peak(b.k->name, b.threads);
        if (b.k->narrow) print_peak("bf16", b.threads);
        printf("%-9s %-20s %5s %5s %6s  %8s\n", "model", "work", "N", "K", "M", "median");
        for (size_t i = 0; i < sizeof works / sizeof *works; i++)
            if (argc < 4 || strstr(works[i].name, argv[3])) measure(&b, &works[i]);
    }
    release(&b);
    return 0;
}
