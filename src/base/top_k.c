#include "base/top_k.h"

#include <math.h>
#include <stdbool.h>

/* Whether a goes below b in the heap: smaller score first; of equal ones the later index. */
static bool below(const real *score, int32_t a, int32_t b)
{
    return score[a] != score[b] ? score[a] < score[b] : a > b;
}

static void sift_down(int32_t *heap, size_t count, size_t i, const real *score)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= count) return;
        if (child + 1 < count && below(score, heap[child + 1], heap[child])) child++;
        if (!below(score, heap[child], heap[i])) return;
        int32_t kept = heap[i];
        heap[i] = heap[child];
        heap[child] = kept;
        i = child;
    }
}

size_t rv_top_k(int32_t *out, const real *score, size_t count, size_t k)
{
    size_t held = 0, v = 0;
    for (; v < count && held < k; v++)
        if (score[v] > -(real)INFINITY) out[held++] = (int32_t)v;
    for (size_t i = held / 2; i-- > 0;) sift_down(out, held, i, score);
    for (; v < count && held; v++)
        if (below(score, out[0], (int32_t)v)) {
            out[0] = (int32_t)v;
            sift_down(out, held, 0, score);
        }
    for (size_t left = held; left > 1; left--) { // smallest to the end
        int32_t smallest = out[0];
        out[0] = out[left - 1];
        out[left - 1] = smallest;
        sift_down(out, left - 1, 0, score);
    }
    return held;
}

size_t rv_first_odd(const real *values, size_t count)
{
    size_t i = 0;
    while (i < count && isfinite(values[i])) i++;
    return i;
}
