/*
 * sev_secret.h: what the guest's owner has injected at launch: SEV and SEV-ES
 * guests cannot ask for a report, so the secret is their proof.
 */
#ifndef EVIDENCE_SEV_SECRET_H
#define EVIDENCE_SEV_SECRET_H

#include "evidence/evidence.h"

#define SEV_SECRETS		"/sys/kernel/security/secrets/coco"
#define SEV_SECRETS_OLD		"/sys/kernel/security/coco/efi_secret"	/* kernels before 5.19 that had it as a patch */
#define SEV_SECRET_KEYS		"e6f5a162-d67f-4750-a67c-5d065f2a9910"	/* a bundle of keys */
#define SEV_SECRET_CONNECTION	"1ee27366-0c87-43a6-af48-28543eaf7cb0"	/* how to reach a broker */

/* Has the kernel one of this GUID? It is not read. */
bool sev_secret_there(const struct evidence_env *, const char *guid);

/*
 * Takes the secret of this GUID out of the kernel: nobody can read it a second time. secret is an empty secret buffer; it stays
 * empty on failure. -ERR_NO_TEE: there is none. -ERR_EVIDENCE: it could not be removed, and must not be used.
 */
int sev_secret_take(const struct evidence_env *, const char *guid, struct buf *secret, struct err *) must_check;

#endif
