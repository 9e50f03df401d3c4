/* test_agent_call.c: calls to an agent that is a process of this test, and answers what it likes. */
#include "lib/base.h"

#include "agent/agent_call.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "agent/agent.pb-c.h"
#include "agent/api.pb-c.h"
#include "agent/attestation_agent.pb-c.h"
#include "lib/pb.h"
#include "lib/secret.h"
#include "lib/ttrpc.h"
#include "lib/ttrpc.pb-c.h"
#include "tests/lib/fault.h"
#include "tests/lib/tap.h"

static struct err e;
static char dir[] = "/tmp/test_agent_call.XXXXXX", path[96];
static struct agent_options to = { .socket = path, .timeout = "30" };

/* --- the agent */

struct reply {
	int		 code;		/* 0: payload */
	const char	*text;
	struct span	 payload;
	struct span	 raw;		/* these bytes instead */
	bool		 silent;	/* it reads and waits */
	const char	*wants;		/* a text of the request, or it closes */
};

static void
add_frame(struct buf *out, uint32_t stream, uint8_t type, struct span data)
{
	struct ttrpc_frame f = { (uint32_t)data.len, stream, type, 0 };

	if (ttrpc_frame_format(&f, out, &e) < 0 || buf_add_span(out, data, &e) < 0)
		abort();
}

static void
format_reply(const struct reply *r, struct buf *out)
{
	Ttrpc__Response m = TTRPC__RESPONSE__INIT;
	Ttrpc__Status status = TTRPC__STATUS__INIT;
	autobuf data = BUF(MIB(2));

	status.code = r->code;
	status.message = pb_bytes(span_str(r->text != NULL ? r->text : ""));
	m.status = &status;
	m.payload = pb_bytes(r->payload);
	if (pb_format(&m.base, &data, &e) < 0)
		abort();
	add_frame(out, 1, TTRPC_RESPONSE, buf_span(&data));
}

/* A frame, in whatever pieces; shorter than 64 KiB. */
static ssize_t
read_request(int fd, char *in, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len < size && (n = read(fd, in + len, size - len)) > 0) {
		len += (size_t)n;
		if (len >= 10 && len == 10 + ((size_t)(uint8_t)in[2] << 8 | (uint8_t)in[3]))
			return (ssize_t)len;
	}
	return -1;
}

static void
serve_one(int listener, const struct reply *r)
{
	int fd = accept(listener, NULL, NULL);
	autobuf out = BUF(MIB(4));
	char in[KIB(16)];
	ssize_t n = fd < 0 ? -1 : read_request(fd, in, sizeof(in));
	size_t sent = 0;

	if (n <= 0 || (r->wants != NULL && memmem(in, (size_t)n, r->wants, strlen(r->wants)) == NULL))
		return;
	while (r->silent && read(fd, in, sizeof(in)) > 0)
		continue;
	if (r->raw.len == 0)
		format_reply(r, &out);
	else if (buf_add_span(&out, r->raw, &e) < 0)
		abort();
	while (sent < out.len && (n = write(fd, out.data + sent, out.len - sent)) > 0)
		sent += (size_t)n;
	close(fd);
}

static int
listen_here(void)
{
	struct sockaddr_un u = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)unlink(path);
	snprintf(u.sun_path, sizeof(u.sun_path), "%s", path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&u, sizeof(u)) < 0 || listen(fd, 8) < 0)
		abort();
	return fd;
}

static pid_t
start(const struct reply *r)
{
	int fd = listen_here();
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			serve_one(fd, r);
	}
	close(fd);
	return pid;
}

