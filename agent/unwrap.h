/* unwrap.h: asking the key role for a layer's key, for the roles that read manifests. The key stays there. */
#ifndef AGENT_UNWRAP_H
#define AGENT_UNWRAP_H

#include "image/ocicrypt.h"

/* key: the socket to it. The fingerprint is that of image_env.unwrap. */
int unwrap_ask(int key, uint32_t layer, const struct ocicrypt_wrapped *, uint8_t fingerprint[32],
    struct err *) must_check;

#endif
