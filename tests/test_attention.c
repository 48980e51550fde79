/* Attention kernels against the reference, forward and backward, whole and behind a cached prefix. */
#include "kernel_check.h"

/* Three sequences of different lengths, behind a prefix that two of them share. */
typedef struct attention {
    rv_attention_shape shape;
    size_t prefix, count[3], total, positions;
    rows q, keys, values, dout;   /* keys and values: the prefix, then the sequences */
    rows out, dq, dkeys, dvalues; /* results */
    rows pattern[3], dpattern, dscore;
    rv_segment segments[3][3];
    rv_attention_sequence sequences[3];
} attention;

static attention make_attention(const shape *s)
{
    attention a = {.prefix = s->M % 45};
    size_t D = s->K > 520 ? 520 : s->K, G = s->M % 3 + 1, H = G * (s->N % 3 + 1);
    a.shape = (rv_attention_shape){.H = H, .G = G, .D = D, .scale = 1 / sqrtf((float)D)};
    a.shape.softcap = s->K % 2 ? 0 : 2;
    a.shape.window = s->N % 4 == 2 ? 11 : 0;
    for (size_t i = 0; i < 3; i++) {
        a.count[i] = i == 1 ? 1 : s->N / (i + 1) % 80 + 1;
        a.total += a.count[i];
    }
    a.positions = a.prefix + a.total;
    a.q = make_rows(a.total, H * D), a.dout = make_rows(a.total, H * D);
    a.out = make_rows(a.total, H * D), a.dq = make_rows(a.total, H * D);
    a.keys = make_rows(a.positions, G * D), a.values = make_rows(a.positions, G * D);
    a.dkeys = make_rows(a.positions, G * D), a.dvalues = make_rows(a.positions, G * D);
    size_t largest = 0;
    for (size_t i = 0; i < 3; i++) {
        size_t first = i == 1 ? 0 : a.prefix, size = H * a.count[i] * (first + a.count[i]);
        a.pattern[i] = make_rows(1, size);
        if (size > largest) largest = size;
    }
    a.dpattern = make_rows(1, largest), a.dscore = make_rows(1, largest);
    return a;
}

static rv_segment segment_at(const attention *a, size_t from, size_t count, size_t first)
{
    size_t at = from * a->keys.ld;
    return (rv_segment){.keys = a->keys.at + at,
                        .values = a->values.at + at,
                        .dkeys = a->dkeys.at + at,
                        .dvalues = a->dvalues.at + at,
                        .first = first,
                        .count = count,
                        .stride = a->keys.ld};
}

/* Sequences 0 and 2 continue the prefix, which comes in two pieces; sequence 1 stands alone. */
static void connect(attention *a, bool prefix_gradient)
{
    size_t row = 0;
    for (size_t i = 0; i < 3; i++) {
        rv_segment *list = a->segments[i];
        size_t n = 0, half = a->prefix / 3, first = i == 1 ? 0 : a->prefix;
        if (first && half) list[n++] = segment_at(a, 0, half, 0);
        if (first) list[n++] = segment_at(a, half, a->prefix - half, half);
        for (size_t j = 0; j < n && !prefix_gradient; j++)
            list[j].dkeys = list[j].dvalues = NULL;
        list[n++] = segment_at(a, a->prefix + row, a->count[i], first);
        a->sequences[i] = (rv_attention_sequence){.row = row,
                                                  .first = first,
                                                  .count = a->count[i],
                                                  .segments = list,
                                                  .segment_count = n};
        row += a->count[i];
    }
}

static void free_attention(attention *a)
{
    free_rows((rows[]){a->q, a->keys, a->values, a->dout, a->out, a->dq, a->dkeys, a->dvalues,
                       a->pattern[0], a->pattern[1], a->pattern[2], a->dpattern, a->dscore},
              13);
}

/* The same inputs, fresh outputs that start alike. */
static attention again(const attention *a, bool prefix_gradient)
{
    attention b = *a;
    b.out = copy_of(&a->out), b.dq = copy_of(&a->dq);
    b.dkeys = copy_of(&a->dkeys), b.dvalues = copy_of(&a->dvalues);
    for (size_t i = 0; i < 3; i++) b.pattern[i] = copy_of(&a->pattern[i]);
    connect(&b, prefix_gradient);
    return b;
}

