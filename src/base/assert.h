/* What a caller promises. Checked where the build says -DRV_ASSERTIONS (the double-precision build that tests link,
 * every build under sanitizers, the fuzzers); elsewhere not even computed. Never of what comes from a user or a file:
 * that is an error with a message (error.h). */
#ifndef RV_BASE_ASSERT_H
#define RV_BASE_ASSERT_H

#include <stddef.h>

#ifdef RV_ASSERTIONS
#define RV_ASSERT(promise) \
    ((promise) ? (void)0 : rv_promise_broken(#promise, __FILE__, (size_t)__LINE__))
#else
#define RV_ASSERT(promise) ((void)sizeof(!(promise)))
#endif

/* Says which, and aborts. */
void rv_promise_broken(const char *promise, const char *file, size_t line)
    __attribute__((noreturn, cold));

#endif
