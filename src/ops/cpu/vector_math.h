/* Elementary functions on a vector, accurate to a few units in the last place (relative error
 * below 1e-6, measured by tests/test_kernels.c). Not a number in gives not a number out. */
#ifndef RV_OPS_CPU_VECTOR_MATH_H
#define RV_OPS_CPU_VECTOR_MATH_H

/* Includes no vector header: the table that includes this file has chosen one. */

/* c[0] + c[1] x + ... + c[n-1] x^(n-1), n > 0 known when compiled */
static inline __attribute__((always_inline)) vec v_polynomial(vec x, const float *c, int n)
{
    vec sum = v_set1(c[n - 1]);
    for (int i = n - 2; i >= 0; i--) sum = v_fma(sum, x, v_set1(c[i]));
    return sum;
}

/* e^x; 0 below -87.3, and no more than 2.4e38 above 88.37, so that 1 / (1 + e^x) needs no care.
 * x = n log 2 + r (in two parts), e^r as a polynomial (Cephes). */
static inline vec v_exp(vec x)
{
    static const float taylor[] = {0.5f,
                                   1.6666665459e-1f,
                                   4.1665795894e-2f,
                                   8.3334519073e-3f,
                                   1.3981999507e-3f,
                                   1.9875691500e-4f};
    vec lowest = v_set1(-87.33654f);
    vec z = v_min(v_set1(88.37626f), v_max(lowest, x));
    vec n = v_round(z * v_set1(1.44269504f));
    vec r = v_fnma(n, v_set1(0.693359375f), z);
    r = v_fnma(n, v_set1(-2.12194440e-4f), r);
    vec p = v_fma(r * r, v_polynomial(r, taylor, 6), r) + v_set1(1);
    return v_less(x, lowest, v_set1(0), v_scale(p, n));
}

static inline vec v_sigmoid(vec x)
{
    return v_set1(1) / (v_set1(1) + v_exp(-x));
}

/* A polynomial near 0, where 1 - 2 / (e^2x + 1) would cancel (Cephes). */
static inline vec v_tanh(vec x)
{
    static const float odd[] = {-3.33332819422e-1f, 1.33314422036e-1f, -5.37397155531e-2f,
                                2.06390887954e-2f, -5.70498872745e-3f};
    vec a = v_abs(x), square = x * x;
    vec near = v_fma(x * square, v_polynomial(square, odd, 5), x);
    vec far = v_set1(1) - v_set1(2) / (v_exp(a + a) + v_set1(1));
    far = v_less(x, v_set1(0), -far, far);
    return v_less(a, v_set1(0.625f), near, far);
}

/* P(normal variable < x) = erfc(-x / sqrt 2) / 2, and e^(-x^2 / 2) in *bell.
 * erfc(z) = e^(-z^2) f(z), f fitted as a polynomial in t = 1 / (1 + 0.375 z), z >= 0. */
static inline vec v_normal(vec x, vec *bell)
{
    static const float fit[] = {0.211610354f, 0.210703824f, 0.204918482f,
                                0.123087606f, 0.26990734f,  -0.223726355f,
                                0.427277101f, -0.28477521f, 0.0609968478f};
    vec z = v_max(v_set1(-13), v_min(v_set1(13), x)); // beyond, 1e-38 is as good
    vec square = z * z * v_set1(0.5f);
    vec lost = v_fma(z * v_set1(0.5f), z, -square); // what rounding took from the square
    vec e = v_exp(-square);
    *bell = v_fnma(e, lost, e);
    vec t = v_set1(1) / v_fma(v_abs(z), v_set1(0.375f * 0.70710678f), v_set1(1));
    vec tail = v_set1(0.5f) * *bell * t * v_polynomial(t, fit, 9);
    return v_less(x, v_set1(0), tail, v_set1(1) - tail);
}

#endif
