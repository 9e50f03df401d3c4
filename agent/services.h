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
	BACKEND_COUNT
};

/* What is asked of them: the first byte of M_CALL, and what follows it → what follows err? in M_CALL_DONE. */
enum call {
	CALL_WRAP, CALL_UNWRAP, CALL_AS_ASKED,	/* key: enum provider_op: bytes JSON → bytes JSON */
	CALL_RESOURCE,		/* key: str uri, str NAME::URI of the broker it must be ("": ours), fd: a pipe for the resource → */
	CALL_EVIDENCE,		/* tee: bytes caller's data, fd: a pipe for the evidence → */
	CALL_TEE,		/* tee: → str name */
	CALL_MEASURE,		/* tee: u8 is there a pcr, u32 pcr, str domain, str operation, str content → u8 0 done, 1 the
				 * platform has no registers, 2 switched off */
	CALL_PULL,		/* monitor: str image, str bundle → str manifest digest */
	CALL_STATUS,		/* monitor: → bytes JSON */
	CALL_COUNT
};

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
	struct rpc_method	 method;	/* its id is the place in the table */
	enum backend		 backend;
	enum call		 call;
	unsigned		 faces;
	const char		*word;		/* in vsock.host_methods; NULL: never for the host */
	const char		*feature;	/* BACKEND_NONE */
	const char		*trouble;	/* stands before the error's text: "[CDH] [ERROR]: Get Resource failed"; NULL */
	bool			 pipe;		/* the answer comes through a pipe */
	int64_t			 limit_ms;	/* where the caller sets no time, and the most it may set */
	/* Reads the caller's message and writes what M_CALL carries behind the op. -ERR_PARSE, -ERR_LIMIT, -ERR_UNSUPPORTED. */
	int	(*ask)(struct span message, struct msg *call, struct err *);
	/* Makes the answer's message; bytes: what came through the pipe. out is secret. */
	int	(*answer)(struct msg_reader *, struct span bytes, struct buf *out, struct err *);
};

extern const struct service services[];		/* ended by method.service NULL */
/* The same as rpc_find wants it. */
const struct rpc_method *services_methods(void);

/* Bits of methods by the words of a list ("pull\nstatus"). -ERR_CONFIG: a word that is none. */
int services_by_words(const char *list, uint64_t *methods, struct err *) must_check;
uint64_t services_of(unsigned faces);		/* bits of methods that these doors offer */

/*
 * What a caller is told of a failure: trouble, and the text for pulls that kata's tests and people look for ("Image policy
 * rejected: Denied by policy", "Not authorized", "Failed to decrypt the image layer, please ensure that the decryption key
 * is placed and correct", "Failed to pull image"), then ours.
 */
void services_explain(const struct service *, const struct err *, char *out, size_t size);

#endif
