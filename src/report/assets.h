/* The files of the page, as they lie in this folder, inside the library. */
#ifndef RV_REPORT_ASSETS_H
#define RV_REPORT_ASSETS_H

#include <stddef.h>

typedef struct rv_asset {
    const char *bytes;
    size_t length;
} rv_asset;

rv_asset rv_asset_page_html(void);
rv_asset rv_asset_page_css(void);
rv_asset rv_asset_page_js(void);
rv_asset rv_asset_plot_css(void);

#endif
