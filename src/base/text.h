/* A growable byte string, for everything that is assembled piece by piece.
 *
 *     rv_text t = {0};
 *     rv_text_printf(&t, "%d tokens", n);
 *     ...
 *     rv_text_release(&t);
 *
 * An allocation failure is remembered in `failed` and checked once, at the end. */
#ifndef RV_BASE_TEXT_H
#define RV_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

typedef struct rv_text {
    char *bytes; /* always terminated by NUL once non-empty; may hold NULs inside */
    size_t length;
    size_t capacity;
    bool failed;
} rv_text;

void rv_text_append(rv_text *text, const void *bytes, size_t length);
void rv_text_puts(rv_text *text, const char *string);
void rv_text_putc(rv_text *text, char c);
void rv_text_printf(rv_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void rv_text_release(rv_text *text);

/* Hands the bytes over to the caller (free()); NULL if anything failed. */
char *rv_text_take(rv_text *text);

/* Length of the UTF-8 sequence that starts at bytes[0], 1 to 4, and its code point; 0 if the
 * bytes are no valid UTF-8 (overlong, surrogate, truncated). */
size_t rv_utf8_decode(const char *bytes, size_t length, unsigned *code_point);

/* Whether a character commands whoever shows it: C0 and C1 controls, line and paragraph separators, and what turns the
 * direction of writing (U+061C, 200E, 200F, 202A to 202E, 2066 to 2069). */
bool rv_commands(unsigned code_point);

/* Writes 1 to 4 bytes; returns how many. */
size_t rv_utf8_encode(unsigned code_point, char out[4]);

/* A word as a shell would read it: as it stands, in '', or in $'' where it holds controls or is no UTF-8. */
void rv_put_shell(rv_text *out, const char *word);

#endif
