#include "report/assets.h"

/* The assembler copies the files in; paths are seen from the project's root, where make runs.
 * The Makefile knows that this file depends on them. */
#define ASSET(name, path)                                          \
    __asm__(".pushsection .rodata\n"                               \
            "rv_" name "_begin: .incbin \"src/report/" path "\"\n" \
            "rv_" name "_end: .byte 0\n"                           \
            ".popsection\n");

#define ACCESS(name)                                                                         \
    rv_asset rv_asset_##name(void)                                                           \
    {                                                                                        \
        extern const char rv_##name##_begin[], rv_##name##_end[];                            \
        return (rv_asset){rv_##name##_begin, (size_t)(rv_##name##_end - rv_##name##_begin)}; \
    }

ASSET("page_html", "page.html")
ASSET("page_css", "page.css")
ASSET("page_js", "page.js")
ASSET("plot_css", "plot.css")

ACCESS(page_html)
ACCESS(page_css)
ACCESS(page_js)
ACCESS(plot_css)
