/* gpgask.h: pull's side of the gpg role: one message, verified by a process of its own. */
#ifndef AGENT_GPGASK_H
#define AGENT_GPGASK_H

#include "image/gpg.h"
#include "lib/buf.h"

/* As policy_env.gpg. */
int gpgask_verify(const struct span rings[], size_t n, struct span message, struct gpg_verdict *out, struct buf *payload,
    struct err *) must_check;

/* A file or resource that the policy names (M_POLICY_OPEN), appended. -ERR_NOTFOUND: there is none. */
int policyask_file(const char *name, struct buf *out, struct err *) must_check;

#endif
