#include "reverie/output.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/output.h"
#include "base/text.h"
#include "hub/resolve.h"

/* What a command reads, as a path: a file of "direction:FILE@SITE", a model of "local:NAME", a model or a file by its
 * name. malloc'ed; NULL: nothing that exists. */
static char *path_of(const char *input)
{
    static const char direction[] = "direction:", local[] = "local:";
    const char *written = input + (*input == '-');
    char *path = NULL;
    if (strncmp(written, direction, sizeof direction - 1) == 0) {
        written += sizeof direction - 1;
        const char *site = strrchr(written, '@');
        return rv_strndup(written, site ? (size_t)(site - written) : strlen(written));
    }
    if (strncmp(input, local, sizeof local - 1) == 0) input += sizeof local - 1;
    if (rv_file_exists(input) || rv_folder_exists(input) ||
        rv_resolve_model(&path, input, NULL) != RV_OK)
        return rv_strndup(input, strlen(input));
    return path;
}

/* Files that a run keeps beside its own. */
static rv_status check_beside(const char *path, const char *input, bool force, rv_error *err)
{
    static const char *const endings[] = {".journal", ".resumed"};
    rv_status status = RV_OK;
    for (size_t i = 0; status == RV_OK && i < 2; i++) {
        rv_text name = {0};
        rv_text_printf(&name, "%s%s", path, endings[i]);
        if (name.failed)
            status = rv_fail_memory(err, strlen(path));
        else if (input)
            status = rv_output_apart(name.bytes, input, err);
        else if (!force)
            status =
                rv_output_replaceable(name.bytes, i ? RV_OUTPUT_RUN : RV_OUTPUT_JOURNAL, err);
        rv_text_release(&name);
    }
    return status;
}

rv_status rv_output_check(const char *path, rv_output_kind kind, bool force,
                          const char *const *inputs, size_t input_count, rv_error *err)
{
    RV_TRY(rv_output_reachable(path, kind == RV_OUTPUT_FOLDER, err));
    for (size_t i = 0; i < input_count; i++) {
        char *input = path_of(inputs[i]);
        rv_status status = input ? rv_output_apart(path, input, err) : RV_OK;
        if (status == RV_OK && input && kind == RV_OUTPUT_RUN)
            status = check_beside(path, input, force, err);
        free(input);
        RV_TRY(status);
    }
    if (kind == RV_OUTPUT_RUN) RV_TRY(check_beside(path, NULL, force, err));
    return force && kind != RV_OUTPUT_FOLDER ? RV_OK : rv_output_replaceable(path, kind, err);
}
