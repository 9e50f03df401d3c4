/* test_services.c: the table of methods: it is whole, each request becomes what its backend reads, each answer what its caller reads. */
#include "lib/base.h"

#include "agent/services.h"

#include "tests/lib/fault.h"
#include "tests/lib/mutate.h"
#include "tests/lib/tap.h"

static struct err e;

/* All that callers of all versions know, and what it is here. */
static const struct {
	const char	*service, *name;
	enum backend	 backend;
	unsigned	 faces;
	const char	*feature;
} known[] = {
	{ "attestation_agent.AttestationAgentService", "GetEvidence", BACKEND_TEE, FACE_ATTESTATION, NULL },
	{ "attestation_agent.AttestationAgentService", "GetAdditionalEvidence", BACKEND_HERE, FACE_ATTESTATION, NULL },
	{ "attestation_agent.AttestationAgentService", "GetToken", BACKEND_NONE, FACE_ATTESTATION, "tokens" },
	{ "attestation_agent.AttestationAgentService", "ExtendRuntimeMeasurement", BACKEND_TEE, FACE_ATTESTATION, NULL },
	{ "attestation_agent.AttestationAgentService", "BindInitData", BACKEND_NONE, FACE_ATTESTATION, "init data by call" },
	{ "attestation_agent.AttestationAgentService", "CheckInitData", BACKEND_NONE, FACE_ATTESTATION, "init data by call" },
	{ "attestation_agent.AttestationAgentService", "UpdateConfiguration", BACKEND_NONE, FACE_ATTESTATION,
	  "configuration by call" },
	{ "attestation_agent.AttestationAgentService", "GetTeeType", BACKEND_TEE, FACE_ATTESTATION, NULL },
	{ "attestation_agent.AttestationAgentService", "GetAdditionalTees", BACKEND_HERE, FACE_ATTESTATION, NULL },
	{ "api.SealedSecretService", "UnsealSecret", BACKEND_NONE, FACE_HUB, "sealed secrets" },
	{ "api.GetResourceService", "GetResource", BACKEND_KEY, FACE_HUB, NULL },
	{ "api.SecureMountService", "SecureMount", BACKEND_NONE, FACE_HUB, "secure mounts" },
	{ "api.ImagePullService", "PullImage", BACKEND_MONITOR, FACE_HUB, NULL },
	{ "keyprovider.KeyProviderService", "WrapKey", BACKEND_KEY, FACE_KEYPROVIDER, NULL },
	{ "keyprovider.KeyProviderService", "UnWrapKey", BACKEND_KEY, FACE_KEYPROVIDER | FACE_HUB, NULL },
	{ "getresource.GetResourceService", "GetResource", BACKEND_KEY, FACE_GETRESOURCE, NULL },
	{ "cacao.AgentService", "Status", BACKEND_MONITOR, 0, NULL },
	{ "cacao.AgentService", "Version", BACKEND_HERE, 0, NULL },
};

static int
place_of(const char *service, const char *name)
{
	return rpc_find(services_methods(), span_str(service), span_str(name));
}

static const struct service *
row(const char *service, const char *name)
{
	int at = place_of(service, name);

	if (at < 0)
		abort();
	return &services[at];
}

static void
test_table(void)
{
	const struct rpc_method *methods = services_methods();
	size_t n = 0;

	for (; services[n].method.service != NULL; n++) {
		const struct service *s = &services[n];
		bool none = s->backend == BACKEND_NONE;

		is_int(methods[n].id, n, "%s/%s: its id is its place", s->method.service, s->method.name);
		is_int(place_of(s->method.service, s->method.name), n, "and it stands there once");
		ok(none == (s->ask == NULL) && none == (s->answer == NULL) && none == (s->feature != NULL),
		    "it is answered, or says what there is not");
		ok(s->limit_ms > 0 && (s->faces & FACE_OWN) != 0, "it has an end, and aa-cli may call it");
		ok((s->call == CALL_RESOURCE || s->call == CALL_EVIDENCE) == (s->pipe > 0) || s->backend == BACKEND_NONE,
		    "large answers come through a pipe");
		ok(s->plain || none || s->backend == BACKEND_KEY, "what key answers is secret");
		ok(s->pipe <= SERVICES_ANSWER - KIB(1), "an answer fits");
	}
	ok(methods[n].service == NULL, "the other form of the table ends, too");
	is_int(n, ARRAY_LEN(known), "no method is unknown here");
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		const struct service *s = row(known[i].service, known[i].name);

		is_int(s->backend, known[i].backend, "%s/%s: who answers it", known[i].service, known[i].name);
		is_int(s->faces, known[i].faces | FACE_OWN, "and at which doors");
		ok(known[i].feature == NULL ? s->feature == NULL : strcmp(s->feature, known[i].feature) == 0, "and the feature");
	}
}

