/* A language model to talk to: an OpenAI-compatible endpoint, or a model of our own plugged in
 * chat_local.h, behind one interface that counts, and stops when the budget is spent.
 *
 *     rv_chat *chat;
 *     rv_chat_options options = rv_chat_options_default();
 *     RV_TRY(rv_chat_open_endpoint(&chat, "https://api.openai.com/v1#gpt-4o-mini", &options, err));
 *     rv_chat_answer answer;
 *     RV_TRY(rv_chat_complete(chat, &answer, &(rv_chat_request){.messages = m, .message_count = 2,
 *                                                               .max_tokens = 60}, err));
 *     ... answer.text ...
 *     rv_chat_answer_release(&answer);
 *     rv_chat_close(chat);                                                                  */
#ifndef RV_EXPLAIN_CHAT_H
#define RV_EXPLAIN_CHAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "template/chat.h"

typedef struct rv_chat rv_chat;

typedef struct rv_chat_request {
    const rv_chat_message *messages;
    size_t message_count;
    double temperature;
    uint64_t seed;     /* of sampling; at most INT64_MAX */
    size_t max_tokens; /* of the answer */
    unsigned
        alternatives; /* log-probabilities wanted for so many tokens at each place; 0: none */
} rv_chat_request;

typedef struct rv_chat_alternative {
    char *token;
    double logprob;
} rv_chat_alternative;

/* A token of the answer: text bytes [at, at + length). */
typedef struct rv_chat_token {
    size_t at, length;
    double logprob;
    rv_chat_alternative *alternatives; /* likeliest first; may include the token itself */
    size_t alternative_count;
} rv_chat_token;

typedef struct rv_chat_answer {
    char *text;            /* valid UTF-8, without what was thought aloud */
    const char *silence;   /* why the text is empty, in a few words (static); NULL: it is not */
    bool cut;              /* max_tokens was reached */
    bool reasoned;         /* thoughts came along, in a place of their own */
    rv_chat_token *tokens; /* empty where no log-probabilities were offered */
    size_t token_count;
    size_t prompt_tokens, answer_tokens; /* as counted by the model; 0: not told */
    bool cached;                         /* from the cache: it cost nothing */
    bool unsaved;                        /* it could not be written to the cache */
} rv_chat_answer;

void rv_chat_answer_release(rv_chat_answer *answer);

/* The answer is forced to be pieces[0] pieces[1] ...; wanted are the log-probabilities of each of
 * the candidate strings behind each piece. */
typedef struct rv_chat_probe {
    const rv_chat_message *messages;
    size_t message_count;
    char *const *pieces;
    size_t piece_count;
    const char *const *candidates;
    size_t candidate_count;
} rv_chat_probe;

/* What a kind of model must do. `self` is its state. */
typedef struct rv_chat_backend {
    const char *kind; /* "endpoint", "local" */
    rv_status (*complete)(void *self, rv_chat_answer *out, const rv_chat_request *request,
                          rv_error *err);
    /* logprobs (piece_count, candidate_count); *tokens: how many were read. NULL: cannot. */
    rv_status (*probe)(void *self, double *logprobs, size_t *tokens, const rv_chat_probe *probe,
                       rv_error *err);
    /* Whether an answer to this request lies in the cache. NULL: there is no cache. */
    bool (*knows)(void *self, const rv_chat_request *request);
    void (*close)(void *self); /* may be NULL */
} rv_chat_backend;

typedef struct rv_chat_options {
    size_t budget_requests;                        /* 0: no bound */
    size_t budget_tokens;                          /* read and written; 0: no bound */
    bool dry_run;                                  /* show what would be asked, ask nothing */
    void (*show)(void *context, const char *text); /* for dry_run */
    void *show_context;

    /* For endpoints. */
    const char *key;          /* NULL: from the environment */
    const char *cache_folder; /* NULL: the user's store */
    bool no_cache;
    double timeout; /* seconds for one answer */
    unsigned retries;
    double first_wait, longest_wait; /* between retries, in seconds */
    rv_notice_fn notice;             /* of a store that was damaged; may be NULL */
    void *notice_context;

    rv_progress_fn progress; /* may be NULL */
    void *progress_context;
} rv_chat_options;

/* 300 s for an answer, 5 retries from 1 s to 60 s, no bounds. */
rv_chat_options rv_chat_options_default(void);

/* What was used so far. */
typedef struct rv_chat_usage {
    size_t requests, cached;             /* answered by the model, by the cache */
    size_t prompt_tokens, answer_tokens; /* estimated where the model does not tell */
    size_t cached_tokens;                /* read and written, of the answers from the cache */
    size_t silent;                       /* answers without a text */
    const char *silence;                 /* why the last of them had none */
    size_t unsaved;                      /* answers that could not be written to the cache */
    bool exhausted;                      /* a request was refused for lack of budget */
} rv_chat_usage;

/* backend must outlive the chat; self is closed with it, and at once if this fails. name: for
 * records, "gpt-4o-mini". */
rv_status rv_chat_open(rv_chat **out, const rv_chat_backend *backend, void *self,
                       const char *name, const rv_chat_options *options, rv_error *err);

/* place: "https://host/v1#model". The key is OPENROUTER_API_KEY for openrouter.ai, else
 * OPENAI_API_KEY; it goes into one header, and into no message, record or file. It is not sent over
 * plain http, but to this machine. Every answer is kept in the cache, whole, before it is read. */
rv_status rv_chat_open_endpoint(rv_chat **out, const char *place,
                                const rv_chat_options *options, rv_error *err);

void rv_chat_close(rv_chat *chat); /* NULL is fine */

/* RV_ERR_CANCELLED when the budget does not allow for it (usage.exhausted) or the user stopped it.
 * In a dry run the answer is empty. */
rv_status rv_chat_complete(rv_chat *chat, rv_chat_answer *out, const rv_chat_request *request,
                           rv_error *err);

/* RV_ERR_UNSUPPORTED where rv_chat_can_probe is false. In a dry run nothing is likely. */
rv_status rv_chat_probe_run(rv_chat *chat, double *logprobs, const rv_chat_probe *probe,
                            rv_error *err);
bool rv_chat_can_probe(const rv_chat *chat);

bool rv_chat_is_dry(const rv_chat *chat);
const char *rv_chat_name(const rv_chat *chat);
rv_chat_usage rv_chat_used(const rv_chat *chat);

#endif
