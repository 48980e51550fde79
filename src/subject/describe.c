#include "subject/describe.h"

#include <string.h>
#include <time.h>

rv_model_entry rv_describe_model(rv_model *m, rv_error *err)
{
    rv_model_hash(m, err);
    const char *slash = strrchr(m->path, '/');
    return (rv_model_entry){.name = m->name,
                            .path = slash ? slash + 1 : m->path,
                            .hash = m->hash,
                            .format = m->format,
                            .quantisation = m->quantisation,
                            .processing = "none",
                            .family = m->transformer->config.family,
                            .parameters = rv_config_parameters(&m->transformer->config)};
}

#ifdef __clang__
#define COMPILER __VERSION__
#else
#define COMPILER "gcc " __VERSION__
#endif

void rv_describe_program(rv_run_record *run, const rv_model *m, bool screened)
{
    run->version = RV_VERSION_STRING;
    run->compiler = COMPILER;
    run->threads = (uint64_t)m->threads;
    run->kernels = m->transformer->kernels->name;
    run->precision = screened ? "bf16 to screen, float32 to judge" : "float32";
}

rv_string rv_token_text(const rv_model *m, int32_t id)
{
    size_t length = 0;
    const char *bytes = rv_token_bytes(m->tokenizer, id, &length);
    return (rv_string){bytes ? bytes : "", length};
}

void rv_time_now(char out[RV_TIME_ROOM])
{
    time_t t = time(NULL);
    struct tm utc;
    strftime(out, RV_TIME_ROOM, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &utc));
}
