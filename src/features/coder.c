#include "features/coder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static const double NORM_EPSILON =
    1e-5; /* SAELens adds it to the deviation, not inside the root */

const char *rv_gate_name(rv_gate gate)
{
    static const char *const names[] = {"ReLU", "threshold", "top k", "gated"};
    return names[gate];
}

/* ---- reading ------------------------------------------------------------------------------------ */

/* Element i of a tensor of plain numbers. */
static rv_status read_one(real *out, const rv_tensor *t, size_t i, rv_error *err)
{
    size_t size = rv_dtype_describe(t->dtype)->block_bytes;
    if (t->dtype == RV_OTHER || rv_dtype_describe(t->dtype)->block_elements != 1)
        return rv_fail(err, RV_ERR_UNSUPPORTED,
                       "tensor %s: expected F32, F16, BF16 or F64, found %s", t->name,
                       t->type_name);
    rv_tensor one = *t;
    one.rank = 0;
    one.elements = 1;
    one.bytes += i * size;
    one.length = size;
    return rv_tensor_read(&one, out, err);
}

static rv_status read_number(double *out, const rv_tensor *t, size_t i, rv_error *err)
{
    real x = 0;
    if (t) RV_TRY(read_one(&x, t, i, err));
    *out = (double)x;
    return RV_OK;
}

/* Line `index` of a matrix that has one for each of F features, along either axis; out (n). */
static rv_status read_line(real *out, const rv_tensor *t, size_t features, size_t index,
                           rv_error *err)
{
    if (t->shape[0] == features) return rv_tensor_read_rows(t, index, 1, out, err);
    for (size_t i = 0; i < t->shape[0]; i++)
        RV_TRY(read_one(&out[i], t, i * features + index, err));
    return RV_OK;
}