static void
test_sets(void)
{
	uint64_t pull = UINT64_C(1) << place_of("api.ImagePullService", "PullImage");
	uint64_t status = UINT64_C(1) << place_of("cacao.AgentService", "Status");
	uint64_t version = UINT64_C(1) << place_of("cacao.AgentService", "Version"), methods = 42;

	works(services_by_words("", &methods, &e), "no words");
	is_int(methods, 0, "no methods");
	works(services_by_words("pull", &methods, &e), "a word");
	ok(methods == pull, "is a method");
	works(services_by_words("pull\nstatus\nversion\n", &methods, &e), "words");
	ok(methods == (pull | status | version), "are methods");
	methods = 42;
	fails(services_by_words("pull\nunwrap", &methods, &e), ERR_CONFIG, "a word that is none");
	ok(strstr(e.msg, "\"unwrap\"") != NULL, "is named");
	fails(services_by_words("pull,status", &methods, &e), ERR_CONFIG, "another separator");
	is_int(methods, 42, "nothing is changed then");
	is_int(services_of(0), 0, "no door, no methods");
	ok((services_of(FACE_HUB) & pull) != 0 && (services_of(FACE_HUB) & status) == 0, "a door has its own");
	ok((services_of(FACE_ATTESTATION) & services_of(FACE_HUB)) == 0, "and no other's");
	ok(services_of(FACE_OWN) == (UINT64_C(1) << ARRAY_LEN(known)) - 1, "ours has all");
	is_str(face_name(FACE_ATTESTATION), "attestation", "a door has a name");
	is_str(face_name(FACE_HUB), "hub", "each");
	is_str(face_name(FACE_KEYPROVIDER), "keyprovider", "has");
	is_str(face_name(FACE_GETRESOURCE), "getresource", "its");
	is_str(face_name(FACE_OWN), "agent", "own");
	is_str(face_name((enum face)3), "?", "two are none");
}

/* --- requests */

/* What the row's ask makes of the message. */
static int
asks(const struct service *s, struct span message, struct buf *out)
{
	automsg m;
	int rc;

	msg_init(&m, M_CALL, 1);
	rc = s->ask(message, &m, &e);
	buf_reset(out);
	if (rc == 0 && buf_add_span(out, buf_span(&m.body), &e) < 0)
		abort();
	return rc;
}

#define gives(row, message, want, name) \
	do { \
		works(asks((row), SPAN_LIT(message), &out), name); \
		ok(span_eq(buf_span(&out), SPAN_LIT(want)), "as it must"); \
	} while (0)

