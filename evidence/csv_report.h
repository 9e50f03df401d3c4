/*
 * csv_report.h: attestation reports of Hygon CSV, version 1 (masked) and 2
 * (extended): checked against what was asked, unmasked, and as JSON.
 */
#ifndef EVIDENCE_CSV_REPORT_H
#define EVIDENCE_CSV_REPORT_H

#include "lib/buf.h"

#define CSV_REPORT_SIZE		4096	/* the page it is passed in */
#define CSV_HSK_CEK_SIZE	2916
#define CSV_MNONCE		16

/*
 * The report as verifiers get it: 4096 bytes, PEK and chip id plain, the firmware's random bytes zero. -ERR_EVIDENCE: it binds
 * other data, has another nonce, or a wrong MAC: the host has changed PEK or chip id. Each is told apart.
 */
int csv_report_open(struct span page, const uint8_t data[64], const uint8_t mnonce[CSV_MNONCE], struct buf *out,
    struct err *) must_check;

/* 1 or 2, of a report as above. */
int csv_report_version(struct span report);
/* Its text, which may stand in a path: letters and digits. -ERR_EVIDENCE. */
int csv_chip_id(struct span report, char out[65], struct err *) must_check;

/* hsk_cek: 2916 bytes, or none. */
int csv_json(struct span report, struct span hsk_cek, struct span event_log, struct buf *out, struct err *) must_check;
/* Report, masked again; HSK and CEK; their length. -ERR_UNSUPPORTED for version 2, -ERR_EVIDENCE without HSK and CEK. */
int csv_raw(struct span report, struct span hsk_cek, struct buf *out, struct err *) must_check;

#endif
