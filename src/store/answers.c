#include "store/answers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

static const size_t ANSWER_LIMIT = (size_t)64 << 20;

/* FNV-1a, 64 bits: names a file in a cache whose content is checked against the whole question. */
static uint64_t hash(const char *bytes)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *bytes; bytes++) h = (h ^ (unsigned char)*bytes) * 0x100000001b3u;
    return h;
}

static char *answer_path(const char *question)
{
    char name[64];
    snprintf(name, sizeof name, "index/%016llx.json", (unsigned long long)hash(question));
    char *folder = rv_cache_folder(), *path = folder ? rv_path_join(folder, name) : NULL;
    free(folder);
    return path;
}

json_t *rv_answer_recall(const char *question)
{
    char *path = answer_path(question), *text = NULL;
    size_t length;
    rv_error ignored;
    json_t *root = NULL;
    if (path && rv_read_file(&text, &length, path, ANSWER_LIMIT, &ignored) == RV_OK)
        root = json_loadb(text, length, 0, NULL);
    free(text);
    free(path);
    const char *written = json_string_value(json_object_get(root, "question"));
    if (written && strcmp(written, question) == 0) return root;
    json_decref(root);
    return NULL;
}

void rv_answer_keep(const char *question, json_t *answer)
{
    char *path = answer_path(question), *text = NULL;
    rv_error ignored;
    if (path && answer && json_object_set_new(answer, "question", json_string(question)) == 0)
        text = json_dumps(answer, JSON_COMPACT | JSON_REAL_PRECISION(17));
    if (text) {
        char *slash = strrchr(path, '/');
        *slash = '\0';
        bool made = rv_make_private_folders(path, &ignored) == RV_OK;
        *slash = '/';
        if (made) rv_write_private_file(path, text, strlen(text), &ignored);
    }
    free(text);
    free(path);
    json_decref(answer);
}