static void
test_requests(void)
{
	const struct service *evidence = row("attestation_agent.AttestationAgentService", "GetEvidence");
	const struct service *tee = row("attestation_agent.AttestationAgentService", "GetTeeType");
	const struct service *more = row("attestation_agent.AttestationAgentService", "GetAdditionalEvidence");
	const struct service *resource = row("api.GetResourceService", "GetResource");
	const struct service *pull = row("api.ImagePullService", "PullImage");
	const struct service *unwrap = row("keyprovider.KeyProviderService", "UnWrapKey");
	autobuf out = BUF(LIMIT_MSG), large = BUF(LIMIT_MSG);

	gives(evidence, "\x0a\3abc", "\0\0\0\3abc", "data for evidence");
	gives(evidence, "", "\0\0\0\0", "none");
	gives(evidence, "\x0a\3abc\x78\1", "\0\0\0\3abc", "a field of later times is passed over");
	fails(asks(evidence, SPAN_LIT("\x0a\4abc"), &out), ERR_PARSE, "a message cut off");
	fails(asks(evidence, SPAN_LIT("\x08\1"), &out), ERR_PARSE, "a field of another type");
	works(buf_add(&large, "\x0a\x81\x20", 3, &e), "a message");
	works(buf_reserve(&large, KIB(4) + 1, &e), "with 4097 bytes");
	large.len += KIB(4) + 1;
	fails(asks(evidence, buf_span(&large), &out), ERR_LIMIT, "too much data");
	large.len--;
	large.data[1] = 0x80;
	works(asks(evidence, buf_span(&large), &out), "one byte less");

	gives(tee, "", "", "nothing to say");
	gives(more, "\x0a\3abc", "", "what does not matter");
	fails(asks(tee, SPAN_LIT("\x0a"), &out), ERR_PARSE, "half a field");

	gives(resource, "\x0a\x14kbs:///default/key/1", "\0\0\0\x14kbs:///default/key/1\0\0\0\0", "a resource");
	fails(asks(resource, SPAN_LIT(""), &out), ERR_PARSE, "none");
	fails(asks(resource, SPAN_LIT("\x0a\3a\0b"), &out), ERR_PARSE, "a NUL");
	fails(asks(resource, SPAN_LIT("\x0a\2\xc3\x28"), &out), ERR_PARSE, "not UTF-8");
	buf_reset(&large);
	works(buf_add(&large, "\x0a\x80\x08", 3, &e), "a message");
	for (int i = 0; i < LIMIT_URI; i++)
		works(buf_add_u8(&large, 'a', &e), "with 1024 bytes");
	fails(asks(resource, buf_span(&large), &out), ERR_LIMIT, "a URI too long");

	gives(pull, "\x0a\7busybox\x12\6/run/b", "\0\0\0\7busybox\0\0\0\6/run/b", "an image and a bundle");
	fails(asks(pull, SPAN_LIT("\x0a\7busybox"), &out), ERR_PARSE, "no bundle");
	ok(strstr(e.msg, "bundle") != NULL, "it says so");
	fails(asks(pull, SPAN_LIT("\x12\6/run/b"), &out), ERR_PARSE, "no image");

	gives(unwrap, "\x0a\2{}", "\0\0\0\2{}", "JSON of ocicrypt");
	buf_reset(&large);
	works(buf_add(&large, "\x0a\x81\xe0\x03", 4, &e), "a message");
	works(buf_reserve(&large, KIB(60) + 1, &e), "of 60 KiB and a byte");
	large.len += KIB(60) + 1;
	fails(asks(unwrap, buf_span(&large), &out), ERR_LIMIT, "too much JSON");
}

static void
test_measure(void)
{
	const struct service *s = row("attestation_agent.AttestationAgentService", "ExtendRuntimeMeasurement");
	autobuf out = BUF(KIB(16)), large = BUF(KIB(16));

	gives(s, "\x0a\1d\x12\1o\x1a\1c", "\0\0\0\0\0\0\0\0\1d\0\0\0\1o\0\0\0\1c", "an event");
	gives(s, "\x0a\1d\x12\1o\x1a\1c\x20\0", "\1\0\0\0\0\0\0\0\1d\0\0\0\1o\0\0\0\1c", "for register 0");
	gives(s, "\x0a\1d\x12\1o\x1a\1c\x20\x11", "\1\0\0\0\x11\0\0\0\1d\0\0\0\1o\0\0\0\1c", "for register 17");
	fails(asks(s, SPAN_LIT("\x0a\1d\x12\1o\x1a\1c\x20\x80\x80\x80\x80\x10"), &out), ERR_PARSE, "register 2^32");
	fails(asks(s, SPAN_LIT("\x0a\5event\x10\x11"), &out), ERR_PARSE, "the form of the first version");
	fails(asks(s, SPAN_LIT("\x0a\5event"), &out), ERR_PARSE, "without a register");
	is_int(rpc_status_of(e.code), RPC_INVALID_ARGUMENT, "which is what the caller gets");
	fails(asks(s, SPAN_LIT("\x0a\1d\x12\1o"), &out), ERR_PARSE, "no content");
	works(buf_add(&large, "\x0a\1d\x12\1o\x1a\xff\x1f", 9, &e), "an event");
	for (size_t i = 0; i < KIB(4) - 1; i++)
		if (buf_add_u8(&large, 'c', &e) < 0)
			abort();
	works(asks(s, buf_span(&large), &out), "the longest content");
	large.data[7] = 0x80;
	large.data[8] = 0x20;
	works(buf_add_u8(&large, 'c', &e), "a byte more");
	fails(asks(s, buf_span(&large), &out), ERR_LIMIT, "is too long");
}

