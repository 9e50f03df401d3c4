/*
 * tsm.h: configfs-tsm, the kernel's one interface for reports of all platforms
 * (Linux 6.7 and later). One fresh directory a report; nobody else's answer is
 * ever taken for ours.
 */
#ifndef EVIDENCE_TSM_H
#define EVIDENCE_TSM_H

#include "evidence/evidence.h"

#define TSM_DIR		"/sys/kernel/config/tsm/report"
#define TSM_SHOWN_BY	TSM_DIR " with provider "

/* Is it this provider ("tdx_guest") that would answer? */
bool tsm_provided_by(const struct evidence_env *, const char *provider);

/*
 * The report over data, as the kernel gives it: it may have bytes behind its end. aux NULL: none is wanted. levels: the
 * lowest privilege level that may be asked for is asked for. A provider that is busy is asked again, for a minute.
 * -ERR_NO_TEE: there is no such interface, or another provider; -ERR_EVIDENCE; -ERR_TIMEOUT.
 */
int tsm_report(const struct evidence_env *, const char *provider, bool levels, const uint8_t data[EVIDENCE_DATA],
    struct buf *report, struct buf *aux, struct err *) must_check;

#endif
