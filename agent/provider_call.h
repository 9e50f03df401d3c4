/*
 * provider_call.h: one call to another key provider, over a connection that the monitor has made (M_KEY_PROVIDER). For
 * the key role: what is asked and answered holds keys.
 */
#ifndef AGENT_PROVIDER_CALL_H
#define AGENT_PROVIDER_CALL_H

#include "agent/roles.h"
#include "keyprovider/protocol.h"

#define PROVIDER_CALL_MS	50000	/* as long as ocicrypt's own clients wait */

/*
 * request: JSON; reply: its answer's JSON is appended to this secret buffer. op: PROVIDER_WRAP or PROVIDER_UNWRAP. What the
 * other side says in refusing is -ERR_DECRYPT, unless it is one of -ERR_NOTFOUND, -ERR_UNSUPPORTED, -ERR_AUTH,
 * -ERR_LIMIT; -ERR_NET and -ERR_TIMEOUT where no answer came.
 */
int provider_call(int fd, enum provider_transport, const char *authority, enum provider_op, struct span request,
    int64_t timeout_ms, struct buf *reply, struct err *) must_check;

#endif
