/* Every command of the tool, each defined in its own cmd_NAME.c. To add one: write the file,
 * declare it here, put it into the table in main.c. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "options.h"

extern const command command_info;
extern const command command_tokenize;
extern const command command_score;
extern const command command_activations;
extern const command command_generate;
extern const command command_get;
extern const command command_report;
extern const command command_dream;
extern const command command_compare;
extern const command command_examples;
extern const command command_survey;
extern const command command_autoencoder;
extern const command command_image;
extern const command command_explain;
extern const command command_features;
extern const command command_store;
extern const command command_version;

#endif
