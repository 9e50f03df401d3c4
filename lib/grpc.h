/*
 * grpc.h: what both sides of gRPC need besides HTTP/2: the five bytes in front of a message, time limits and texts
 * in headers. Sessions: lib/rpc.h. Sources: gRPC over HTTP2, PROTOCOL-HTTP2.md.
 */
#ifndef LIB_GRPC_H
#define LIB_GRPC_H

#include <nghttp2/nghttp2.h>

#include "lib/budget.h"
#include "lib/rpc.h"

#define GRPC_PREFIX	5	/* u8 compressed, u32 length */
#define GRPC_HEADERS	KIB(8)	/* of one list, names and values */
#define GRPC_TEXT	KIB(1)	/* of grpc-message, decoded */

/* The one message of a call, coming in pieces. */
struct grpc_message {
	uint8_t		 prefix[GRPC_PREFIX];
	size_t		 have;		/* of prefix */
	struct buf	 body;		/* secret; as large as the prefix says */
};
/* RPC_OK, or why the call is over, with a text in *why. Nothing is stored beyond max. */
enum rpc_status grpc_message_add(struct grpc_message *, struct span, size_t max, const char **why) must_check;
bool grpc_message_whole(const struct grpc_message *);
void grpc_message_fini(struct grpc_message *);
/* Appends prefix and message. */
int grpc_message_format(struct span, struct buf *out, struct err *) must_check;

/* "10S" and its like, in milliseconds, rounded up; at most eight digits. */
bool grpc_timeout_parse(struct span, int64_t *ms);
void grpc_timeout_format(int64_t ms, char out[16]);

/* Everything but visible ASCII becomes %XX; cut where out is full. */
void grpc_text_encode(const char *, char *out, size_t size);
/* The other way; what is no code stays as it is. Appends at most what fits. */
int grpc_text_decode(struct span, struct buf *out, struct err *) must_check;

/* nghttp2's memory: counted and wiped, since messages pass through it. */
nghttp2_mem grpc_memory(struct budget *);

/* A header of literals or texts that live until the call that sends it has returned. */
nghttp2_nv grpc_header(const char *name, const char *value);

#endif
