/*
 * qgs.h: messages of the quote generation service on a TDX host. Each has its
 * length in front, big-endian; all within is little-endian.
 */
#ifndef EVIDENCE_QGS_H
#define EVIDENCE_QGS_H

#include "lib/buf.h"

#define TDREPORT_SIZE	1024

/* The port that /etc/tdx-attest.conf names; false: none. The first line of the form "port = 4050" counts. */
bool qgs_port(struct span conf, uint32_t *port);

/* Length and message: a quote of this report is wanted. */
int qgs_request(struct span report, struct buf *out, struct err *) must_check;
/* A message without the length before it; *quote lies in it. -ERR_EVIDENCE: malformed, or the service's own error. */
int qgs_response(struct span message, struct span *quote, struct err *) must_check;

#endif
