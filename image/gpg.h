/*
 * gpg.h: what gpgme said about one OpenPGP message, and the judgement of it. Pure:
 * the process that runs gpg fills the structure in, from gpgme's own structures and never from
 * printed text; who decides asks gpg_judge().
 */
#ifndef IMAGE_GPG_H
#define IMAGE_GPG_H

#include "lib/err.h"

/* Of a signature: gpgme's status, as far as the difference matters to a person. All but the first are bad. */
enum gpg_status {
	GPG_GOOD,		/* GPG_ERR_NO_ERROR */
	GPG_BAD_SIGNATURE,	/* GPG_ERR_BAD_SIGNATURE */
	GPG_NO_KEY,		/* GPG_ERR_NO_PUBKEY */
	GPG_SIG_EXPIRED,	/* GPG_ERR_SIG_EXPIRED */
	GPG_KEY_EXPIRED,	/* GPG_ERR_KEY_EXPIRED */
	GPG_KEY_REVOKED,	/* GPG_ERR_CERT_REVOKED */
	GPG_OTHER_FAULT,	/* everything else, now and in times to come */
	GPG_STATUS_COUNT
};

#define GPG_FINGERPRINT	65	/* upper-case hex, as gpgme has it, and the NUL */

struct gpg_verdict {
	uint32_t	keys;		/* primary keys that were imported from all rings */
	uint32_t	signatures;	/* in the message; the rest is about the first one */
	enum gpg_status	status;
	bool		wrong_key_usage;
	uint32_t	hash_algo;	/* numbers of RFC 4880, section 9.4, as are gpgme's */
	uint32_t	key_algo;	/* numbers of section 9.1: 1 to 3 are RSA */
	uint32_t	key_bits;	/* of the key that signed; 0: not known */
	char		fingerprint[GPG_FINGERPRINT];	/* of the key that signed */
	char		primary[GPG_FINGERPRINT];	/* of the imported key that it is or belongs to; "" if of none */
};

/*
 * 0: exactly one signature, good in every respect, by a key of the rings or a subkey of one. -ERR_POLICY says what is
 * wrong. MD5, SHA-1 and RIPEMD-160 are refused, RSA and DSA of less than 2048 bits, too.
 */
int gpg_judge(const struct gpg_verdict *, struct err *) must_check;

#endif
