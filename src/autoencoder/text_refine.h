/* The text whose own code is nearest to a latent. */
#ifndef RV_TEXT_REFINE_H
#define RV_TEXT_REFINE_H

#include "autoencoder/text_autoencoder.h"

/* ids (count, length), as rv_text_autoencoder_decode wrote them from z (count, S, Z), are corrected: of all
 * exchanges of one token for another, those that the decoder thinks likeliest are encoded, and the one whose
 * code is nearest to z is kept, at most four times, and as long as z would be reached at that pace: an encoder
 * inverted by asking it again, as in Morris et al., "Text Embeddings Reveal (Almost) As Much As Text" (arXiv
 * 2310.06816). A text that encodes to z itself costs one encoding. */
rv_status rv_text_autoencoder_refine(int32_t *ids, const rv_text_autoencoder *ae, const real *z,
                                     size_t count, size_t length, int threads, rv_error *err);

#endif
