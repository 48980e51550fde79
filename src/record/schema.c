#include "record/schema.h"

#include <math.h>
#include <string.h>

#define ROW(S, key, kind, need, member)                          \
    {                                                            \
        key, RV_FIELD_##kind, need, offsetof(S, member), 0, NULL \
    }
#define NEED(S, kind, member) ROW(S, #member, kind, true, member)
#define MAY(S, kind, member)  ROW(S, #member, kind, false, member)
#define OBJECT(S, need, member, type)                                          \
    {                                                                          \
#member, RV_FIELD_OBJECT, need, offsetof(S, member), 0, &type##_struct \
    }
#define LIST(S, need, member, count, type)                                                    \
    {                                                                                         \
#member, RV_FIELD_LIST, need, offsetof(S, member), offsetof(S, count), &type##_struct \
    }
#define NUMBERS(S, need, member, count)                                                \
    {                                                                                  \
#member, RV_FIELD_NUMBERS, need, offsetof(S, member), offsetof(S, count), NULL \
    }
#define STRUCT(S, name, ...) \
    const rv_struct name##_struct = {sizeof(S), (const rv_field[]){__VA_ARGS__, {0}}}

static STRUCT(rv_token_entry, token, NEED(rv_token_entry, ID, id),
              NEED(rv_token_entry, TEXT, text), MAY(rv_token_entry, NUMBER, value),
              MAY(rv_token_entry, NUMBER, probability), MAY(rv_token_entry, NUMBER, nll));

static STRUCT(rv_target_entry, target, NEED(rv_target_entry, NAME, name),
              MAY(rv_target_entry, NAME, written), NEED(rv_target_entry, NUMBER, sign),
              MAY(rv_target_entry, NAME, position));

static STRUCT(rv_model_entry, model, NEED(rv_model_entry, NAME, name),
              MAY(rv_model_entry, NAME, path), MAY(rv_model_entry, NAME, hash),
              MAY(rv_model_entry, NAME, format), MAY(rv_model_entry, NAME, quantisation),
              MAY(rv_model_entry, NAME, processing), MAY(rv_model_entry, NAME, family),
              MAY(rv_model_entry, COUNT, parameters));

static STRUCT(rv_bos_entry, bos, NEED(rv_bos_entry, FLAG, added), MAY(rv_bos_entry, ID, id),
              MAY(rv_bos_entry, TEXT, token), MAY(rv_bos_entry, NAME, why));

static STRUCT(rv_template_entry, template, MAY(rv_template_entry, TEXT, prefix),
              MAY(rv_template_entry, TEXT, suffix));

static STRUCT(rv_normalisation_entry, normalisation, NEED(rv_normalisation_entry, NUMBER, mean),
              NEED(rv_normalisation_entry, NUMBER, deviation),
              NEED(rv_normalisation_entry, NUMBER, sign),
              MAY(rv_normalisation_entry, NAME, corpus),
              MAY(rv_normalisation_entry, COUNT, positions));

static STRUCT(rv_length_entry, length, NEED(rv_length_entry, COUNT, least),
              NEED(rv_length_entry, COUNT, most));

STRUCT(rv_run_record, rv_run, NEED(rv_run_record, NAME, id), MAY(rv_run_record, NAME, command),
       OBJECT(rv_run_record, true, target, target), NEED(rv_run_record, NAME, method),
       NEED(rv_run_record, COUNT, seed), NEED(rv_run_record, COUNT, budget),
       MAY(rv_run_record, JSON, options), OBJECT(rv_run_record, true, model, model),
       OBJECT(rv_run_record, false, fluency, model), MAY(rv_run_record, NAME, tokenizer),
       OBJECT(rv_run_record, false, bos, bos), OBJECT(rv_run_record, false, template, template),
       OBJECT(rv_run_record, false, normalisation, normalisation),
       OBJECT(rv_run_record, false, length, length), MAY(rv_run_record, NAME, version),
       MAY(rv_run_record, NAME, compiler), MAY(rv_run_record, COUNT, threads),
       MAY(rv_run_record, NAME, kernels), MAY(rv_run_record, NAME, precision),
       MAY(rv_run_record, NAME, started));

static STRUCT(rv_swap_entry, swap, NEED(rv_swap_entry, COUNT, at), NEED(rv_swap_entry, ID, id),
              NEED(rv_swap_entry, TEXT, text), NEED(rv_swap_entry, NUMBER, activation),
              NEED(rv_swap_entry, NUMBER, nats));

