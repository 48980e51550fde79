/* Opens a model and says how well it foresees a text, token by token.
 *
 *     cc -o score score.c $(pkg-config --cflags --libs reverie)
 *     ./score smollm2-135m "The batter hit a home run."                                      */
#include <math.h>
#include <reverie/reverie.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s MODEL TEXT\n", argv[0]);
        return 2;
    }
    rv_error err;
    rv_model *model;
    if (rv_model_open(&model, argv[1], NULL, &err) != RV_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    rv_score score;
    rv_status status = rv_model_score(&score, model, argv[2], strlen(argv[2]), &err);
    if (status == RV_OK) {
        for (size_t i = 0; i < score.tokens.count; i++) {
            const rv_token *token = &score.tokens.items[i];
            if (isnan(token->value)) // nothing stands before the first token to foresee it from
                printf("         ");
            else
                printf("%8.3f ", token->value);
            printf("%s\n", token->text);
        }
        printf("%8.3f nats per token, %.3f bits per byte\n", score.cross_entropy,
               score.bits_per_byte);
    } else {
        fprintf(stderr, "%s\n", err.message);
    }
    rv_score_release(&score);
    rv_model_close(model);
    return status != RV_OK;
}
