/* services.c: see services.h. What callers send is taken apart here, in rpc: whoever answers gets texts of limited length. */
#include "lib/base.h"

#include "agent/services.h"

#include "agent/agent.pb-c.h"
#include "agent/api.pb-c.h"
#include "agent/attestation_agent.pb-c.h"
#include "agent/getresource.pb-c.h"
#include "keyprovider/keyprovider.pb-c.h"
#include "keyprovider/protocol.h"
#include "lib/json.h"
#include "lib/pb.h"
#include "lib/utf8.h"
#include "lib/version.h"

static_assert((int)CALL_WRAP == (int)PROVIDER_WRAP && (int)CALL_UNWRAP == (int)PROVIDER_UNWRAP &&
    (int)CALL_AS_ASKED == (int)PROVIDER_AS_ASKED, "key takes both for the same");

/* --- what callers send */

static int
parse(struct span message, const ProtobufCMessageDescriptor *type, struct pb *out, struct err *e)
{
	return pb_parse(message, type, "the message", out, e);
}

static bool
is_text(struct span s)
{
	uint32_t c;

	while (s.len > 0) {
		size_t n = utf8_decode(s, &c);

		if (n == 0 || c == 0)
			return false;
		s.p += n;
		s.len -= n;
	}
	return true;
}

static int
put_text(struct msg *call, ProtobufCBinaryData text, const char *what, size_t max, struct err *e)
{
	struct span s = pb_span(text);

	if (s.len == 0)
		return err_set(e, ERR_PARSE, "%s is missing", what);
	if (s.len > max)
		return err_set(e, ERR_LIMIT, "%s is longer than %zu bytes", what, max);
	if (!is_text(s))
		return err_set(e, ERR_PARSE, "%s is no text", what);
	return msg_put_bytes(call, s, e);
}

/* Of requests that say nothing, or nothing that matters here. */
static int
ask_nothing(struct span message, maybe_unused struct msg *call, struct err *e)
{
	autopb pb = { 0 };

	return parse(message, &attestation_agent__empty__descriptor, &pb, e);
}

static int
ask_json(struct span message, struct msg *call, struct err *e)
{
	autopb pb = { 0 };
	struct span json;
	int rc = parse(message, &keyprovider__json__descriptor, &pb, e);

	if (rc < 0)
		return rc;
	json = pb_span(((const Keyprovider__Json *)pb.message)->text);
	if (json.len > LIMIT_PROVIDER_JSON)
		return err_set(e, ERR_LIMIT, "the request is too large");
	return msg_put_bytes(call, json, e);
}

static int
ask_evidence(struct span message, struct msg *call, struct err *e)
{
	autopb pb = { 0 };
	struct span data;
	int rc = parse(message, &attestation_agent__get_evidence_request__descriptor, &pb, e);

	if (rc < 0)
		return rc;
	data = pb_span(((const AttestationAgent__GetEvidenceRequest *)pb.message)->runtime_data);
	if (data.len > CALL_DATA)
		return err_set(e, ERR_LIMIT, "runtime data of more than %zu bytes", CALL_DATA);
	return msg_put_bytes(call, data, e);
}

static int
ask_measure(struct span message, struct msg *call, struct err *e)
{
	autopb pb = { 0 };
	const AttestationAgent__ExtendRuntimeMeasurementRequest *m;
	int rc = parse(message, &attestation_agent__extend_runtime_measurement_request__descriptor, &pb, e);

	if (rc < 0)
		return rc;
	m = (const AttestationAgent__ExtendRuntimeMeasurementRequest *)pb.message;
	if (m->register_index > UINT32_MAX)
		return err_set(e, ERR_PARSE, "there is no register %" PRIu64, m->register_index);
	rc = msg_put_u8(call, m->register_case != 0, e);
	if (rc == 0)
		rc = msg_put_u32(call, (uint32_t)m->register_index, e);
	if (rc == 0)
		rc = put_text(call, m->domain, "the domain", CALL_TEXT, e);
	if (rc == 0)
		rc = put_text(call, m->operation, "the operation", CALL_TEXT, e);
	return rc < 0 ? rc : put_text(call, m->content, "the content", CALL_TEXT, e);
}

