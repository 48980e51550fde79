/* The opened model behind the public handle: what the other files of this room work with. */
#ifndef RV_SUBJECT_H
#define RV_SUBJECT_H

#include "base/text.h"
#include "checkpoint/checkpoint.h"
#include "model/transformer.h"
#include "reverie/model.h"
#include "store/store.h"
#include "tokenizer/tokenizer.h"

struct rv_model {
    char *name, *path;           /* as the user wrote it; where it was found */
    char *format, *quantisation; /* "gguf"; "Q4_1", the type of most weights */
    uint64_t file_bytes;
    char hash[65];             /* SHA-256 of the weights; empty until rv_model_hash */
    rv_checkpoint *checkpoint; /* kept open for its hash and metadata */
    rv_transformer *transformer;
    rv_tokenizer *tokenizer;
    int threads;
    int32_t bos;         /* what goes first; -1: nothing */
    const char *bos_why; /* how that came about */
    rv_bos_choice bos_choice;
    rv_ids ends;       /* tokens that end what it writes; see subject/ends.h */
    unsigned encoding; /* flags for rv_tokenizer_encode of a user's text */
    rv_progress_fn progress;
    void *progress_context;
    rv_notice_fn notice;
    void *notice_context;
    rv_store *store; /* NULL: not opened yet, or none can be had */
    bool store_tried;
};

/* The first token of every prompt, by the user's choice or the tokenizer's configuration; -1: none.
 * The document separator stands in where a model has no BOS of its own. */
rv_status rv_choose_bos(int32_t *bos, const char **why, const rv_tokenizer *tokenizer,
                        rv_bos_choice choice, rv_error *err);

/* The tokenizer that belongs to the checkpoint at `path`: in it, in its folder, or beside it. */
rv_status rv_open_tokenizer(rv_tokenizer **out, const char *path,
                            const rv_checkpoint *checkpoint, rv_error *err);

/* What corpus windows and dreams begin with: the model's BOS; where its configuration adds none, the document
 * separator, so that the first token is scored too; -1 only where the user asked for none, or none exists. */
void rv_dream_bos(int32_t *bos, const char **why, const rv_model *model);

/* Path, checkpoint and tokenizer of a name; weights are not read. All are the caller's. */
rv_status rv_open_parts(char **path, rv_checkpoint **checkpoint, rv_tokenizer **tokenizer,
                        const char *name, rv_error *err);

/* Ids below this are tokens that have a row: either may be padded or extended, and only they are
 * written. */
size_t rv_writable_tokens(const rv_model *model);

/* Name of the type that most weights have; static. */
const char *rv_quantisation_name(const rv_checkpoint *checkpoint);
const char *rv_format_name(rv_format format);

/* Opens a model for rv_model_close: its checkpoint, tokenizer and weights. */
rv_status rv_subject_open(rv_model **out, const char *name, const rv_model_params *params,
                          rv_error *err);

/* As include/reverie/model.h says of rv_tokenize, rv_model_generate. */
rv_status rv_subject_tokenize(rv_tokens *out, const char *name, const char *text, size_t length,
                              const rv_model_params *params, rv_error *err);
rv_status rv_subject_generate(rv_generation *out, rv_model *model, const char *prompt,
                              size_t length, const rv_generate_params *params, rv_error *err);

/* Fills model->hash once. */
rv_status rv_model_hash(rv_model *model, rv_error *err);

/* What is kept between runs, opened when it is first asked for; NULL: none can be had, which is no failure. It belongs to
 * the model. */
rv_store *rv_model_store(rv_model *model);

/* Appends to a question of the store everything about the model that decides its numbers: its weights, the files that
 * configure it and its tokenizer, the kernels and the precision it runs in. */
rv_status rv_model_question(rv_text *question, rv_model *model, rv_error *err);

#endif
