#include "subject/inspect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/memory.h"
#include "hub/resolve.h"
#include "model/pass.h"

/* Copies what outlives the checkpoint; NULL and `failed` when memory is short. */
typedef struct keeper {
    rv_arena arena;
    bool failed;
} keeper;

static const char *keep(keeper *k, const char *bytes, size_t length)
{
    const char *copy = rv_arena_copy(&k->arena, bytes, length);
    k->failed = k->failed || !copy;
    return copy;
}

static const char *keep_name(keeper *k, const char *name)
{
    return keep(k, name, strlen(name));
}

static void describe_shape(rv_model_info *out, const rv_config *c)
{
    out->parameters = rv_config_parameters(c);
    out->layers = c->layers;
    out->width = c->width;
    out->heads = c->heads;
    out->kv_heads = c->kv_heads;
    out->head_size = c->head_size;
    out->mlp_width = c->mlp_width;
    out->vocabulary = c->vocabulary;
    out->context = c->context;
    out->tied = c->tied;
    out->gated = c->gated;
    out->parallel_residual = c->parallel_residual;
}

static uint64_t available_memory(void)
{
    unsigned long long kilobytes = 0;
    char line[128];
    FILE *file = fopen("/proc/meminfo", "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "MemAvailable: %llu kB", &kilobytes) == 1) break;
    if (file) fclose(file);
    return kilobytes * 1024;
}

/* Weights are packed one tensor at a time and the file is let go meanwhile: a tenth is room enough. */
static void plan_memory(rv_model_info *out, const rv_config *c)
{
    out->weight_bytes = rv_config_bytes(c);
    out->loading_bytes = out->weight_bytes + out->weight_bytes / 10;
    out->token_bytes =
        (c->layers * 2 * c->kv_heads * c->head_size + c->width + 2) * sizeof(real);
    out->available_bytes = available_memory();
}

static rv_status describe_sites(rv_model_info *out, keeper *k, const rv_config *c,
                                rv_error *err)
{
    static const char first[] = "blocks.0.";
    const char **names = rv_arena_alloc(&k->arena, RV_SITE_KINDS, sizeof *names);
    if (!names) return rv_fail_memory(err, RV_SITE_KINDS * sizeof *names);
    for (int kind = 0; kind < RV_SITE_KINDS; kind++) {
        rv_site site = {(rv_site_kind)kind, 0};
        char name[RV_SITE_NAME_MAX];
        if (!rv_site_exists(site, c)) continue;
        rv_site_name(name, site);
        if (strncmp(name, first, sizeof first - 1) == 0) name[sizeof first - 3] = 'L';
        names[out->site_count++] = keep_name(k, name);
    }
    out->sites = names;
    return RV_OK;
}

/* A model without a tokenizer can still be described. */
static rv_status describe_tokenizer(rv_model_info *out, keeper *k, const char *path,
                                    const rv_checkpoint *checkpoint, rv_error *err)
{
    rv_tokenizer *tokenizer;
    rv_error local;
    int32_t id;
    rv_status opened = rv_open_tokenizer(&tokenizer, path, checkpoint, &local);
    if (opened == RV_ERR_MEMORY) return rv_fail(err, opened, "%s", local.message);
    if (opened != RV_OK) {
        out->tokenizer_complaint = keep_name(k, local.message);
        out->bos.id = -1;
        return RV_OK;
    }
    out->tokenizer = rv_tokenizer_source(tokenizer);
    out->chat_template = rv_tokenizer_chat_template(tokenizer) != NULL;
    rv_status status = rv_choose_bos(&id, &out->bos.why, tokenizer, RV_BOS_AUTO, err);
    out->bos.added = id >= 0;
    if (status == RV_OK && id < 0) {
        const char *ignored;
        if (rv_choose_bos(&id, &ignored, tokenizer, RV_BOS_ADD, &local) != RV_OK) id = -1;
    }
    out->bos.id = id;
    const char *text = id >= 0 ? rv_token_bytes(tokenizer, id, &out->bos.length) : NULL;
    if (text) out->bos.text = keep(k, text, out->bos.length);
    rv_tokenizer_close(tokenizer);
    return status;
}

static rv_status describe(rv_model_info *out, keeper *k, const char *name, const char *path,
                          const rv_checkpoint *checkpoint, rv_config *config, rv_error *err)
{
    RV_TRY(rv_transformer_configure(config, checkpoint, err));
    describe_shape(out, config);
    out->name = keep_name(k, name);
    out->path = keep_name(k, path);
    out->format = rv_format_name(rv_checkpoint_format(checkpoint));
    out->family = keep_name(k, config->family);
    out->quantisation = keep_name(k, rv_quantisation_name(checkpoint));
    out->file_bytes = rv_checkpoint_bytes(checkpoint);
    plan_memory(out, config);
    RV_TRY(describe_sites(out, k, config, err));
    return describe_tokenizer(out, k, path, checkpoint, err);
}

rv_status rv_subject_inspect(rv_model_info *out, rv_config *config, const char *name,
                             rv_error *err)
{
    *out = (rv_model_info){0};
    keeper k = {{0}, false};
    char *path = NULL;
    rv_checkpoint *checkpoint = NULL;
    rv_status status;
    RV_GOTO(rv_resolve_model(&path, name, err));
    RV_GOTO(rv_checkpoint_open(&checkpoint, path, err));
    RV_GOTO(describe(out, &k, name, path, checkpoint, config, err));
    if (k.failed) status = rv_fail_memory(err, 1024);
done:
    out->storage = k.arena.chunks;
    if (status != RV_OK) rv_model_info_release(out);
    rv_checkpoint_close(checkpoint);
    free(path);
    return status;
}

void rv_model_info_release(rv_model_info *info)
{
    rv_arena arena = {info->storage};
    rv_arena_release(&arena);
    *info = (rv_model_info){0};
}
