#include "checkpoint/checkpoint.h"

void rv_checkpoint_plan_memory(rv_checkpoint_plan *out, const rv_checkpoint *ck)
{
    *out = (rv_checkpoint_plan){.file_bytes = rv_checkpoint_bytes(ck)};
    for (size_t i = 0; i < rv_checkpoint_count(ck); i++) {
        const rv_tensor *t = rv_checkpoint_at(ck, i);
        out->tensors[t->dtype]++;
        out->elements[t->dtype] += t->elements;
        out->bytes[t->dtype] += t->length;
        if (t->dtype != RV_OTHER) out->parameters += t->elements;
    }
    out->float32_bytes = out->parameters * 4;
    out->bfloat16_bytes = out->parameters * 2;
}
