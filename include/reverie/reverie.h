/* Reverie: find the sentences that a neuron of a language model dreams of.
 *
 *     rv_error err;
 *     rv_model *model;
 *     if (rv_model_open(&model, "smollm2-135m", NULL, &err) != RV_OK) {
 *         fprintf(stderr, "%s\n", err.message);
 *         return 1;
 *     }
 *     ...
 *     rv_model_close(model);
 *
 * Every function that can fail returns an rv_status and fills the caller's rv_error with one
 * sentence that names the file, the field, what was expected and what was found. The library
 * never prints, never exits and holds no mutable global state. */
#ifndef REVERIE_H
#define REVERIE_H

#include "reverie/core.h"

#include "reverie/autoencoder.h"
#include "reverie/compare.h"
#include "reverie/dream.h"
#include "reverie/examples.h"
#include "reverie/explain.h"
#include "reverie/features.h"
#include "reverie/hub.h"
#include "reverie/image.h"
#include "reverie/model.h"
#include "reverie/output.h"
#include "reverie/report.h"
#include "reverie/store.h"
#include "reverie/survey.h"

#endif