static int
ask_resource(struct span message, struct msg *call, struct err *e)
{
	autopb pb = { 0 };
	int rc = parse(message, &api__get_resource_request__descriptor, &pb, e);

	if (rc == 0)
		rc = put_text(call, ((const Api__GetResourceRequest *)pb.message)->uri, "the resource's URI", LIMIT_URI - 1, e);
	return rc < 0 ? rc : msg_put_str(call, "", e);
}

static int
ask_pull(struct span message, struct msg *call, struct err *e)
{
	autopb pb = { 0 };
	const Api__ImagePullRequest *m;
	int rc = parse(message, &api__image_pull_request__descriptor, &pb, e);

	if (rc < 0)
		return rc;
	m = (const Api__ImagePullRequest *)pb.message;
	rc = put_text(call, m->image_url, "the image's name", LIMIT_REFERENCE, e);
	return rc < 0 ? rc : put_text(call, m->bundle_path, "the bundle's path", LIMIT_PATH, e);
}

/* --- GetResource of the old agent */

/* What its first callers asked for by names has paths since. */
static const struct {
	const char *name, *path;
} named[] = {
	{ "Policy",		"/default/security-policy/test" },
	{ "Sigstore Config",	"/default/sigstore-config/test" },
	{ "GPG Keyring",	"/default/gpg-public-config/test" },
	{ "Cosign Key",		"/default/cosign-public-key/test" },
	{ "Credential",		"/default/credential/test" },
};

static int
path_of(struct span description, const char **path, struct err *e)
{
	autojson doc = NULL;
	int rc = json_parse(description, &doc, e);

	if (rc < 0)
		return err_wrap(e, "the resource's description");
	for (size_t i = 0; i < ARRAY_LEN(named); i++) {
		if (json_str_eq(json_get(json_root(doc), "name"), named[i].name)) {
			*path = named[i].path;
			return 0;
		}
	}
	return err_set(e, ERR_UNSUPPORTED, "no resource has the name that the description says");
}

static int
put_old(struct msg *call, struct span path, struct span name, struct span address, struct err *e)
{
	static const struct span scheme = { (const uint8_t *)"kbs://", 6 }, colons = { (const uint8_t *)"::", 2 };
	autobuf uri = BUF(LIMIT_URI - 1), broker = BUF(CALL_BROKER - 1);
	int rc = buf_add_span(&uri, scheme, e);

	if (rc == 0)
		rc = buf_add_span(&uri, path, e);
	if (rc == 0)
		rc = buf_add_span(&broker, name, e);
	if (rc == 0)
		rc = buf_add_span(&broker, colons, e);
	if (rc == 0)
		rc = buf_add_span(&broker, address, e);
	if (rc == 0)
		rc = put_text(call, pb_bytes(buf_span(&uri)), "the resource's path", LIMIT_URI - 1, e);
	return rc < 0 ? rc : put_text(call, pb_bytes(buf_span(&broker)), "the broker", CALL_BROKER - 1, e);
}

/* Which of the two orders it is, shows: a path begins with a slash, no broker's name does; no address begins as JSON does. */
static int
ask_old_resource(struct span message, struct msg *call, struct err *e)
{
	autopb pb = { 0 };
	const Getresource__Request *m;
	struct span first, second, third;
	const char *path = NULL;
	int rc = parse(message, &getresource__request__descriptor, &pb, e);

	if (rc < 0)
		return rc;
	m = (const Getresource__Request *)pb.message;
	first = pb_span(m->first);
	second = pb_span(m->second);
	third = pb_span(m->third);
	if (span_starts(first, "/") == span_starts(third, "{"))
		return err_set(e, ERR_PARSE, "neither a path nor a description of a resource");
	if (span_starts(first, "/"))
		return put_old(call, first, second, third, e);
	rc = path_of(third, &path, e);
	return rc < 0 ? rc : put_old(call, span_str(path), first, second, e);
}

/* --- what they are answered */

static int
end_of(struct msg_reader *r, struct err *e)
{
	return msg_get_end(r) ? 0 : err_set(e, ERR_PROTO, "answer that cannot be read");
}

static int
answer_nothing(struct msg_reader *r, maybe_unused struct span bytes, maybe_unused struct buf *out, struct err *e)
{
	return end_of(r, e);
}

