/*
 * agent_call.h: one call to a running agent, at its own socket (FACE_OWN): for aa-cli. What is answered is bounded, and a
 * refusal becomes an error of ours again: its text and its code as the agent says them.
 */
#ifndef AGENT_AGENT_CALL_H
#define AGENT_AGENT_CALL_H

#include "agent/face.h"
#include "agent/options.h"
#include "agent/services.h"

struct agent_options {
	const char	*socket, *run_dir, *timeout;
	bool		 standalone;
};

/* Lines of an option table that fill o, a struct agent_options with static storage. */
#define AGENT_SOCKET_OPTION(o) \
	{ "socket", "PATH", "the running agent's socket (default /run/cacao/agent.sock)", &(o).socket, NULL }
#define AGENT_OPTIONS(o) \
	AGENT_SOCKET_OPTION(o), \
	{ "run-dir", "DIR", "the agent that was started with this --run-dir", &(o).run_dir, NULL }, \
	{ "timeout", "DURATION", "for the agent's answer: 90s, 10m (default: what it allows)", &(o).timeout, NULL }
#define AGENT_OPTION_NAMES	"socket", "run-dir", "timeout"

/* Is there one? 1, or 0 where none listens at the default place or --standalone was given. -ERR_USAGE, -ERR_NET. */
int agent_find(const struct agent_options *, struct err *) must_check;

#define AGENT_TOKEN_MAX	KIB(64)	/* a JWT and a private key */

/*
 * The calls; answers are appended. Besides what each of them is about: -ERR_NET where nobody answers, -ERR_TIMEOUT,
 * -ERR_PARSE and -ERR_LIMIT for an answer that is none.
 */
int agent_status(const struct agent_options *, struct buf *json, struct err *) must_check;
int agent_resource(const struct agent_options *, const char *uri, struct buf *secret, struct err *) must_check;
int agent_evidence(const struct agent_options *, struct span data, struct buf *json, struct err *) must_check;
int agent_tee(const struct agent_options *, char name[32], struct err *) must_check;
int agent_token(const struct agent_options *, const char *type, struct buf *secret, struct err *) must_check;
int agent_pull(const struct agent_options *, const char *image, const char *bundle, char digest[160], struct err *) must_check;

#endif
