#include "checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return read_checkpoint(data, size, "fuzz.bin");
}
