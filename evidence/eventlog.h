/*
 * eventlog.h: the log of what the registers were extended with: the firmware's
 * (CCEL, TCG2 records), then our own (AAEL, the same records without a header).
 */
#ifndef EVIDENCE_EVENTLOG_H
#define EVIDENCE_EVENTLOG_H

#include "evidence/evidence.h"

#define EVENTLOG_CCEL	"/sys/firmware/acpi/tables/data/CCEL"
#define EVENTLOG_DIR	"/run/attestation-agent"
#define EVENTLOG_AAEL	EVENTLOG_DIR "/eventlog"
#define EVENTLOG_TEXT	4096	/* of one event */

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
 * An event of ours as text: "DOMAIN OPERATION CONTENT". -ERR_USAGE: white space in domain or operation or nothing at all, a line
 * end in the content. -ERR_LIMIT: more than EVENTLOG_TEXT bytes.
 */
int eventlog_text(const char *domain, const char *operation, const char *content, struct buf *text, struct err *) must_check;

/*
 * That text as a record for a register (1 to 4), appended, with its digest by alg; digest gets hash_size(alg) bytes: what the
 * register is to be extended with. -ERR_LIMIT.
 */
int eventlog_record(unsigned number, int alg, struct span text, struct buf *record, uint8_t digest[64], struct err *) must_check;

#endif
