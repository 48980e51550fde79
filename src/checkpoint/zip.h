/* Zip archives as numpy (.npz) and torch (.pt) write them: where the bytes of every member are, so that rows of a large
 * one are read alone. Members are stored or deflated; zlib does the latter. */
#ifndef RV_CHECKPOINT_ZIP_H
#define RV_CHECKPOINT_ZIP_H

#include "base/file.h"

typedef struct rv_zip_member {
    const char *name; /* inside the mapping; not terminated */
    size_t name_length;
    const unsigned char *bytes; /* inside the mapping, as stored */
    size_t stored, length;      /* bytes there; when unpacked */
    bool deflated;
} rv_zip_member;

typedef struct rv_zip {
    rv_zip_member *members;
    size_t count;
} rv_zip;

bool rv_zip_recognise(const rv_mapping *file);

/* Reads the directory at the end, in either width. Everything is checked against the file. */
rv_status rv_zip_read(rv_zip *out, const rv_mapping *file, rv_error *err);
void rv_zip_release(rv_zip *zip);

/* The member with this name; NULL: there is none. */
const rv_zip_member *rv_zip_find(const rv_zip *zip, const char *name);

/* All bytes of a member: *out malloc'ed where it is deflated, else NULL and the bytes are member->bytes. */
rv_status rv_zip_unpack(unsigned char **out, const rv_zip_member *member, rv_error *err);

#endif
