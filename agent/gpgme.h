/*
 * gpgme.h: one OpenPGP message verified by the program gpg, through gpgme, with the keys of the rings given and no
 * others. What gpg prints is never read: the verdict is made of gpgme's structures, and image/gpg.h judges it.
 * Only the gpg role links this.
 */
#ifndef AGENT_GPGME_H
#define AGENT_GPGME_H

#include "image/gpg.h"
#include "lib/buf.h"
#include "lib/limits.h"

#define GPGME_MAX_RINGS		LIMIT_POLICY_KEYS
#define GPGME_MAX_PAYLOAD	KIB(48)	/* fits a message; a payload of simple signing has some 300 bytes */

struct gpgme_job {
	const char	*program;	/* absolute */
	const char	*home;		/* an empty directory, which becomes gpg's home */
	struct span	 rings[GPGME_MAX_RINGS];
	size_t		 nrings;
	struct span	 message;
};

/*
 * 0: gpg ran, and the verdict says what it made of the message; then payload (max: GPGME_MAX_PAYLOAD) holds what it
 * gave out, which means nothing unless the verdict is good. -ERR_IMAGE: the message is none (gpgframe.h). -ERR_CONFIG: gpg
 * does not run, or a ring is none.
 */
int gpgme_verify(const struct gpgme_job *, struct gpg_verdict *, struct buf *payload, struct err *) must_check;

#endif
