/* What crosses the joints: one plain struct per type of record, and their JSON lines.
 *
 *     rv_dream_record dream = {.text = RV_STRING("Paris"), .activation = 3.5, ...};
 *     rv_text line = {0};
 *     RV_TRY(rv_put_dream(&line, &dream, err));      // appends {"type":"dream","v":1,...}\n
 *
 * Structs own nothing: whoever fills one keeps its strings and arrays alive until it has been
 * written; those that were read live in their rv_runs (run.h). The JSON is described in
 * docs/formats.md, "Run records"; writing to a file in writer.h.
 *
 * Absent values: a number is NAN, a name NULL, a text {NULL, 0}, an id -1, a list empty; they
 * are left out of the JSON. Start from rv_NAME_record_empty(), not from zeroes. */
#ifndef RV_RECORD_H
#define RV_RECORD_H

#include <string.h>

#include "base/error.h"
#include "base/text.h"

enum { RV_RECORD_VERSION = 1 };

/* Bytes of a model's text: any bytes at all, NULs too, not terminated. */
typedef struct rv_string {
    const char *bytes;
    size_t length;
} rv_string;

#define RV_STRING(literal) ((rv_string){(literal), strlen(literal)})

/* ---- pieces ------------------------------------------------------------------------------- */

typedef struct rv_token_entry {
    int32_t id;
    rv_string text; /* the bytes of this token */
    double value;   /* f at this position, in the model's units, without the target's sign */
    double probability; /* of this token given all before it, BOS and template included */
    double nll;         /* -log probability, nats */
} rv_token_entry;

typedef struct rv_target_entry {
    const char *name;     /* canonical, without sign: "L5.N131" */
    const char *written;  /* as the user wrote it: "-blocks.5.mlp.hook_post[131]" */
    double sign;          /* +1 or -1: what is maximised is sign * f */
    const char *position; /* where f is read: "last", "max", or an index */
} rv_target_entry;

typedef struct rv_model_entry {
    const char *name, *path;  /* path: the last component only */
    const char *hash;         /* SHA-256 of the weights, 64 hex digits */
    const char *format;       /* "safetensors", "gguf", "llama2c" */
    const char *quantisation; /* "F32", "BF16", "Q8_0", ... */
    const char *processing;   /* what was done to the weights on loading: "none", ... */
    const char *family;       /* "llama" */
    uint64_t parameters;
} rv_model_entry;

typedef struct rv_bos_entry {
    bool added;
    int32_t id;
    rv_string token;
    const char *why; /* "tokenizer_config.json: add_bos_token", "asked for", ... */
} rv_bos_entry;

typedef struct rv_template_entry {
    rv_string prefix, suffix; /* fixed text around the free part */
} rv_template_entry;

/* g = sign * (f - mean) / deviation */
typedef struct rv_normalisation_entry {
    double mean, deviation;
    double sign;
    const char *corpus;
    uint64_t positions; /* of the corpus that went in */
} rv_normalisation_entry;

typedef struct rv_length_entry {
    uint64_t least, most; /* tokens of the free part */
} rv_length_entry;

/* ---- records ------------------------------------------------------------------------------ */

/* Opens a run: where everything after it comes from. */
typedef struct rv_run_record {
    const char *id;      /* rv_run_identity() */
    const char *command; /* the command line that repeats it */
    rv_target_entry target;
    const char *method;  /* "reverie", "epo", "examples", ... */
    uint64_t seed;       /* at most INT64_MAX */
    uint64_t budget;     /* forward tokens */
    const char *options; /* a JSON object as text; NULL: none */
    rv_model_entry model;
    rv_model_entry fluency; /* the second fluency model; .name NULL: none */
    const char *tokenizer;
    rv_bos_entry bos;
    rv_template_entry template;
    rv_normalisation_entry normalisation;
    rv_length_entry length;
    const char *version;  /* of Reverie */
    const char *compiler; /* of Reverie: "gcc 12.2.0" */
    uint64_t threads;
    const char *kernels;   /* "avx512", "portable", ... */
    const char *precision; /* "float32"; "bf16 to screen, float32 to judge" */
    const char *started;   /* ISO 8601, UTC */
} rv_run_record;

/* A dream with another token in one place. */
typedef struct rv_swap_entry {
    uint64_t at; /* index of the token that is exchanged */
    int32_t id;
    rv_string text;
    double activation; /* g of the dream with it */
    double nats;       /* what it adds to the nats of the whole */
} rv_swap_entry;

