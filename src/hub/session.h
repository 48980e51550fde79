/* A conversation with one hub: its address, the user's token, and requests whose failures are
 * explained in the hub's own terms. */
#ifndef RV_HUB_SESSION_H
#define RV_HUB_SESSION_H

#include <jansson.h>

#include "http/http.h"
#include "hub/cache.h"
#include "reverie/hub.h"

typedef struct rv_hub_session {
    const rv_get_params *params;
    const rv_hub_name *name; /* what is asked for */
    rv_http *http;
    char *endpoint;     /* without a slash at its end */
    char *shown;        /* the endpoint without a password, for messages */
    char *secret;       /* "Authorization: Bearer ..."; NULL without a token */
    char *token_source; /* for messages: "HF_TOKEN" or a path */
} rv_hub_session;

/* Reads the environment where the parameters leave something open. */
rv_status rv_hub_session_open(rv_hub_session *session, const rv_hub_name *name,
                              const rv_get_params *params, rv_error *err);
void rv_hub_session_close(rv_hub_session *session);

/* HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE says so. */
bool rv_hub_is_offline(void);

/* A GET with the session's token and patience. */
rv_http_request rv_hub_request(const rv_hub_session *session, const char *url);

/* Parses the JSON at an address of the endpoint; at most 32 MB. *next (may be NULL) is the address
 * of the next page, malloc'ed, or NULL after the last. */
rv_status rv_hub_get_json(json_t **out, char **next, rv_hub_session *session, const char *url,
                          rv_error *err);

/* Fills err for an answer that is no success: a missing repository, revision or file, a gated
 * repository, a refused token. */
rv_status rv_hub_explain(const rv_hub_session *session, const rv_http_response *response,
                         rv_error *err);

/* As include/reverie/hub.h says of rv_get. */
rv_status rv_hub_get(rv_get_result *out, const char *name, const rv_get_params *params,
                     rv_error *err);

#endif
