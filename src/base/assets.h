/* Trained weights that come with the program. */
#ifndef RV_BASE_ASSETS_H
#define RV_BASE_ASSETS_H

/* kind/name in the folder that REVERIE_ASSETS names, in assets/ beside the program, where `make install` put them, or
 * in ./assets; malloc'ed. NULL: there is none. */
char *rv_asset_find(const char *kind, const char *name);

#endif
