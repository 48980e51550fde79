/* OpenAI's files: a NeuronRecord, or the results of simulations. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/json.h"
#include "explain/exchange.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rv_evidence evidence = rv_evidence_empty();
    rv_simulation_results results = {0};
    json_t *root = NULL;
    rv_error err;
    char path[64];
    if (rv_json_parse(&root, (const char *)data, size, "fuzz", &err) == RV_OK &&
        rv_neuron_record_parse(&evidence, root, "fuzz", &err) == RV_OK) {
        FUZZ_REQUIRE(rv_neuron_record_write("/dev/null", &evidence, &err) == RV_OK);
        rv_evidence_check(&evidence, &err);
    }
    rv_evidence_release(&evidence);
    json_decref(root);
    int fd = memfd_create("results", 0);
    if (size && write(fd, data, size) < 0) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (rv_simulation_results_read(&results, path, &err) == RV_OK)
        FUZZ_REQUIRE(rv_simulation_results_write("/dev/null", &results, &err) == RV_OK);
    rv_simulation_results_release(&results);
    close(fd);
    return 0;
}
