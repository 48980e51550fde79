#include "hub/cache.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

enum { NAME_LIMIT = 96, REVISION_LIMIT = 255, REF_LIMIT = 4096 };

bool rv_hub_is_commit(const char *text)
{
    size_t length = strspn(text, "0123456789abcdef");
    return text[length] == '\0' && (length == 40 || length == 64);
}

bool rv_hub_path_is_safe(const char *path)
{
    if (!*path || strlen(path) > 1024) return false;
    for (const char *part = path;; part++) {
        size_t length = strcspn(part, "/");
        if (length == 0 || length > 255) return false;
        if (length <= 2 && strspn(part, ".") >= length) return false;
        for (size_t i = 0; i < length; i++)
            if (iscntrl((unsigned char)part[i]) || part[i] == '\\') return false;
        part += length;
        if (!*part) return true;
    }
}

/* One side of OWNER/NAME. "--" separates the two in the name of the cache folder. */
static bool is_name(const char *text, size_t length)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    if (length == 0 || length > NAME_LIMIT || strspn(text, allowed) < length) return false;
    if (strchr("-.", text[0]) || strchr("-.", text[length - 1])) return false;
    return !memmem(text, length, "--", 2) && !memmem(text, length, "..", 2);
}

static bool is_repository(const char *text, size_t length)
{
    const char *slash = memchr(text, '/', length);
    if (!slash) return is_name(text, length);
    size_t owner = (size_t)(slash - text);
    return is_name(text, owner) && is_name(slash + 1, length - owner - 1);
}

rv_status rv_hub_name_parse(rv_hub_name *out, const char *text, rv_error *err)
{
    *out = (rv_hub_name){0};
    size_t length = strcspn(text, "@:");
    if (!is_repository(text, length))
        return rv_fail(
            err, RV_ERR_USAGE,
            "'%.200s': expected OWNER/NAME[@REVISION] of letters, digits, '-', '_' and '.'",
            text);
    const char *revision = NULL, *file = NULL;
    size_t revision_length = 0;
    if (text[length] == '@') {
        revision = text + length + 1;
        revision_length = strcspn(revision, ":");
        file = revision[revision_length] ? revision + revision_length + 1 : NULL;
    } else if (text[length] == ':') {
        file = text + length + 1;
    }
    out->pinned = revision != NULL;
    out->repository = rv_strndup(text, length);
    out->revision = revision ? rv_strndup(revision, revision_length) : rv_strndup("main", 4);
    out->file = file ? rv_strndup(file, strlen(file)) : NULL;
    rv_status status = RV_OK;
    if (!out->repository || !out->revision || (file && !out->file))
        status = rv_fail_memory(err, strlen(text));
    else if (!rv_hub_path_is_safe(out->revision) || revision_length > REVISION_LIMIT)
        status = rv_fail(err, RV_ERR_USAGE,
                         "'%.200s': the revision is no branch, tag or commit", text);
    else if (out->file && !rv_hub_path_is_safe(out->file))
        status = rv_fail(err, RV_ERR_USAGE, "'%.200s': the file is no path inside a repository",
                         text);
    if (status != RV_OK) rv_hub_name_release(out);
    return status;
}

void rv_hub_name_release(rv_hub_name *name)
{
    free(name->repository);
    free(name->revision);
    free(name->file);
    *name = (rv_hub_name){0};
}

/* The value of a variable that holds a path, with a leading ~/ expanded; NULL if unset. */
static char *path_variable(const char *variable)
{
    const char *value = getenv(variable), *home = getenv("HOME");
    if (!value || !*value) return NULL;
    if (strncmp(value, "~/", 2) == 0 && home) return rv_path_join(home, value + 2);
    return rv_strndup(value, strlen(value));
}

static char *join_and_free(char *folder, const char *name)
{
    char *path = folder ? rv_path_join(folder, name) : NULL;
    free(folder);
    return path;
}

rv_status rv_hub_home(char **out, rv_error *err)
{
    *out = path_variable("HF_HOME");
    if (!*out) *out = join_and_free(path_variable("XDG_CACHE_HOME"), "huggingface");
    if (!*out) *out = join_and_free(path_variable("HOME"), ".cache/huggingface");
    return *out ? RV_OK
                : rv_fail(err, RV_ERR_USAGE, "none of HF_HOME, XDG_CACHE_HOME and HOME is set");
}

/* *out = a path inside the home. */
static rv_status inside_home(char **out, const char *name, rv_error *err)
{
    char *home;
    RV_TRY(rv_hub_home(&home, err));
    *out = join_and_free(home, name);
    return *out ? RV_OK : rv_fail_memory(err, strlen(name));
}

rv_status rv_hub_root(char **out, rv_error *err)
{
    *out = path_variable("HF_HUB_CACHE");
    if (!*out) *out = path_variable("HUGGINGFACE_HUB_CACHE");
    return *out ? RV_OK : inside_home(out, "hub", err);
}

rv_status rv_hub_token_path(char **out, rv_error *err)
{
    *out = path_variable("HF_TOKEN_PATH");
    return *out ? RV_OK : inside_home(out, "token", err);
}

char *rv_hub_repository_folder(const char *root, const char *repository)
{
    const char *slash = strchr(repository, '/');
    rv_text text = {0};
    rv_text_printf(&text, "%s/models--", root);
    if (slash) {
        rv_text_append(&text, repository, (size_t)(slash - repository));
        rv_text_puts(&text, "--");
        repository = slash + 1;
    }
    rv_text_puts(&text, repository);
    return rv_text_take(&text);
}

bool rv_hub_commit_of(char commit[RV_COMMIT_TEXT], const char *folder, const char *revision)
{
    commit[0] = '\0';
    if (rv_hub_is_commit(revision)) {
        memcpy(commit, revision, strlen(revision) + 1);
        return true;
    }
    rv_text path = {0};
    rv_text_printf(&path, "%s/refs/%s", folder, revision);
    char *text = NULL;
    if (!path.failed && rv_read_file(&text, NULL, path.bytes, REF_LIMIT, NULL) == RV_OK) {
        text[strcspn(text, " \t\r\n")] = '\0';
        if (rv_hub_is_commit(text)) memcpy(commit, text, strlen(text) + 1);
    }
    free(text);
    rv_text_release(&path);
    return commit[0] != '\0';
}

char *rv_hub_inside(const char *folder, const char *kind, const char *commit, const char *path)
{
    rv_text text = {0};
    rv_text_printf(&text, "%s/%s/%s%s%s", folder, kind, commit, path ? "/" : "",
                   path ? path : "");
    return rv_text_take(&text);
}