static void
test_old_resource(void)
{
	const struct service *s = row("getresource.GetResourceService", "GetResource");
	autobuf out = BUF(KIB(16));

	gives(s, "\x0a\6/a/b/c\x12\3kbc\x1a\4null", "\0\0\0\x0ckbs:///a/b/c\0\0\0\x09kbc::null", "the order from v0.5");
	gives(s, "\x0a\6/a/b/c\x12\3kbc", "\0\0\0\x0ckbs:///a/b/c\0\0\0\5kbc::", "a broker without an address");
	gives(s, "\x0a\3kbc\x12\4null\x1a\x11{\"name\":\"Policy\"}",
	    "\0\0\0\x23kbs:///default/security-policy/test\0\0\0\x09kbc::null", "the order until v0.4");
	gives(s, "\x0a\3kbc\x12\1u\x1a\x28{\"name\":\"Sigstore Config\",\"optional\":{}}",
	    "\0\0\0\x23kbs:///default/sigstore-config/test\0\0\0\6kbc::u", "a name with a blank");
	gives(s, "\x0a\3kbc\x12\1u\x1a\x16{\"name\":\"GPG Keyring\"}",
	    "\0\0\0\x25kbs:///default/gpg-public-config/test\0\0\0\6kbc::u", "the key ring");
	gives(s, "\x0a\3kbc\x12\1u\x1a\x15{\"name\":\"Cosign Key\"}",
	    "\0\0\0\x25kbs:///default/cosign-public-key/test\0\0\0\6kbc::u", "the key of cosign");
	gives(s, "\x0a\3kbc\x12\1u\x1a\x15{\"name\":\"Credential\"}",
	    "\0\0\0\x1ekbs:///default/credential/test\0\0\0\6kbc::u", "credentials");
	fails(asks(s, SPAN_LIT("\x0a\3kbc\x12\1u\x1a\x11{\"name\":\"policy\"}"), &out), ERR_UNSUPPORTED, "another name");
	fails(asks(s, SPAN_LIT("\x0a\3kbc\x12\1u\x1a\x02{}"), &out), ERR_UNSUPPORTED, "no name");
	fails(asks(s, SPAN_LIT("\x0a\3kbc\x12\1u\x1a\x02{x"), &out), ERR_PARSE, "no JSON");
	fails(asks(s, SPAN_LIT("\x0a\3kbc\x12\1u\x1a\1a"), &out), ERR_PARSE, "neither order");
	fails(asks(s, SPAN_LIT("\x0a\6/a/b/c\x12\1u\x1a\x11{\"name\":\"Policy\"}"), &out), ERR_PARSE, "both");
	fails(asks(s, SPAN_LIT(""), &out), ERR_PARSE, "nothing");
	fails(asks(s, SPAN_LIT("\x0a\6/a/b/c\x12\3k\0c\x1a\1u"), &out), ERR_PARSE, "a NUL in the broker's name");
}

/* --- answers */

static int
answers(const struct service *s, struct span body, struct span bytes, struct buf *out)
{
	struct msg_reader r = { .in = body };

	buf_reset(out);
	return s->answer(&r, bytes, out, &e);
}

#define answers_as(row, body, bytes, want, name) \
	do { \
		works(answers((row), SPAN_LIT(body), SPAN_LIT(bytes), &out), name); \
		ok(span_eq(buf_span(&out), SPAN_LIT(want)), "as it must"); \
	} while (0)

