#include "base/assets.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"

/* folder/kind/name if there is such a thing, else NULL. */
static char *look(const char *folder, const char *kind, const char *name)
{
    char *first = rv_path_join(folder, kind), *path = first ? rv_path_join(first, name) : NULL;
    free(first);
    if (path && (rv_folder_exists(path) || rv_file_exists(path))) return path;
    free(path);
    return NULL;
}

static char *look_in(const char *folder, const char *rest, const char *kind, const char *name)
{
    char *base = rv_path_join(folder, rest), *path = base ? look(base, kind, name) : NULL;
    free(base);
    return path;
}

char *rv_asset_find(const char *kind, const char *name)
{
    char *path = NULL, program[4096];
    const char *named = getenv("REVERIE_ASSETS");
    if (named && *named) path = look(named, kind, name);
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    while (length > 0 && program[length - 1] != '/') length--;
    if (!path && length > 0) {
        program[length] = '\0';
        path = look_in(program, "../assets", kind, name);
        if (!path) path = look_in(program, "../share/reverie", kind, name);
    }
    return path ? path : look("assets", kind, name);
}
