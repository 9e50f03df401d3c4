/*
 * eventlog.h: the log of what the registers were extended with: the firmware's
 * (CCEL, TCG2 records), then our own (AAEL, the same records without a header).
 */
#ifndef EVIDENCE_EVENTLOG_H
#define EVIDENCE_EVENTLOG_H

#include "evidence/evidence.h"

#define EVENTLOG_CCEL	"/sys/firmware/acpi/tables/data/CCEL"
#define EVENTLOG_AAEL	"/run/attestation-agent/eventlog"

/* Where the last record ends, in a log that begins with a header. 0: it is empty. -ERR_EVIDENCE: it is malformed. */
int eventlog_end(struct span ccel, size_t *end, struct err *) must_check;
/* Whole records and nothing else? -ERR_EVIDENCE. */
int eventlog_check(struct span aael, struct err *) must_check;

/* The log as verifiers get it; out stays empty when there is none. */
int eventlog_join(struct span ccel, struct span aael, struct buf *out, struct err *) must_check;

/* The same of the two files, as far as they are there. */
int eventlog_read(const struct evidence_env *, struct buf *out, struct err *) must_check;

/* The register's number in the log (1 to 4) for a PCR. */
unsigned eventlog_register(unsigned pcr);

/*
 * One event of ours as a record: "DOMAIN OPERATION CONTENT", its digest by alg, for the register of this PCR. digest gets
 * hash_size(alg) bytes: what the register is to be extended with. -ERR_USAGE: a blank in domain or operation, a line end.
 */
int eventlog_record(unsigned pcr, int alg, const char *domain, const char *operation, const char *content,
    struct buf *record, uint8_t digest[64], struct err *) must_check;

#endif