static void
test_answers(void)
{
	const struct service *version = row("cacao.AgentService", "Version");
	const struct service *measure = row("attestation_agent.AttestationAgentService", "ExtendRuntimeMeasurement");
	autobuf out = BUF(KIB(16));

	answers_as(row("attestation_agent.AttestationAgentService", "GetTeeType"), "\0\0\0\3tdx", "", "\x0a\3tdx", "tdx");
	answers_as(row("attestation_agent.AttestationAgentService", "GetEvidence"), "", "{}", "\x0a\2{}", "evidence");
	answers_as(row("attestation_agent.AttestationAgentService", "GetAdditionalEvidence"), "", "", "", "none");
	answers_as(row("attestation_agent.AttestationAgentService", "GetAdditionalTees"), "", "", "", "and no names");
	answers_as(measure, "\0", "", "", "measured");
	answers_as(measure, "\1", "", "\x08\1", "not supported");
	answers_as(measure, "\2", "", "\x08\2", "not enabled");
	fails(answers(measure, SPAN_LIT("\3"), SPAN_LIT(""), &out), ERR_PROTO, "no such result");
	answers_as(row("api.GetResourceService", "GetResource"), "", "k\0y", "\x0a\3k\0y", "a resource");
	answers_as(row("getresource.GetResourceService", "GetResource"), "", "key", "\x0a\3key", "of old");
	answers_as(row("api.ImagePullService", "PullImage"), "\0\0\0\x09sha256:ab", "", "\x0a\x09sha256:ab", "a digest");
	answers_as(row("keyprovider.KeyProviderService", "WrapKey"), "\0\0\0\2{}", "", "\x0a\2{}", "JSON");
	answers_as(row("cacao.AgentService", "Status"), "\0\0\0\2{}", "", "\x0a\2{}", "a status");
	works(answers(version, SPAN_LIT(""), SPAN_LIT(""), &out), "a version");
	ok(strstr(buf_str(&out), "{\"version\":\"") != NULL, "is JSON");
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		const struct service *s = row(known[i].service, known[i].name);

		if (s->answer != NULL)
			fails(answers(s, SPAN_LIT("\0\0\0\1xy"), SPAN_LIT(""), &out), ERR_PROTO, "%s: a byte too many",
			    s->method.name);
	}
}

/* --- failures */

static void
explains(const struct service *s, enum err_code code, const char *want)
{
	struct err failed;
	char text[KIB(1)];

	(void)(err_set(&failed, code, "why") < 0);
	services_explain(s, &failed, text, sizeof(text));
	is_str(text, want, "%s for %s", err_name(code), s->method.name);
}

static void
test_failures(void)
{
	const struct service *pull = row("api.ImagePullService", "PullImage");

	explains(pull, ERR_POLICY, "[CDH] [ERROR]: Image Pull error: Image policy rejected: Denied by policy: why (POLICY)");
	explains(pull, ERR_AUTH, "[CDH] [ERROR]: Image Pull error: Not authorized: why (AUTH)");
	explains(pull, ERR_DECRYPT, "[CDH] [ERROR]: Image Pull error: Failed to decrypt the image layer, please ensure that the "
	    "decryption key is placed and correct: why (DECRYPT)");
	explains(pull, ERR_KEY_NOTFOUND, "[CDH] [ERROR]: Image Pull error: Failed to decrypt the image layer, please ensure that "
	    "the decryption key is placed and correct: why (KEY_NOTFOUND)");
	explains(pull, ERR_NET, "[CDH] [ERROR]: Image Pull error: Failed to pull image: why (NET)");
	explains(row("api.GetResourceService", "GetResource"), ERR_AUTH, "[CDH] [ERROR]: Get Resource failed: why (AUTH)");
	explains(row("getresource.GetResourceService", "GetResource"), ERR_NET,
	    "[ERROR:attestation-agent] AA-KBC get resource failed: why (NET)");
	explains(row("keyprovider.KeyProviderService", "WrapKey"), ERR_PARSE, "why (PARSE)");
	explains(row("keyprovider.KeyProviderService", "WrapKey"), ERR_SYS, "why");
}

/* --- whole frames, as callers send them */

struct heard {
	struct rpc_server	*server;
	int			 method;
	int64_t			 timeout_ms;
	struct buf		 call;
};

static void
on_call(void *arg, maybe_unused uint32_t stream, int method, int64_t timeout_ms, struct span message)
{
	struct heard *h = arg;

	h->method = method;
	h->timeout_ms = timeout_ms;
	works(asks(&services[method], message, &h->call), "the request is read");
}

