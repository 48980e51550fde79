/* What is kept between runs: found again whole or not at all, whatever happens to the file, the disk or the process. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/random.h"
#include "base/text.h"
#include "corpus/answer.h"
#include "reverie/store.h"
#include "store/digest.h"
#include "store/pack.h"
#include "store/store.h"

enum { ROWS = 12 };

static char home[64]; // in memory where that can be had: a store waits for its disk
static rv_error err;
static char told[1024];

static void hear(void *context, const char *sentence)
{
    (void)context;
    snprintf(told, sizeof told, "%s", sentence);
}

/* home/name in one of a few buffers that take turns. */
static const char *at(const char *name)
{
    static char buffers[8][256];
    static int turn;
    char *buffer = buffers[turn++ % 8];
    snprintf(buffer, 256, "%s/%s", home, name);
    return buffer;
}

static void check(rv_status status)
{
    if (status != RV_OK) fail_msg("%s", err.message);
}

static rv_store *open_store(const char *name)
{
    rv_store *store;
    told[0] = '\0';
    check(rv_store_open(&store, at(name), hear, NULL, &err));
    return store;
}

static rv_question asked(const char *kind, size_t number)
{
    static char texts[8][64];
    static int turn;
    char *text = texts[turn++ % 8];
    snprintf(text, 64, "question %zu", number);
    return (rv_question){.kind = kind,
                         .text = text,
                         .model = "tiny",
                         .hash = "0123456789abcdef",
                         .source = "a.txt"};
}

/* Row `number`: some hundred bytes, every third of them noise that does not deflate. malloc'ed. */
static char *content(size_t number, size_t *length)
{
    *length = 100 + 700 * number;
    char *bytes = malloc(*length + 1);
    rv_random random = rv_random_stream(7, 1, (uint32_t)number);
    for (size_t i = 0; i < *length; i++)
        bytes[i] = number % 3 == 0 ? (char)rv_random_below(&random, 256) : (char)('a' + i % 7);
    return bytes;
}

static void put_row(rv_store *store, size_t number)
{
    size_t length;
    char *bytes = content(number, &length);
    rv_question q = asked("corpus", number);
    check(rv_store_put(store, &q, bytes, length, &err));
    free(bytes);
}

/* Whether row `number` is there; what is there must be whole. */
static bool has_row(rv_store *store, size_t number)
{
    size_t length, found_length;
    char *bytes = content(number, &length), *found;
    rv_question q = asked("corpus", number);
    bool there = rv_store_get(store, &found, &found_length, &q);
    if (there) {
        assert_int_equal(found_length, length);
        assert_memory_equal(found, bytes, length);
        assert_int_equal(found[length], '\0');
    }
    free(found);
    free(bytes);
    return there;
}

static size_t rows_in(rv_store *store)
{
    size_t count = 0;
    for (size_t i = 0; i < ROWS; i++) count += has_row(store, i);
    return count;
}

static void fill_store(const char *name)
{
    rv_store *store = open_store(name);
    for (size_t i = 0; i < ROWS; i++) put_row(store, i);
    assert_int_equal(rows_in(store), ROWS);
    rv_store_close(store);
}

/* ---- what it is for -------------------------------------------------------------------------- */

static void what_is_put_is_found(void **state)
{
    (void)state;
    rv_store *store = open_store("plain");
    char *bytes;
    size_t length;
    rv_question q = asked("corpus", 1), other = asked("fluency", 1),
                longer = asked("corpus", 12);
    assert_false(rv_store_get(store, &bytes, &length, &q));
    assert_null(bytes);
    check(rv_store_put(store, &q, "", 0, &err));
    assert_true(rv_store_get(store, &bytes, &length, &q));
    assert_int_equal(length, 0);
    free(bytes);
    check(rv_store_put(store, &q, "one\0two", 7, &err)); // takes its place
    rv_store_close(store);

    store = open_store("plain");
    assert_true(rv_store_get(store, &bytes, &length, &q));
    assert_int_equal(length, 7);
    assert_memory_equal(bytes, "one\0two", 7);
    free(bytes);
    assert_false(rv_store_get(store, &bytes, &length, &other));
    assert_false(rv_store_get(store, &bytes, &length, &longer));
    rv_store_close(store);

    assert_false(rv_store_get(NULL, &bytes, &length, &q)); // no store: nothing is kept
    check(rv_store_put(NULL, &q, "x", 1, &err));
}

