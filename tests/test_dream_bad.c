/* What is said of dreams that cannot be. */
#include "dreams.h"

static void refused(const char *target, const rv_dream_params *p, rv_status status,
                    const char *words)
{
    rv_dreams dreams;
    rv_error err = {RV_OK, ""};
    rv_status found = rv_dream(&dreams, model, target, p, &err);
    if (found != status || !strstr(err.message, words))
        fail_msg("%s: status %d, expected %d; expected \"%s\" in: %s", target, (int)found,
                 (int)status, words, err.message);
    assert_null(dreams.records);
    if (p->output) assert_false(rv_file_exists(p->output));
}

static void latent_dreams_need_an_autoencoder_of_the_model(void **state)
{
    (void)state;
    rv_dream_params p = usual(NULL);
    rv_dreams dreams;
    rv_error err;
    p.method = "latent";
    assert_int_equal(rv_dream(&dreams, model, "L1.N5", &p, &err), RV_ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "--autoencoder"));
    p.autoencoder = tiny_path("nothing");
    assert_int_not_equal(rv_dream(&dreams, model, "L1.N5", &p, &err), RV_OK);
    p.autoencoder = autoencoder;
    p.least = p.most = 9;
    assert_int_equal(rv_dream(&dreams, model, "L1.N5", &p, &err), RV_ERR_USAGE);
    assert_non_null(strstr(err.message, "at most the autoencoder's 8 tokens"));
    p = usual(NULL);
    p.autoencoder = autoencoder;
    assert_int_equal(rv_dream(&dreams, model, "L1.N5", &p, &err), RV_ERR_USAGE);
    assert_non_null(strstr(err.message, "with the methods latent and evolve, found reverie"));
}

static void wrong_input_is_explained(void **state)
{
    (void)state;
    const rv_dream_params good = usual(tiny_path("refused.jsonl"));
    static const struct {
        const char *target, *words;
    } targets[] = {{"L7.N5", "layer: expected 0 to 1, found 7"},
                   {"L0.N40", "expected 0 to 39, found 40"},
                   {"neuron five", "expected L5.N131"},
                   {"", "expected L5.N131"},
                   {"logit:\"hello\"", "exactly one token"},
                   {"blocks.0.hook_nothing:3", "hook_nothing"},
                   {"attention:L0.H9[-1,0]", "head: expected"},
                   {"direction:/nowhere.npy@blocks.0.hook_resid_pre", "/nowhere.npy"}};
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
        refused(targets[i].target, &good, i == 7 ? RV_ERR_NOT_FOUND : RV_ERR_USAGE,
                targets[i].words);
    rv_dream_params p = good;
    p.method = "guess";
    refused("L0.N0", &p, RV_ERR_USAGE, "method: expected one of");
    p = good, p.budget = 3;
    refused("L0.N0", &p, RV_ERR_USAGE, "budget: expected at least");
    p = good, p.least = 6;
    refused("L0.N0", &p, RV_ERR_USAGE, "dream length: expected 1 <= least <= most");
    p = good, p.least = p.most = 0;
    refused("L0.N0", &p, RV_ERR_USAGE, "dream length");
    p = good, p.least = p.most = 65;
    refused("L0.N0", &p, RV_ERR_USAGE, "expected at most 64 tokens");
    p = good, p.position = "middle";
    refused("L0.N0", &p, RV_ERR_USAGE, "position: expected last, max or a number");
    p = good, p.position = "5";
    refused("L0.N0", &p, RV_ERR_USAGE, "position: expected 0 to 4");
    p = good, p.chat = true;
    refused("L0.N0", &p, RV_ERR_UNSUPPORTED, "chat template");
}

static void texts_that_cannot_be_used_are_explained(void **state)
{
    (void)state;
    const rv_dream_params good = usual(tiny_path("refused.jsonl"));
    static char every[256][2];
    static const char *all[256], *too_long[] = {"much too long"}, *one[] = {"th"};
    size_t count = 0;
    for (; TINY_LETTERS[count]; count++) {
        every[count][0] = TINY_LETTERS[count];
        all[count] = every[count];
    }
    rv_dream_params p = good;
    p.forbidden = all, p.forbidden_count = count;
    refused("L0.N0", &p, RV_ERR_USAGE, "found none");
    p = good, p.prompts = too_long, p.prompt_count = 1;
    refused("L0.N0", &p, RV_ERR_USAGE, "prompt \"much too long\": expected 5 to 5 tokens");
    p = good, p.prompts = one, p.prompt_count = 1;
    refused("L0.N0", &p, RV_ERR_USAGE, "expected 5 to 5 tokens, found 1");
    static const char *const word[] = {"hello"}, *const letter[] = {"o"};
    p = good, p.least = 4, p.prompts = word, p.prompt_count = 1;
    p.forbidden = letter, p.forbidden_count = 1;
    refused("L0.N0", &p, RV_ERR_USAGE, "prompt \"hello\": expected no forbidden token");
    tiny_write("empty.txt", "", 0);
    tiny_write("short.txt", "the hen", 7);
    const char *files[] = {tiny_path("empty.txt"), tiny_path("short.txt"),
                           tiny_path("nowhere.txt"), tiny_folder};
    static const char *const words[] = {"corpus: expected at least 13 tokens in a row",
                                        "corpus: expected at least 13 tokens in a row",
                                        "nowhere.txt", "cannot read the corpus"};
    for (size_t i = 0; i < 4; i++) {
        p = good, p.corpus = &files[i];
        refused("L0.N0", &p,
                i < 2    ? RV_ERR_USAGE
                : i == 2 ? RV_ERR_NOT_FOUND
                         : RV_ERR_IO,
                words[i]);
    }
    const char *nowhere = "/nowhere/at/all.jsonl";
    p = good, p.output = nowhere;
    refused("L0.N0", &p, RV_ERR_NOT_FOUND, nowhere);
}

