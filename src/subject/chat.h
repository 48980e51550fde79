/* Conversations as tokens of an open model: the template's special tokens count as such, what is said never does. */
#ifndef RV_SUBJECT_CHAT_H
#define RV_SUBJECT_CHAT_H

#include "subject/subject.h"
#include "template/chat.h"

typedef struct rv_chat_encoder {
    const rv_model *model;
    bool plain;      /* no chat template that takes our conversations: they become plain text */
    bool folds;      /* one that takes no system message: it goes into the first of the user */
    bool adds_space; /* the tokenizer puts a space before whatever it encodes */
} rv_chat_encoder;

/* model: borrowed. */
rv_status rv_chat_encoder_init(rv_chat_encoder *out, const rv_model *model, rv_error *err);

/* Appends a conversation up to where the model is to answer. */
rv_status rv_chat_encode(rv_ids *out, const rv_chat_encoder *encoder,
                         const rv_chat_message *messages, size_t count, rv_error *err);

/* Appends plain text that goes on where other text ended. */
rv_status rv_chat_encode_plain(rv_ids *out, const rv_chat_encoder *encoder, const char *text,
                               rv_error *err);

#endif