static int
answer_json(struct msg_reader *r, maybe_unused struct span bytes, struct buf *out, struct err *e)
{
	Keyprovider__Json m = KEYPROVIDER__JSON__INIT;
	int rc;

	m.text = pb_bytes(msg_get_bytes(r, LIMIT_PROVIDER_JSON));
	rc = end_of(r, e);
	return rc < 0 ? rc : pb_format(&m.base, out, e);
}

static int
answer_evidence(struct msg_reader *r, struct span bytes, struct buf *out, struct err *e)
{
	AttestationAgent__GetEvidenceResponse m = ATTESTATION_AGENT__GET_EVIDENCE_RESPONSE__INIT;
	int rc = end_of(r, e);

	m.evidence = pb_bytes(bytes);
	return rc < 0 ? rc : pb_format(&m.base, out, e);
}

static int
answer_tee(struct msg_reader *r, maybe_unused struct span bytes, struct buf *out, struct err *e)
{
	AttestationAgent__GetTeeTypeResponse m = ATTESTATION_AGENT__GET_TEE_TYPE_RESPONSE__INIT;
	int rc;

	m.tee = pb_bytes(msg_get_bytes(r, 32));
	rc = end_of(r, e);
	return rc < 0 ? rc : pb_format(&m.base, out, e);
}

static int
answer_measure(struct msg_reader *r, maybe_unused struct span bytes, struct buf *out, struct err *e)
{
	AttestationAgent__ExtendRuntimeMeasurementResponse m = ATTESTATION_AGENT__EXTEND_RUNTIME_MEASUREMENT_RESPONSE__INIT;

	m.result = msg_get_u8(r);
	if (!msg_get_end(r) || m.result > 2)
		return err_set(e, ERR_PROTO, "answer that cannot be read");
	return pb_format(&m.base, out, e);
}

static int
answer_resource(struct msg_reader *r, struct span bytes, struct buf *out, struct err *e)
{
	Api__GetResourceResponse m = API__GET_RESOURCE_RESPONSE__INIT;
	int rc = end_of(r, e);

	m.resource = pb_bytes(bytes);
	return rc < 0 ? rc : pb_format(&m.base, out, e);
}

static int
answer_old_resource(struct msg_reader *r, struct span bytes, struct buf *out, struct err *e)
{
	Getresource__Response m = GETRESOURCE__RESPONSE__INIT;
	int rc = end_of(r, e);

	m.resource = pb_bytes(bytes);
	return rc < 0 ? rc : pb_format(&m.base, out, e);
}

static int
answer_pull(struct msg_reader *r, maybe_unused struct span bytes, struct buf *out, struct err *e)
{
	Api__ImagePullResponse m = API__IMAGE_PULL_RESPONSE__INIT;
	int rc;

	m.manifest_digest = pb_bytes(msg_get_bytes(r, 160));
	rc = end_of(r, e);
	return rc < 0 ? rc : pb_format(&m.base, out, e);
}

static int
answer_status(struct msg_reader *r, maybe_unused struct span bytes, struct buf *out, struct err *e)
{
	Cacao__Json m = CACAO__JSON__INIT;
	int rc;

	m.text = pb_bytes(msg_get_bytes(r, LIMIT_PROVIDER_JSON));
	rc = end_of(r, e);
	return rc < 0 ? rc : pb_format(&m.base, out, e);
}

static int
answer_version(struct msg_reader *r, maybe_unused struct span bytes, struct buf *out, struct err *e)
{
	Cacao__Json m = CACAO__JSON__INIT;
	autobuf json = BUF(256);
	int rc = end_of(r, e);

	if (rc == 0)
		rc = buf_addf(&json, e, "{\"version\":\"%s\"}", version_text);
	m.text = pb_bytes(buf_span(&json));
	return rc < 0 ? rc : pb_format(&m.base, out, e);
}

/* --- the table */

#define ATTESTATION	"attestation_agent.AttestationAgentService"
#define SECONDS(n)	((int64_t)(n) * 1000)
/* A pull has the time that its caller gives it: kata's is 20 minutes, unless told otherwise. */
#define PULL_MS		SECONDS(4 * 3600)

#define EVIDENCE_TROUBLE	"[ERROR:attestation-agent] AA-KBC get evidence failed"
#define TOKEN_TROUBLE		"[ERROR:attestation-agent] AA-KBC get token failed"
#define MEASURE_TROUBLE		"[ERROR:attestation-agent] AA extend runtime measurement failed"
#define OLD_TROUBLE		"[ERROR:attestation-agent] AA-KBC get resource failed"

