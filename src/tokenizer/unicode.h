/* Characters: what the reference's pre-tokenizers mean by space, number, punctuation, and the
 * repair of text that is not UTF-8. Everything behind this point reads valid UTF-8. */
#ifndef RV_TOKENIZER_UNICODE_H
#define RV_TOKENIZER_UNICODE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

bool rv_is_space(unsigned c);       /* Unicode White_Space */
bool rv_is_numeric(unsigned c);     /* categories Nd, Nl, No */
bool rv_is_punctuation(unsigned c); /* ASCII punctuation and categories P* */
bool rv_is_word(unsigned c);        /* \w of Unicode's regular expressions (UTS #18) */

/* The code point at text[0], where text is valid UTF-8 and not at its end. */
unsigned rv_char_at(const char *text, size_t *length);

/* The code point that ends before text[end], end > 0. */
unsigned rv_char_before(const char *text, size_t end, size_t *length);

bool rv_utf8_valid(const char *text, size_t length);

/* Appends text with every maximal invalid part replaced by U+FFFD, as Python's
 * bytes.decode(errors="replace") does. */
void rv_utf8_replace_invalid(rv_text *out, const char *text, size_t length);

/* GPT-2's alphabet: each byte as one printable character. rv_byte_char gives the character's
 * code point (at most 0x143); rv_char_byte the byte again, or -1. */
unsigned rv_byte_char(unsigned char byte);
int rv_char_byte(unsigned c);

/* The byte that a piece like "<0x0A>" stands for, or -1. */
int rv_byte_piece(const char *piece, size_t length);

#endif
