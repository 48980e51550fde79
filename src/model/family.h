/* A family of models: how its configuration keys and tensor names map onto rv_config and the
 * weights. To add one: write family/NAME.c (see family/llama.c), list it in family.c, make a
 * golden fixture with tools/make_golden.py. */
#ifndef RV_MODEL_FAMILY_H
#define RV_MODEL_FAMILY_H

#include "checkpoint/checkpoint.h"
#include "model/config.h"

/* Places for tensors. Per-layer ones follow RV_LN1_WEIGHT. */
typedef enum rv_slot {
    RV_EMBEDDING,
    RV_POSITIONS,
    RV_FINAL_NORM_WEIGHT,
    RV_FINAL_NORM_BIAS,
    RV_HEAD,
    RV_LN1_WEIGHT,
    RV_LN1_BIAS,
    RV_LN2_WEIGHT,
    RV_LN2_BIAS,
    RV_POST_ATTENTION_WEIGHT,
    RV_POST_MLP_WEIGHT,
    RV_Q_NORM_WEIGHT,
    RV_K_NORM_WEIGHT,
    RV_QKV_WEIGHT,
    RV_QKV_BIAS,
    RV_Q_WEIGHT,
    RV_Q_BIAS,
    RV_K_WEIGHT,
    RV_K_BIAS,
    RV_V_WEIGHT,
    RV_V_BIAS,
    RV_O_WEIGHT,
    RV_O_BIAS,
    RV_GATE_WEIGHT,
    RV_GATE_BIAS,
    RV_UP_WEIGHT,
    RV_UP_BIAS,
    RV_DOWN_WEIGHT,
    RV_DOWN_BIAS,
    RV_SLOTS
} rv_slot;

/* Where a checkpoint departs from the layout that the weights have here. */
enum {
    RV_LAYOUT_TRANSPOSED = 1 << 0,   /* linear weights are stored (in, out): GPT-2's Conv1D */
    RV_LAYOUT_QKV_PER_HEAD = 1 << 1, /* fused rows are (head, q|k|v, D): GPT-NeoX */
    RV_LAYOUT_ROPE_INTERLEAVED =
        1 << 2, /* q and k rows pair (2i, 2i+1): llama in GGUF, llama2.c */
    RV_LAYOUT_NORM_MINUS_ONE = 1 << 3 /* norms multiply by (1 + weight): Gemma */
};

/* Configuration keys of either kind of checkpoint behind one face. */
typedef struct rv_source {
    const rv_checkpoint *checkpoint;
    const json_t *json;       /* config.json (text_config where nested); NULL for GGUF */
    const char *architecture; /* GGUF: the prefix of its keys */
} rv_source;

typedef struct rv_family {
    const char *name;
    const char *const *model_types;   /* config.json model_type, NULL-terminated */
    const char *const *architectures; /* GGUF general.architecture, NULL-terminated */
    const char *const
        *prefixes;            /* put before the names below, NULL-terminated, tried in turn */
    const char *const *names; /* [RV_SLOTS]; %zu is the layer; NULL: the family has none.
                                         A leading '/' means: without prefix; '|': another name */
    unsigned layout;          /* of Hugging Face checkpoints */
    unsigned layout_gguf;
    rv_status (*configure)(rv_config *config, const rv_source *source, rv_error *err);
} rv_family;

extern const rv_family rv_family_gpt2, rv_family_gpt_neo, rv_family_gpt_neox, rv_family_llama,
    rv_family_mistral, rv_family_ministral, rv_family_qwen2, rv_family_qwen3, rv_family_gemma2,
    rv_family_gemma3;

/* Finds the family of a checkpoint and fills source (borrowing from the checkpoint). */
rv_status rv_family_of(const rv_family **out, rv_source *source,
                       const rv_checkpoint *checkpoint, rv_error *err);

/* The tensor of a slot under the family's names (GGUF: the common names); NULL: absent. Writes the
 * name looked for to `name`, for messages. */
const rv_tensor *rv_family_tensor(const rv_family *family, const rv_source *source,
                                  rv_slot slot, size_t layer, char name[160]);

/* Whether the text is the path of a module of some family, as transformers names them, whose output or input are the
 * neurons of a layer: the MLP, its activation, or its second matrix (model.layers.5.mlp, transformer.h.5.mlp.act). */
bool rv_family_neuron_module(const char *text, size_t *layer);

/* Keys. `key` is config.json's, alternatives separated by '|', a path by '.' (NULL: not there); `gguf`
 * is the GGUF key without the architecture (NULL: not there). Absent and null keep *out. */
rv_status rv_read_size(const rv_source *s, const char *key, const char *gguf, size_t *out,
                       rv_error *err);
rv_status rv_read_number(const rv_source *s, const char *key, const char *gguf, double *out,
                         rv_error *err);
rv_status rv_read_positive(const rv_source *s, const char *key, const char *gguf, double *out,
                           rv_error *err); /* and *out must be above 0 */
rv_status rv_read_bool(const rv_source *s, const char *key, const char *gguf, bool *out,
                       rv_error *err);
/* config.json only. Borrowed; rv_read_json is NULL where a key is absent or null. */
rv_status rv_read_word(const rv_source *s, const char *key, const char **out, rv_error *err);
const json_t *rv_read_json(const rv_source *s, const char *key);
bool rv_is_null(const rv_source *s, const char *key); /* there, and null */
/* GGUF only: false where there is no such string. */
bool rv_gguf_word(const rv_source *s, const char *key, char out[64]);

/* config.json's names for the sizes of a model. */
typedef struct rv_shape_keys {
    const char *context, *width, *layers, *heads, *mlp_width, *kv_heads, *head_size;
} rv_shape_keys;

/* What transformers takes for sizes that config.json leaves out. */
typedef struct rv_shape {
    const rv_shape_keys *keys; /* NULL: Llama's */
    size_t vocabulary, context, width, layers, heads;
    size_t kv_heads;  /* 0: as many as heads (also where the key is null) */
    size_t head_size; /* 0: width / heads */
    size_t mlp_width; /* 0: 4 width */
    bool tied;
} rv_shape;

extern const char *const rv_llama_names[RV_SLOTS]; /* llama.c; qwen too */
extern const char *const rv_llama_prefixes[];

/* Where config.json says how one rotary table is made. */
typedef struct rv_rope_place {
    const char *objects[2]; /* the first that has a key counts */
    const char *theta;      /* a key at the top level, for where no object has rope_theta */
    double usual_theta;
    bool nested; /* an object a kind of layer: nothing else at the top level counts */
} rv_rope_place;

/* Steps that several families share. */
rv_status rv_read_shape(rv_config *c, const rv_source *s, const rv_shape *usual, rv_error *err);
rv_status rv_read_layer_types(bool *slides, const rv_config *c, const rv_source *s,
                              rv_error *err);
rv_status rv_read_activation(rv_config *c, const rv_source *s, const char *key, rv_error *err);
/* The first table: rope_scaling or rope_parameters, and `theta`; or GGUF's keys. After the shape and
 * rotary_size. */
rv_status rv_read_rope(rv_config *c, const rv_source *s, const char *theta, double usual_theta,
                       rv_error *err);
rv_status rv_read_rope_at(rv_config *c, size_t table, const rv_source *s,
                          const rv_rope_place *place, rv_error *err);
rv_status rv_read_rope_gguf(rv_config *c, const rv_source *s, rv_error *err);
/* Norms, activation, gate, shape; without rope and windows. */
rv_status rv_read_llama_like(rv_config *c, const rv_source *s, const rv_shape *usual,
                             rv_error *err);

#endif
