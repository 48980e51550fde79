/* A fuzz target is one function that must survive any bytes. libFuzzer calls it in the fuzzer
 * (make fuzz), tests/fuzz_replay.c in every test run. */
#ifndef RV_FUZZ_H
#define RV_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must be true whatever the input. */
#define FUZZ_REQUIRE(condition)    \
    do {                           \
        if (!(condition)) abort(); \
    } while (0)

#endif
