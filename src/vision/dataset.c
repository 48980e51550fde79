#include "vision/dataset.h"

#include <string.h>

#include "base/hash.h"

#define DIGITS                                           \
    {                                                    \
        "0", "1", "2", "3", "4", "5", "6", "7", "8", "9" \
    }
#define CLOTHES                                                                              \
    {                                                                                        \
        "T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", \
            "bag", "ankle boot"                                                              \
    }

static const struct {
    rv_dataset dataset;
    const char *labels; /* SHA-256 */
} known[] = {
    {{"images", DIGITS, 1}, ""},
    {{"MNIST", DIGITS, 2}, "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13"},
    {{"Fashion-MNIST", CLOTHES, 1},
     "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7"},
};
enum { KNOWN = sizeof known / sizeof *known };

rv_status rv_dataset_recognise(const rv_dataset **out, const rv_images *images, rv_error *err)
{
    rv_hash *hash;
    char hex[RV_HASH_HEX];
    RV_TRY(rv_hash_new(&hash, RV_SHA256, err));
    rv_hash_add(hash, images->labels, images->count);
    rv_hash_finish(hash, hex);
    rv_hash_free(hash);
    *out = &known[0].dataset;
    for (size_t i = 1; i < KNOWN; i++)
        if (strcmp(hex, known[i].labels) == 0) *out = &known[i].dataset;
    return RV_OK;
}

const rv_dataset *rv_dataset_named(const char *name)
{
    for (size_t i = 1; i < KNOWN; i++)
        if (strcmp(name, known[i].dataset.name) == 0) return &known[i].dataset;
    return &known[0].dataset;
}
