/*
 * tls.h: what libcurl does not ask for by itself: the time certificates are checked at, and why one
 * was refused because of it. A guest's clock is set by its host, so it may be wrong.
 */
#ifndef AGENT_TLS_H
#define AGENT_TLS_H

#include <openssl/ssl.h>

#include "lib/base.h"

/* The clock, but never before this program was written: nothing that had expired then is good now. */
int64_t tls_check_time(void);

/*
 * Sets the time of ctx. Where a certificate fails for it, both times are written to complaint, which must
 * outlive every connection made from ctx.
 */
#define TLS_COMPLAINT	160
void tls_prepare(SSL_CTX *ctx, char complaint[TLS_COMPLAINT]);

#endif