static void
stop(pid_t pid)
{
	kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

/* --- refusals */

enum which { RESOURCE, EVIDENCE, TEE, TOKEN, PULL, STATUS, WHICH_COUNT };

static int
call(enum which w, struct buf *out)
{
	char text[160] = "";
	int rc;

	switch (w) {
	case RESOURCE:
		return agent_resource(&to, "kbs:///a/b/c", out, &e);
	case EVIDENCE:
		return agent_evidence(&to, SPAN_LIT("report data"), out, &e);
	case TEE:
		rc = agent_tee(&to, text, &e);
		break;
	case TOKEN:
		return agent_token(&to, "kbs", out, &e);
	case PULL:
		rc = agent_pull(&to, "docker://x/y:z", "/run/bundle", text, &e);
		break;
	case STATUS:
	case WHICH_COUNT:
	default:
		return agent_status(&to, out, &e);
	}
	return rc < 0 ? rc : buf_add_str(out, text, &e);
}

static void
refused(enum which w, int status, const char *text, enum err_code want, const char *message)
{
	const struct reply r = { .code = status, .text = text };
	autobuf out = BUF(KIB(1));
	pid_t pid = start(&r);

	fails(call(w, &out), want, "call %d is refused with %d", (int)w, status);
	is_str(e.msg, message, "in the agent's words");
	is_int(out.len, 0, "and nothing came");
	stop(pid);
}

static void
test_refusals(void)
{
	refused(RESOURCE, 5, "[CDH] [ERROR]: Get Resource failed: no such (KEY_NOTFOUND)", ERR_KEY_NOTFOUND, "the agent: no such");
	refused(RESOURCE, 13, "[CDH] [ERROR]: Get Resource failed", ERR_SYS, "the agent: [CDH] [ERROR]: Get Resource failed");
	refused(RESOURCE, 14, "", ERR_NET, "the agent: UNAVAILABLE");
	refused(RESOURCE, 7, "x", ERR_SYS, "the agent: x");
	refused(RESOURCE, 9, "x", ERR_CONFIG, "the agent: x");
	refused(RESOURCE, 9, "x (STORAGE)", ERR_STORAGE, "the agent: x");
	refused(RESOURCE, 9, "x (NOTHING)", ERR_CONFIG, "the agent: x (NOTHING)");
	refused(RESOURCE, 9, "x (NONE)", ERR_CONFIG, "the agent: x (NONE)");
	refused(RESOURCE, 9, "x ()", ERR_CONFIG, "the agent: x ()");
	refused(RESOURCE, 9, "(NET)", ERR_CONFIG, "the agent: (NET)");
	refused(RESOURCE, 9, "x (TLS) y", ERR_CONFIG, "the agent: x (TLS) y");
	refused(RESOURCE, 9, "x (TLS", ERR_CONFIG, "the agent: x (TLS");
	refused(RESOURCE, 99, "x", ERR_SYS, "the agent: x");
	refused(RESOURCE, -1, "", ERR_SYS, "the agent: UNKNOWN");
	refused(RESOURCE, 13, "a\nb\033[2J", ERR_SYS, "the agent: a\\x0ab\\x1b[2J");
	refused(EVIDENCE, 7, "[ERROR:attestation-agent] AA-KBC get evidence failed: off (DENIED)", ERR_DENIED, "the agent: off");
	refused(EVIDENCE, 9, "none (NO_TEE)", ERR_NO_TEE, "the agent: none");
	refused(TEE, 9, "none (NO_TEE)", ERR_NO_TEE, "the agent: none");
	refused(TOKEN, 14, "[ERROR:attestation-agent] AA-KBC get token failed: not yet (UNSUPPORTED)", ERR_UNSUPPORTED,
	    "the agent: not yet");
	refused(STATUS, 4, "late", ERR_TIMEOUT, "the agent: late");
	refused(STATUS, 12, "no", ERR_UNSUPPORTED, "the agent: no");
	refused(PULL, 7, "[CDH] [ERROR]: Image Pull error: Image policy rejected: Denied by policy: x (POLICY)", ERR_POLICY,
	    "the agent: Image policy rejected: Denied by policy: x");
	refused(PULL, 15, "x", ERR_DIGEST, "the agent: x");
}

/* --- answers */

static void
answered(enum which w, const ProtobufCMessage *m, const char *wants, const char *text)
{
	autobuf payload = BUF(KIB(1)), out = BUF(KIB(1));
	struct reply r = { .wants = wants };
	pid_t pid;

	if (pb_format(m, &payload, &e) < 0)
		abort();
	r.payload = buf_span(&payload);
	pid = start(&r);
	works(call(w, &out), "call %d is answered", w);
	is_str(buf_str(&out), text, "with what the agent said");
	stop(pid);
}

static void
test_answers(void)
{
	Cacao__Json json = CACAO__JSON__INIT;
	Api__GetResourceResponse resource = API__GET_RESOURCE_RESPONSE__INIT;
	Api__ImagePullResponse pull = API__IMAGE_PULL_RESPONSE__INIT;
	AttestationAgent__GetEvidenceResponse evidence = ATTESTATION_AGENT__GET_EVIDENCE_RESPONSE__INIT;
	AttestationAgent__GetTeeTypeResponse tee = ATTESTATION_AGENT__GET_TEE_TYPE_RESPONSE__INIT;
	AttestationAgent__GetTokenResponse token = ATTESTATION_AGENT__GET_TOKEN_RESPONSE__INIT;

	json.text = resource.resource = evidence.evidence = token.token = pb_bytes(SPAN_LIT("bytes"));
	pull.manifest_digest = pb_bytes(SPAN_LIT("sha256:00"));
	tee.tee = pb_bytes(SPAN_LIT("tdx"));
	answered(RESOURCE, &resource.base, "\x0a\x0ckbs:///a/b/c", "bytes");
	answered(EVIDENCE, &evidence.base, "\x0a\x0breport data", "bytes");
	answered(TOKEN, &token.base, "\x0a\x03kbs", "bytes");
	answered(TEE, &tee.base, "GetTeeType", "tdx");
	answered(PULL, &pull.base, "\x0a\x0e""docker://x/y:z\x12\x0b/run/bundle", "sha256:00");
	answered(STATUS, &json.base, "cacao.AgentService\x12\x06Status", "bytes");
}

static void
gives(enum which w, struct span payload, enum err_code want, const char *name)
{
	const struct reply r = { .payload = payload };
	autobuf out = BUF(KIB(1));
	pid_t pid = start(&r);

	fails(call(w, &out), want, "%s", name);
	is_int(out.len, 0, "and nothing came");
	stop(pid);
}

static void
test_hostile_answers(void)
{
	static uint8_t large[MIB(1)];

	gives(TEE, SPAN_LIT("\x0a\x03t x"), ERR_PARSE, "a name with a blank");
	gives(TEE, SPAN_LIT("\x0a\x03t\"x"), ERR_PARSE, "a name with a quote");
	gives(TEE, SPAN_LIT(""), ERR_PARSE, "no name");
	gives(TEE, SPAN_LIT("\x0a\x20""0123456789abcdef0123456789abcdef"), ERR_PARSE, "a name that is too long");
	gives(PULL, SPAN_LIT("\x0a\x02\x1b["), ERR_PARSE, "a digest for the terminal");
	gives(RESOURCE, SPAN_LIT("\x0a\x7f"), ERR_PARSE, "no message");
	gives(RESOURCE, (struct span){ large, sizeof(large) }, ERR_LIMIT, "an answer that is too large");
	gives(STATUS, (struct span){ large, KIB(70) }, ERR_LIMIT, "a status that is too large");
}

static void
says(struct span raw, enum err_code want, const char *name)
{
	const struct reply r = { .raw = raw };
	autobuf out = BUF(KIB(1));
	pid_t pid = start(&r);

	fails(call(STATUS, &out), want, "%s", name);
	stop(pid);
}

static void
test_hostile_frames(void)
{
	const struct reply silent = { .silent = true };
	struct agent_options soon = to;
	autobuf out = BUF(KIB(1));
	pid_t pid;

	says(SPAN_LIT("\xff\xff\xff\xff\0\0\0\1\2\0"), ERR_LIMIT, "a length of 4 GiB");
	says(SPAN_LIT("\0\0"), ERR_NET, "half a head");
	says(SPAN_LIT("\0\0\0\4\0\0\0\1\2\0ab"), ERR_NET, "half a body");
	says(SPAN_LIT("\0\0\0\2\0\0\0\1\2\0\xff\xff"), ERR_PARSE, "no response");
	says(SPAN_LIT("\0\0\0\0\0\0\0\3\2\0"), ERR_NET, "another stream's answer, and no more");
	pid = start(&silent);
	soon.timeout = "1";
	fails(agent_status(&soon, &out, &e), ERR_TIMEOUT, "no answer: the time is over");
	stop(pid);
}

/* The largest that there can be fit into the memory for secrets. */
static void
largest(enum which w, size_t size)
{
	autobuf payload = BUF(MIB(1)), out = BUF(size);
	Api__GetResourceResponse m = API__GET_RESOURCE_RESPONSE__INIT;	/* field 1, as of all */
	static uint8_t bytes[CALL_EVIDENCE_MAX];
	struct reply r = { 0 };
	pid_t pid;

	out.secret = w == RESOURCE;
	m.resource = pb_bytes((struct span){ bytes, size });
	if (pb_format(&m.base, &payload, &e) < 0)
		abort();
	r.payload = buf_span(&payload);
	pid = start(&r);
	works(call(w, &out), "an answer of %zu bytes", size);
	is_int(out.len, size, "is there whole");
	stop(pid);
}

/* --- where it is */

static void
test_finding(void)
{
	static char longer[200];
	const struct reply r = { .code = 13 };
	struct agent_options named = { .socket = path }, by_dir = { .run_dir = dir }, both = { .socket = path, .run_dir = dir },
	    alone = { .standalone = true }, contrary = { .socket = path, .standalone = true }, far = { .socket = longer },
	    odd = { .socket = path, .timeout = "never" };
	autobuf out = BUF(KIB(1));
	pid_t pid;

	(void)unlink(path);
	fails(agent_find(&named, &e), ERR_NET, "a socket that is not there");
	fails(agent_status(&named, &out, &e), ERR_NET, "nor can it be called");
	pid = start(&r);
	is_int(agent_find(&named, &e), 1, "a socket that answers");
	is_int(agent_find(&by_dir, &e), 1, "by its directory, too");
	stop(pid);
	fails(agent_find(&named, &e), ERR_NET, "a socket that nobody serves");
	is_int(agent_find(&alone, &e), 0, "--standalone");
	fails(agent_find(&contrary, &e), ERR_USAGE, "--standalone and a socket");
	fails(agent_find(&both, &e), ERR_USAGE, "a socket and a directory");
	memset(longer, 'x', sizeof(longer) - 1);
	fails(agent_find(&far, &e), ERR_USAGE, "a path that is too long");
	fails(agent_status(&odd, &out, &e), ERR_USAGE, "a time that is none");
}

static int
run_faulty(maybe_unused void *arg, struct err *err)
{
	autobuf out = BUF_SECRET(KIB(1));

	return agent_resource(&to, "kbs:///a/b/c", &out, err);
}

static void
test_faults(void)
{
	const struct reply r = { .payload = SPAN_LIT("\x0a\x05""bytes") };
	pid_t pid = start(&r);
	size_t before = secret_in_use();

	ok(fault_each(FAULT_ALLOC, 0, false, run_faulty, NULL) > 0, "without memory");
	ok(fault_each(FAULT_IO, EIO, false, run_faulty, NULL) > 0, "with broken connections");
	is_int(fault_each(FAULT_SHORT, 0, false, run_faulty, NULL), 0, "byte by byte");
	is_int(secret_in_use(), before, "nothing secret is left behind");
	stop(pid);
}

int
main(void)
{
	if (mkdtemp(dir) == NULL)
		abort();
	snprintf(path, sizeof(path), "%s/agent.sock", dir);
	test_finding();
	test_refusals();
	test_answers();
	test_hostile_answers();
	test_hostile_frames();
	largest(RESOURCE, LIMIT_RESOURCE);
	largest(EVIDENCE, CALL_EVIDENCE_MAX);
	test_faults();
	(void)unlink(path);
	(void)rmdir(dir);
	return tap_done();
}
