/* What the files of this room share: the checkpoint itself and what a format's reader fills in. */
#ifndef RV_CHECKPOINT_INTERNAL_H
#define RV_CHECKPOINT_INTERNAL_H

#include "base/file.h"
#include "checkpoint/checkpoint.h"

/* One GGUF key and its value, both inside the mapping. Types are GGUF's (gguf.h). */
typedef struct rv_meta {
    const char *key; /* not terminated */
    size_t key_length;
    const unsigned char *value; /* scalar; first byte of a string; first element of an array */
    size_t count;               /* string: length; array: elements */
    uint32_t type, element_type;
    size_t *strings; /* array of strings: where each one's length field is, from `value` */
} rv_meta;

typedef struct rv_weight_file {
    rv_mapping mapping;
    bool borrowed; /* somebody else's memory: do not unmap */
    bool unpacked; /* no file, but malloc'ed memory that a member of one was unpacked into */
} rv_weight_file;

struct rv_checkpoint {
    rv_format format;
    char *path;
    rv_weight_file *files; /* one per weight file, in shard order */
    size_t file_count, file_room;
    rv_tensor *tensors; /* in file order */
    size_t count, capacity;
    const rv_tensor **by_name; /* sorted by name */
    char **strings;            /* names that the tensors point at */
    size_t string_count, string_capacity;
    json_t *config;
    json_t *metadata; /* of a single safetensors file */
    rv_meta *meta;    /* sorted by key */
    size_t meta_count;
};

/* Readers add the tensors of one file. They check everything about a tensor that concerns it
 * alone; duplicates and overlaps are found afterwards, for all formats alike. */
rv_status rv_safetensors_read(rv_checkpoint *ck, const rv_mapping *file, rv_error *err);
rv_status rv_gguf_read(rv_checkpoint *ck, const rv_mapping *file, rv_error *err);
rv_status rv_llama2c_read(rv_checkpoint *ck, const rv_mapping *file, rv_error *err);
rv_status rv_npz_read(rv_checkpoint *ck, const rv_mapping *file, rv_error *err);
rv_status rv_torch_read(rv_checkpoint *ck, const rv_mapping *file, rv_error *err);

/* Takes malloc'ed bytes over, also when it fails: they live as long as the checkpoint. */
rv_status rv_checkpoint_own(rv_checkpoint *ck, unsigned char *bytes, size_t length,
                            rv_error *err);

/* Whether the file starts like one of these. The llama2.c format has no magic number. */
bool rv_safetensors_recognise(const rv_mapping *file);
bool rv_gguf_recognise(const rv_mapping *file);
bool rv_llama2c_recognise(const rv_mapping *file);
bool rv_npz_recognise(const rv_mapping *file);
bool rv_torch_recognise(const rv_mapping *file);

/* Maps the weight files of a model folder and reads them: folder.c. */
rv_status rv_folder_read(rv_checkpoint *ck, const char *folder, rv_error *err);

/* As rv_checkpoint_open for a single file that is in memory already; the bytes must outlive the
 * checkpoint. `name` stands for the path. */
rv_status rv_checkpoint_open_memory(rv_checkpoint **out, const void *bytes, size_t length,
                                    const char *name, rv_error *err);

/* Appends a tensor; its name (name_length bytes) is copied, everything else is taken as is.
 * `elements` must be set. Refuses names that are empty, too long or contain NUL. */
rv_status rv_checkpoint_add(rv_checkpoint *ck, const rv_tensor *tensor, const char *name,
                            size_t name_length, rv_error *err);

/* A copy of a string that lives as long as the checkpoint. */
rv_status rv_checkpoint_keep(rv_checkpoint *ck, const char **out, const char *text,
                             size_t length, rv_error *err);

/* Sets tensor->elements from rank and shape; false if the product overflows, zero or not. */
bool rv_tensor_count_elements(rv_tensor *tensor);

/* A name from a hostile file, shortened and with `?` for what a terminal must not see. */
typedef struct rv_label {
    char text[84];
} rv_label;

rv_label rv_label_of(const char *name, size_t length);

/* For a function's arguments only: the text is gone at the end of the statement. */
#define RV_LABEL(name, length) (rv_label_of((name), (length)).text)

/* Little-endian integers at any address. */
uint16_t rv_load_u16(const unsigned char *p);
uint32_t rv_load_u32(const unsigned char *p);
uint64_t rv_load_u64(const unsigned char *p);

#endif
