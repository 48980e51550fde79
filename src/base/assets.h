/* Trained weights that come with the program. */
#ifndef RV_BASE_ASSETS_H
#define RV_BASE_ASSETS_H

#include "base/error.h"

/* kind/name in the folder that REVERIE_ASSETS names, in assets/ beside the program, where `make install` put them, or
 * in ./assets; malloc'ed. *path is NULL where there is none. */
rv_status rv_asset_find(char **path, const char *kind, const char *name, rv_error *err);

#endif
