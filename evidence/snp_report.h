/* snp_report.h: the attestation report of SEV-SNP and the certificate table that the host may add: bytes in, JSON out. */
#ifndef EVIDENCE_SNP_REPORT_H
#define EVIDENCE_SNP_REPORT_H

#include "lib/buf.h"

#define SNP_REPORT_SIZE	1184

/* -ERR_EVIDENCE: not a report of version 2 to 5, or it binds other data than these 64 bytes. */
int snp_report_check(struct span report, const uint8_t data[64], struct err *) must_check;

/* The fields of a report of the right size, as an object. */
int snp_report_json(struct span report, struct buf *out, struct err *) must_check;

/*
 * The certificates of a table, as an array in the order that verifiers want; null when the table is empty.
 * -ERR_EVIDENCE: entries that lie outside of it, or more of them than any host has.
 */
int snp_certs_json(struct span table, struct buf *out, struct err *) must_check;

#endif
