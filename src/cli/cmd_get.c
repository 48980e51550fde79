#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "reverie/hub.h"

static void say_what_was_done(const rv_get_result *result)
{
    size_t fetched = 0;
    double bytes = 0;
    for (size_t i = 0; i < result->file_count; i++) {
        fetched += result->files[i].fetched;
        bytes += result->files[i].fetched ? (double)result->files[i].bytes : 0;
    }
    remark("%s@%.12s: %zu files, ", result->repository, result->commit, result->file_count);
    if (fetched)
        remark("%zu fetched now (%.1f MB)\n", fetched, bytes / 1e6);
    else
        remark("all in the cache already\n");
    for (size_t i = 0; i < result->left_out_count; i++)
        remark("%s%s", i ? ", " : "left out: ", result->left_out[i]);
    if (result->left_out_count) remark("\n");
}

static int run(const command *self, int argc, char **argv)
{
    rv_get_params params = rv_get_params_default();
    string_list files = {0};
    int64_t retries = params.retries;
    bool json = false;
    const option options[] = {
        {"file", 'f', OPTION_LIST, &files, "F",
         "fetch this file (path, pattern, or Q4_K_M); may be repeated"},
        {"endpoint", 0, OPTION_STRING, &params.endpoint, "URL",
         "the hub (default: $HF_ENDPOINT, huggingface.co)"},
        {"cache", 0, OPTION_STRING, &params.cache, "DIR",
         "the cache (default: $HF_HUB_CACHE, $HF_HOME/hub)"},
        {"offline", 0, OPTION_FLAG, &params.offline, NULL,
         "only look into the cache; as with HF_HUB_OFFLINE=1"},
        {"check", 0, OPTION_FLAG, &params.check, NULL,
         "read large files that are in the cache already, too, and compare their digests"},
        {"retries", 0, OPTION_INTEGER, &retries, "N",
         "after broken connections and busy servers", .most = 1000},
        {"timeout", 0, OPTION_NUMBER, &params.timeout, "S",
         "seconds of silence that are a break", .least = 0.001, .most = 1e6},
        {"json", 0, OPTION_FLAG, &json, NULL, "print what was fetched as one JSON object"},
        {0}};
    arguments rest;
    int code = options_parse(&rest, argc, argv, self, options);
    if (code >= 0) return code;
    params.retries = (unsigned)retries;
    params.files = files.items;
    params.file_count = files.count;
    params.progress = show_progress;
    rv_get_result result;
    rv_error err;
    if (rv_get(&result, rest.items[0], &params, &err) != RV_OK) return fail(&err);
    end_progress();
    say_what_was_done(&result);
    code = EXIT_OK;
    if (json) {
        char *object;
        rv_status status = rv_get_result_json(&object, &result, &err);
        code = print_object(status, object, &err);
    } else {
        say("%s\n", result.snapshot);
    }
    rv_get_result_release(&result);
    return code;
}

const command command_get = {
    .name = "get",
    .arguments = "OWNER/NAME[@REVISION] [options]",
    .summary = "Fetch a model from a Hugging Face hub into the cache",
    .help =
        "Fetches what can be opened (configuration, tokenizer and safetensors, or else the "
        "one\n"
        "GGUF file) into the cache that transformers and llama.cpp read as well, prints the "
        "folder\n"
        "and says which weights it left out. Every file is checked against its digest as it "
        "is\n"
        "fetched, small ones and with --check all also when they are in the cache; nothing "
        "there\n"
        "is replaced or deleted. Interrupted downloads go on where they stopped when the "
        "command\n"
        "is run again.\n"
        "\n"
        "  reverie get HuggingFaceTB/SmolLM2-135M\n"
        "  reverie get openai-community/gpt2@607a30d783dfa663caf39e06633721c8d4cfcd7e\n"
        "  reverie get bartowski/SmolLM2-135M-Instruct-GGUF --file Q4_K_M\n"
        "  reverie info HuggingFaceTB/SmolLM2-135M\n"
        "\n"
        "Private and gated models need a token: set HF_TOKEN, or log in once with `hf auth\n"
        "login`. It is sent to the hub and to no other server. HF_HOME, HF_HUB_CACHE,\n"
        "HF_ENDPOINT, HF_TOKEN_PATH, HF_HUB_OFFLINE and https_proxy are honoured.",
    .least = 1,
    .most = 1,
    .run = run,
};
