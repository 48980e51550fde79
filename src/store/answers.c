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

static char *path_of(const char *question, const char *ending)
{
    char name[64];
    snprintf(name, sizeof name, "index/%016llx.%s", (unsigned long long)hash(question), ending);
    char *folder = rv_cache_folder(), *path = folder ? rv_path_join(folder, name) : NULL;
    free(folder);
    return path;
}

/* Whether the folder of the path is there now. */
static bool make_folder(char *path)
{
    rv_error ignored;
    char *slash = strrchr(path, '/');
    *slash = '\0';
    bool made = rv_make_private_folders(path, &ignored) == RV_OK;
    *slash = '/';
    return made;
}

char *rv_answer_file(const char *question, const char *ending)
{
    char *path = path_of(question, ending);
    if (path && make_folder(path)) return path;
    free(path);
    return NULL;
}

json_t *rv_answer_recall(const char *question)
{
    char *path = path_of(question, "json"), *text = NULL;
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
    char *path = path_of(question, "json"), *text = NULL;
    rv_error ignored;
    if (path && answer && json_object_set_new(answer, "question", json_string(question)) == 0)
        text = json_dumps(answer, JSON_COMPACT | JSON_REAL_PRECISION(17));
    if (text && make_folder(path)) rv_write_private_file(path, text, strlen(text), &ignored);
    free(text);
    free(path);
    json_decref(answer);
}
