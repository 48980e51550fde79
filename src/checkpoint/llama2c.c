/* llama2.c's version 0 (legacy) export: seven int32 and then float32 weights, each kind for all
 * layers in a row. No magic number: the file is told by its header being plausible.
 * Tensors get Hugging Face's names; q and k rows stay in Meta's interleaved rotary order, which
 * the synthetic config says with "rope_interleaved": true. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "checkpoint/internal.h"

enum { HEADER_BYTES = 28, MAX_LAYERS = 1024 };

typedef struct header {
    size_t dim, hidden, layers, heads, kv_heads, vocab, context;
    bool tied;
} header;

typedef struct reader {
    rv_checkpoint *ck;
    const unsigned char *p;
    size_t left;
} reader;

/* False when the numbers cannot be a model's. Each is below 2^31. */
static bool read_header(header *h, const rv_mapping *file)
{
    int32_t n[7];
    if (file->length < HEADER_BYTES) return false;
    for (size_t i = 0; i < 7; i++) {
        n[i] = (int32_t)rv_load_u32(file->bytes + 4 * i);
        if (n[i] == 0 || n[i] == INT32_MIN || (n[i] < 0 && i != 5)) return false;
    }
    *h = (header){.dim = (size_t)n[0],
                  .hidden = (size_t)n[1],
                  .layers = (size_t)n[2],
                  .heads = (size_t)n[3],
                  .kv_heads = (size_t)n[4],
                  .vocab = (size_t)(n[5] < 0 ? -n[5] : n[5]),
                  .context = (size_t)n[6],
                  .tied = n[5] > 0};
    return h->layers <= MAX_LAYERS && h->dim % h->heads == 0 && h->heads % h->kv_heads == 0 &&
           h->dim / h->heads % 2 == 0;
}

bool rv_llama2c_recognise(const rv_mapping *file)
{
    header h;
    return read_header(&h, file);
}

/* One tensor (rows, columns), or (columns) where rows is 0. */
static rv_status add(reader *r, const char *name, size_t rows, size_t columns, rv_error *err)
{
    rv_tensor t = {.dtype = RV_F32, .type_name = "F32", .bytes = r->p};
    if (rows) t.shape[t.rank++] = rows;
    t.shape[t.rank++] = columns;
    if (!rv_tensor_count_elements(&t) || rv_mul_overflows(t.elements, 4, &t.length) ||
        t.length > r->left)
        return rv_fail(
            err, RV_ERR_FORMAT,
            "tensor '%s': expected %zu numbers as the llama2.c header says, found %zu "
            "bytes before the end",
            name, t.elements, r->left);
    r->p += t.length;
    r->left -= t.length;
    return rv_checkpoint_add(r->ck, &t, name, strlen(name), err);
}

/* The same tensor of every layer. */
static rv_status add_layers(reader *r, const header *h, const char *name, size_t rows,
                            size_t columns, rv_error *err)
{
    for (size_t i = 0; i < h->layers; i++) {
        char full[80];
        snprintf(full, sizeof full, "model.layers.%zu.%s.weight", i, name);
        RV_TRY(add(r, full, rows, columns, err));
    }
    return RV_OK;
}

static rv_status add_all(reader *r, const header *h, rv_error *err)
{
    size_t kv = h->dim / h->heads * h->kv_heads, table;
    RV_TRY(add(r, "model.embed_tokens.weight", h->vocab, h->dim, err));
    RV_TRY(add_layers(r, h, "input_layernorm", 0, h->dim, err));
    RV_TRY(add_layers(r, h, "self_attn.q_proj", h->dim, h->dim, err));
    RV_TRY(add_layers(r, h, "self_attn.k_proj", kv, h->dim, err));
    RV_TRY(add_layers(r, h, "self_attn.v_proj", kv, h->dim, err));
    RV_TRY(add_layers(r, h, "self_attn.o_proj", h->dim, h->dim, err));
    RV_TRY(add_layers(r, h, "post_attention_layernorm", 0, h->dim, err));
    RV_TRY(add_layers(r, h, "mlp.gate_proj", h->hidden, h->dim, err));
    RV_TRY(add_layers(r, h, "mlp.down_proj", h->dim, h->hidden, err));
    RV_TRY(add_layers(r, h, "mlp.up_proj", h->hidden, h->dim, err));
    RV_TRY(add(r, "model.norm.weight", 0, h->dim, err));
    // Tables of rotary cosines and sines (context, head_dim / 2 each), computed anew by readers.
    if (rv_mul_overflows(h->context, h->dim / h->heads * 4, &table) || table > r->left)
        return rv_fail(err, RV_ERR_FORMAT,
                       "rotary tables: expected %zu positions, found %zu bytes before the end",
                       h->context, r->left);
    r->p += table;
    r->left -= table;
    if (!h->tied) RV_TRY(add(r, "lm_head.weight", h->vocab, h->dim, err));
    if (r->left)
        return rv_fail(err, RV_ERR_FORMAT,
                       "length: expected the llama2.c file to end with its last tensor, found "
                       "%zu bytes more",
                       r->left);
    return RV_OK;
}

rv_status rv_llama2c_read(rv_checkpoint *ck, const rv_mapping *file, rv_error *err)
{
    header h;
    ck->format = RV_FORMAT_LLAMA2C;
    if (!read_header(&h, file))
        return rv_fail(err, RV_ERR_FORMAT,
                       "llama2.c header: expected the sizes of a model, found others");
    reader r = {ck, file->bytes + HEADER_BYTES, file->length - HEADER_BYTES};
    RV_TRY(add_all(&r, &h, err));
    ck->config = json_pack(
        "{s:[s], s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:f, s:f, s:b, s:b, s:b, "
        "s:b,"
        " s:i, s:i}",
        "architectures", "LlamaForCausalLM", "model_type", "llama",                  //
        "hidden_size", (json_int_t)h.dim, "intermediate_size", (json_int_t)h.hidden, //
        "num_hidden_layers", (json_int_t)h.layers, "num_attention_heads", (json_int_t)h.heads,
        "num_key_value_heads", (json_int_t)h.kv_heads, "head_dim",
        (json_int_t)(h.dim / h.heads), "vocab_size", (json_int_t)h.vocab,
        "max_position_embeddings", (json_int_t)h.context, "hidden_act", "silu", "rms_norm_eps",
        1e-5, "rope_theta", 1e4, "attention_bias", 0, "mlp_bias", 0, "tie_word_embeddings",
        (int)h.tied, "rope_interleaved", 1, "bos_token_id", 1, "eos_token_id", 2);
    return ck->config ? RV_OK : rv_fail_memory(err, 1024);
}