/* What is known of a dream that is a whole sentence. */
typedef struct rv_sentence_entry {
    uint64_t sense;             /* 1: the headline, 2, 3, ...: the best of another sense */
    int32_t trigger, peak;      /* tokens trigger to peak hold most of g; f is read at peak */
    double activation_after;    /* g behind a neutral sentence */
    double cross_entropy_after; /* nats per token there */
    double worst;               /* nats of the dearest token */
    double fluency;        /* share of corpus sentences of like length that are less fluent */
    uint64_t shared_words; /* longest run of words shared with the corpus */
    double corpus_activation;   /* g of the corpus's strongest whole sentence */
    const char *origin;         /* "transplant", "corpus, polished", ... */
    rv_swap_entry pair;         /* the most plausible swap that silences it */
    const rv_swap_entry *slots; /* plausible swaps that keep most of g */
    size_t slot_count;
} rv_sentence_entry;

/* A dream. A later one with the same ids replaces an earlier one, so that a run may write as it
 * finds and once more at the end. At most one is the headline: the last that says so. */
typedef struct rv_dream_record {
    rv_string text;
    const rv_token_entry *tokens;
    size_t token_count;
    double activation;              /* g */
    double raw;                     /* f */
    double cross_entropy;           /* nats per token, all tokens scored, after BOS */
    double cross_entropy_published; /* without BOS, first token not scored */
    double bits_per_byte;           /* of the text, under the subject */
    double second_bits_per_byte;    /* under run.fluency */
    bool headline;
    uint64_t diverse;           /* 1, 2, ... among the diverse others; 0: not one of them */
    rv_sentence_entry sentence; /* of dreamers that look for whole ones */
    const char *method;
    uint64_t seed;
    uint64_t found_at; /* forward tokens spent when it was found */
} rv_dream_record;

typedef struct rv_replacement_entry {
    rv_string text;
    int32_t id;
    double activation; /* g of the dream with this token in that place */
    double drop;       /* g of the dream, minus activation */
} rv_replacement_entry;

typedef struct rv_attribution_entry {
    int32_t id;
    rv_string text;
    rv_replacement_entry worst; /* of the k replacements tried: the one that hurts most */
    rv_replacement_entry best;  /* and the one that hurts least (its drop may be negative) */
    const rv_replacement_entry *top; /* the three that hurt least, best first */
    size_t top_count;
} rv_attribution_entry;

/* What each token of a dream is worth, by replacing it. */
typedef struct rv_attribution_record {
    rv_string text;
    double activation; /* g of the dream itself */
    const rv_attribution_entry *tokens;
    size_t token_count;
} rv_attribution_record;

typedef struct rv_member_entry {
    rv_string text;
    double activation, cross_entropy;
} rv_member_entry;

enum { RV_BEST_COUNT = 4 }; /* best(4), best(5), best(6), best(9) */

/* The state of a search after so much work. */
typedef struct rv_trajectory_record {
    uint64_t forward_tokens, backward_tokens;
    double seconds;
    double best[RV_BEST_COUNT]; /* NAN where no candidate is that fluent */
    double area;
    const rv_member_entry *members; /* of the population; may be left out */
    size_t member_count;
} rv_trajectory_record;

typedef struct rv_source_entry {
    const char *file; /* the last component only */
    uint64_t offset;  /* byte of the first token shown */
} rv_source_entry;

/* A piece of the corpus. kind: "top" (among the strongest positions, in its own context),
 * "window" (the tokens that end at such a position, evaluated as a prompt of their own),
 * "quantile", "random". */
typedef struct rv_example_record {
    const char *kind;
    const rv_token_entry *tokens;
    size_t token_count;
    double activation, raw; /* at the position that counts */
    double cross_entropy;
    rv_source_entry source;
    const char *quantile; /* "0.99-0.999" for kind "quantile" */
} rv_example_record;

/* The target on the corpus (positions from the 12th on), and how fluent corpus windows of the
 * dream's length are, cut at random. */
typedef struct rv_quantiles_record {
    const char *corpus;
    uint64_t positions;
    const double *probabilities, *values; /* f; as many values as probabilities */
    size_t probability_count, value_count;
    double minimum, maximum;
    uint64_t windows, window_length;
    double cross_entropy_10, cross_entropy_50, cross_entropy_90;
    double bits_per_byte_50;
} rv_quantiles_record;