static STRUCT(rv_sentence_entry, sentence, NEED(rv_sentence_entry, COUNT, sense),
              MAY(rv_sentence_entry, ID, trigger), MAY(rv_sentence_entry, ID, peak),
              MAY(rv_sentence_entry, NUMBER, activation_after),
              MAY(rv_sentence_entry, NUMBER, cross_entropy_after),
              MAY(rv_sentence_entry, NUMBER, worst), MAY(rv_sentence_entry, NUMBER, fluency),
              MAY(rv_sentence_entry, COUNT, shared_words),
              MAY(rv_sentence_entry, NUMBER, corpus_activation),
              MAY(rv_sentence_entry, NAME, origin),
              OBJECT(rv_sentence_entry, false, pair, swap),
              LIST(rv_sentence_entry, false, slots, slot_count, swap));

STRUCT(rv_dream_record, rv_dream, NEED(rv_dream_record, TEXT, text),
       LIST(rv_dream_record, true, tokens, token_count, token),
       NEED(rv_dream_record, NUMBER, activation), MAY(rv_dream_record, NUMBER, raw),
       NEED(rv_dream_record, NUMBER, cross_entropy),
       MAY(rv_dream_record, NUMBER, cross_entropy_published),
       MAY(rv_dream_record, NUMBER, bits_per_byte),
       MAY(rv_dream_record, NUMBER, second_bits_per_byte), MAY(rv_dream_record, FLAG, headline),
       MAY(rv_dream_record, COUNT, diverse), OBJECT(rv_dream_record, false, sentence, sentence),
       NEED(rv_dream_record, NAME, method), NEED(rv_dream_record, COUNT, seed),
       MAY(rv_dream_record, COUNT, found_at));

static STRUCT(rv_replacement_entry, replacement, NEED(rv_replacement_entry, TEXT, text),
              NEED(rv_replacement_entry, ID, id),
              NEED(rv_replacement_entry, NUMBER, activation),
              NEED(rv_replacement_entry, NUMBER, drop));

static STRUCT(rv_attribution_entry, attributed, NEED(rv_attribution_entry, ID, id),
              NEED(rv_attribution_entry, TEXT, text),
              OBJECT(rv_attribution_entry, false, worst, replacement),
              OBJECT(rv_attribution_entry, false, best, replacement),
              LIST(rv_attribution_entry, false, top, top_count, replacement));

STRUCT(rv_attribution_record, rv_attribution, NEED(rv_attribution_record, TEXT, text),
       NEED(rv_attribution_record, NUMBER, activation),
       LIST(rv_attribution_record, true, tokens, token_count, attributed));

static STRUCT(rv_member_entry, member, NEED(rv_member_entry, TEXT, text),
              NEED(rv_member_entry, NUMBER, activation),
              NEED(rv_member_entry, NUMBER, cross_entropy));

typedef struct best_entry {
    double at[RV_BEST_COUNT];
} best_entry;

static STRUCT(best_entry, best, ROW(best_entry, "4", NUMBER, false, at[0]),
              ROW(best_entry, "5", NUMBER, false, at[1]),
              ROW(best_entry, "6", NUMBER, false, at[2]),
              ROW(best_entry, "9", NUMBER, false, at[3]));

STRUCT(rv_trajectory_record, rv_trajectory, NEED(rv_trajectory_record, COUNT, forward_tokens),
       MAY(rv_trajectory_record, COUNT, backward_tokens),
       MAY(rv_trajectory_record, NUMBER, seconds),
       OBJECT(rv_trajectory_record, true, best, best), MAY(rv_trajectory_record, NUMBER, area),
       LIST(rv_trajectory_record, false, members, member_count, member));

static STRUCT(rv_source_entry, source, NEED(rv_source_entry, NAME, file),
              MAY(rv_source_entry, COUNT, offset));

STRUCT(rv_example_record, rv_example, NEED(rv_example_record, NAME, kind),
       LIST(rv_example_record, true, tokens, token_count, token),
       NEED(rv_example_record, NUMBER, activation), MAY(rv_example_record, NUMBER, raw),
       MAY(rv_example_record, NUMBER, cross_entropy),
       OBJECT(rv_example_record, false, source, source),
       MAY(rv_example_record, NAME, quantile));

STRUCT(rv_quantiles_record, rv_quantiles, MAY(rv_quantiles_record, NAME, corpus),
       NEED(rv_quantiles_record, COUNT, positions),
       NUMBERS(rv_quantiles_record, true, probabilities, probability_count),
       NUMBERS(rv_quantiles_record, true, values, value_count),
       MAY(rv_quantiles_record, NUMBER, minimum), MAY(rv_quantiles_record, NUMBER, maximum),
       MAY(rv_quantiles_record, COUNT, windows), MAY(rv_quantiles_record, COUNT, window_length),
       MAY(rv_quantiles_record, NUMBER, cross_entropy_10),
       MAY(rv_quantiles_record, NUMBER, cross_entropy_50),
       MAY(rv_quantiles_record, NUMBER, cross_entropy_90),
       MAY(rv_quantiles_record, NUMBER, bits_per_byte_50));

