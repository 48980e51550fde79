#include "base/assets.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

/* *path, unless it is known already: folder/rest/kind/name if there is such a thing. */
static rv_status look(char **path, const char *folder, const char *rest, const char *kind,
                      const char *name, rv_error *err)
{
    if (*path) return RV_OK;
    rv_text text = {0};
    rv_text_printf(&text, "%s%s/%s/%s", folder, rest, kind, name);
    if (text.failed) {
        rv_text_release(&text);
        return rv_fail_memory(err, text.length);
    }
    rv_status status = RV_OK;
    if (rv_folder_exists(text.bytes) || rv_file_exists(text.bytes)) {
        *path = rv_text_take(&text);
        if (!*path) status = rv_fail_memory(err, 1);
    }
    rv_text_release(&text);
    return status;
}

rv_status rv_asset_find(char **path, const char *kind, const char *name, rv_error *err)
{
    char program[4096];
    const char *named = getenv("REVERIE_ASSETS");
    *path = NULL;
    if (named && *named) RV_TRY(look(path, named, "", kind, name, err));
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    while (length > 0 && program[length - 1] != '/') length--;
    if (length > 0) {
        program[length] = '\0';
        RV_TRY(look(path, program, "../assets", kind, name, err));
        RV_TRY(look(path, program, "../share/reverie", kind, name, err));
    }
    return look(path, "assets", "", kind, name, err);
}
