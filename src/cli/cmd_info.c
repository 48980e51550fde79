#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"

/* "98.4 MB": decimal, as disks and downloads are counted. */
static const char *bytes_text(char out[32], uint64_t bytes)
{
    double value = (double)bytes;
    const char *unit = "bytes";
    static const char *const units[] = {"kB", "MB", "GB", "TB"};
    for (size_t i = 0; i < 4 && value >= 1000; i++) value /= 1000, unit = units[i];
    snprintf(out, 32, value < 100 && bytes >= 1000 ? "%.1f %s" : "%.0f %s", value, unit);
    return out;
}

static void print_memory(const rv_model_info *i)
{
    char a[32], b[32];
    printf("memory      %s for the weights (float32), at most %s while they are loaded\n",
           bytes_text(a, i->weight_bytes), bytes_text(b, i->loading_bytes));
    printf("            + %s for a search with the default settings\n",
           bytes_text(a, i->search_bytes));
    printf("            + %s a token of a long text, %s for the whole context\n",
           bytes_text(a, i->token_bytes), bytes_text(b, i->token_bytes * i->context));
    if (i->available_bytes == 0) return;
    uint64_t needed = i->loading_bytes > i->weight_bytes + i->search_bytes
                          ? i->loading_bytes
                          : i->weight_bytes + i->search_bytes;
    printf("            %s are available now: %s\n", bytes_text(a, i->available_bytes),
           needed <= i->available_bytes ? "enough" : "not enough");
}

static void print_tokenizer(const rv_model_info *i)
{
    if (!i->tokenizer) {
        say("tokenizer   none: %s\n", i->tokenizer_complaint);
        return;
    }
    say("tokenizer   %s; %s chat template\n", i->tokenizer, i->chat_template ? "with a" : "no");
    rv_token token = {.id = i->bos.id, .text = i->bos.text, .length = i->bos.length};
    char *shown = i->bos.text ? visible_token(&token) : NULL;
    if (i->bos.added)
        say("            texts begin with %s, id %d (%s)\n", shown ? shown : "?", i->bos.id,
            i->bos.why);
    else if (shown)
        say("            texts begin without BOS (%s); --bos puts %s, id %d, first\n",
            i->bos.why, shown, i->bos.id);
    else
        say("            texts begin without BOS (there is none)\n");
    free(shown);
}

/* Names separated by blanks, in lines of a screen's width. */
static void print_sites(const rv_model_info *i)
{
    enum { LEFT = 12, WIDTH = 96 };
    size_t column = (size_t)printf("sites       ");
    for (size_t k = 0; k < i->site_count; k++) {
        size_t length = strlen(i->sites[k]);
        if (column + 1 + length > WIDTH && column > LEFT) {
            printf("\n%*s", LEFT, "");
            column = LEFT;
        }
        say("%s%s", column > LEFT ? " " : "", i->sites[k]);
        column += length + (column > LEFT);
    }
    printf("\n            with L from 0 to %llu; the neurons are at blocks.L.mlp.hook_post\n",
           (unsigned long long)i->layers - 1);
}

static void print_info(const rv_model_info *i)
{
    char size[32];
#define N(x) ((unsigned long long)(x))
    say("model       %s\n", i->name);
    say("file        %s (%s, %s, mostly %s)\n", i->path, bytes_text(size, i->file_bytes),
        i->format, i->quantisation);
    say("family      %s, ", i->family);
    if (i->parameters < 1000000)
        printf("%llu parameters\n", N(i->parameters));
    else
        printf("%.4g million parameters\n", (double)i->parameters / 1e6);
    printf("shape       %llu layers, width %llu, %llu heads of %llu", N(i->layers), N(i->width),
           N(i->heads), N(i->head_size));
    if (i->kv_heads != i->heads) printf(" (%llu for keys)", N(i->kv_heads));
    printf(", %llu %sneurons a layer\n", N(i->mlp_width), i->gated ? "gated " : "");
    printf("            vocabulary %llu, context %llu, %s head%s\n", N(i->vocabulary),
           N(i->context), i->tied ? "tied" : "untied",
           i->parallel_residual ? ", parallel residual" : "");
#undef N
    print_tokenizer(i);
    print_memory(i);
    print_sites(i);
}

static int run(const command *self, int argc, char **argv)
{
    bool json = false;
    const option options[] = {{"json", 0, OPTION_FLAG, &json, NULL,
                               "print one JSON object (docs/formats.md, \"info\")"},
                              {0}};
    arguments rest;
    int code = options_parse(&rest, argc, argv, self, options);
    if (code >= 0) return code;
    rv_model_info info;
    rv_error err;
    char *object;
    rv_status status = rv_model_inspect(&info, rest.items[0], &err);
    if (status != RV_OK) return fail(&err);
    code = EXIT_OK;
    if (json) {
        status = rv_model_info_json(&object, &info, &err);
        code = print_object(status, object, &err);
    } else {
        print_info(&info);
    }
    rv_model_info_release(&info);
    return code;
}

const command command_info = {
    .name = "info",
    .arguments = "MODEL [options]",
    .summary = "Describe a model: shape, tokenizer, memory it would take, places to look at",
    .help = "MODEL is a file (.gguf, .safetensors, llama2.c's .bin), a folder with "
            "config.json, a name\n"
            "in the cache, or OWNER/NAME in the Hugging Face cache. Only headers are read.\n"
            "\n"
            "  tools/get-model smollm2-135m\n"
            "  reverie info smollm2-135m\n"
            "  reverie info HuggingFaceTB/SmolLM2-135M --json",
    .least = 1,
    .most = 1,
    .run = run,
};
