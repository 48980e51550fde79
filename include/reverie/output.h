/* Files to be written, looked at before any work is done for them.
 *
 *     const char *const inputs[] = {"smollm2-135m", "corpus.txt"};
 *     rv_status status = rv_output_check("survey.jsonl", RV_OUTPUT_SURVEY, false, inputs, 2, &err);
 */
#ifndef REVERIE_OUTPUT_H
#define REVERIE_OUTPUT_H

#include "reverie/core.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Kinds of files, and what they are called. */
#define RV_OUTPUTS(X)                                   \
    X(RV_OUTPUT_RUN, "a run of reverie")                \
    X(RV_OUTPUT_SURVEY, "a survey of reverie")          \
    X(RV_OUTPUT_PAGE, "a page of reverie")              \
    X(RV_OUTPUT_PLOT, "a figure of reverie")            \
    X(RV_OUTPUT_PICTURE, "a picture of reverie")        \
    X(RV_OUTPUT_DREAMS, "image dreams of reverie")      \
    X(RV_OUTPUT_NETWORK, "an image network of reverie") \
    X(RV_OUTPUT_RECORD, "a NeuronRecord")               \
    X(RV_OUTPUT_SIMULATION, "simulation results")       \
    X(RV_OUTPUT_JOURNAL, "a journal of reverie")        \
    X(RV_OUTPUT_FOLDER, "a folder")

typedef enum rv_output_kind {
#define X(name, text) name,
    RV_OUTPUTS(X)
#undef X
} rv_output_kind;

/* RV_OK if `path` may be written: its folder is there and can be written to (for a folder: can be made), it is none of the
 * inputs nor a file in one that is a folder (compared by device and inode, so links count), and what it holds, if anything,
 * is a file of this kind; `force` gives up the last demand alone. Inputs are paths, models as users name them, and targets
 * direction:FILE@SITE; what does not exist is passed over. A device or pipe is always fine. */
RV_API rv_status rv_output_check(const char *path, rv_output_kind kind, bool force,
                                 const char *const *inputs, size_t input_count, rv_error *err);

/* Writes a result that took long to make, in one step as seen from outside. Where that fails it goes to the cache folder
 * instead, and the message says where to. */
RV_API rv_status rv_output_write(const char *path, const void *bytes, size_t length,
                                 rv_error *err);

/* Whether two paths name one file, or would. */
RV_API bool rv_same_place(const char *a, const char *b);

#ifdef __cplusplus
}
#endif

#endif
