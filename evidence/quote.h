/*
 * quote.h: TD quotes (version 4 and 5). What the kernel hands out may go on
 * behind the quote, on some kernels with memory of its own: only what quote_cut
 * leaves may be passed on.
 */
#ifndef EVIDENCE_QUOTE_H
#define EVIDENCE_QUOTE_H

#include "lib/buf.h"

/*
 * *size: where the quote ends. -ERR_EVIDENCE when it is no quote of a TD, is cut off, or binds other data than these
 * 64 bytes. Signatures are the verifier's matter.
 */
int quote_size(struct span blob, const uint8_t data[64], size_t *size, struct err *) must_check;

#endif