typedef struct rv_note_record {
    rv_string text;
} rv_note_record;

/* One measure of an explanation. Undefined: value is NAN and `why` says so in a few words. */
typedef struct rv_score_entry {
    const char *scorer;  /* "simulation", "detection", "fuzzing", "rating" */
    const char *measure; /* "correlation", "r_squared", "deviation", "accuracy", "area", ... */
    double value, low, high; /* low, high: central 95 % of the bootstrap */
    const char *why;
    const char *split; /* "test"; "valid": it decided what was chosen */
} rv_score_entry;

typedef struct rv_simulated_token_entry {
    rv_string text;
    double real;      /* sign * f */
    double simulated; /* on the scale of real, calibrated */
} rv_simulated_token_entry;

/* A held-out text with the target's values and those that the explanation predicts. */
typedef struct rv_simulated_entry {
    const char *kind; /* "top", "random", "dream", ... */
    bool failed;      /* among those on which the explanation was most wrong */
    double score;     /* its own correlation; NAN: undefined */
    const rv_simulated_token_entry *tokens;
    size_t token_count;
} rv_simulated_entry;

/* An explanation of the target, or a baseline to hold it against, with what it scored. */
typedef struct rv_explanation_record {
    rv_string text;
    const char *baseline; /* "empty", "another neuron", "token lookup"; NULL: none of them */
    bool chosen;          /* the one to show */
    const char *evidence; /* "corpus", "dreams", "corpus and dreams" */
    const char *style;    /* of the prompt */
    uint64_t revision;    /* 0: first round, 1: revised on counterexamples */
    const char *explainer, *simulator; /* models */
    uint64_t seed;
    const rv_score_entry *scores;
    size_t score_count;
    const rv_simulated_entry *records;
    size_t record_count;
} rv_explanation_record;

/* Closes a run. */
typedef struct rv_end_record {
    uint64_t forward_tokens, backward_tokens;
    double seconds;
    const char *status; /* "complete" or "interrupted" */
} rv_end_record;

/* Opens a gallery of image dreams: what the records behind it have in common. */
typedef struct rv_image_run_record {
    const char *dataset;                        /* that the networks were trained on */
    const char *attacked, *judge, *autoencoder; /* what the networks are */
    uint64_t starts, steps, seed;
    bool units;          /* targets are hidden units, not classes */
    uint64_t neighbours; /* images that the nearest were looked for in */
    bool whole_set;      /* those are all training images, not the shipped few */
    uint64_t side;       /* pixels of an edge */
    const char *version; /* of Reverie */
} rv_image_run_record;

/* A picture that excites a target, and the nearest image; what the numbers mean is in reverie/image.h. */
typedef struct rv_image_dream_record {
    const char *target; /* a class's name, or "relu2:7" */
    const char *method; /* "naive", "regularised", "latent" */
    uint64_t start;
    bool best; /* of its starts */
    double score, value, attacked, judge;
    double norm, norm_rank, reencoding, reencoding_rank, distance, distance_rank;
    uint64_t neighbour;
    const char *neighbour_label;
    const char *pixels, *neighbour_pixels; /* (side, side) bytes of grey as base64 */
} rv_image_dream_record;

/* Every type of record: its name in C and in JSON. */
#define RV_RECORDS(X) \
    X(run)            \
    X(dream)          \
    X(attribution)    \
    X(trajectory)     \
    X(example)        \
    X(quantiles)      \
    X(explanation)    \
    X(note)           \
    X(image_run)      \
    X(image_dream)    \
    X(end)

/* rv_put_NAME appends the record as one line of JSON. RV_ERR_USAGE: a required field is absent
 * or options is no JSON object; RV_ERR_NUMERIC: a required number is not finite. On failure
 * nothing is appended. rv_NAME_record_empty gives one with every value absent. */
#define X(name)                                                                             \
    rv_status rv_put_##name(rv_text *out, const rv_##name##_record *record, rv_error *err); \
    rv_##name##_record rv_##name##_record_empty(void);
RV_RECORDS(X)
#undef X

/* 16 hex digits over all that decides what a run will find: target, method, seed, budget,
 * options, models, tokenizer, BOS, template, normalisation, length, precision. Not kernels, threads, time. */
rv_status rv_run_identity(char out[17], const rv_run_record *record, rv_error *err);

#endif
