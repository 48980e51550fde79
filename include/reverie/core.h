/* What every public header builds on: status codes, errors, progress. */
#ifndef REVERIE_CORE_H
#define REVERIE_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RV_API __attribute__((visibility("default")))

#define RV_VERSION_STRING "0.2.0"

/* Status codes and their short texts. */
#define RV_STATUSES(X)                                                                       \
    X(RV_OK, "ok")                                                                           \
    X(RV_ERR_USAGE, "wrong use")         /* the caller asked for something that cannot be */ \
    X(RV_ERR_NOT_FOUND, "not found")     /* a file, model, tensor or key is absent */        \
    X(RV_ERR_IO, "input/output error")   /* reading or writing failed */                     \
    X(RV_ERR_FORMAT, "malformed file")   /* a file is not what it claims to be */            \
    X(RV_ERR_UNSUPPORTED, "unsupported") /* well-formed, but not implemented */              \
    X(RV_ERR_MEMORY, "out of memory")                                                        \
    X(RV_ERR_CANCELLED, "cancelled") /* a progress callback returned false */                \
    X(RV_ERR_NETWORK, "network error")                                                       \
    X(RV_ERR_NUMERIC, "non-finite number")

typedef enum rv_status {
#define X(name, text) name,
    RV_STATUSES(X)
#undef X
} rv_status;

/* The short text of a status code; never NULL. */
RV_API const char *rv_status_text(rv_status status);

/* Caller-owned; `message` is always terminated and never empty after a failure. */
typedef struct rv_error {
    rv_status status;
    char message[1024];
} rv_error;

/* Makes any bytes fit to be shown to a person: controls, characters that turn the direction of writing and what is no
 * UTF-8 become '?', in place; with `lines` newlines and tabs stay. Returns the new length. */
RV_API size_t rv_tame(char *bytes, size_t length, bool lines);

/* The words as one line that a shell reads as just these words; *out is malloc'ed. */
RV_API rv_status rv_shell_line(char **out, const char *const *words, size_t count,
                               rv_error *err);

/* Long work reports here. `done` of `total` in `unit`s (total 0: unknown). `note` may be NULL.
 * Return false to cancel: the call then ends with RV_ERR_CANCELLED and loses nothing. */
typedef struct rv_progress {
    const char *what;
    const char *unit;
    const char *note;
    double done;
    double total;
} rv_progress;

typedef bool (*rv_progress_fn)(void *context, const rv_progress *event);

/* Told what the user should know although nothing failed: one sentence. */
typedef void (*rv_notice_fn)(void *context, const char *sentence);

/* How every header reads:
 *
 *   rv_NOUN_params params = rv_NOUN_params_default();
 *   rv_NOUN noun;
 *   rv_status status = rv_VERB(&noun, model, inputs..., &params, &err);
 *   rv_NOUN_json(&text, &noun, &err);      // one object as text; free() it
 *   rv_NOUN_release(&noun);                // also after a failure, and twice
 *
 * Outputs stand first, then the handle, inputs, params, the error last; params and the error may be NULL. What has
 * a _close is a handle. `size` in params says which version of the struct a program was compiled with: a newer
 * library gives the fields that it does not know their defaults. Strings inside a result live as long as it does. */

#ifdef __cplusplus
}
#endif

#endif
