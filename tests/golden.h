/* Golden model fixtures (tests/fixtures/models/README.md) for the tests that judge whole models. */
#ifndef RV_TESTS_GOLDEN_H
#define RV_TESTS_GOLDEN_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/pass.h"

#define GOLDEN_FOLDER "tests/fixtures/models"

enum { GOLDEN_MAX_FIXTURES = 64, GOLDEN_SEQUENCES = 2 };

typedef struct golden_fixture {
    char *name;
    json_t *about;         /* golden.json */
    rv_checkpoint *values; /* golden.safetensors */
    size_t length[GOLDEN_SEQUENCES];
    int32_t *ids[GOLDEN_SEQUENCES];
} golden_fixture;

static inline void golden_path(char out[512], const char *fixture, const char *file)
{
    snprintf(out, 512, GOLDEN_FOLDER "/%s%s%s", fixture, *file ? "/" : "", file);
}

static inline rv_checkpoint *golden_open(const char *path)
{
    rv_checkpoint *out;
    rv_error err;
    if (rv_checkpoint_open(&out, path, &err) != RV_OK) fail_msg("%s", err.message);
    return out;
}

static inline void golden_load(golden_fixture *f, const char *name)
{
    char path[512];
    json_error_t wrong;
    golden_path(path, name, "golden.json");
    f->name = strdup(name);
    f->about = json_load_file(path, 0, &wrong);
    if (!f->about) fail_msg("%s: %s", path, wrong.text);
    golden_path(path, name, "golden.safetensors");
    f->values = golden_open(path);
    for (size_t s = 0; s < GOLDEN_SEQUENCES; s++) {
        const json_t *ids = json_array_get(json_object_get(f->about, "ids"), s);
        f->length[s] = json_array_size(ids);
        f->ids[s] = rv_alloc(f->length[s], sizeof *f->ids[s]);
        for (size_t i = 0; i < f->length[s]; i++)
            f->ids[s][i] = (int32_t)json_integer_value(json_array_get(ids, i));
    }
}

static inline void golden_release(golden_fixture *f)
{
    for (size_t s = 0; s < GOLDEN_SEQUENCES; s++) free(f->ids[s]);
    rv_checkpoint_close(f->values);
    json_decref(f->about);
    free(f->name);
}

/* path: a folder or file of the fixture; kernels NULL: the fastest here. */
static inline rv_transformer *golden_model(const char *path, const rv_kernels *kernels)
{
    rv_checkpoint *ck = golden_open(path);
    rv_transformer *model;
    rv_error err;
    if (rv_transformer_load(&model, ck, &(rv_load_options){.kernels = kernels}, &err) != RV_OK)
        fail_msg("%s: %s", path, err.message);
    rv_checkpoint_close(ck);
    return model;
}

static inline int golden_compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Runs one cmocka test per fixture, with the fixture's name as its state and as its title. */
static inline int golden_run(const char *group, CMUnitTestFunction test)
{
    struct CMUnitTest tests[GOLDEN_MAX_FIXTURES];
    char *names[GOLDEN_MAX_FIXTURES];
    size_t count = 0;
    DIR *folder = opendir(GOLDEN_FOLDER);
    if (!folder) {
        fprintf(stderr, "%s is not there; run from the project's folder\n", GOLDEN_FOLDER);
        return 1;
    }
    for (struct dirent *entry; (entry = readdir(folder)) && count < GOLDEN_MAX_FIXTURES;)
        if (entry->d_name[0] != '.' && !strchr(entry->d_name, '.'))
            names[count++] = strdup(entry->d_name);
    closedir(folder);
    qsort(names, count, sizeof *names, golden_compare_names);
    for (size_t i = 0; i < count; i++)
        tests[i] = (struct CMUnitTest){names[i], test, NULL, NULL, names[i]};
    int failed = count ? _cmocka_run_group_tests(group, tests, count, NULL, NULL) : 1;
    for (size_t i = 0; i < count; i++) free(names[i]);
    return failed;
}

#endif
