#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(rv_text *text, size_t extra)
{
    if (text->failed || extra > (size_t)-1 / 2 - text->length - 1) {
        text->failed = true;
        return false;
    }
    size_t need = text->length + extra + 1;
    if (need <= text->capacity) return true;
    size_t capacity = text->capacity ? text->capacity : 64;
    while (capacity < need) capacity *= 2;
    char *grown = realloc(text->bytes, capacity);
    if (!grown) {
        text->failed = true;
        return false;
    }
    text->bytes = grown;
    text->capacity = capacity;
    return true;
}

void rv_text_append(rv_text *text, const void *bytes, size_t length)
{
    if (!reserve(text, length)) return;
    if (length) memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
    text->bytes[text->length] = '\0';
}

void rv_text_puts(rv_text *text, const char *string)
{
    rv_text_append(text, string, strlen(string));
}

void rv_text_putc(rv_text *text, char c)
{
    rv_text_append(text, &c, 1);
}

void rv_text_printf(rv_text *text, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0) {
        text->failed = true;
    } else if (reserve(text, (size_t)length)) {
        vsnprintf(text->bytes + text->length, (size_t)length + 1, format, again);
        text->length += (size_t)length;
    }
    va_end(again);
}

void rv_text_release(rv_text *text)
{
    free(text->bytes);
    *text = (rv_text){0};
}

char *rv_text_take(rv_text *text)
{
    rv_text_append(text, "", 0);
    char *bytes = text->failed ? NULL : text->bytes;
    if (!bytes) free(text->bytes);
    *text = (rv_text){0};
    return bytes;
}

size_t rv_utf8_decode(const char *bytes, size_t length, unsigned *code_point)
{
    const unsigned char *b = (const unsigned char *)bytes;
    static const unsigned smallest[5] = {0, 0, 0x80, 0x800, 0x10000};
    if (length == 0) return 0;
    size_t n = b[0] < 0x80       ? 1
               : b[0] >> 5 == 6  ? 2
               : b[0] >> 4 == 14 ? 3
               : b[0] >> 3 == 30 ? 4
                                 : 0;
    if (n == 0 || n > length) return 0;
    unsigned c = n == 1 ? b[0] : b[0] & (0xFFu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if (b[i] >> 6 != 2) return 0;
        c = c << 6 | (b[i] & 0x3F);
    }
    if (c < smallest[n] || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) return 0;
    *code_point = c;
    return n;
}

size_t rv_utf8_encode(unsigned c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3F));
        out[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3F));
    out[2] = (char)(0x80 | (c >> 6 & 0x3F));
    out[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}
