/* test_rpc.c: calls through the role rpc: who answers, how many at a time, and what ends them. */
#include "lib/base.h"

#include "agent/calls.h"
#include "tests/lib/rpc_role.h"

static void
test_doors(void)
{
	struct world w;
	int hub, attestation, old, fd;

	start(&w);
	hub = offer(&w, FACE_HUB, HUB);
	attestation = offer(&w, FACE_ATTESTATION, OTHER);
	old = offer(&w, FACE_KEYPROVIDER, OTHER);
	fd = connect_to(&w, hub);
	call(fd, 1, VERSION, SPAN_LIT(""), 0);
	responds(fd, 1, RPC_UNIMPLEMENTED, "this socket", "our own method at the hub's door");
	call(fd, 3, TEE, SPAN_LIT(""), 0);
	responds(fd, 3, RPC_UNIMPLEMENTED, "this socket", "another's");
	call(fd, 5, "api.SealedSecretService", "UnsealSecret", SPAN_LIT("\x0a\1x"), 0);
	responds(fd, 5, RPC_UNAVAILABLE, "[CDH] [ERROR]: Unseal Secret failed: this version has no sealed secrets", "none yet");
	call(fd, 7, RESOURCE, SPAN_LIT("\x08\1"), 0);
	responds(fd, 7, RPC_INVALID_ARGUMENT, "not a message", "a message that is none");
	call(fd, 9, "api.GetResourceService", "getResource", SPAN_LIT(""), 0);
	responds(fd, 9, RPC_UNIMPLEMENTED, "no such method", "no method");
	close(fd);
	fd = connect_to(&w, attestation);
	call(fd, 1, RESOURCE, SPAN_LIT(URI), 0);
	responds(fd, 1, RPC_UNIMPLEMENTED, "this socket", "a resource at the attestation's door");
	call(fd, 3, "attestation_agent.AttestationAgentService", "GetAdditionalTees", SPAN_LIT(""), 0);
	responds(fd, 3, RPC_OK, "", "what is answered at once");
	close(fd);
	fd = connect_to(&w, old);
	call(fd, 1, RESOURCE, SPAN_LIT(URI), 0);
	responds(fd, 1, RPC_UNIMPLEMENTED, "this socket", "a resource at the key provider's door");
	close(fd);
	ok(nothing_comes(w.control) && nothing_comes(w.key) && nothing_comes(w.tee), "nobody was asked for any of it");
	is_int(stop(&w), 0, "it ends with its monitor");
}

static void
test_backends(void)
{
	struct world w;
	automsg m, lost;
	struct err why;
	int fd;

	start(&w);
	fd = connect_to(&w, offer(&w, FACE_OWN, HUB));
	call(fd, 1, PULL, SPAN_LIT(IMAGE), 0);
	arrives(w.control, &m, M_CALL, "\x07\0\0\0\7busybox\0\0\0\6/run/b", "a pull");
	call(fd, 3, TEE, SPAN_LIT(""), 0);
	call(fd, 5, STATUS, SPAN_LIT(""), 0);
	msg_init(&lost, M_CALL_DONE, m.id);
	(void)(err_set(&why, ERR_POLICY, "why") < 0);
	works(msg_put_u8(&lost, 1, &e), "a refusal");
	works(msg_put_err(&lost, &why, &e), "of it");
	works(msg_send(w.control, &lost, WAIT_MS, &e), "is sent");
	responds(fd, 1, RPC_PERMISSION_DENIED, "Image policy rejected: Denied by policy: why", "a pull that is refused");
	msg_fini(&m);
	arrives(w.tee, &m, M_CALL, "\x05", "which TEE it is");
	done(w.tee, m.id, "\0\0\0\3tdx", 7);
	responds(fd, 3, RPC_OK, "tdx", "is told");
	msg_fini(&m);
	arrives(w.control, &m, M_CALL, "\x08", "the status");
	done(w.control, m.id, "\0\0\0\2{}", 6);
	responds(fd, 5, RPC_OK, "{}", "is told");
	call(fd, 7, VERSION, SPAN_LIT(""), 0);
	responds(fd, 7, RPC_OK, "\"version\"", "the version");
	msg_fini(&m);
	call(fd, 9, TEE, SPAN_LIT(""), 0);
	arrives(w.tee, &m, M_CALL, "\x05", "which TEE it is");
	done(w.tee, m.id, "x", 1);
	responds(fd, 9, RPC_INTERNAL, "cannot be read", "an answer that is none");
	close(fd);
	is_int(stop(&w), 0, "it ends with its monitor");
}

