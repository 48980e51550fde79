/* Errors: a status for programs, one sentence for people.
 *
 *     if (length > limit)
 *         return rv_fail(err, RV_ERR_FORMAT, "%s: header length: expected at most %zu, found %zu",
 *                        path, limit, length);
 *     RV_TRY(next_step(err));                                                               */
#ifndef RV_BASE_ERROR_H
#define RV_BASE_ERROR_H

#include "reverie/core.h"

/* Fills err (may be NULL) and returns status, so that `return rv_fail(...)` reads well. */
rv_status rv_fail(rv_error *err, rv_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "context: " before the message of an error that is on its way up. Returns its status. */
rv_status rv_context(rv_error *err, rv_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

rv_status rv_fail_memory(rv_error *err, size_t bytes);

#define RV_TRY(expression)                                  \
    do {                                                    \
        rv_status rv_try_status_ = (expression);            \
        if (rv_try_status_ != RV_OK) return rv_try_status_; \
    } while (0)

/* For functions that clean up at a label `done:` and keep their result in `status`. */
#define RV_GOTO(expression)             \
    do {                                \
        status = (expression);          \
        if (status != RV_OK) goto done; \
    } while (0)

#endif