static void
on_cancelled(maybe_unused void *arg, maybe_unused uint32_t stream)
{
}

static void
test_frames(void)
{
	static const char tee[] = "\0\0\0\x3d\0\0\0\1\1\0\x0a\x29" "attestation_agent.AttestationAgentService"
	    "\x12\x0aGetTeeType\x20\x80\xe4\x97\xd0\x12";
	static const char resource[] = "\0\0\0\x44\0\0\0\3\1\0\x0a\x16" "api.GetResourceService" "\x12\x0bGetResource"
	    "\x1a\x16\x0a\x14kbs:///default/key/1\x20\x80\xe8\xed\xa1\xba\1";
	static const char answer[] = "\0\0\0\7\0\0\0\1\2\0\x12\5\x0a\3tdx";
	static const char refusal[] = "\0\0\0\x28\0\0\0\3\2\0\x0a\x26\x08\x0d\x12\x22[CDH] [ERROR]: Get Resource failed";
	const struct rpc_service service = { services_methods(), KIB(61), SERVICES_ANSWER, 4, on_call, on_cancelled };
	struct heard h = { .call = BUF(KIB(4)) };
	autobuf out = BUF(KIB(1));
	struct span pending = { NULL, 0 };

	works(ttrpc_server_new(&service, &h, &h.server, &e), "a session");
	works(rpc_feed(h.server, SPAN_LIT(tee), &e), "GetTeeType");
	is_int(h.method, place_of("attestation_agent.AttestationAgentService", "GetTeeType"), "is that");
	is_int(h.timeout_ms, 5000, "in five seconds");
	works(rpc_feed(h.server, SPAN_LIT(resource), &e), "GetResource");
	is_int(h.method, place_of("api.GetResourceService", "GetResource"), "is that");
	is_int(h.timeout_ms, 50000, "in fifty");
	ok(span_eq(buf_span(&h.call), SPAN_LIT("\0\0\0\x14kbs:///default/key/1\0\0\0\0")), "the broker is asked for it");

	works(answers(row("attestation_agent.AttestationAgentService", "GetTeeType"), SPAN_LIT("\0\0\0\3tdx"), SPAN_LIT(""), &out),
	    "an answer");
	works(rpc_answer(h.server, 1, buf_span(&out), &e), "goes");
	works(rpc_pending(h.server, &pending, &e), "out");
	ok(span_eq(pending, SPAN_LIT(answer)), "as its bytes should be");
	rpc_wrote(h.server, pending.len);
	works(rpc_refuse(h.server, 3, RPC_INTERNAL, "[CDH] [ERROR]: Get Resource failed", &e), "a refusal");
	works(rpc_pending(h.server, &pending, &e), "goes out");
	ok(span_eq(pending, SPAN_LIT(refusal)), "as its bytes should be");
	rpc_server_free(h.server);
	buf_free(&h.call);
}

/* --- hostile */

static void
try(struct span in, void *arg)
{
	const struct service *s = arg;
	struct err before = e;
	automsg m;

	msg_init(&m, M_CALL, 1);
	(void)(s->ask(in, &m, &e) < 0);
	e = before;
}

static int
run_old(maybe_unused void *arg, struct err *f)
{
	automsg m;

	msg_init(&m, M_CALL, 1);
	return row("getresource.GetResourceService", "GetResource")->ask(
	    SPAN_LIT("\x0a\3kbc\x12\1u\x1a\x11{\"name\":\"Policy\"}"), &m, f);
}

static void
test_hostile(void)
{
	static const char message[] = "\x0a\3kbc\x12\1u\x1a\x11{\"name\":\"Policy\"}\x20\1";

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		const struct service *s = row(known[i].service, known[i].name);

		if (s->ask != NULL)
			ok(mutate(SPAN_LIT(message), 40, try, (void *)(uintptr_t)s) > 100, "%s: mutants", s->method.name);
	}
	ok(fault_each(FAULT_ALLOC, 0, false, run_old, NULL) > 2, "no memory, at each place");
}

int
main(void)
{
	test_table();
	test_sets();
	test_requests();
	test_measure();
	test_old_resource();
	test_answers();
	test_failures();
	test_frames();
	test_hostile();
	return tap_done();
}
