/*
 * ttrpc.h: the frame of ttrpc: ten bytes, then as many as they say. Sessions: lib/rpc.h. What a frame says is
 * believed only up to a limit: what is longer is passed over, never stored.
 * Source: ttrpc PROTOCOL.md.
 */
#ifndef LIB_TTRPC_H
#define LIB_TTRPC_H

#include "lib/buf.h"
#include "lib/limits.h"

#define TTRPC_HEADER	10
#define TTRPC_MAX	MIB(4)	/* of a frame without its header: the protocol's own limit */

enum { TTRPC_REQUEST = 1, TTRPC_RESPONSE, TTRPC_DATA };
enum { TTRPC_REMOTE_CLOSED = 1, TTRPC_REMOTE_OPEN = 2, TTRPC_NO_DATA = 4 };

struct ttrpc_frame {
	uint32_t	len, stream;
	uint8_t		type, flags;
};

/* Appends the header. */
int ttrpc_frame_format(const struct ttrpc_frame *, struct buf *out, struct err *) must_check;

/* Takes frames out of a stream of bytes that comes in any pieces. All zeros to begin with. */
struct ttrpc_reader {
	uint8_t			head[TTRPC_HEADER];
	size_t			have;	/* of head */
	struct ttrpc_frame	frame;	/* once head is whole */
	enum { TTRPC_UNDECIDED, TTRPC_KEEP, TTRPC_SKIP } fate;
	uint32_t		left;	/* of a frame to be skipped */
	struct buf		body;	/* of one that is kept; secret */
};

enum ttrpc_event {
	TTRPC_MORE,	/* all bytes were used */
	TTRPC_HEAD,	/* frame is known; its fate has to be decided by ttrpc_keep or ttrpc_skip */
	TTRPC_BODY,	/* frame and body are whole, until the next call */
};
enum ttrpc_event ttrpc_read(struct ttrpc_reader *, struct span *in);
/* -ERR_NOMEM; the caller has compared frame.len with its limit. */
int ttrpc_keep(struct ttrpc_reader *, struct err *) must_check;
void ttrpc_skip(struct ttrpc_reader *);
void ttrpc_reader_fini(struct ttrpc_reader *);

#endif
