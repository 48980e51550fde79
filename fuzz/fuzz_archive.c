/* .npz and .pt: zip directories, headers of arrays, the few opcodes of a pickle that are understood. */
#include "checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return read_checkpoint(data, size, "fuzz.npz");
}