static void
test_pipes(void)
{
	struct world w;
	automsg m;
	int fd;

	start(&w);
	fd = connect_to(&w, offer(&w, FACE_OWN, HUB));
	call(fd, 1, RESOURCE, SPAN_LIT(URI), 0);
	arrives(w.key, &m, M_CALL_PIPE, "\3\0\0\0\x14kbs:///default/key/1\0\0\0\0", "a resource");
	is_int(write(m.fds[0], "small", 5), 5, "a small one");
	done(w.key, m.id, "", 0);
	responds(fd, 1, RPC_OK, "small", "comes");
	msg_fini(&m);
	call(fd, 3, RESOURCE, SPAN_LIT(URI), 0);
	arrives(w.key, &m, M_CALL_PIPE, "\3\0\0\0\x14kbs:///default/key/1\0\0\0\0", "the next");
	fill(&m, LIMIT_RESOURCE);
	done(w.key, m.id, "", 0);
	responds(fd, 3, RPC_OK, "bytes", "the largest comes");
	msg_fini(&m);
	call(fd, 5, RESOURCE, SPAN_LIT(URI), 0);
	arrives(w.key, &m, M_CALL_PIPE, "\3\0\0\0\x14kbs:///default/key/1\0\0\0\0", "the next");
	fill(&m, LIMIT_RESOURCE);
	is_int(write(m.fds[0], "x", 1), 1, "a byte more");
	responds(fd, 5, RPC_RESOURCE_EXHAUSTED, "larger than", "is too much");
	done(w.key, m.id, "", 0);
	msg_fini(&m);
	call(fd, 7, EVIDENCE, SPAN_LIT("\x0a\3abc"), 0);
	arrives(w.tee, &m, M_CALL_PIPE, "\4\0\0\0\3abc", "evidence");
	fill(&m, CALL_EVIDENCE_MAX);
	done(w.tee, m.id, "", 0);
	responds(fd, 7, RPC_OK, "bytes", "comes, too");
	close(fd);
	is_int(stop(&w), 0, "it ends with its monitor");
}

/* Key gets two at a time, in order; who waits may give up. */
static void
test_depth(void)
{
	struct world w;
	automsg a, b, c;
	int fd;

	start(&w);
	fd = connect_to(&w, offer(&w, FACE_OWN, HUB));
	for (uint32_t stream = 1; stream <= 7; stream += 2)
		call(fd, stream, RESOURCE, SPAN_LIT(URI), stream == 5 ? 1000 : 0);
	arrives(w.key, &a, M_CALL_PIPE, "\3\0\0\0\x14kbs:///default/key/1\0\0\0\0", "the first");
	arrives(w.key, &b, M_CALL_PIPE, "\3\0\0\0\x14kbs:///default/key/1\0\0\0\0", "the second");
	ok(nothing_comes(w.key), "no third");
	done(w.key, b.id + 1, "", 0);	/* an answer to the third is one to nothing */
	advance(&w, 2000);
	responds(fd, 5, RPC_DEADLINE_EXCEEDED, "time", "the third gives up");
	done(w.key, b.id, "", 0);
	responds(fd, 3, RPC_OK, "", "the second is done before the first");
	arrives(w.key, &c, M_CALL_PIPE, "\3\0\0\0\x14kbs:///default/key/1\0\0\0\0", "then the fourth comes");
	done(w.key, c.id, "", 0);
	responds(fd, 7, RPC_OK, "", "and is done");
	/* The first's time is over; key still has it, and until it says so one place less. */
	advance(&w, 60000);
	responds(fd, 1, RPC_DEADLINE_EXCEEDED, "time", "the first");
	for (uint32_t stream = 9; stream <= 11; stream += 2)
		call(fd, stream, RESOURCE, SPAN_LIT(URI), 0);
	msg_fini(&c);
	arrives(w.key, &c, M_CALL_PIPE, "\3\0\0\0\x14kbs:///default/key/1\0\0\0\0", "one more");
	ok(nothing_comes(w.key), "and only one");
	is_int(write(a.fds[0], "x", 1), -1, "nobody reads what was given up");
	done(w.key, a.id, "", 0);
	msg_fini(&b);
	arrives(w.key, &b, M_CALL_PIPE, "\3\0\0\0\x14kbs:///default/key/1\0\0\0\0", "the next");
	close(fd);
	is_int(stop(&w), 0, "it ends with its monitor");
}