static void large_contents_are_kept(void **state)
{
    (void)state;
    enum { FLOATS = 3 << 20 };
    rv_store *store = open_store("large");
    float *pool = malloc(FLOATS * sizeof *pool);
    char *bytes;
    size_t length;
    rv_random random = rv_random_stream(3, 1, 0);
    for (size_t i = 0; i < FLOATS; i++) pool[i] = (float)rv_random_uniform(&random);
    rv_question q = {.kind = "sentences", .text = "pool"};
    check(rv_store_put(store, &q, pool, FLOATS * sizeof *pool, &err));
    assert_true(rv_store_get(store, &bytes, &length, &q));
    assert_int_equal(length, FLOATS * sizeof *pool);
    assert_memory_equal(bytes, pool, length);
    free(bytes);
    free(pool);
    rv_store_close(store);
}

static void the_store_is_private(void **state)
{
    (void)state;
    struct stat info;
    rv_store_close(open_store("private/store"));
    assert_int_equal(stat(at("private/store"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    assert_int_equal(stat(at("private/store/store.db"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

static void numbers_are_packed_as_they_are(void **state)
{
    (void)state;
    const uint64_t counts[] = {0, 1, 127, 128, 300, 1u << 31, INT64_MAX, UINT64_MAX};
    const double doubles[] = {0, -1.5, 1e300, 5e-324};
    const float floats[] = {0, -1.25f, 3e38f, 1e-45f};
    double d[4];
    float f[4];
    rv_text t = {0};
    for (size_t i = 0; i < 8; i++) rv_pack_count(&t, counts[i]);
    rv_pack_doubles(&t, doubles, 4);
    rv_pack_floats(&t, floats, 4);
    for (size_t cut = 0; cut <= t.length; cut++) {
        rv_packed from = {(const unsigned char *)t.bytes, cut, 0, false};
        for (size_t i = 0; i < 8; i++) {
            uint64_t value = rv_unpack_count(&from, UINT64_MAX);
            assert_true(value == counts[i] || (from.failed && value == 0));
        }
        rv_unpack_doubles(d, &from, 4);
        rv_unpack_floats(f, &from, 4);
        assert_int_equal(rv_unpacked(&from), cut == t.length);
    }
    assert_memory_equal(d, doubles, sizeof d);
    assert_memory_equal(f, floats, sizeof f);
    rv_packed over = {(const unsigned char *)"\x05", 1, 0, false};
    assert_int_equal(rv_unpack_count(&over, 4), 0);
    assert_true(over.failed);
    rv_text_release(&t);
}

/* ---- answers of corpora ---------------------------------------------------------------------- */

static void an_answer_may_name_only_what_there_is(void **state)
{
    (void)state;
    int32_t ids[] = {3, 9, 4};
    float values[] = {0.5f, 1.5f, -2};
    rv_corpus_hit hit = {
        .f = 1.5, .file = 1, .offset = 77, .ids = ids, .values = values, .count = 3, .at = 1};
    rv_corpus_stats s = {.positions = 100, .mean = 0.25, .high = &hit, .high_count = 1}, back;
    rv_corpus_bounds good = {.files = 2, .vocabulary = 10, .top = 1, .tokens = 3};
    rv_text t = {0};
    rv_corpus_answer_write(&t, &s);
    assert_true(rv_corpus_answer_read(&back, t.bytes, t.length, &good));
    assert_int_equal(back.positions, 100);
    assert_int_equal(back.high[0].offset, 77);
    assert_memory_equal(back.high[0].ids, ids, sizeof ids);
    assert_memory_equal(back.high[0].values, values, sizeof values);
    rv_corpus_stats_clear(&back);
    const rv_corpus_bounds bad[] = {{1, 10, 1, 3}, {2, 9, 1, 3},  {2, 10, 0, 3},
                                    {2, 10, 1, 2}, {0, 10, 1, 3}, {2, 0, 1, 3}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(rv_corpus_answer_read(&back, t.bytes, t.length, &bad[i]));
    for (size_t cut = 0; cut < t.length; cut++)
        assert_false(rv_corpus_answer_read(&back, t.bytes, cut, &good));
    for (size_t i = 0; i < t.length;
         i++) { // any byte, any bit: read or refused, never out of bounds
        for (int bit = 0; bit < 8; bit++) {
            t.bytes[i] ^= (char)(1 << bit);
            if (rv_corpus_answer_read(&back, t.bytes, t.length, &good)) {
                for (size_t h = 0; h < back.high_count; h++) {
                    assert_true(back.high[h].file < 2 && back.high[h].at < back.high[h].count);
                    for (size_t k = 0; k < back.high[h].count; k++)
                        assert_in_range(back.high[h].ids[k], 0, 9);
                }
                rv_corpus_stats_clear(&back);
            }
            t.bytes[i] ^= (char)(1 << bit);
        }
    }
    hit.at = 3;
    t.length = 0;
    rv_corpus_answer_write(&t, &s);
    assert_false(rv_corpus_answer_read(&back, t.bytes, t.length, &good));
    rv_text_release(&t);
}

/* ---- versions -------------------------------------------------------------------------------- */

static void run_sql(const char *name, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(at(name), &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s", sqlite3_errmsg(db));
    sqlite3_close(db);
}

static void a_newer_store_is_left_alone(void **state)
{
    (void)state;
    rv_store *store;
    char *before, *after;
    size_t a, b;
    fill_store("newer");
    run_sql("newer/store.db", "PRAGMA user_version = 99; PRAGMA wal_checkpoint(TRUNCATE)");
    check(rv_read_file(&before, &a, at("newer/store.db"), 1 << 20, &err));
    assert_int_equal(rv_store_open(&store, at("newer"), hear, NULL, &err), RV_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "store.db: version: expected at most"));
    assert_non_null(strstr(err.message, "found 99"));
    check(rv_read_file(&after, &b, at("newer/store.db"), 1 << 20, &err));
    assert_int_equal(a, b);
    assert_memory_equal(before, after, a);
    free(before);
    free(after);
}

static void another_database_is_moved_aside(void **state)
{
    (void)state;
    assert_int_equal(mkdir(at("other"), 0700), 0);
    run_sql("other/store.db", "CREATE TABLE mine (x); INSERT INTO mine VALUES (1)");
    rv_store *store = open_store("other");
    assert_non_null(strstr(told, "store-damaged-1.db"));
    put_row(store, 1);
    assert_true(has_row(store, 1));
    rv_store_close(store);
    run_sql("other/store-damaged-1.db", "INSERT INTO mine VALUES (2)");
}

static void an_empty_file_becomes_a_store(void **state)
{
    (void)state;
    assert_int_equal(mkdir(at("empty"), 0700), 0);
    close(open(at("empty/store.db"), O_CREAT | O_WRONLY, 0644));
    rv_store *store = open_store("empty");
    put_row(store, 1);
    assert_true(has_row(store, 1));
    assert_string_equal(told, "");
    rv_store_close(store);
}

static void the_old_index_goes(void **state)
{
    (void)state;
    static const char *const files[] = {"cache/reverie/index/0123456789abcdef.json",
                                        "cache/reverie/index/0123456789abcdef.json.txt",
                                        "cache/reverie/index/mine.json"};
    setenv("XDG_CACHE_HOME", at("cache"), 1);
    check(rv_make_folders(at("cache/reverie/index"), &err));
    for (size_t i = 0; i < 3; i++) check(rv_write_file(at(files[i]), "{}", 2, &err));
    rv_store *store;
    check(rv_store_open(&store, NULL, NULL, NULL, &err));
    rv_store_close(store);
    assert_true(rv_file_exists(at("cache/reverie/store/store.db")));
    assert_false(rv_file_exists(at(files[0])));
    assert_true(rv_file_exists(at(files[1])));
    assert_true(rv_file_exists(at(files[2])));
}

/* ---- damage ---------------------------------------------------------------------------------- */

static void copy_store(const char *bytes, size_t length)
{
    check(rv_make_folders(at("damaged"), &err));
    unlink(at("damaged/store.db-wal"));
    unlink(at("damaged/store.db-shm"));
    unlink(at("damaged/store-damaged-1.db"));
    unlink(at("damaged/store-damaged-1.db-wal"));
    unlink(at("damaged/store-damaged-1.db-shm"));
    FILE *file = fopen(at("damaged/store.db"), "wb"); // without waiting for the disk
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    fclose(file);
}

/* Nothing wrong is found, and afterwards it is a store again; unless the damage made it one of a newer version. */
static void survives(void)
{
    rv_store *store;
    rv_status status = rv_store_open(&store, at("damaged"), hear, NULL, &err);
    if (status == RV_ERR_UNSUPPORTED) return;
    check(status);
    rows_in(store);
    for (size_t i = 0; i < ROWS; i++) put_row(store, i);
    assert_int_equal(rows_in(store), ROWS);
    rv_store_close(store);
}

static void damage_is_passed_over(void **state)
{
    (void)state;
    char *bytes;
    size_t length;
    fill_store("whole");
    check(rv_read_file(&bytes, &length, at("whole/store.db"), 1 << 20, &err));
    rv_random random = rv_random_stream(1, 2, 3);
    for (size_t n = 0; n < 160; n++) {
        // All of the header, then anywhere.
        size_t place = n < 100 ? n : rv_random_below(&random, (uint32_t)length);
        char kept = bytes[place];
        bytes[place] ^= (char)(1 << rv_random_below(&random, 8));
        copy_store(bytes, length);
        survives();
        bytes[place] = kept;
    }
    for (size_t n = 0; n < 24; n++) {
        copy_store(bytes,
                   n < 12 ? length * n / 12 : rv_random_below(&random, (uint32_t)length));
        survives();
    }
    for (size_t page = 0; page < length / 4096; page++) { // a page that was never written
        char *holed = malloc(length);
        memcpy(holed, bytes, length);
        memset(holed + 4096 * page, 0, 4096);
        copy_store(holed, length);
        survives();
        free(holed);
    }
    free(bytes);
}

/* The database is whole, and a row is not what was put. */
static void changed_rows_are_passed_over(void **state)
{
    (void)state;
    static const char *const changes[] = {
        "UPDATE kept SET content = zeroblob(length(content))",
        "UPDATE kept SET content = substr(content, 2)",
        "UPDATE kept SET content = 7",
        "UPDATE kept SET length = length + 1",
        "UPDATE kept SET length = 1 << 40",
        "UPDATE kept SET length = -1",
        "UPDATE kept SET digest = ''",
        "UPDATE kept SET kind = 'fluency'",
        "UPDATE kept SET made = made + 1",
        "UPDATE kept SET source = 'b.txt'",
        // Each row's question, with the content of another.
        "UPDATE kept SET (content, length, digest) = (SELECT content, length, digest FROM kept "
        "AS k WHERE k.id = "
        "kept.id % 12 + 1)",
    };
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        unlink(at("changed/store.db"));
        fill_store("changed");
        run_sql("changed/store.db", changes[i]);
        rv_store *store = open_store("changed");
        if (rows_in(store)) fail_msg("found after: %s", changes[i]);
        put_row(store, 3);
        assert_true(has_row(store, 3));
        rv_store_close(store);
    }
}

static void damage_during_use_is_passed_over(void **state)
{
    (void)state;
    fill_store("during");
    rv_store *store = open_store("during");
    assert_true(has_row(store, 0));
    int fd = open(at("during/store.db"), O_WRONLY);
    static const char noise[4096] = {42};
    for (off_t page = 1; page < 12; page++)
        assert_int_equal(pwrite(fd, noise, sizeof noise, page * 4096), 4096);
    close(fd);
    for (size_t i = 0; i < ROWS; i++) has_row(store, i);
    for (size_t i = 0; i < ROWS; i++) put_row(store, i);
    assert_int_equal(rows_in(store), ROWS);
    rv_store_close(store);
}

/* ---- processes and disks --------------------------------------------------------------------- */

static int wait_for(pid_t child)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void processes_share_a_store(void **state)
{
    (void)state;
    enum { PROCESSES = 4, EACH = 25 };
    pid_t children[PROCESSES];
    for (size_t p = 0; p < PROCESSES; p++) {
        children[p] = fork();
        if (children[p]) continue;
        rv_store *store; // all make it at the same time
        if (rv_store_open(&store, at("shared"), NULL, NULL, &err) != RV_OK) _exit(1);
        for (size_t i = 0; i < EACH; i++) {
            rv_question q = asked("corpus", p * EACH + i);
            if (rv_store_put(store, &q, q.text, strlen(q.text), &err) != RV_OK) _exit(2);
        }
        rv_store_close(store);
        _exit(0);
    }
    for (size_t p = 0; p < PROCESSES; p++) assert_int_equal(wait_for(children[p]), 0);
    rv_store *store = open_store("shared");
    for (size_t i = 0; i < PROCESSES * EACH; i++) {
        char *bytes;
        size_t length;
        rv_question q = asked("corpus", i);
        assert_true(rv_store_get(store, &bytes, &length, &q));
        assert_string_equal(bytes, q.text);
        free(bytes);
    }
    rv_store_close(store);
}

/* A child writes, and says what is written; it is killed at some time. */
static void a_killed_write_loses_only_itself(void **state)
{
    (void)state;
    rv_random random = rv_random_stream(5, 1, 0);
    for (size_t round = 0; round < 15; round++) {
        int ends[2];
        unsigned char done = 0, last = 0;
        unlink(at("killed/store.db"));
        unlink(at("killed/store.db-wal"));
        unlink(at("killed/store.db-shm"));
        rv_store_close(open_store("killed"));
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        if (child == 0) {
            rv_store *store = open_store("killed");
            for (size_t i = 0;; i = (i + 1) % ROWS) {
                put_row(store, i);
                unsigned char number = (unsigned char)(i + 1);
                if (write(ends[1], &number, 1) != 1) _exit(1);
            }
        }
        close(ends[1]);
        usleep(2000 + rv_random_below(&random, 30000));
        kill(child, SIGKILL);
        wait_for(child);
        while (read(ends[0], &last, 1) == 1)
            if (last > done) done = last;
        close(ends[0]);
        rv_store *store = open_store("killed");
        for (size_t i = 0; i < done; i++) assert_true(has_row(store, i));
        put_row(store, 0);
        assert_string_equal(told, "");
        rv_store_close(store);
    }
}

static void a_full_disk_loses_nothing(void **state)
{
    (void)state;
    fill_store("full");
    for (rlim_t room = 0; room < 3; room++) {
        pid_t child = fork();
        if (child == 0) {
            struct rlimit limit = {room * 5000, room * 5000};
            char *noise = malloc(1 << 20);
            signal(SIGXFSZ, SIG_IGN);
            setrlimit(RLIMIT_FSIZE, &limit);
            rv_random random = rv_random_stream(9, 1, 0);
            for (size_t i = 0; i < 1 << 20; i++) noise[i] = (char)rv_random_below(&random, 256);
            rv_store *store;
            if (rv_store_open(&store, at("full"), NULL, NULL, &err) != RV_OK) _exit(0);
            rv_question q = asked("corpus", 500);
            rv_status status = rv_store_put(store, &q, noise, 1 << 20, &err);
            bool said = status == RV_ERR_IO && strstr(err.message, "store.db");
            bool there = rows_in(store) == ROWS; // and can still be read
            rv_store_close(store);
            _exit(!said ? 1 : !there ? 2 : 0);
        }
        assert_int_equal(wait_for(child), 0);
    }
    rv_store *store = open_store("full");
    assert_int_equal(rows_in(store), ROWS);
    assert_string_equal(told, "");
    rv_store_close(store);
}

static void a_store_that_cannot_be_made_is_said(void **state)
{
    (void)state;
    rv_store *store;
    check(rv_write_file(at("a-file"), "", 0, &err));
    assert_int_equal(rv_store_open(&store, at("a-file/store"), NULL, NULL, &err), RV_ERR_IO);
    assert_null(store);
    assert_int_equal(mkdir(at("a-folder"), 0700), 0);
    assert_int_equal(mkdir(at("a-folder/store.db"), 0700), 0);
    assert_int_equal(rv_store_open(&store, at("a-folder"), NULL, NULL, &err), RV_ERR_IO);
    assert_null(store);
}

/* ---- digests of files ------------------------------------------------------------------------ */

static void a_digest_is_of_what_is_there_now(void **state)
{
    (void)state;
    // sha256sum of "abc" and "abd"
    static const char *const
        texts[] = {"abc", "abd", "abc"},
        *const digests[] = {"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
                            "a52d159f262b2c6ddb724a61840befc36eb30c88877a4030b65cbe86298449c9",
                            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"};
    const struct timespec then[2] = {{1700000000, 0}, {1700000000, 0}};
    rv_store *store = open_store("digests");
    char found[RV_HASH_HEX];
    int fd = open(at("text"), O_CREAT | O_RDWR, 0600);
    for (size_t i = 0; i < 3; i++) { // in place, of the same length and date
        assert_int_equal(pwrite(fd, texts[i], 3, 0), 3);
        assert_int_equal(futimens(fd, then), 0);
        for (int again = 0; again < 2; again++) {
            check(rv_file_digest(found, store, at("text"), NULL, NULL, &err));
            assert_string_equal(found, digests[i]);
        }
    }
    close(fd);
    assert_int_equal(rv_file_digest(found, store, at("none"), NULL, NULL, &err),
                     RV_ERR_NOT_FOUND);
    assert_int_equal(rv_file_digest(found, store, home, NULL, NULL, &err), RV_ERR_IO);
    // A file that rests is read once.
    check(rv_file_digest(found, store, "LICENSE", NULL, NULL, &err));
    rv_store_close(store);
    rv_store_listing listing;
    rv_store_params p = rv_store_params_default();
    p.folder = at("digests");
    p.kind = "digest";
    check(rv_store_list(&listing, &p, &err));
    assert_int_equal(listing.count, 1);
    assert_string_equal(listing.entries[0].source, "LICENSE");
    rv_store_listing_release(&listing);
}

/* ---- lists ----------------------------------------------------------------------------------- */

static void what_is_kept_is_listed_and_pruned(void **state)
{
    (void)state;
    rv_store_params p = rv_store_params_default();
    rv_store_listing l;
    char *json;
    p.folder = at("listed");
    check(rv_store_list(&l, &p, &err)); // nothing is made
    assert_int_equal(l.file_bytes, 0);
    rv_store_listing_release(&l);
    assert_false(rv_folder_exists(at("listed")));

    fill_store("listed");
    rv_store *store = open_store("listed");
    rv_question q = {.kind = "chat", .text = "?", .model = "gpt", .source = "https://host/v1"};
    check(rv_store_put(store, &q, "!", 1, &err));
    rv_store_close(store);
    run_sql("listed/store.db", "UPDATE kept SET made = made - 100000 WHERE id <= 4");

    check(rv_store_list(&l, &p, &err));
    assert_int_equal(l.count, ROWS + 1);
    assert_int_equal(l.entry_count, 2);
    assert_string_equal(l.entries[0].kind, "chat");
    assert_string_equal(l.entries[0].source, "https://host/v1");
    assert_string_equal(l.entries[1].model, "tiny");
    assert_int_equal(l.entries[1].count, ROWS);
    assert_true(l.entries[1].newest - l.entries[1].oldest >= 100000);
    assert_true(l.file_bytes > l.bytes);
    check(rv_store_listing_json(&json, &l, &err));
    assert_non_null(strstr(json, "\"kind\": \"chat\""));
    free(json);
    rv_store_listing_release(&l);

    assert_int_equal(rv_store_prune(&l, &p, &err), RV_ERR_USAGE); // of what?
    p.older_than = 90000;
    check(rv_store_prune(&l, &p, &err));
    assert_int_equal(l.count, 4);
    rv_store_listing_release(&l);
    p.older_than = 0;
    p.model = "01234567"; // of the hash
    check(rv_store_prune(&l, &p, &err));
    assert_int_equal(l.count, ROWS - 4);
    rv_store_listing_release(&l);
    p.model = NULL;
    p.all = true;
    check(rv_store_prune(&l, &p, &err));
    assert_int_equal(l.count, 1);
    assert_true(l.file_bytes < 20000);
    rv_store_listing_release(&l);
}

static int make_home(void **state)
{
    (void)state;
    snprintf(home, sizeof home, "%s/reverie-store-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(home));
    setenv("HOME", home, 1);
    unsetenv("XDG_CACHE_HOME");
    return 0;
}

static int remove_home(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", home);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_is_found),
        cmocka_unit_test(large_contents_are_kept),
        cmocka_unit_test(the_store_is_private),
        cmocka_unit_test(numbers_are_packed_as_they_are),
        cmocka_unit_test(an_answer_may_name_only_what_there_is),
        cmocka_unit_test(a_newer_store_is_left_alone),
        cmocka_unit_test(another_database_is_moved_aside),
        cmocka_unit_test(an_empty_file_becomes_a_store),
        cmocka_unit_test(the_old_index_goes),
        cmocka_unit_test(damage_is_passed_over),
        cmocka_unit_test(changed_rows_are_passed_over),
        cmocka_unit_test(damage_during_use_is_passed_over),
        cmocka_unit_test(processes_share_a_store),
        cmocka_unit_test(a_killed_write_loses_only_itself),
        cmocka_unit_test(a_full_disk_loses_nothing),
        cmocka_unit_test(a_store_that_cannot_be_made_is_said),
        cmocka_unit_test(a_digest_is_of_what_is_there_now),
        cmocka_unit_test(what_is_kept_is_listed_and_pruned),
    };
    return cmocka_run_group_tests(tests, make_home, remove_home);
}
