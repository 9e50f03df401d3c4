/*
 * msg.h: typed, length-framed messages between our own processes, over
 * SOCK_SEQPACKET. One packet is one message: header, body, descriptors. Whoever
 * breaks the rules is one of our own parts gone wrong: the receiver reports
 * -ERR_PROTO and the caller kills the peer.
 */
#ifndef LIB_MSG_H
#define LIB_MSG_H

#include "lib/buf.h"
#include "lib/limits.h"

#define MSG_HEADER	12	/* type u16, zero u16, id u32, length u32; big endian */

struct msg {
	uint16_t	type;
	uint32_t	id;			/* request id; answers carry the request's */
	struct buf	body;			/* at most LIMIT_MSG; secret if its rule says so */
	int		fds[LIMIT_MSG_FDS];	/* received: msg_fini closes those not taken (set to -1) */
	size_t		nfds;
	bool		borrowed;		/* fds were put, not received: they stay their owner's */
};

/* What one process accepts from one peer; a type that is not listed is an error. */
struct msg_rule {
	uint16_t	type;
	uint32_t	max_len;
	uint8_t		fds;		/* exactly this many descriptors */
	bool		secret;		/* body lives in locked memory */
};

void msg_init(struct msg *, uint16_t type, uint32_t id);
void msg_fini(struct msg *);
#define automsg cleanup(msg_fini) struct msg

/* Typed put: appends to body. Strings and bytes carry a u32 length. */
int msg_put_u8(struct msg *, uint8_t, struct err *) must_check;
int msg_put_u32(struct msg *, uint32_t, struct err *) must_check;
int msg_put_u64(struct msg *, uint64_t, struct err *) must_check;
int msg_put_str(struct msg *, const char *, struct err *) must_check;
int msg_put_bytes(struct msg *, struct span, struct err *) must_check;
int msg_put_err(struct msg *, const struct err *, struct err *) must_check;
void msg_put_fd(struct msg *, int fd);	/* borrowed: the caller keeps and closes its own */

/*
 * Typed get: consumes from the front of in; the first that fails remembers it
 * (bad = true) and all later ones give zeros, so that one check at the end is
 * enough: msg_get_end is false if anything failed or a byte is left over.
 */
struct msg_reader {
	struct span	in;
	bool		bad;
};
struct msg_reader msg_reader(const struct msg *);
uint8_t msg_get_u8(struct msg_reader *);
uint32_t msg_get_u32(struct msg_reader *);
uint64_t msg_get_u64(struct msg_reader *);
struct span msg_get_bytes(struct msg_reader *, size_t max);
void msg_get_str(struct msg_reader *, char *out, size_t size);	/* no NUL inside, NUL-ended */
void msg_get_err(struct msg_reader *, struct err *out);
bool msg_get_end(struct msg_reader *) must_check;

/*
 * Sends whole or not at all. fds in m are duplicated by the kernel. -ERR_CRASH
 * when the peer is gone, -ERR_TIMEOUT when it takes nothing for timeout_ms (-1: for ever).
 */
int msg_send(int fd, const struct msg *, int timeout_ms, struct err *) must_check;

/*
 * Receives one message that fits a rule of the NULL-type-ended table; m is
 * initialised by it. Returns 1, 0 when the peer has closed, -ERR_TIMEOUT after
 * timeout_ms (-1: waits for ever, 0: only what is there), -ERR_PROTO.
 * Descriptors beyond the rule are closed.
 */
int msg_recv(int fd, const struct msg_rule *, int timeout_ms, struct msg *, struct err *) must_check;

/* Pure: checks and splits one packet. For msg_recv and the fuzzer. */
int msg_parse(struct span packet, size_t nfds, const struct msg_rule *, struct msg *, struct err *) must_check;

/* A connected SOCK_SEQPACKET pair, close-on-exec. */
int msg_pair(int fds[2], struct err *) must_check;

#endif