static void
test_left(void)
{
	struct world w;
	automsg a, b, first, left;
	int fd, hub;

	start(&w);
	hub = offer(&w, FACE_HUB, HUB);
	fd = connect_to(&w, hub);
	call(fd, 1, PULL, SPAN_LIT(IMAGE), 1000);
	arrives(w.control, &a, M_CALL, "\x07\0\0\0\7busybox\0\0\0\6/run/b", "a pull");
	msg_init(&left, 0, 0);
	__atomic_add_fetch(ahead, 2000, __ATOMIC_SEQ_CST);
	call(fd, 3, PULL, SPAN_LIT(IMAGE), 0);
	for (int i = 0; i < 2; i++) {
		automsg m;

		is_int(msg_recv(w.control, rpc_rules, WAIT_MS, &m, &e), 1, "a message");
		if (m.type == M_CALL_LEFT)
			ok(m.id == a.id && span_eq(buf_span(&m.body), SPAN_LIT("\0")), "the first pull's time is over");
		else
			b.id = m.id;
	}
	responds(fd, 1, RPC_DEADLINE_EXCEEDED, "time", "the caller is told");
	done(w.control, a.id, "\0\0\0\x09sha256:ab", 13);
	call(fd, 5, "api.SealedSecretService", "UnsealSecret", SPAN_LIT(""), 0);
	responds(fd, 5, RPC_UNAVAILABLE, "sealed", "the late answer is passed over");
	close(fd);
	arrives(w.control, &first, M_CALL_LEFT, "\1", "the caller of the first is gone");
	is_int(first.id, a.id, "whose time was over");
	arrives(w.control, &left, M_CALL_LEFT, "\1", "the caller of the second is gone");
	is_int(left.id, b.id, "it is that");
	is_int(stop(&w), 0, "it ends with its monitor");
}

static void
test_lost(void)
{
	struct world w;
	automsg a, b, c, stuck;
	int fd;

	start(&w);
	fd = connect_to(&w, offer(&w, FACE_OWN, HUB));
	for (uint32_t stream = 1; stream <= 5; stream += 2)
		call(fd, stream, RESOURCE, SPAN_LIT(URI), 0);
	arrives(w.key, &a, M_CALL_PIPE, "\3\0\0\0\x14kbs:///default/key/1\0\0\0\0", "the first");
	arrives(w.key, &b, M_CALL_PIPE, "\3\0\0\0\x14kbs:///default/key/1\0\0\0\0", "the second");
	lose(&w, BACKEND_KEY);
	responds(fd, 1, RPC_UNAVAILABLE, "died", "the first");
	responds(fd, 3, RPC_UNAVAILABLE, "died", "the second");
	arrives(w.key, &c, M_CALL_PIPE, "\3\0\0\0\x14kbs:///default/key/1\0\0\0\0", "the third goes to the next one");
	done(w.key, a.id, "", 0);
	is_int(write(c.fds[0], "third", 5), 5, "which answers");
	done(w.key, c.id, "", 0);
	responds(fd, 5, RPC_OK, "third", "what is late is passed over");

	call(fd, 21, RESOURCE, SPAN_LIT(URI), 1000000);
	msg_fini(&a);
	arrives(w.key, &a, M_CALL_PIPE, "\3\0\0\0\x14kbs:///default/key/1\0\0\0\0", "one with much time");
	advance(&w, 60001);
	responds(fd, 21, RPC_DEADLINE_EXCEEDED, "time", "has not more than the row says");
	done(w.key, a.id, "", 0);
	call(fd, 7, RESOURCE, SPAN_LIT(URI), 10);
	msg_fini(&a);
	arrives(w.key, &a, M_CALL_PIPE, "\3\0\0\0\x14kbs:///default/key/1\0\0\0\0", "another");
	responds(fd, 7, RPC_DEADLINE_EXCEEDED, "time", "gives up soon");
	advance(&w, 60000);
	ok(nothing_comes(w.control), "key may take longer than that");
	advance(&w, 5000);
	arrives(w.control, &stuck, M_RPC_STUCK, "\1", "but not for ever");
	advance(&w, 5000);
	ok(nothing_comes(w.control), "it is told once");
	lose(&w, BACKEND_KEY);
	call(fd, 9, RESOURCE, SPAN_LIT(URI), 0);
	msg_fini(&b);
	arrives(w.key, &b, M_CALL_PIPE, "\3\0\0\0\x14kbs:///default/key/1\0\0\0\0", "the next one works");
	done(w.key, b.id, "", 0);
	responds(fd, 9, RPC_OK, "", "again");
	lose(&w, BACKEND_TEE);
	call(fd, 11, VERSION, SPAN_LIT(""), 0);
	responds(fd, 11, RPC_OK, "version", "tee was not even there");
	close(fd);
	close(w.key);
	w.key = -1;
	is_int(stop(&w), 1, "without its key socket it ends");
}