/* A prefix whose end grows together with every beginning of a dream: no text comes back as it was. */
static void a_template_that_does_not_come_back_is_refused(void **state)
{
    (void)state;
    const char *forbidden[] = {"a", "c", "d", "f", "g", "i",  "j", "k", "l", "m", "n", "o",
                               "p", "q", "r", "s", "t", "u",  "v", "w", "x", "y", "z", "A",
                               "B", "C", "D", "E", "F", "G",  "H", "I", "J", "K", "L", "M",
                               "N", "O", "P", "Q", "R", "S",  "T", "U", "V", "W", "X", "Y",
                               "Z", " ", ".", ",", "!", "\n", "<", "b", "e"};
    rv_dream_params p = usual(tiny_path("refused.jsonl"));
    p.prefix = "caf\xc3\xa9"; // no token has an accent
    refused("L0.N0", &p, RV_ERR_USAGE,
            "template: prefix: expected \"caf\xc3\xa9\" to come back from its tokens");
    p.prefix = "t"; // what is left begins with h, and t h is one token
    p.forbidden = forbidden, p.forbidden_count = sizeof forbidden / sizeof *forbidden;
    refused("L0.N0", &p, RV_ERR_USAGE, "survives");
    p.method = "epo";
    p.output = NULL;
    char *records = dream_with(model, "L0.N0", &p);
    assert_int_equal(count_of(records, "\"type\":\"dream\""), 0);
    assert_int_equal(count_of(records, "\"type\":\"note\""), 1);
    free(records);
}

/* The file of a direction whose tensors are `number` at each of 24 places; names ends with NULL. */
static void write_direction(const char *file, const char *const *names, float number)
{
    char bytes[8 + 512 + 3 * 24 * sizeof(float)] = {0}, *header = bytes + 8;
    size_t count = 0;
    int used = snprintf(header, 512, "{");
    for (; names[count]; count++)
        used += snprintf(header + used, 512 - (size_t)used,
                         "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[24],"
                         "\"data_offsets\":[%zu,%zu]}",
                         count ? "," : "", names[count], 96 * count, 96 * (count + 1));
    used += snprintf(header + used, 512 - (size_t)used, "}");
    memcpy(bytes, &(uint16_t){(uint16_t)used}, 2);
    for (size_t i = 0; i < 24 * count; i++)
        memcpy(header + used + i * sizeof number, &number, sizeof number);
    tiny_write(file, bytes, 8 + (size_t)used + 96 * count);
}

/* A target that never changes has no scale to dream on. */
static void a_constant_target_is_refused(void **state)
{
    (void)state;
    char target[200];
    write_direction("zero.safetensors", (const char *const[]){"vector", NULL}, 0);
    snprintf(target, sizeof target, "direction:%s@blocks.0.hook_resid_post",
             tiny_path("zero.safetensors"));
    rv_dream_params p = usual(tiny_path("refused.jsonl"));
    refused(target, &p, RV_ERR_USAGE, "its deviation on the corpus is 0: it is constant there");
}

static void spoilt_directions_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *names[4];
        float number;
        rv_status status;
        const char *message;
    } cases[] = {
        {{"vector"}, INFINITY, RV_ERR_NUMERIC, "tensor vector: number 0 is not finite"},
        {{"vector"}, NAN, RV_ERR_NUMERIC, "tensor vector: number 0 is not finite"},
        {{"vector", "mean", "std"}, 0, RV_ERR_NUMERIC, "tensor std: number 0: expected a pos"},
        {{"vector", "mean", "std"}, -1, RV_ERR_NUMERIC, "tensor std: number 0: expected a pos"},
        {{"vector", "mean"}, 1, RV_ERR_FORMAT, "tensor std: expected 24 numbers, found 0"},
        {{"vector", "std"}, 1, RV_ERR_FORMAT, "tensor mean: expected 24 numbers, found 0"}};
    char target[200];
    rv_dream_params p = usual(tiny_path("refused.jsonl"));
    snprintf(target, sizeof target, "direction:%s@blocks.0.hook_resid_post",
             tiny_path("spoilt.safetensors"));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_direction("spoilt.safetensors", cases[i].names, cases[i].number);
        refused(target, &p, cases[i].status, cases[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(latent_dreams_need_an_autoencoder_of_the_model),
        cmocka_unit_test(wrong_input_is_explained),
        cmocka_unit_test(texts_that_cannot_be_used_are_explained),
        cmocka_unit_test(a_template_that_does_not_come_back_is_refused),
        cmocka_unit_test(a_constant_target_is_refused),
        cmocka_unit_test(spoilt_directions_are_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
