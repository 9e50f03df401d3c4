/*
 * snp.h: keys that SEV-SNP's firmware derives for this guest alone. Nobody stores them: the same question gives the same
 * key again, on this chip, and any other guest another one. Source: SNP_GET_DERIVED_KEY of Linux, sev-guest.h; AMD 56860.
 */
#ifndef EVIDENCE_SNP_H
#define EVIDENCE_SNP_H

#include "evidence/evidence.h"

#define SNP_KEY_SIZE	32
#define SNP_KEY_VMPL_MAX 3

/* What of the guest a key depends on, besides the root: another value, another key. */
#define SNP_KEY_POLICY		(1ULL << 0)
#define SNP_KEY_IMAGE_ID	(1ULL << 1)
#define SNP_KEY_FAMILY_ID	(1ULL << 2)
#define SNP_KEY_MEASUREMENT	(1ULL << 3)
#define SNP_KEY_GUEST_SVN	(1ULL << 4)
#define SNP_KEY_TCB		(1ULL << 5)
#define SNP_KEY_ALL		(SNP_KEY_TCB * 2 - 1)

struct snp_key_question {
	uint64_t	fields;		/* SNP_KEY_* */
	uint64_t	tcb;		/* mixed in with SNP_KEY_TCB: at most the committed TCB, as in reports */
	uint32_t	svn;		/* mixed in with SNP_KEY_GUEST_SVN: at most the guest's */
	uint32_t	vmpl;		/* 0 to 3: mixed in; not below the level we run at */
	bool		migrates;	/* from the VM's root (VMRK), which goes where it goes; else from the chip's (VCEK) */
};

/*
 * 32 bytes to a secret buffer. By /dev/sev-guest only: configfs-tsm has no keys. -ERR_USAGE: not in the ranges above;
 * -ERR_NO_TEE: no device; -ERR_EVIDENCE: kernel, host or firmware refuse, or gave no key; -ERR_TIMEOUT.
 */
int snp_derive_key(const struct evidence_env *, const struct snp_key_question *, struct buf *key, struct err *) must_check;

#endif
