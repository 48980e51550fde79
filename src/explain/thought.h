/* Thoughts that a model speaks aloud before it answers, in the spellings of their makers: <think>, <thinking>,
 * <thought>, <reasoning> and the like in any brackets and case, gpt-oss' channels, Cohere's, Kimi's, Sky-T1's and
 * Granite's marks. */
#ifndef RV_EXPLAIN_THOUGHT_H
#define RV_EXPLAIN_THOUGHT_H

#include <stdbool.h>
#include <stddef.h>

/* The answer proper is text [*start, *end): what stands behind the last closing mark, whether or not the text has the
 * opening one (templates may have written it), and before an opening one that is never closed. True if there was
 * any thought. */
bool rv_thoughts_skip(size_t *start, size_t *end, const char *text);

#endif
