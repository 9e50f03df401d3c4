/* test_tee_calls.c: what callers get of the tee role, by what the settings say. The platform is "sample", which is everywhere. */
#include "lib/base.h"

#include "agent/tee_calls.h"

#include <fcntl.h>

#include "agent/services.h"
#include "lib/crypto.h"
#include "lib/fs.h"
#include "tests/lib/tap.h"

static struct err e;
static int rpc;		/* the other end of TEE_FD_RPC */

static int
set_up(struct tee_calls *t, bool sample, uint8_t mode, bool eventlog)
{
	automsg m;

	msg_init(&m, M_TEE_SETUP, 0);
	works(msg_put_str(&m, "", &e), "any platform");
	works(msg_put_u8(&m, sample, &e), "sample");
	works(msg_put_u8(&m, mode, &e), "mode");
	works(msg_put_u8(&m, eventlog, &e), "log");
	works(msg_put_u32(&m, 17, &e), "pcr");
	return tee_calls_set_up(&m, t, &e);
}

/* Sends a call, has it served and takes the answer. */
static int
call(const struct tee_calls *t, struct msg *m, int fd, struct msg *answer)
{
	static const struct msg_rule rules[] = {
		{ .type = M_CALL_DONE, .max_len = KIB(1) }, { 0 },
	};
	int rc;

	if (fd >= 0)
		msg_put_fd(m, fd);
	works(msg_send(rpc, m, 1000, &e), "a call");
	rc = tee_calls_serve(t, &e);
	if (rc == 1)
		is_int(msg_recv(rpc, rules, 1000, answer, &e), 1, "is answered");
	return rc;
}

static enum err_code
verdict(const struct msg *answer)
{
	struct msg_reader r = msg_reader(answer);
	struct err failed = { 0 };

	return role_verdict(&r, &failed) < 0 ? failed.code : ERR_NONE;
}

static void
ask_evidence(const struct tee_calls *t, struct span data, enum err_code want, struct buf *out)
{
	autoclose int from = -1;
	automsg m, answer;
	int ends[2];

	msg_init(&answer, 0, 0);
	msg_init(&m, M_CALL_PIPE, 9);
	works(msg_put_u8(&m, CALL_EVIDENCE, &e), "evidence");
	works(msg_put_bytes(&m, data, &e), "data");
	ok(pipe2(ends, O_CLOEXEC) == 0, "a pipe");
	from = ends[0];
	is_int(call(t, &m, ends[1], &answer), 1, "served");
	close(ends[1]);
	ok(answer.id == 9, "the call is known again");
	is_int(verdict(&answer), want, "as the settings say");
	works(fs_read_fd(from, "evidence", out, &e), "what came through the pipe");
}

static void
test_evidence(void)
{
	struct tee_calls t = { .mode = CALLER_OFF };
	autobuf off = BUF(KIB(64)), raw = BUF(KIB(64)), labelled = BUF(KIB(64)), none = BUF(KIB(64));
	uint8_t large[EVIDENCE_DATA + 1] = { 0 };

	ask_evidence(&t, SPAN_LIT("abc"), ERR_DENIED, &off);
	ok(off.len == 0, "before the set-up there is nothing");
	works(set_up(&t, true, CALLER_OFF, false), "off");
	ask_evidence(&t, SPAN_LIT("abc"), ERR_DENIED, &off);
	ok(off.len == 0, "gives nothing");
	works(set_up(&t, true, CALLER_RAW, false), "raw");
	ask_evidence(&t, SPAN_LIT("abc"), ERR_NONE, &raw);
	ok(memmem(raw.data, raw.len, "YWJj", 4) != NULL, "binds what was given");
	works(set_up(&t, true, CALLER_LABELLED, false), "labelled");
	ask_evidence(&t, SPAN_LIT("abc"), ERR_NONE, &labelled);
	ok(labelled.len > 0 && memmem(labelled.data, labelled.len, "YWJj", 4) == NULL, "binds something else");
	ask_evidence(&t, (struct span){ large, sizeof(large) }, ERR_USAGE, &none);
	ok(none.len == 0, "nothing is cut to fit");
	works(set_up(&t, false, CALLER_RAW, false), "no sample");
	ask_evidence(&t, SPAN_LIT("abc"), ERR_NO_TEE, &none);
	ok(none.len == 0, "sample is never silent");
}

