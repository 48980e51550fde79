#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/redact.h"
#include "base/text.h"

static void random_streams_are_named_not_shared(void **state)
{
    (void)state;
    rv_random a = rv_random_stream(7, 1, 2), b = rv_random_stream(7, 1, 2),
              c = rv_random_stream(7, 1, 3);
    int equal = 0;
    for (int i = 0; i < 100; i++) {
        uint32_t x = rv_random_u32(&a);
        assert_int_equal(x, rv_random_u32(&b));
        equal += x == rv_random_u32(&c);
    }
    assert_true(equal < 3);
}

/* Known answer of Philox4x32-10 for counter and key zero (Random123's kat_vectors). */
static void random_matches_the_published_vector(void **state)
{
    (void)state;
    rv_random r = rv_random_stream(0, 0, 0);
    const uint32_t expected[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
    for (int i = 0; i < 4; i++) assert_int_equal(rv_random_u32(&r), expected[i]);
}

static void random_moments(void **state)
{
    (void)state;
    rv_random r = rv_random_stream(1, 0, 0);
    double sum = 0, squares = 0;
    size_t n = 20000, counts[7] = {0};
    for (size_t i = 0; i < n; i++) {
        double x = rv_random_normal(&r);
        sum += x;
        squares += x * x;
        counts[rv_random_below(&r, 7)]++;
    }
    assert_true(fabs(sum / (double)n) < 0.03);
    assert_true(fabs(squares / (double)n - 1) < 0.05);
    for (int i = 0; i < 7; i++) assert_in_range(counts[i], n / 7 - 300, n / 7 + 300);
}

static void errors_never_command_a_terminal(void **state)
{
    (void)state;
    rv_error err;
    rv_fail(&err, RV_ERR_FORMAT,
            "found \"\033[2J\a\n\xC2\x9B"
            "1m caf\xC3\xA9\x7F\"");
    assert_string_equal(err.message, "found \"?[2J???1m caf\xC3\xA9?\"");
    rv_context(&err, RV_ERR_FORMAT, "a\033c");
    assert_string_equal(err.message, "a?c: found \"?[2J???1m caf\xC3\xA9?\"");
}

static void errors_carry_context(void **state)
{
    (void)state;
    rv_error err;
    assert_int_equal(rv_fail(&err, RV_ERR_FORMAT, "expected %d", 3), RV_ERR_FORMAT);
    rv_context(&err, RV_ERR_FORMAT, "%s", "a.bin");
    assert_string_equal(err.message, "a.bin: expected 3");
    assert_string_equal(rv_status_text(RV_ERR_FORMAT), "malformed file");
    assert_string_equal(rv_status_text((rv_status)999), "unknown status");
}

static void utf8_rejects_what_is_not(void **state)
{
    (void)state;
    unsigned c;
    assert_int_equal(rv_utf8_decode("\xf0\x9f\x98\x80", 4, &c), 4);
    assert_int_equal(c, 0x1F600);
    assert_int_equal(rv_utf8_decode("\xc0\x80", 2, &c), 0);
    assert_int_equal(rv_utf8_decode("\xed\xa0\x80", 3, &c), 0);
    assert_int_equal(rv_utf8_decode("\xe2\x82", 2, &c), 0);
    char out[4];
    assert_int_equal(rv_utf8_encode(0x20AC, out), 3);
    assert_memory_equal(out, "\xe2\x82\xac", 3);
}

static void allocation_refuses_overflow(void **state)
{
    (void)state;
    assert_null(rv_alloc(SIZE_MAX / 2, 4));
    void *p = rv_alloc(0, 4);
    assert_non_null(p);
    free(p);
}

static void private_files_are_the_users_alone(void **state)
{
    (void)state;
    char root[] = "/tmp/reverie-private-XXXXXX", path[64];
    struct stat info;
    assert_non_null(mkdtemp(root));
    snprintf(path, sizeof path, "%s/a/b", root);
    assert_int_equal(rv_make_private_folders(path, NULL), RV_OK);
    for (int deep = 0; deep < 2; deep++) {
        assert_int_equal(stat(path, &info), 0);
        assert_int_equal(info.st_mode & 0777, 0700);
        *strrchr(path, '/') = '\0';
    }
    snprintf(path, sizeof path, "%s/file", root);
    for (int again = 0; again < 2; again++) { // a new one, and one that others could read
        assert_int_equal(rv_write_private_file(path, "x", 1, NULL), RV_OK);
        assert_int_equal(stat(path, &info), 0);
        assert_int_equal(info.st_mode & 0777, 0600);
        assert_int_equal(chmod(path, 0644), 0);
    }
    unlink(path);
    snprintf(path, sizeof path, "%s/a/b", root);
    for (int deep = 0; deep < 3; deep++) {
        assert_int_equal(rmdir(path), 0);
        *strrchr(path, '/') = '\0';
    }
}

static void a_full_device_fails_and_stays_a_device(void **state)
{
    (void)state;
    rv_error err;
    assert_int_equal(rv_write_file("/dev/full", "x", 1, &err), RV_ERR_IO);
    assert_string_equal(err.message, "/dev/full: cannot write: No space left on device");
    assert_false(rv_file_exists("/dev/full"));
}

static void shuffled_orders_are_equally_frequent(void **state)
{
    (void)state;
    enum { TRIALS = 6000 };
    rv_random random = rv_random_stream(4, 0, 0);
    int seen[27] = {0}, orders = 0;
    for (int t = 0; t < TRIALS; t++) {
        int32_t items[3] = {0, 1, 2};
        rv_random_shuffle(&random, items, 3, sizeof *items);
        assert_int_equal(items[0] + items[1] + items[2], 3);
        seen[items[0] * 9 + items[1] * 3 + items[2]]++;
    }
    for (size_t i = 0; i < 27; i++) {
        orders += seen[i] > 0;
        if (seen[i] && abs(seen[i] - TRIALS / 6) > 150) fail_msg("order %zu: %d", i, seen[i]);
    }
    assert_int_equal(orders, 6);
}

/* Spelled by Python's json, urllib.parse, html and base64. */
static void secrets_are_blotted_out_however_they_are_written(void **state)
{
    (void)state;
    static const char key[] = "sk-a/b+c=d&e_0123456789";
    static const char *const spelled[] = {
        "sk-a/b+c=d&e_0123456789",
        "\\u0073\\u006b\\u002d\\u0061\\u002f\\u0062\\u002b\\u0063\\u003d\\u0064\\u0026\\u0065\\"
        "u005f\\u0030\\u0031\\u0032\\u0033\\u0034\\u0035\\u0036\\u0037\\u0038\\u0039",
        "\\\\u0073\\\\u006B\\\\u002D\\\\u0061\\\\u002F\\\\u0062\\\\u002B\\\\u0063\\\\u003D\\\\u"
        "0064\\\\u0026\\\\u0065\\\\u005F\\\\u0030\\\\u0031\\\\u0032\\\\u0033\\\\u0034\\\\u0035"
        "\\\\u0036\\\\u0037\\\\u0038\\\\u0039",
        "\"sk-a\\/b+c=d&e_0123456789\"",
        "sk-a%2Fb%2Bc%3Dd%26e_0123456789",
        "sk-a%252Fb%252Bc%253Dd%2526e_0123456789",
        "%73%6b%2d%61%2f%62%2b%63%3d%64%26%65%5f%30%31%32%33%34%35%36%37%38%39",
        "sk-a/b+c=d&amp;e_0123456789",
        "sk-a/b+c=d&amp;amp;e_0123456789",
        "&#115;&#107;&#45;&#97;&#47;&#98;&#43;&#99;&#61;&#100;&#38;&#101;&#95;&#48;&#49;&#50;&#"
        "51;&#52;&#53;&#54;&#55;&#56;&#57;",
        "&#x73;&#x6B;&#x2D;&#x61;&#x2F;&#x62;&#x2B;&#x63;&#x3D;&#x64;&#x26;&#x65;&#x5F;&#x30;&#"
        "x31;&#x32;&#x33;&#x34;&#x35;&#x36;&#x37;&#x38;&#x39;",
        "\\x73\\x6b\\x2d\\x61\\x2f\\x62\\x2b\\x63\\x3d\\x64\\x26\\x65\\x5f\\x30\\x31\\x32\\x33"
        "\\x34\\x35\\x36\\x37\\x38\\x39",
        "736b2d612f622b633d6426655f30313233343536373839",
        "736B2D612F622B633D6426655F30313233343536373839",
        "c2stYS9iK2M9ZCZlXzAxMjM0NTY3ODk=",
        "dTpzay1hL2IrYz1kJmVfMDEyMzQ1Njc4OSE=",
        "eHNrLWEvYitjPWQmZV8wMTIzNDU2Nzg5",
        "\"c2stYS9iK2M9ZCZlXzAxMjM0NTY3ODk=\"",
        "YWJzay1hL2IrYz1kJmVfMDEyMzQ1Njc4OQ%3D%3D"};
    for (size_t i = 0; i < sizeof spelled / sizeof spelled[0]; i++) {
        rv_text text = {0};
        rv_text_printf(&text, "before %s after %s", spelled[i], spelled[i]);
        size_t length = text.length;
        if (rv_redact(text.bytes, text.length, key, strlen(key)) != 2)
            fail_msg("left: %s", text.bytes);
        assert_int_equal(text.length, length);
        assert_int_equal(strlen(text.bytes), length);
        assert_memory_equal(text.bytes, "before ", 7);
        assert_non_null(strstr(text.bytes, " after "));
        assert_null(strstr(text.bytes, "456"));      // neither plain nor ...
        assert_null(strstr(text.bytes, "MTIzNDU2")); // in base64
        rv_text_release(&text);
    }
    static const char *const others[] = {
        "",      "sk-a/b+c=d&e_012345678", "%",   "&#", "&amp;", "\\",
        "\\u00", "&#99999999999;",         "%25", "%2", "\\u{}", "sk-a/b+c=d&e_0123456780"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s", others[i]);
        assert_int_equal(rv_redact(text, strlen(text), key, strlen(key)), 0);
        assert_string_equal(text, others[i]);
    }
    char word[] = "a short word is none: word";
    assert_int_equal(rv_redact(word, strlen(word), "word", 4), 0);
}

static void what_commands_is_tamed(void **state)
{
    (void)state;
    static const struct {
        const char *given, *line, *lines;
    } cases[] = {
        {"plain, h\xC3\xA9, \xE6\xBC\xA2, \xF0\x9F\x8E\x89",
         "plain, h\xC3\xA9, \xE6\xBC\xA2, \xF0\x9F\x8E\x89",
         "plain, h\xC3\xA9, \xE6\xBC\xA2, \xF0\x9F\x8E\x89"},
        {"a\nb\tc\rd\033[2Je\177", "a?b?c?d?[2Je?", "a\nb\tc?d?[2Je?"},
        {"\xC2\x80\xC2\x9B\xC2\xA0", "??\xC2\xA0", "??\xC2\xA0"},
        {"\xE2\x80\xAE|\xE2\x81\xA6|\xE2\x80\x8F|\xD8\x9C|\xE2\x80\xA8", "?|?|?|?|?",
         "?|?|?|?|?"},
        {"\x9B\xFF\xE2\x80", "????", "????"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int lines = 0; lines < 2; lines++) {
            char text[64];
            strcpy(text, cases[i].given);
            text[rv_tame(text, strlen(text), lines)] = '\0';
            assert_string_equal(text, lines ? cases[i].lines : cases[i].line);
        }
}

static void words_are_quoted_for_a_shell(void **state)
{
    (void)state;
    const char *const words[] = {"reverie", "-L5.N1", "",        "it's", "a b",
                                 "$x",      "~",      "a\nb'\\", "\xFF"};
    char *line;
    assert_int_equal(rv_shell_line(&line, words, sizeof words / sizeof words[0], NULL), RV_OK);
    assert_string_equal(
        line, "reverie -L5.N1 '' 'it'\\''s' 'a b' '$x' '~' $'a\\012b\\'\\\\' $'\\377'");
    free(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_streams_are_named_not_shared),
        cmocka_unit_test(random_matches_the_published_vector),
        cmocka_unit_test(random_moments),
        cmocka_unit_test(errors_carry_context),
        cmocka_unit_test(errors_never_command_a_terminal),
        cmocka_unit_test(utf8_rejects_what_is_not),
        cmocka_unit_test(secrets_are_blotted_out_however_they_are_written),
        cmocka_unit_test(allocation_refuses_overflow),
        cmocka_unit_test(private_files_are_the_users_alone),
        cmocka_unit_test(a_full_device_fails_and_stays_a_device),
        cmocka_unit_test(what_commands_is_tamed),
        cmocka_unit_test(words_are_quoted_for_a_shell),
        cmocka_unit_test(shuffled_orders_are_equally_frequent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
