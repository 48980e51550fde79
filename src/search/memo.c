#include "search/memo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"

/* FNV-1a over the ids' bytes, then a final mix (splitmix64), so that low bits are good. */
uint64_t rv_ids_hash(const int32_t *ids, size_t count)
{
    uint64_t h = 0xcbf29ce484222325u ^ count;
    for (size_t i = 0; i < count; i++) h = (h ^ (uint32_t)ids[i]) * 0x100000001b3u;
    h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9u;
    h = (h ^ h >> 27) * 0x94d049bb133111ebu;
    h ^= h >> 31;
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
    if (2 * (m->count + 1) > m->capacity) RV_TRY(grow(m, err));
    rv_judgement *slot = slot_of(m, j.key);
    m->count += slot->key == 0;
    *slot = j;
    return RV_OK;
}

/* At the head of a journal; the digit is the layout of what follows. */
static const char MAGIC[8] = {'r', 'e', 'v', 'e', 'r', 'i', 'e', '2'};

static rv_status fail_journal(const rv_memo *m, const char *what, rv_error *err)
{
    return rv_fail(err, RV_ERR_IO, "%s: %s: %s", m->path, what, strerror(errno));
}

rv_status rv_memo_open(rv_memo *m, const char *path, rv_error *err)
{
    *m = (rv_memo){.path = path};
    if (!path) return RV_OK;
    m->journal = fopen(path, "a+b");
    if (!m->journal) return fail_journal(m, "cannot open", err);
    rewind(m->journal);
    rv_judgement j;
    char magic[sizeof MAGIC];
    size_t head = fread(magic, 1, sizeof magic, m->journal);
    if (head && memcmp(magic, MAGIC, head) != 0)
        return rv_fail(err, RV_ERR_FORMAT,
                       "%s: expected a journal of this version, found another; without it the "
                       "run begins anew",
                       path);
    long whole = (long)head;
    if (head < sizeof magic) {
        whole = sizeof magic;
        if (ftruncate(fileno(m->journal), 0) != 0 ||
            fwrite(MAGIC, sizeof MAGIC, 1, m->journal) != 1 || fflush(m->journal) != 0)
            return fail_journal(m, "cannot begin", err);
    }
    while (fread(&j, sizeof j, 1, m->journal) == 1) {
        if (j.key == 0)
            return rv_fail(err, RV_ERR_FORMAT, "%s: entry at byte %ld: expected a key, found 0",
                           path, whole);
        j.seen = 0;
        RV_TRY(insert(m, j, err));
        whole += (long)sizeof j;
    }
    // An entry that a crash cut short is dropped.
    if (ftruncate(fileno(m->journal), whole) != 0)
        return fail_journal(m, "cannot truncate", err);
    fseek(m->journal, 0, SEEK_END);
    return RV_OK;
}

rv_status rv_memo_add(rv_memo *m, rv_judgement j, rv_error *err)
{
    RV_TRY(insert(m, j, err));
    if (m->journal && fwrite(&j, sizeof j, 1, m->journal) != 1)
        return fail_journal(m, "cannot write", err);
    return RV_OK;
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