static double dot(const real *a, const real *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

static void multiply(real *x, size_t n, double by)
{
    for (size_t i = 0; i < n; i++) x[i] = (real)((double)x[i] * by);
}

/* <w - mean(w), x> = <w, x - mean(x)> */
static void centre(real *w, size_t n)
{
    double mean = 0;
    for (size_t i = 0; i < n; i++) mean += (double)w[i] / (double)n;
    for (size_t i = 0; i < n; i++) w[i] = (real)((double)w[i] - mean);
}

/* ---- folding ------------------------------------------------------------------------------------ */

static rv_status read_threshold(rv_feature *f, const rv_coder *c, rv_error *err)
{
    if (c->gate != RV_GATE_THRESHOLD) return RV_OK;
    f->threshold = c->threshold;
    if (c->thresholds) RV_TRY(read_number(&f->threshold, c->thresholds, f->index, err));
    if (c->log_threshold) f->threshold = exp(f->threshold);
    if (f->threshold < 0) f->threshold = 0;
    if (isfinite(f->threshold)) return RV_OK;
    return rv_fail(err, RV_ERR_NUMERIC,
                   "%s: threshold of feature %zu: expected a number, found %g", c->path,
                   f->index, f->threshold);
}

/* The biases that remain when the decoder's has been taken from the input: that changes <w, x> by `by`. */
static rv_status shift(rv_feature *f, const rv_coder *c, rv_error *err)
{
    if (!c->shifted || !c->decoder_bias) return RV_OK;
    real *b;
    RV_TRY(RV_NEW(b, c->width, err));
    rv_status status = rv_tensor_read(c->decoder_bias, b, err);
    double by = status == RV_OK ? -dot(f->encoder, b, c->width) : 0;
    f->bias += by;
    f->magnitude_bias += f->magnitude_scale * by;
    free(b);
    return status;
}

/* In the order of the formats: input scale, decoder's bias, norm of the decoder's row. encoder and bias are as stored. */
static rv_status fold(rv_feature *f, const rv_coder *c, rv_error *err)
{
    f->decoder_norm = sqrt(dot(f->decoder, f->decoder, c->output_width));
    RV_TRY(shift(f, c, err)); // in the space that the encoder was trained in
    multiply(f->encoder, c->width, c->scale);
    if (c->by_decoder_norm) {
        multiply(f->encoder, c->width, f->decoder_norm);
        f->bias *= f->decoder_norm;
        f->magnitude_bias *= f->decoder_norm;
        if (c->plain_values)
            f->value_scale = f->decoder_norm > 0 ? 1 / f->decoder_norm : 0;
        else if (f->decoder_norm > 0)
            multiply(f->decoder, c->output_width, 1 / f->decoder_norm);
    }
    if (!c->transcoder) multiply(f->decoder, c->output_width, 1 / c->scale);
    if (c->centred) centre(f->encoder, c->width);
    return RV_OK;
}

static rv_status check_finite(const rv_feature *f, const rv_coder *c, rv_error *err)
{
    bool finite = isfinite(f->bias) && isfinite(f->decoder_norm) &&
                  isfinite(f->magnitude_bias) && isfinite(f->magnitude_scale);
    for (size_t i = 0; i < c->width; i++) finite &= isfinite(f->encoder[i]) != 0;
    if (finite) return RV_OK;
    return rv_fail(err, RV_ERR_NUMERIC,
                   "%s: feature %zu: expected finite numbers, found others", c->path, f->index);
}

rv_status rv_feature_load(rv_feature *f, const rv_coder *c, size_t index, rv_error *err)
{
    *f = (rv_feature){
        .index = index, .width = c->width, .output_width = c->output_width, .value_scale = 1};
    if (index >= c->features)
        return rv_fail(err, RV_ERR_USAGE, "%s: feature: expected 0 to %zu, found %zu", c->path,
                       c->features - 1, index);
    rv_status status;
    RV_GOTO(RV_NEW(f->encoder, c->width, err));
    RV_GOTO(RV_NEW(f->decoder, c->output_width, err));
    RV_GOTO(read_line(f->encoder, c->encoder, c->features, index, err));
    RV_GOTO(read_line(f->decoder, c->decoder, c->features, index, err));
    RV_GOTO(read_number(&f->bias, c->gate_bias ? c->gate_bias : c->encoder_bias, index, err));
    RV_GOTO(read_number(&f->magnitude_bias, c->magnitude_bias, index, err));
    RV_GOTO(read_number(&f->magnitude_scale, c->magnitude_scale, index, err));
    f->magnitude_scale = exp(f->magnitude_scale);
    RV_GOTO(read_threshold(f, c, err));
    RV_GOTO(fold(f, c, err));
    RV_GOTO(check_finite(f, c, err));
done:
    if (status != RV_OK) rv_feature_release(f);
    return status;
}

void rv_feature_release(rv_feature *f)
{
    free(f->encoder);
    free(f->decoder);
    *f = (rv_feature){0};
}

/* ---- values ------------------------------------------------------------------------------------- */

static void moments(double *mean, double *square, const real *x, size_t n)
{
    *mean = *square = 0;
    for (size_t i = 0; i < n; i++) *mean += (double)x[i] / (double)n;
    for (size_t i = 0; i < n; i++) *square += ((double)x[i] - *mean) * ((double)x[i] - *mean);
}

void rv_coder_input_apply(real *u, const real *x, const rv_coder *c)
{
    const size_t n = c->width;
    double mean, square;
    switch (c->input) {
    case RV_INPUT_PLAIN:
        if (u != x) memcpy(u, x, n * sizeof *u);
        break;
    case RV_INPUT_LAYER_NORM:
        moments(&mean, &square, x, n);
        double deviation = sqrt(square / (double)(n - 1)) + NORM_EPSILON;
        for (size_t i = 0; i < n; i++) u[i] = (real)(((double)x[i] - mean) / deviation);
        break;
    case RV_INPUT_CONSTANT_NORM:
        square = dot(x, x, n);
        double by = square > 0 ? sqrt((double)n / square) : 0;
        for (size_t i = 0; i < n; i++) u[i] = (real)((double)x[i] * by);
        break;
    }
}

void rv_coder_output_restore(real *again, const real *x, const rv_coder *c)
{
    const size_t n = c->width;
    double mean = 0, square;
    if (c->input == RV_INPUT_PLAIN && !c->centred) return;
    if (c->input == RV_INPUT_CONSTANT_NORM) {
        multiply(again, n, sqrt(dot(x, x, n) / (double)n));
        return;
    }
    moments(&mean, &square, x, n);
    double by = c->input == RV_INPUT_LAYER_NORM ? sqrt(square / (double)(n - 1)) : 1;
    for (size_t i = 0; i < n; i++) again[i] = (real)((double)again[i] * by + mean);
}

double rv_feature_pre(const rv_feature *f, const rv_coder *c, const real *x, real *scratch)
{
    if (c->input == RV_INPUT_PLAIN) return dot(f->encoder, x, c->width) + f->bias;
    rv_coder_input_apply(scratch, x, c);
    return dot(f->encoder, scratch, c->width) + f->bias;
}

/* With v = x - mean, s its deviation (d - 1), D = s + epsilon, u = v / D:
 *   d<w, u>/dx = (w - mean(w)) / D - v <w, v> / (D^2 s (d - 1))
 * and with u = x sqrt(d) / |x|:   sqrt(d) (w - x <w, x> / |x|^2) / |x| */
void rv_feature_slope(real *out, const rv_feature *f, const rv_coder *c, const real *x,
                      real *scratch)
{
    const size_t n = c->width;
    const real *w = f->encoder;
    double mean, square;
    if (c->input == RV_INPUT_PLAIN) {
        memcpy(out, w, n * sizeof *out);
    } else if (c->input == RV_INPUT_LAYER_NORM) {
        moments(&mean, &square, x, n);
        double s = sqrt(square / (double)(n - 1)), d = s + NORM_EPSILON;
        for (size_t i = 0; i < n; i++) scratch[i] = (real)((double)x[i] - mean);
        double along = s > 0 ? dot(w, scratch, n) / (d * d * s * (double)(n - 1)) : 0;
        memcpy(out, w, n * sizeof *out);
        centre(out, n);
        for (size_t i = 0; i < n; i++)
            out[i] = (real)((double)out[i] / d - (double)scratch[i] * along);
    } else {
        square = dot(x, x, n);
        double along = square > 0 ? dot(w, x, n) / square : 0,
               by = square > 0 ? sqrt((double)n / square) : 0;
        for (size_t i = 0; i < n; i++)
            out[i] = (real)(by * ((double)w[i] - (double)x[i] * along));
    }
}

double rv_feature_gate(const rv_feature *f, const rv_coder *c, double z)
{
    switch (c->gate) {
    case RV_GATE_THRESHOLD:
        return z > f->threshold ? f->value_scale * z : 0;
    case RV_GATE_GATED:
        return z > 0 ? fmax(f->magnitude_scale * (z - f->bias) + f->magnitude_bias, 0) : 0;
    default:
        return f->value_scale * (c->signed_values ? z : fmax(z, 0));
    }
}

/* ---- top k -------------------------------------------------------------------------------------- */

rv_status rv_rivals_load(rv_rivals *out, const rv_coder *c, rv_error *err)
{
    rv_feature f = {0};
    *out = (rv_rivals){.width = c->width, .features = c->features};
    rv_status status;
    RV_GOTO(RV_NEW(out->encoder, c->features * c->width, err));
    RV_GOTO(RV_NEW(out->bias, c->features, err));
    for (size_t i = 0; i < c->features; i++) {
        RV_GOTO(rv_feature_load(&f, c, i, err));
        memcpy(out->encoder + i * c->width, f.encoder, c->width * sizeof *out->encoder);
        out->bias[i] = (real)f.bias;
        rv_feature_release(&f);
    }
done:
    if (status != RV_OK) rv_rivals_release(out);
    return status;
}

void rv_rivals_release(rv_rivals *r)
{
    free(r->encoder);
    free(r->bias);
    *r = (rv_rivals){0};
}

bool rv_rivals_admit(const rv_rivals *r, const real *u, size_t index, double z, size_t k)
{
    size_t above = 0;
    for (size_t i = 0; i < r->features && above < k; i++) {
        if (i == index) continue;
        double other = dot(r->encoder + i * r->width, u, r->width) + (double)r->bias[i];
        above += other > z || (other == z && i < index);
    }
    return above < k;
}
