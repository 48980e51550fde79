/* An answer about a corpus, as the store gives it back: what is read names nothing that there is not. */
#include "corpus/answer.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const rv_corpus_bounds bounds = {
        .files = 2, .vocabulary = 64, .top = 256, .tokens = 45};
    rv_corpus_stats stats;
    rv_text again = {0};
    if (!rv_corpus_answer_read(&stats, (const char *)data, size, &bounds)) {
        FUZZ_REQUIRE(!stats.high && !stats.low);
        return 0;
    }
    FUZZ_REQUIRE(stats.high_count <= bounds.top && stats.low_count <= bounds.top);
    for (size_t i = 0; i < stats.high_count; i++) {
        const rv_corpus_hit *hit = &stats.high[i];
        FUZZ_REQUIRE(hit->file < bounds.files && hit->at < hit->count);
        for (size_t k = 0; k < hit->count; k++)
            FUZZ_REQUIRE(hit->ids[k] >= 0 && (size_t)hit->ids[k] < bounds.vocabulary);
    }
    rv_corpus_answer_write(&again, &stats);
    FUZZ_REQUIRE(again.length <= size); // counts may have been written longer than they need
    rv_text_release(&again);
    rv_corpus_stats_clear(&stats);
    return 0;
}