/* 64 calls of one connection at a time, and no more. */
static void
test_flight(void)
{
	struct world w;
	automsg m;
	int fd, door, more[2], left;

	start(&w);
	door = offer(&w, FACE_OWN, HUB);
	fd = connect_to(&w, door);
	for (uint32_t i = 0; i < 65; i++)
		call(fd, 2 * i + 1, PULL, SPAN_LIT(IMAGE), 0);
	responds(fd, 129, RPC_RESOURCE_EXHAUSTED, "too many", "one too many");
	for (int i = 0; i < 64; i++) {
		automsg one;

		is_int(msg_recv(w.control, rpc_rules, WAIT_MS, &one, &e), 1, "all others are under way at once");
		done(w.control, one.id, "\0\0\0\x09sha256:ab", 13);
	}
	ok(nothing_comes(w.control), "and nothing else is");
	for (uint32_t i = 0; i < 64; i++)
		responds(fd, 2 * i + 1, RPC_OK, "sha256:ab", "one of them");
	for (int k = 0; k < 2; k++) {
		more[k] = connect_to(&w, door);
		for (uint32_t i = 0; i < CALLS_MAX / 2; i++)
			call(more[k], 2 * i + 1, PULL, SPAN_LIT(IMAGE), 0);
		call(more[k], 1001, PULL, SPAN_LIT(IMAGE), 0);
		responds(more[k], 1001, RPC_RESOURCE_EXHAUSTED, "too many", "half of all there can be");
	}
	call(fd, 1001, VERSION, SPAN_LIT(""), 0);
	responds(fd, 1001, RPC_OK, "version", "the only call of another caller always has a place");
	/* The first call of each does not count: two of the shared places are left. */
	for (uint32_t i = 0; i < 3; i++)
		call(fd, 1003 + 2 * i, PULL, SPAN_LIT(IMAGE), 0);
	call(fd, 1009, PULL, SPAN_LIT(IMAGE), 0);
	responds(fd, 1009, RPC_RESOURCE_EXHAUSTED, "too many", "his fourth has none");
	for (int k = 0; k < 2; k++) {
		close(more[k]);
		left = 0;
		while (left < CALLS_MAX / 2 && msg_recv(w.control, rpc_rules, WAIT_MS, &m, &e) == 1) {	/* also the calls */
			left += m.type == M_CALL_LEFT;
			msg_fini(&m);
		}
		is_int(left, CALLS_MAX / 2, "nobody waits for his any more");
	}
	call(fd, 1011, VERSION, SPAN_LIT(""), 0);
	responds(fd, 1011, RPC_OK, "version", "then there is again");
	close(fd);
	is_int(stop(&w), 0, "it ends with its monitor");
}

int
main(void)
{
	begin();
	test_doors();
	test_backends();
	test_pipes();
	test_depth();
	test_left();
	test_lost();
	test_flight();
	return tap_done();
}