static STRUCT(rv_score_entry, score, NEED(rv_score_entry, NAME, scorer),
              NEED(rv_score_entry, NAME, measure), MAY(rv_score_entry, NUMBER, value),
              MAY(rv_score_entry, NUMBER, low), MAY(rv_score_entry, NUMBER, high),
              MAY(rv_score_entry, NAME, why), MAY(rv_score_entry, NAME, split));

static STRUCT(rv_simulated_token_entry, simulated_token,
              NEED(rv_simulated_token_entry, TEXT, text),
              NEED(rv_simulated_token_entry, NUMBER, real),
              MAY(rv_simulated_token_entry, NUMBER, simulated));

static STRUCT(rv_simulated_entry, simulated, MAY(rv_simulated_entry, NAME, kind),
              MAY(rv_simulated_entry, FLAG, failed), MAY(rv_simulated_entry, NUMBER, score),
              LIST(rv_simulated_entry, true, tokens, token_count, simulated_token));

STRUCT(rv_explanation_record, rv_explanation, NEED(rv_explanation_record, TEXT, text),
       MAY(rv_explanation_record, NAME, baseline), MAY(rv_explanation_record, FLAG, chosen),
       MAY(rv_explanation_record, NAME, evidence), MAY(rv_explanation_record, NAME, style),
       MAY(rv_explanation_record, COUNT, revision), MAY(rv_explanation_record, NAME, explainer),
       MAY(rv_explanation_record, NAME, simulator), MAY(rv_explanation_record, COUNT, seed),
       LIST(rv_explanation_record, false, scores, score_count, score),
       LIST(rv_explanation_record, false, records, record_count, simulated));

STRUCT(rv_note_record, rv_note, NEED(rv_note_record, TEXT, text));

STRUCT(rv_image_run_record, rv_image_run, NEED(rv_image_run_record, NAME, dataset),
       MAY(rv_image_run_record, NAME, attacked), MAY(rv_image_run_record, NAME, judge),
       MAY(rv_image_run_record, NAME, autoencoder), NEED(rv_image_run_record, COUNT, starts),
       NEED(rv_image_run_record, COUNT, steps), NEED(rv_image_run_record, COUNT, seed),
       MAY(rv_image_run_record, FLAG, units), NEED(rv_image_run_record, COUNT, neighbours),
       MAY(rv_image_run_record, FLAG, whole_set), NEED(rv_image_run_record, COUNT, side),
       MAY(rv_image_run_record, NAME, version));

STRUCT(rv_image_dream_record, rv_image_dream, NEED(rv_image_dream_record, NAME, target),
       NEED(rv_image_dream_record, NAME, method), NEED(rv_image_dream_record, COUNT, start),
       MAY(rv_image_dream_record, FLAG, best), NEED(rv_image_dream_record, NUMBER, score),
       NEED(rv_image_dream_record, NUMBER, value), MAY(rv_image_dream_record, NUMBER, attacked),
       MAY(rv_image_dream_record, NUMBER, judge), NEED(rv_image_dream_record, NUMBER, norm),
       NEED(rv_image_dream_record, NUMBER, norm_rank),
       NEED(rv_image_dream_record, NUMBER, reencoding),
       NEED(rv_image_dream_record, NUMBER, reencoding_rank),
       NEED(rv_image_dream_record, NUMBER, distance),
       NEED(rv_image_dream_record, NUMBER, distance_rank),
       NEED(rv_image_dream_record, COUNT, neighbour),
       NEED(rv_image_dream_record, NAME, neighbour_label),
       NEED(rv_image_dream_record, NAME, pixels),
       NEED(rv_image_dream_record, NAME, neighbour_pixels));

STRUCT(rv_end_record, rv_end, NEED(rv_end_record, COUNT, forward_tokens),
       MAY(rv_end_record, COUNT, backward_tokens), MAY(rv_end_record, NUMBER, seconds),
       NEED(rv_end_record, NAME, status));

void rv_struct_clear(void *object, const rv_struct *type)
{
    memset(object, 0, type->size);
    for (const rv_field *f = type->fields; f->key; f++) {
        char *at = (char *)object + f->offset;
        if (f->kind == RV_FIELD_NUMBER)
            *(double *)at = NAN;
        else if (f->kind == RV_FIELD_ID)
            *(int32_t *)at = -1;
        else if (f->kind == RV_FIELD_OBJECT)
            rv_struct_clear(at, f->of);
    }
}

#define X(name)                                        \
    rv_##name##_record rv_##name##_record_empty(void)  \
    {                                                  \
        rv_##name##_record record;                     \
        rv_struct_clear(&record, &rv_##name##_struct); \
        return record;                                 \
    }
RV_RECORDS(X)
#undef X
