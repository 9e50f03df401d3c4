/*
 * provider_call.h: one call to another key provider, on a stream that is connected already. What it answers is foreign: its
 * length is bounded, and of a packet at least the form is checked.
 */
#ifndef KEYPROVIDER_PROVIDER_CALL_H
#define KEYPROVIDER_PROVIDER_CALL_H

#include "keyprovider/protocol.h"

/*
 * Sends one request and takes one answer, the framing being the transport's: over gRPC, ttrpc, or none. The answer's
 * JSON is appended to a secret buffer. fd comes without O_NONBLOCK and stays the caller's.
 */
typedef int (*provider_transport_fn)(int fd, const char *authority, enum provider_op, struct span request, int64_t deadline,
    struct buf *reply, struct err *);

/* A command's standard input and output: the request and its end, the answer and its end. */
int provider_call_cmd(int fd, const char *authority, enum provider_op, struct span request, int64_t deadline,
    struct buf *reply, struct err *) must_check;

/*
 * parameter and data as in provider_request_format(); result is secret: a packet, whose form has been checked as far as
 * it is known here, or what was unwrapped. deadline: of sys_now_ms(). -ERR_TIMEOUT, -ERR_NET, -ERR_PARSE, -ERR_LIMIT.
 */
int provider_call(provider_transport_fn, int fd, const char *authority, enum provider_op, struct span parameter,
    struct span data, int64_t deadline, struct buf *result, struct err *) must_check;

#endif
