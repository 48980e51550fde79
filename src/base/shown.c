/* Text on its way to people: what it holds may not command a terminal, nor be read by a shell as anything but words. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

bool rv_commands(unsigned c)
{
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x061C || c == 0x200E || c == 0x200F ||
           (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

size_t rv_tame(char *bytes, size_t length, bool lines)
{
    size_t out = 0;
    for (size_t i = 0, n; i < length; i += n) {
        unsigned c;
        n = rv_utf8_decode(bytes + i, length - i, &c);
        bool kept = n && (!rv_commands(c) || (lines && (c == '\n' || c == '\t')));
        if (kept)
            memmove(bytes + out, bytes + i, n), out += n;
        else
            bytes[out++] = '?';
        if (!n) n = 1;
    }
    return out;
}

void rv_put_shell(rv_text *out, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "@%+=:,./_-";
    size_t length = strlen(word), n;
    unsigned c = 0;
    if (length && strspn(word, plain) == length) {
        rv_text_puts(out, word);
        return;
    }
    bool odd = false;
    for (size_t i = 0; i < length && !odd; i += n)
        odd = !(n = rv_utf8_decode(word + i, length - i, &c)) || rv_commands(c);
    rv_text_puts(out, odd ? "$'" : "'");
    for (size_t i = 0; i < length; i += n) {
        n = rv_utf8_decode(word + i, length - i, &c);
        if (odd && (!n || rv_commands(c))) {
            if (!n) n = 1;
            for (size_t k = 0; k < n; k++)
                rv_text_printf(out, "\\%03o", (unsigned char)word[i + k]);
        } else if (odd && (c == '\'' || c == '\\')) {
            rv_text_printf(out, "\\%c", (char)c);
        } else if (c == '\'') {
            rv_text_puts(out, "'\\''");
        } else {
            rv_text_append(out, word + i, n);
        }
    }
    rv_text_putc(out, '\'');
}

rv_status rv_shell_line(char **out, const char *const *words, size_t count, rv_error *err)
{
    rv_text line = {0};
    for (size_t i = 0; i < count; i++) {
        if (i) rv_text_putc(&line, ' ');
        rv_put_shell(&line, words[i]);
    }
    size_t length = line.length;
    *out = rv_text_take(&line);
    return *out ? RV_OK : rv_fail_memory(err, length);
}