static void free_again(attention *a)
{
    free_rows((rows[]){a->out, a->dq, a->dkeys, a->dvalues, a->pattern[0], a->pattern[1],
                       a->pattern[2]},
              7);
}

static void run_attention(attention *a, const rv_kernels *k, int threads)
{
    connect(a, a->segments[2][0].dkeys != NULL);
    float *const patterns[3] = {a->pattern[0].at, NULL, a->pattern[2].at};
    const float *const dpatterns[3] = {a->dpattern.at, NULL, NULL};
    const float *const dscores[3] = {NULL, NULL, a->dscore.at};
    k->attention_forward(a->out.at, a->out.ld, patterns, a->q.at, a->q.ld, a->sequences, 3,
                         &a->shape, threads);
    k->attention_backward(a->dq.at, a->dq.ld, a->dout.at, a->dout.ld, patterns, dpatterns,
                          dscores, a->q.at, a->q.ld, a->sequences, 3, &a->shape, threads);
}

static void check_attention(const attention *found, const attention *expected)
{
    size_t terms = found->shape.D + found->prefix + 100;
    check_close("attention out", &found->out, &expected->out, terms, 1);
    check_close("attention dq", &found->dq, &expected->dq, terms, 4);
    check_close("attention dkeys", &found->dkeys, &expected->dkeys, terms, 8);
    check_close("attention dvalues", &found->dvalues, &expected->dvalues, terms, 4);
    for (size_t i = 0; i < 3; i += 2)
        check_close("attention pattern", &found->pattern[i], &expected->pattern[i], terms,
                    0.5f);
}

static void check_same_attention(const attention *a, const attention *b)
{
    const rows *x[] = {&a->out, &a->dq, &a->dkeys, &a->dvalues, &a->pattern[0], &a->pattern[2]};
    const rows *y[] = {&b->out, &b->dq, &b->dkeys, &b->dvalues, &b->pattern[0], &b->pattern[2]};
    for (size_t i = 0; i < LENGTH(x); i++)
        check_same_row("attention", x[i]->at, y[i]->at, x[i]->count * x[i]->ld);
}

static void attention_against_reference(const shape *s)
{
    attention a = make_attention(s);
    for (int prefix_gradient = 0; prefix_gradient < 2; prefix_gradient++) {
        attention expected = again(&a, prefix_gradient), found = again(&a, prefix_gradient);
        attention threaded = again(&a, prefix_gradient);
        run_attention(&expected, reference, 1);
        run_attention(&found, tuned, 1);
        run_attention(&threaded, tuned, 2);
        check_attention(&found, &expected);
        check_same_attention(&found, &threaded);
        free_again(&expected), free_again(&found), free_again(&threaded);
    }
    free_attention(&a);
}

/* A row alone, behind one long segment, gives what it gives in its sequence: the promise that
 * makes suffix reuse exact. Nor does it matter whether patterns are asked for. */
static void attention_of_one_row(const shape *s)
{
    attention a = make_attention(s);
    connect(&a, false);
    size_t n = a.count[0], width = a.shape.H * a.shape.D;
    float *const patterns[3] = {a.pattern[0].at, a.pattern[1].at, a.pattern[2].at};
    tuned->attention_forward(a.out.at, a.out.ld, patterns, a.q.at, a.q.ld, a.sequences, 3,
                             &a.shape, 2);
    rows alone = make_rows(1, width);
    for (size_t i = 0; i < n; i++) { // prefix and sequence 0 lie one behind the other
        rv_segment all = segment_at(&a, 0, a.prefix + i + 1, 0);
        rv_attention_sequence sequence = {
            .row = 0, .first = a.prefix + i, .count = 1, .segments = &all, .segment_count = 1};
        tuned->attention_forward(alone.at, alone.ld, NULL, a.q.at + i * a.q.ld, a.q.ld,
                                 &sequence, 1, &a.shape, 1);
        check_same_row("attention out", a.out.at + i * a.out.ld, alone.at, width);
    }
    free_rows(&alone, 1);
    free_attention(&a);
}

TEST(attention_against_reference)
TEST(attention_of_one_row)

int main(void)
{
    source = rv_random_stream(11, 0, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attention_against_reference),
        cmocka_unit_test(test_attention_of_one_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