#define NONE_YET(package_service, name, at, what, words) \
	{ .method = { package_service, name, 0, false }, .backend = BACKEND_NONE, .faces = (at) | FACE_OWN, .feature = (what), \
	  .trouble = (words), .limit_ms = SECONDS(60) }

const struct service services[] = {
	{ .method = { ATTESTATION, "GetEvidence", 0, false }, .backend = BACKEND_TEE, .call = CALL_EVIDENCE,
	  .faces = FACE_ATTESTATION | FACE_OWN, .trouble = EVIDENCE_TROUBLE, .pipe = CALL_EVIDENCE_MAX, .plain = true,
	  .limit_ms = SECONDS(60), .ask = ask_evidence, .answer = answer_evidence },
	/* Devices beside the TEE (GPUs) are none here, and who asks is told so as the peers tell it: by nothing. */
	{ .method = { ATTESTATION, "GetAdditionalEvidence", 0, false }, .backend = BACKEND_HERE,
	  .faces = FACE_ATTESTATION | FACE_OWN, .plain = true, .limit_ms = SECONDS(60), .ask = ask_nothing, .answer = answer_nothing },
	{ .method = { ATTESTATION, "GetAdditionalTees", 0, false }, .backend = BACKEND_HERE,
	  .faces = FACE_ATTESTATION | FACE_OWN, .plain = true, .limit_ms = SECONDS(60), .ask = ask_nothing, .answer = answer_nothing },
	{ .method = { ATTESTATION, "GetTeeType", 0, false }, .backend = BACKEND_TEE, .call = CALL_TEE,
	  .faces = FACE_ATTESTATION | FACE_OWN, .plain = true, .limit_ms = SECONDS(60), .ask = ask_nothing, .answer = answer_tee },
	{ .method = { ATTESTATION, "ExtendRuntimeMeasurement", 0, false }, .backend = BACKEND_TEE, .call = CALL_MEASURE,
	  .faces = FACE_ATTESTATION | FACE_OWN, .trouble = MEASURE_TROUBLE, .plain = true,
	  .limit_ms = SECONDS(60), .ask = ask_measure, .answer = answer_measure },
	NONE_YET(ATTESTATION, "GetToken", FACE_ATTESTATION, "tokens", TOKEN_TROUBLE),
	NONE_YET(ATTESTATION, "BindInitData", FACE_ATTESTATION, "init data by call", NULL),
	NONE_YET(ATTESTATION, "CheckInitData", FACE_ATTESTATION, "init data by call", NULL),
	NONE_YET(ATTESTATION, "UpdateConfiguration", FACE_ATTESTATION, "configuration by call", NULL),

	{ .method = { "api.GetResourceService", "GetResource", 0, false }, .backend = BACKEND_KEY, .call = CALL_RESOURCE,
	  .faces = FACE_HUB | FACE_OWN, .trouble = "[CDH] [ERROR]: Get Resource failed", .pipe = LIMIT_RESOURCE,
	  .limit_ms = SECONDS(60), .ask = ask_resource, .answer = answer_resource },
	{ .method = { "api.ImagePullService", "PullImage", 0, false }, .backend = BACKEND_MONITOR, .call = CALL_PULL,
	  .faces = FACE_HUB | FACE_OWN, .word = "pull", .trouble = "[CDH] [ERROR]: Image Pull error", .plain = true,
	  .limit_ms = PULL_MS, .ask = ask_pull, .answer = answer_pull },
	NONE_YET("api.SealedSecretService", "UnsealSecret", FACE_HUB, "sealed secrets", "[CDH] [ERROR]: Unseal Secret failed"),
	NONE_YET("api.SecureMountService", "SecureMount", FACE_HUB, "secure mounts", "[CDH] [ERROR]: Secure Mount failed"),

	{ .method = { "keyprovider.KeyProviderService", "WrapKey", 0, false }, .backend = BACKEND_KEY, .call = CALL_WRAP,
	  .faces = FACE_KEYPROVIDER | FACE_OWN, .limit_ms = SECONDS(60), .ask = ask_json, .answer = answer_json },
	{ .method = { "keyprovider.KeyProviderService", "UnWrapKey", 0, false }, .backend = BACKEND_KEY, .call = CALL_UNWRAP,
	  .faces = FACE_KEYPROVIDER | FACE_HUB | FACE_OWN, .limit_ms = SECONDS(60), .ask = ask_json, .answer = answer_json },

	{ .method = { "getresource.GetResourceService", "GetResource", 0, false }, .backend = BACKEND_KEY, .call = CALL_RESOURCE,
	  .faces = FACE_GETRESOURCE | FACE_OWN, .trouble = OLD_TROUBLE, .pipe = LIMIT_RESOURCE,
	  .limit_ms = SECONDS(60), .ask = ask_old_resource, .answer = answer_old_resource },

	{ .method = { "cacao.AgentService", "Status", 0, false }, .backend = BACKEND_MONITOR, .call = CALL_STATUS,
	  .faces = FACE_OWN, .word = "status", .plain = true, .limit_ms = SECONDS(10), .ask = ask_nothing, .answer = answer_status },
	{ .method = { "cacao.AgentService", "Version", 0, false }, .backend = BACKEND_HERE,
	  .faces = FACE_OWN, .word = "version", .plain = true, .limit_ms = SECONDS(10), .ask = ask_nothing,
	  .answer = answer_version },
	{ .method = { NULL, NULL, 0, false } },
};
static_assert(ARRAY_LEN(services) <= 64 + 1, "a bit for each");

