/*
 * services.h: every method that callers can call, in one table: the message it takes and gives, who answers it, and
 * through which door it may be called. rpc.c carries calls and knows nothing of what is in them.
 * Sources: guest-components' and attestation-agent's .proto files, all versions (names and field numbers).
 */
#ifndef AGENT_SERVICES_H
#define AGENT_SERVICES_H

#include "agent/roles.h"
#include "lib/rpc.h"

/* Who answers. */
enum backend {
	BACKEND_NONE,		/* nobody yet: UNAVAILABLE, with the feature's name */
	BACKEND_KEY,
	BACKEND_TEE,
	BACKEND_MONITOR,
	BACKEND_HERE,		/* nobody need be asked: the row itself */
	BACKEND_COUNT
};

/* What is asked of them: the first byte of M_CALL, and what follows it → what follows err? in M_CALL_DONE. */
enum call {
	CALL_WRAP, CALL_UNWRAP, CALL_AS_ASKED,	/* key: enum provider_op: bytes JSON → bytes JSON */
	CALL_RESOURCE,		/* key, M_CALL_PIPE: str uri, str NAME::URI of the broker it must be ("": ours) → */
	CALL_EVIDENCE,		/* tee, M_CALL_PIPE: bytes caller's data → */
	CALL_TEE,		/* tee: → str name */
	CALL_MEASURE,		/* tee: u8 is there a pcr, u32 pcr, str domain, str operation, str content → u8 0 done, 1 the
				 * platform has no registers, 2 switched off */
	CALL_PULL,		/* monitor: str image, str bundle → str manifest digest */
	CALL_STATUS,		/* monitor: → bytes JSON */
	CALL_COUNT
};
/* The most that goes into the texts of these: CALL_PULL's image and bundle: LIMIT_REFERENCE, LIMIT_PATH. */
#define CALL_DATA	KIB(4)	/* of CALL_EVIDENCE */
#define CALL_TEXT	(KIB(4) - 1)	/* each of CALL_MEASURE; uri of CALL_RESOURCE: LIMIT_URI - 1 */
#define CALL_BROKER	600	/* NAME::URI and a NUL */
#define CALL_MAX	(LIMIT_PROVIDER_JSON + KIB(1))	/* M_CALL and M_CALL_DONE */
/* What comes through a pipe; evidence: base64 of a quote and of the event log, which ends before 256 KiB. */
#define CALL_EVIDENCE_MAX	KIB(384)

/* Doors: which methods a listening socket offers. Bits. */
enum face {
	FACE_ATTESTATION = 1,	/* attestation-agent.sock */
	FACE_HUB	= 2,	/* cdh.sock */
	FACE_KEYPROVIDER = 4,	/* of the old agent; also skopeo's, aa-keyprovider */
	FACE_GETRESOURCE = 8,	/* of the old agent */
	FACE_OWN	= 16,	/* our socket, for aa-cli: everything */
};
const char *face_name(enum face);	/* "attestation", "hub", "keyprovider", "getresource", "agent" */

struct service {
	struct rpc_method	 method;	/* its id is its place in the table: services_methods tells */
	enum backend		 backend;
	enum call		 call;
	unsigned		 faces;
	const char		*word;		/* in vsock.host_methods; NULL: never for the host */
	const char		*feature;	/* BACKEND_NONE */
	const char		*trouble;	/* stands before the error's text: "[CDH] [ERROR]: Get Resource failed"; NULL */
	size_t			 pipe;		/* the answer comes through a pipe (M_CALL_PIPE), and so much at most; 0: no */
	bool			 plain;		/* neither question nor answer is a secret: they need not take that memory */
	int64_t			 limit_ms;	/* where the caller sets no time, and the most it may set */
	/*
	 * Neither is there for BACKEND_NONE. ask reads the caller's message and writes what M_CALL carries behind the call's
	 * number. -ERR_PARSE, -ERR_LIMIT, -ERR_UNSUPPORTED.
	 */
	int	(*ask)(struct span message, struct msg *call, struct err *);
	/* Makes the answer's message; bytes: what came through the pipe. -ERR_PROTO: the backend's words cannot be read. */
	int	(*answer)(struct msg_reader *, struct span bytes, struct buf *out, struct err *);
};

extern const struct service services[];		/* at most 64; ended by method.service NULL */
/* The same as rpc_find wants it; the id is the place in services[]. */
const struct rpc_method *services_methods(void);
#define SERVICES_ANSWER	(CALL_EVIDENCE_MAX + KIB(1))	/* the longest message that an answer can be */

/* Bits of methods by the words of a list ("pull\nstatus"). -ERR_CONFIG: a word that is none. */
int services_by_words(const char *list, uint64_t *methods, struct err *) must_check;
uint64_t services_of(unsigned faces);		/* bits of methods that these doors offer */

/*
 * What a caller is told of a failure: trouble, and the text for pulls that kata's tests and people look for ("Image policy
 * rejected: Denied by policy", "Not authorized", "Failed to decrypt the image layer, please ensure that the decryption key
 * is placed and correct", "Failed to pull image"), then ours, and its name in brackets: " (POLICY)".
 */
void services_explain(const struct service *, const struct err *, char *out, size_t size);

#endif
