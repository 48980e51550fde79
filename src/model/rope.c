#include "model/rope.h"

#include <math.h>

#include "base/memory.h"

static const double tau = 6.283185307179586;

/* Llama 3 keeps short wavelengths, divides long ones by the factor and blends between (Llama 3.1
 * release notes). */
static double llama3(const rv_rope_config *rope, double f)
{
    double wavelength = tau / f;
    if (wavelength < rope->original_context / rope->high_frequency_factor) return f;
    if (wavelength > rope->original_context / rope->low_frequency_factor)
        return f / rope->factor;
    double smooth = (rope->original_context / wavelength - rope->low_frequency_factor) /
                    (rope->high_frequency_factor - rope->low_frequency_factor);
    return (1 - smooth) * f / rope->factor + smooth * f;
}

/* The pair, as a fraction, that makes so many turns within the original context. */
static double pair_of_turns(const rv_rope_config *rope, double turns, double rotary_size)
{
    return rotary_size * log(rope->original_context / (turns * tau)) / (2 * log(rope->theta));
}

/* YaRN (Peng et al., arXiv 2309.00071) keeps pairs of many turns, divides those of few by the
 * factor, with a ramp between. */
static double yarn(const rv_rope_config *rope, double f, size_t i, double rotary_size)
{
    double first = pair_of_turns(rope, rope->fast_turns, rotary_size),
           last = pair_of_turns(rope, rope->slow_turns, rotary_size);
    if (!rope->exact_bounds) first = floor(first), last = ceil(last);
    first = fmax(first, 0);
    last = fmin(last, rotary_size - 1);
    if (first == last) last += 0.001;
    double ramp = fmin(fmax(((double)i - first) / (last - first), 0), 1);
    return f * (1 - ramp) + f / rope->factor * ramp;
}

/* The names and formulas are those of transformers' modeling_rope_utils. */
static double frequency(const rv_rope_config *rope, size_t i, size_t rotary_size)
{
    double f = pow(rope->theta, -2.0 * (double)i / (double)rotary_size);
    switch (rope->scaling) {
    case RV_ROPE_LINEAR:
        return f / rope->factor;
    case RV_ROPE_LLAMA3:
        return llama3(rope, f);
    case RV_ROPE_YARN:
        return yarn(rope, f, i, (double)rotary_size);
    case RV_ROPE_DIVIDED:
        return f / (rope->factor * rope->divisor[i]);
    default:
        return f;
    }
}

rv_status rv_rope_tables(real **cosine, real **sine, const rv_rope_config *rope,
                         size_t rotary_size, size_t positions, rv_error *err)
{
    size_t pairs = rotary_size / 2;
    double magnitude = rope->magnitude != 0 ? rope->magnitude : 1;
    RV_TRY(RV_NEW(*cosine, positions * pairs, err));
    RV_TRY(RV_NEW(*sine, positions * pairs, err));
    for (size_t i = 0; i < pairs; i++) {
        double f = frequency(rope, i, rotary_size);
        for (size_t p = 0; p < positions; p++) {
            (*cosine)[p * pairs + i] = (real)(magnitude * cos((double)p * f));
            (*sine)[p * pairs + i] = (real)(magnitude * sin((double)p * f));
        }
    }
    return RV_OK;
}
