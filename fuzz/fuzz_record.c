/* A run file, and all that a report makes of it. */
#include <string.h>

#include "fuzz.h"
#include "record/run.h"
#include "report/compare.h"
#include "report/gallery.h"
#include "report/page.h"
#include "report/terminal.h"

static void tell(const rv_runs *runs)
{
    rv_error err;
    rv_stories stories;
    rv_compare compare;
    rv_text text = {0};
    if (rv_stories_tell(&stories, runs, &err) != RV_OK) return;
    rv_figures *figures = calloc(stories.count, sizeof *figures);
    FUZZ_REQUIRE(figures && rv_compare_stories(&compare, &stories, &err) == RV_OK);
    for (size_t i = 0; i < stories.count; i++) {
        FUZZ_REQUIRE(rv_figures_prepare(&figures[i], &stories, i, &err) == RV_OK);
        rv_put_story(&text, &stories.items[i], (rv_terminal){RV_COLOUR_256, 80});
    }
    rv_compare_table(&text, &compare, RV_TABLE_MARKDOWN);
    for (size_t i = 0; i < text.length; i++) // nothing but our own colours may start with ESC
        FUZZ_REQUIRE(text.bytes[i] != '\033' || text.bytes[i + 1] == '[');
    text.length = 0;
    FUZZ_REQUIRE(rv_put_page(&text, &stories, figures, &compare, &err) == RV_OK);
    FUZZ_REQUIRE(memmem(text.bytes, text.length, "<img", 4) == NULL);
    rv_text_release(&text);
    for (size_t i = 0; i < stories.count; i++) rv_figures_release(&figures[i]);
    free(figures);
    rv_compare_release(&compare);
    rv_stories_release(&stories);
}

static void tell_galleries(const rv_runs *runs)
{
    rv_error err;
    for (size_t i = 0; i < runs->gallery_count; i++) {
        const rv_gallery *g = &runs->galleries[i];
        rv_text text = {0};
        FUZZ_REQUIRE(rv_put_gallery_table(&text, g, &err) == RV_OK);
        FUZZ_REQUIRE(!text.length || memchr(text.bytes, '\033', text.length) == NULL);
        text.length = 0;
        FUZZ_REQUIRE(rv_put_gallery_page(&text, g, &err) == RV_OK);
        FUZZ_REQUIRE(memmem(text.bytes, text.length, "<script", 7) == NULL);
        rv_put_gallery_grid(&text, g, &err);
        rv_text_release(&text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rv_runs runs = {0};
    rv_error err;
    rv_status status = rv_runs_parse(&runs, (const char *)data, size, "fuzz.jsonl", &err);
    FUZZ_REQUIRE(status == RV_OK || err.message[0]);
    if (status == RV_OK && runs.count) tell(&runs);
    tell_galleries(&runs);
    rv_runs_release(&runs);
    return 0;
}
