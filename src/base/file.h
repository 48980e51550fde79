/* Files: read-only mappings, whole reads with a limit, and writes that appear whole or not at
 * all (temporary file in the same folder, fsync, rename). */
#ifndef RV_BASE_FILE_H
#define RV_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

typedef struct rv_mapping {
    const unsigned char *bytes; /* NULL for an empty file */
    size_t length;
} rv_mapping;

rv_status rv_map_file(rv_mapping *out, const char *path, rv_error *err);
void rv_unmap(rv_mapping *mapping);

/* Lets go of the memory behind bytes [first, first + length), or fewer: they are read from the
 * file again when they are next looked at. */
void rv_mapping_forget(const rv_mapping *mapping, size_t first, size_t length);

/* Reads a regular file, at most `limit` bytes (more is an error), into malloc'ed memory that is
 * terminated by a NUL that *length does not count. */
rv_status rv_read_file(char **out, size_t *length, const char *path, size_t limit,
                       rv_error *err);

/* Writes all bytes to path, in one step as seen from outside; a device or pipe is written to. */
rv_status rv_write_file(const char *path, const void *bytes, size_t length, rv_error *err);

/* Creates the folder and its missing parents; one that exists is no error. */
rv_status rv_make_folders(const char *path, rv_error *err);

/* The same for what is nobody else's business, such as what was asked and answered: files (0600) and folders (0700)
 * that only the user may look into. What exists keeps its mode, but for a file, which is replaced. */
rv_status rv_write_private_file(const char *path, const void *bytes, size_t length,
                                rv_error *err);
rv_status rv_make_private_folders(const char *path, rv_error *err);

bool rv_file_exists(const char *path);
bool rv_folder_exists(const char *path);

/* "folder/name" in malloc'ed memory; NULL when memory is short. */
char *rv_path_join(const char *folder, const char *name);

/* The user's cache folder for Reverie ($XDG_CACHE_HOME/reverie or ~/.cache/reverie), malloc'ed;
 * not created. NULL if neither variable is set. */
char *rv_cache_folder(void);

#endif
