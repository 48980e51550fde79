/* Evidence from run files: what `reverie dream` and `reverie examples` found. */
#ifndef RV_EXPLAIN_GATHER_H
#define RV_EXPLAIN_GATHER_H

#include "base/error.h"
#include "explain/evidence.h"
#include "record/run.h"

/* Adds a run's dreams (the headline and the diverse others; all where none is marked) and attributions, and
 * with `examples` its corpus examples ("top", "random", "quantile"), with activations in the target's direction (sign * f). Texts in which the target's value is not known
 * at every token are left out; the first token's, where nothing precedes it, counts as 0 if it alone is
 * missing. Top records and dreams are sorted by strength, and equal texts kept once. */
rv_status rv_evidence_add_run(rv_evidence *evidence, const rv_run *run, bool examples,
                              rv_error *err);

#endif
