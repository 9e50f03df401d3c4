/*
 * caller.h: what evidence binds when a caller of our interfaces asks for it. Guests of one image are all alike to a verifier, so
 * whoever could have any report data signed could speak for all of them: by default nobody can, and where it is allowed
 * the data is labelled, so that such evidence never passes for that of a handshake of ours.
 */
#ifndef EVIDENCE_CALLER_H
#define EVIDENCE_CALLER_H

#include "evidence/evidence.h"

/* evidence.for_callers */
enum caller_mode { CALLER_OFF, CALLER_LABELLED, CALLER_RAW, CALLER_MODE_COUNT };

/* By which door the question came. */
enum caller_kind { CALLER_RPC, CALLER_REST, CALLER_CLI, CALLER_KIND_COUNT };

#define CALLER_LABEL	"cacao: evidence for a caller, version 1"

/* "off", "labelled" or "raw"; false: none of them. */
bool caller_mode_parse(const char *text, enum caller_mode *) must_check;
const char *caller_kind_name(enum caller_kind);

/*
 * The report data for this caller's data. CALLER_RAW: the data itself. CALLER_LABELLED: 64 bytes, SHA-512 of CALLER_LABEL, the
 * kind's name and the data, each behind its length (4 bytes, big-endian). CALLER_OFF: -ERR_DENIED. More than EVIDENCE_DATA bytes
 * are -ERR_USAGE, never cut.
 */
int caller_data(enum caller_mode, enum caller_kind, struct span data, uint8_t out[EVIDENCE_DATA], size_t *len,
    struct err *) must_check;

#endif
