/* Coders of every format beside the program that owns it: tests/fixtures/features, tools/make_golden_features.py. */
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/json.h"
#include "features/coder.h"

enum { D_MAX = 64 };

static const char ROOT[] = "tests/fixtures/features";

static json_t *expected_of(const char *folder)
{
    char path[512];
    json_t *json;
    rv_error err;
    snprintf(path, sizeof path, "%s/expected.json", folder);
    if (rv_json_read_object(&json, path, 1 << 24, &err) != RV_OK) fail_msg("%s", err.message);
    return json;
}

static double at(const json_t *rows, size_t r, size_t i)
{
    return json_number_value(json_array_get(json_array_get(rows, r), i));
}

/* The value of feature i at a row, as a target computes it. */
static double value_of(const rv_coder *c, const rv_feature *f, const rv_rivals *rivals,
                       const real *x)
{
    real scratch[D_MAX];
    double z = rv_feature_pre(f, c, x, scratch);
    if (c->gate != RV_GATE_TOP_K) return rv_feature_gate(f, c, z);
    rv_coder_input_apply(scratch, x, c);
    return rv_rivals_admit(rivals, scratch, f->index, z, c->k) ? rv_feature_gate(f, c, z) : 0;
}

static void check_folder(const char *folder)
{
    json_t *expected = expected_of(folder), *xs = json_object_get(expected, "x"),
           *values = json_object_get(expected, "values");
    const char *site = json_string_value(json_object_get(expected, "site"));
    rv_coder *c;
    rv_rivals rivals = {0};
    rv_error err;
    if (rv_coder_open(&c, folder, &err) != RV_OK) fail_msg("%s", err.message);
    if (site && (!c->site || strcmp(site, c->site) != 0))
        fail_msg("%s: site: expected %s, found %s", folder, site, c->site ? c->site : "none");
    assert_int_equal(c->features, json_array_size(json_array_get(values, 0)));
    assert_int_equal(c->width, json_array_size(json_array_get(xs, 0)));
    if (c->gate == RV_GATE_TOP_K) assert_int_equal(rv_rivals_load(&rivals, c, &err), RV_OK);
    for (size_t i = 0; i < c->features; i++) {
        rv_feature f;
        if (rv_feature_load(&f, c, i, &err) != RV_OK) fail_msg("%s", err.message);
        for (size_t r = 0; r < json_array_size(xs); r++) {
            real x[D_MAX];
            for (size_t k = 0; k < c->width; k++) x[k] = (real)at(xs, r, k);
            double got = value_of(c, &f, &rivals, x), want = at(values, r, i);
            if (!(fabs(got - want) <= 1e-5 * fmax(1, fabs(want))))
                fail_msg("%s: feature %zu, row %zu: expected %.7g, found %.7g", folder, i, r,
                         want, got);
        }
        rv_feature_release(&f);
    }
    rv_rivals_release(&rivals);
    rv_coder_close(c);
    json_decref(expected);
}

static size_t check_below(const char *folder)
{
    char path[512];
    struct stat info;
    size_t checked = 0;
    snprintf(path, sizeof path, "%s/expected.json", folder);
    if (stat(path, &info) == 0) {
        check_folder(folder);
        return 1;
    }
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.' && stat(path, &info) == 0 && S_ISDIR(info.st_mode))
            checked += check_below(path);
    }
    closedir(dir);
    return checked;
}

static void every_format_gives_its_owners_values(void **state)
{
    (void)state;
    assert_true(check_below(ROOT) >= 12);
}

/* dz/dx by central differences: norms of the input among them. */
static void slopes_are_those_of_finite_differences(void **state)
{
    (void)state;
    const char *folders[] = {"saelens-5-topk", "saelens-layer-norm", "saelens-constant-norm"};
    for (size_t k = 0; k < sizeof folders / sizeof folders[0]; k++) {
        char path[256];
        snprintf(path, sizeof path, "%s/%s", ROOT, folders[k]);
        rv_coder *c;
        rv_feature f;
        rv_error err;
        real x[D_MAX], slope[D_MAX], scratch[D_MAX];
        if (rv_coder_open(&c, path, &err) != RV_OK) fail_msg("%s", err.message);
        assert_int_equal(rv_feature_load(&f, c, 3, &err), RV_OK);
        for (size_t i = 0; i < c->width; i++) x[i] = (real)(1.5 * sin(1.7 * (double)i) + 0.3);
        rv_feature_slope(slope, &f, c, x, scratch);
        for (size_t i = 0; i < c->width; i++) {
            const real step = (real)1e-2;
            real there = x[i];
            x[i] = there + step;
            double up = rv_feature_pre(&f, c, x, scratch);
            x[i] = there - step;
            double down = rv_feature_pre(&f, c, x, scratch);
            x[i] = there;
            assert_true(fabs((up - down) / (2 * (double)step) - (double)slope[i]) < 2e-3);
        }
        rv_feature_release(&f);
        rv_coder_close(c);
    }
}

static void what_is_no_coder_is_named(void **state)
{
    (void)state;
    rv_coder *c;
    rv_feature f;
    rv_error err;
    assert_int_equal(rv_coder_open(&c, "tests/fixtures", &err), RV_ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "SAELens"));
    assert_int_equal(rv_coder_open(&c, "tests/no-such-place", &err), RV_ERR_NOT_FOUND);
    char path[256];
    snprintf(path, sizeof path, "%s/gemma-scope-2-resid/params.safetensors", ROOT);
    assert_int_equal(rv_coder_open(&c, path, &err), RV_OK);
    assert_string_equal(c->format, "Gemma Scope 2");
    assert_true(c->declared_l0 == 7);
    assert_int_equal(rv_feature_load(&f, c, 24, &err), RV_ERR_USAGE);
    assert_non_null(strstr(err.message, "expected 0 to 23, found 24"));
    rv_coder_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_gives_its_owners_values),
        cmocka_unit_test(slopes_are_those_of_finite_differences),
        cmocka_unit_test(what_is_no_coder_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