const struct rpc_method *
services_methods(void)
{
	static struct rpc_method methods[ARRAY_LEN(services)];

	if (methods[0].service == NULL) {
		for (int i = 0; services[i].method.service != NULL; i++)
			methods[i] = (struct rpc_method){ services[i].method.service, services[i].method.name, i, services[i].plain };
	}
	return methods;
}

uint64_t
services_of(unsigned faces)
{
	uint64_t methods = 0;

	for (unsigned i = 0; services[i].method.service != NULL; i++)
		if ((services[i].faces & faces) != 0)
			methods |= UINT64_C(1) << i;
	return methods;
}

static uint64_t
by_word(struct span word)
{
	uint64_t methods = 0;

	for (unsigned i = 0; services[i].method.service != NULL; i++)
		if (services[i].word != NULL && span_eq_str(word, services[i].word))
			methods |= UINT64_C(1) << i;
	return methods;
}

int
services_by_words(const char *list, uint64_t *methods, struct err *e)
{
	struct span rest = span_str(list), word;
	uint64_t all = 0;

	while (span_split(&rest, '\n', &word)) {
		uint64_t some = by_word(word);

		if (some == 0)
			return err_set(e, ERR_CONFIG, "vsock.host_methods: \"%.*s\" is nothing that the host may call",
			    (int)MIN(word.len, 64), (const char *)word.p);
		all |= some;
	}
	*methods = all;
	return 0;
}

const char *
face_name(enum face f)
{
	switch (f) {
	case FACE_ATTESTATION:
		return "attestation";
	case FACE_HUB:
		return "hub";
	case FACE_KEYPROVIDER:
		return "keyprovider";
	case FACE_GETRESOURCE:
		return "getresource";
	case FACE_OWN:
		return "agent";
	default:
		return "?";
	}
}

/* --- failures */

/* Why no image: words that are looked for in the events of a pod. */
static const char *
pull_words(enum err_code code)
{
	switch ((int)code) {
	case ERR_POLICY:
		return "Image policy rejected: Denied by policy: ";
	case ERR_AUTH:
		return "Not authorized: ";
	case ERR_DECRYPT:
	case ERR_KEY_NOTFOUND:
		return "Failed to decrypt the image layer, please ensure that the decryption key is placed and correct: ";
	default:
		return "Failed to pull image: ";
	}
}

void
services_explain(const struct service *s, const struct err *failed, char *out, size_t size)
{
	bool pull = s->backend == BACKEND_MONITOR && s->call == CALL_PULL;
	bool has_name = failed->code != ERR_NONE && failed->code != ERR_SYS;

	snprintf(out, size, "%s%s%s%s%s%s%s", s->trouble != NULL ? s->trouble : "", s->trouble != NULL ? ": " : "",
	    pull ? pull_words(failed->code) : "", failed->msg, has_name ? " (" : "", has_name ? err_name(failed->code) : "",
	    has_name ? ")" : "");
}
