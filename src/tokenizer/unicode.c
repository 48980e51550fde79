#include "tokenizer/unicode.h"

#include <string.h>
#include <utf8proc.h>

bool rv_is_space(unsigned c)
{
    if (c < 0x80) return c == ' ' || (c >= '\t' && c <= '\r');
    return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) ||
           c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool rv_is_numeric(unsigned c)
{
    if (c < 0x80) return c >= '0' && c <= '9';
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
    return category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO;
}

bool rv_is_punctuation(unsigned c)
{
    if (c < 0x80)
        return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
               (c >= '{' && c <= '~');
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
    return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

bool rv_is_word(unsigned c)
{
    if (c < 0x80)
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
               c == '_';
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
        return true;
    default:
        break;
    }
    // Other_Alphabetic outside the categories above, and Join_Control.
    return (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) ||
           (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189) || c == 0x200C ||
           c == 0x200D;
}

unsigned rv_char_at(const char *text, size_t *length)
{
    const unsigned char *b = (const unsigned char *)text;
    if (b[0] < 0x80) {
        *length = 1;
        return b[0];
    }
    if (b[0] < 0xE0) {
        *length = 2;
        return (b[0] & 0x1Fu) << 6 | (b[1] & 0x3Fu);
    }
    if (b[0] < 0xF0) {
        *length = 3;
        return (b[0] & 0x0Fu) << 12 | (b[1] & 0x3Fu) << 6 | (b[2] & 0x3Fu);
    }
    *length = 4;
    return (b[0] & 0x07u) << 18 | (b[1] & 0x3Fu) << 12 | (b[2] & 0x3Fu) << 6 | (b[3] & 0x3Fu);
}

unsigned rv_char_before(const char *text, size_t end, size_t *length)
{
    size_t start = end - 1;
    while (start > 0 && ((unsigned char)text[start] & 0xC0) == 0x80) start--;
    return rv_char_at(text + start, length);
}

bool rv_utf8_valid(const char *text, size_t length)
{
    size_t i = 0;
    while (i < length) {
        uint64_t word;
        while (length - i >= 8) {
            memcpy(&word, text + i, 8);
            if (word & 0x8080808080808080u) break;
            i += 8;
        }
        if (i == length) break;
        unsigned c;
        size_t n = rv_utf8_decode(text + i, length - i, &c);
        if (n == 0) return false;
        i += n;
    }
    return true;
}

/* Length of the longest start of a well-formed sequence at b[0], at least 1 (Unicode 15.0,
 * section 3.9, "U+FFFD substitution of maximal subparts"). */
static size_t maximal_subpart(const unsigned char *b, size_t length)
{
    size_t need = b[0] >= 0xC2 && b[0] <= 0xDF   ? 2
                  : (b[0] & 0xF0) == 0xE0        ? 3
                  : b[0] >= 0xF0 && b[0] <= 0xF4 ? 4
                                                 : 1;
    if (need == 1 || length < 2) return 1;
    unsigned low = b[0] == 0xE0 ? 0xA0 : b[0] == 0xF0 ? 0x90 : 0x80;
    unsigned high = b[0] == 0xED ? 0x9F : b[0] == 0xF4 ? 0x8F : 0xBF;
    if (b[1] < low || b[1] > high) return 1;
    size_t n = 2;
    while (n < need && n < length && (b[n] & 0xC0) == 0x80) n++;
    return n;
}

void rv_utf8_replace_invalid(rv_text *out, const char *text, size_t length)
{
    size_t i = 0;
    while (i < length) {
        unsigned c;
        size_t n = rv_utf8_decode(text + i, length - i, &c);
        if (n) {
            rv_text_append(out, text + i, n);
        } else {
            n = maximal_subpart((const unsigned char *)text + i, length - i);
            rv_text_append(out, "\xEF\xBF\xBD", 3);
        }
        i += n;
    }
}

unsigned rv_byte_char(unsigned char byte)
{
    if (byte <= 0x20) return 0x100u + byte;
    if (byte <= 0x7E) return byte;
    if (byte <= 0xA0) return 0x100u + 0x21 + (byte - 0x7Fu);
    return byte == 0xAD ? 0x143 : byte;
}

int rv_char_byte(unsigned c)
{
    if (c >= 0x100)
        return c <= 0x120   ? (int)c - 0x100
               : c <= 0x142 ? (int)c - 0x121 + 0x7F
               : c == 0x143 ? 0xAD
                            : -1;
    return (c >= 0x21 && c <= 0x7E) || (c >= 0xA1 && c != 0xAD) ? (int)c : -1;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int rv_byte_piece(const char *piece, size_t length)
{
    if (length != 6 || memcmp(piece, "<0x", 3) != 0 || piece[5] != '>') return -1;
    int high = hex_digit(piece[3]), low = hex_digit(piece[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}