static void
test_name(void)
{
	struct tee_calls t = { 0 };
	automsg m, answer;
	struct msg_reader r;
	char name[16];
	struct err failed;

	msg_init(&answer, 0, 0);
	works(set_up(&t, true, CALLER_OFF, false), "set-up");
	msg_init(&m, M_CALL, 3);
	works(msg_put_u8(&m, CALL_TEE, &e), "the platform's name");
	is_int(call(&t, &m, -1, &answer), 1, "served");
	r = msg_reader(&answer);
	works(role_verdict(&r, &failed), "well");
	msg_get_str(&r, name, sizeof(name));
	is_str(name, "sample", "it is sample");
	ok(msg_get_end(&r), "and nothing else");
}

static int
measure(const struct tee_calls *t, const char *content, enum err_code want)
{
	automsg m, answer;
	struct msg_reader r;
	struct err failed;
	int result = -1;

	msg_init(&answer, 0, 0);
	msg_init(&m, M_CALL, 4);
	works(msg_put_u8(&m, CALL_MEASURE, &e), "an event");
	works(msg_put_u8(&m, 1, &e), "for a register");
	works(msg_put_u32(&m, 18, &e), "of its own");
	works(msg_put_str(&m, "domain", &e), "domain");
	works(msg_put_str(&m, "operation", &e), "operation");
	works(msg_put_str(&m, content, &e), "content");
	is_int(call(t, &m, -1, &answer), 1, "served");
	is_int(verdict(&answer), want, "as it should");
	r = msg_reader(&answer);
	if (role_verdict(&r, &failed) == 0)
		result = msg_get_u8(&r);
	return result;
}

static void
test_measure(void)
{
	struct tee_calls t = { 0 };

	works(set_up(&t, true, CALLER_OFF, false), "no log");
	is_int(measure(&t, "content", ERR_NONE), 2, "is said so");
	works(set_up(&t, true, CALLER_OFF, true), "a log, but no registers");
	is_int(measure(&t, "content", ERR_NONE), 1, "is said so");
	works(set_up(&t, false, CALLER_OFF, true), "no platform");
	is_int(measure(&t, "content", ERR_NO_TEE), -1, "is an error");
}

static void
refused(uint16_t type, const uint8_t *body, size_t n, const char *name)
{
	struct tee_calls t = { 0 };
	automsg m;

	msg_init(&m, type, 1);
	works(buf_add(&m.body, body, n, &e), "a call");
	if (type == M_CALL_PIPE)
		msg_put_fd(&m, rpc);
	works(msg_send(rpc, &m, 1000, &e), "is sent");
	fails(tee_calls_serve(&t, &e), ERR_PROTO, "%s", name);
}

static void
test_broken(void)
{
	static const uint8_t evidence[] = { CALL_EVIDENCE, 0, 0, 0, 0 }, longer[] = { CALL_TEE, 0 }, pull[] = { CALL_PULL };
	struct tee_calls t = { 0 };
	automsg m;

	refused(M_CALL, evidence, sizeof(evidence), "evidence without a pipe");
	refused(M_CALL_PIPE, evidence, 3, "cut data");
	refused(M_CALL, longer, sizeof(longer), "a byte too many");
	refused(M_CALL, pull, sizeof(pull), "somebody else's call");
	refused(M_CALL, longer, 0, "nothing");
	msg_init(&m, M_TEE_SETUP, 0);
	fails(tee_calls_set_up(&m, &t, &e), ERR_PROTO, "an empty set-up");
	fails(set_up(&t, false, CALLER_MODE_COUNT, false), ERR_PROTO, "a mode that is none");
}

int
main(void)
{
	int pair[2];

	works(crypto_init(&e), "crypto");
	if (!ok(msg_pair(pair, &e) == 0 && dup2(pair[1], TEE_FD_RPC + 20) >= 0, "a pair"))
		return tap_done();
	rpc = fcntl(pair[0], F_DUPFD_CLOEXEC, 30);
	ok(dup2(TEE_FD_RPC + 20, TEE_FD_RPC) == TEE_FD_RPC, "in its place");
	test_evidence();
	test_name();
	test_measure();
	test_broken();
	close(rpc);
	return tap_done();
}
