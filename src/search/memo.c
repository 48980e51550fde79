#include "search/memo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/memory.h"

/* splitmix64's last steps: one to one, so that two that differ stay different. */
static uint64_t mix(uint64_t h)
{
    h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9u;
    h = (h ^ h >> 27) * 0x94d049bb133111ebu;
    return h ^ h >> 31;
}

/* FNV-1a over the ids, then mixed, so that low bits are good. */
uint64_t rv_ids_hash(const int32_t *ids, size_t count)
{
    uint64_t h = 0xcbf29ce484222325u ^ count;
    for (size_t i = 0; i < count; i++) h = (h ^ (uint32_t)ids[i]) * 0x100000001b3u;
    h = mix(h);
    return h ? h : 1;
}

static rv_judgement *slot_of(const rv_memo *m, uint64_t key)
{
    size_t i = key & (m->capacity - 1);
    while (m->slots[i].key && m->slots[i].key != key) i = (i + 1) & (m->capacity - 1);
    return &m->slots[i];
}

rv_judgement *rv_memo_find(const rv_memo *m, uint64_t key)
{
    if (m->capacity == 0) return NULL;
    rv_judgement *found = slot_of(m, key);
    return found->key ? found : NULL;
}

static rv_status grow(rv_memo *m, rv_error *err)
{
    rv_memo larger = *m;
    larger.capacity = m->capacity ? 2 * m->capacity : 4096;
    RV_TRY(RV_NEW(larger.slots, larger.capacity, err));
    for (size_t i = 0; i < m->capacity; i++)
        if (m->slots[i].key) *slot_of(&larger, m->slots[i].key) = m->slots[i];
    free(m->slots);
    *m = larger;
    return RV_OK;
}

static rv_status insert(rv_memo *m, rv_judgement j, rv_error *err)
{
    RV_ASSERT(j.key != 0);
    if (2 * (m->count + 1) > m->capacity) RV_TRY(grow(m, err));
    rv_judgement *slot = slot_of(m, j.key);
    m->count += slot->key == 0;
    *slot = j;
    return RV_OK;
}

/* At the head of a journal; the digit is the layout of what follows. */
static const char MAGIC[8] = {'r', 'e', 'v', 'e', 'r', 'i', 'e', '3'};

/* A judgement in a journal. check is over the rest and the check of the entry before, so that a changed bit is noticed, and
 * an entry that is missing or stands elsewhere. */
typedef struct entry {
    uint64_t key;
    double f, xe, latter;
    uint64_t check;
} entry;

static uint64_t check_of(uint64_t before, const entry *e)
{
    uint64_t words[4], h = before;
    memcpy(words, e, sizeof words);
    for (size_t i = 0; i < 4; i++) h = mix(h ^ words[i]);
    return h;
}

static rv_status fail_journal(const rv_memo *m, const char *what, rv_error *err)
{
    if (errno == ENOMEM) return rv_fail_memory(err, BUFSIZ);
    return rv_fail(err, RV_ERR_IO, "%s: %s: %s", m->path, what, strerror(errno));
}

/* *whole: bytes that stay. What was cut short or damaged goes, and everything behind it: it is judged again. */
static rv_status read_entries(rv_memo *m, long *whole, rv_error *err)
{
    entry e;
    while (fread(&e, sizeof e, 1, m->journal) == 1) {
        uint64_t check = check_of(m->check, &e);
        if (e.key == 0 || e.check != check) break;
        rv_judgement j = {.key = e.key, .f = e.f, .xe = e.xe, .latter = e.latter};
        RV_TRY(insert(m, j, err));
        m->check = check;
        *whole += (long)sizeof e;
    }
    return ferror(m->journal) ? fail_journal(m, "cannot read", err) : RV_OK;
}

rv_status rv_memo_open(rv_memo *m, const char *path, const char *run, rv_error *err)
{
    *m = (rv_memo){.path = path};
    for (; run && *run; run++) m->check = mix(m->check ^ (unsigned char)*run);
    if (!path) return RV_OK;
    m->journal = fopen(path, "a+b");
    if (!m->journal) return fail_journal(m, "cannot open", err);
    rewind(m->journal);
    char magic[sizeof MAGIC];
    size_t head = fread(magic, 1, sizeof magic, m->journal);
    if (head && memcmp(magic, MAGIC, head) != 0)
        return rv_fail(err, RV_ERR_FORMAT,
                       "%s: expected a journal of this version, found another; without it the "
                       "run begins anew",
                       path);
    long whole = sizeof magic;
    if (head == sizeof magic) {
        RV_TRY(read_entries(m, &whole, err));
    } else if (ftruncate(fileno(m->journal), 0) != 0 ||
               fwrite(MAGIC, sizeof MAGIC, 1, m->journal) != 1 || fflush(m->journal) != 0) {
        return fail_journal(m, "cannot begin", err);
    }
    if (ftruncate(fileno(m->journal), whole) != 0)
        return fail_journal(m, "cannot truncate", err);
    fseek(m->journal, 0, SEEK_END);
    return RV_OK;
}

rv_status rv_memo_add(rv_memo *m, rv_judgement j, rv_error *err)
{
    RV_TRY(insert(m, j, err));
    if (!m->journal) return RV_OK;
    entry e = {.key = j.key, .f = j.f, .xe = j.xe, .latter = j.latter};
    m->check = e.check = check_of(m->check, &e);
    return fwrite(&e, sizeof e, 1, m->journal) == 1 ? RV_OK
                                                    : fail_journal(m, "cannot write", err);
}

rv_status rv_memo_flush(rv_memo *m, rv_error *err)
{
    if (m->journal && fflush(m->journal) != 0) return fail_journal(m, "cannot write", err);
    return RV_OK;
}

void rv_memo_close(rv_memo *m)
{
    if (m->journal) fclose(m->journal);
    free(m->slots);
    *m = (rv_memo){0};
}
