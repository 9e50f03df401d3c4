/*
 * pb.h: protobuf messages, by protobuf-c over a budget: what a message of this length can honestly need. Unknown
 * fields are passed over. Our schemas hold texts as bytes, so that nothing in them is cut at a NUL.
 */
#ifndef LIB_PB_H
#define LIB_PB_H

#include <protobuf-c/protobuf-c.h>

#include "lib/budget.h"
#include "lib/buf.h"

struct pb {
	struct budget		 budget;
	ProtobufCMessage	*message;	/* of the type that was asked for */
};
#define autopb cleanup(pb_free) struct pb

/* Parses; -ERR_PARSE (also when it takes more memory than it should). `what` stands in the error. */
int pb_parse(struct span, const ProtobufCMessageDescriptor *, const char *what, struct pb *out, struct err *) must_check;
void pb_free(struct pb *);	/* all zeros is fine; wipes */

/* Appends the bytes of a message. */
int pb_format(const ProtobufCMessage *, struct buf *out, struct err *) must_check;

/* Between spans and fields of bytes. What is made of a span borrows it and is for pb_format only. */
struct span pb_span(ProtobufCBinaryData);
ProtobufCBinaryData pb_bytes(struct span);

#endif
