/* agent_call.c: see agent_call.h. Each call has a connection of its own. */
#include "lib/base.h"

#include "agent/agent_call.h"

#include <signal.h>
#include <sys/un.h>

#include "agent/address.h"
#include "agent/agent.pb-c.h"
#include "agent/api.pb-c.h"
#include "agent/attestation_agent.pb-c.h"
#include "agent/net_setup.h"
#include "lib/pb.h"

#define GRACE_MS	1000	/* the agent tells that the time is over; we only notice if it does not */

struct method {
	const char	*service, *name;
};

/* Of a refusal that does not name its code. */
static const enum err_code general[RPC_STATUS_COUNT] = {
	[RPC_CANCELLED]			= ERR_CANCELLED,
	[RPC_INVALID_ARGUMENT]		= ERR_PARSE,
	[RPC_DEADLINE_EXCEEDED]		= ERR_TIMEOUT,
	[RPC_NOT_FOUND]			= ERR_NOTFOUND,
	[RPC_RESOURCE_EXHAUSTED]	= ERR_LIMIT,
	[RPC_FAILED_PRECONDITION]	= ERR_CONFIG,
	[RPC_UNIMPLEMENTED]		= ERR_UNSUPPORTED,
	[RPC_UNAVAILABLE]		= ERR_NET,
	[RPC_DATA_LOSS]			= ERR_DIGEST,
	[RPC_UNAUTHENTICATED]		= ERR_AUTH,
};
/* --- finding it */

static int
address_of(const struct agent_options *o, struct address *out, struct err *e)
{
	const char *dir = o->run_dir != NULL ? o->run_dir : RUN_DIR, *path = o->socket;
	char in_dir[sizeof(out->path)];

	if (path != NULL && o->run_dir != NULL)
		return err_set(e, ERR_USAGE, "--socket and --run-dir both say where the agent is");
	if (o->standalone && (path != NULL || o->run_dir != NULL))
		return err_set(e, ERR_USAGE, "--standalone asks no agent");
	if (path == NULL) {
		snprintf(in_dir, sizeof(in_dir), "%s/" AGENT_SOCKET, dir);
		path = in_dir;
	}
	*out = (struct address){ .transport = PROVIDER_TTRPC };
	if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path) ||
	    !span_to_cstr(span_str(path), out->path, sizeof(out->path)))
		return err_set(e, ERR_USAGE, "%s: the path of a socket has at most 107 bytes", path);
	return 0;
}

/* Nobody there that would be for us. */
static bool
is_none(const struct err *e)
{
	return e->sys == ENOENT || e->sys == ENOTDIR || e->sys == ECONNREFUSED || e->sys == EACCES;
}

int
agent_find(const struct agent_options *o, struct err *e)
{
	bool named = o->socket != NULL || o->run_dir != NULL;
	struct err failed = { 0 };
	struct address a;
	int fd, rc = address_of(o, &a, e);

	if (rc < 0 || o->standalone)
		return rc;
	fd = address_connect_unix(&a, &failed);
	if (fd >= 0) {
		close(fd);
		return 1;
	}
	if (!named && is_none(&failed))
		return 0;
	*e = failed;
	return err_wrap(e, "no agent answers");
}

/* --- one call */

static int
time_of(const struct agent_options *o, const struct service *row, int64_t *ms, struct err *e)
{
	uint32_t seconds;
	int rc;

	*ms = row->limit_ms;
	if (o->timeout == NULL)
		return 0;
	rc = net_parse_timeout(o->timeout, &seconds, e);
	if (rc == 0)
		*ms = (int64_t)seconds * 1000;
	return rc;
}

/* "text (NAME)": the code of this name, and text without it; ERR_NONE: there is none. */
static enum err_code
cut_code(char *text)
{
	size_t len = strlen(text);
	char *name = strrchr(text, '(');
	enum err_code code;

	if (name == NULL || name == text || name[-1] != ' ' || text[len - 1] != ')')
		return ERR_NONE;
	code = err_find(name + 1, (size_t)(text + len - 1 - (name + 1)));
	if (code != ERR_NONE)
		name[-1] = '\0';
	return code;
}

/* The agent's own words; what stands before them is for callers that look for it. */
static int
refusal(const struct service *row, const struct rpc_client *c, struct err *e)
{
	char words[sizeof(e->msg)], *text = words;
	size_t trouble = row->trouble != NULL ? strlen(row->trouble) : 0;
	enum err_code code;

	snprintf(words, sizeof(words), "%s", buf_str(&c->text));
	code = cut_code(words);
	if (code == ERR_NONE && (unsigned)c->status < RPC_STATUS_COUNT)
		code = general[c->status];
	if (trouble > 0 && strncmp(text, row->trouble, trouble) == 0 && strncmp(text + trouble, ": ", 2) == 0)
		text += trouble + 2;
	return err_set(e, code != ERR_NONE ? code : ERR_SYS, "the agent: %s", text[0] != '\0' ? text : rpc_status_name(c->status));
}

static int
run(const struct service *row, const struct rpc_call *call, int fd, struct buf *out, struct err *e)
{
	struct rpc_client *c = NULL;
	void (*before)(int);
	int rc = ttrpc_client_new(call, &c, e);

	if (rc < 0)
		return rc;
	before = signal(SIGPIPE, SIG_IGN);	/* it may go while we write */
	rc = rpc_client_run(c, fd, call->timeout_ms + GRACE_MS, out, e);
	(void)signal(SIGPIPE, before);
	if (rc < 0)
		rc = c->done && c->status != RPC_OK ? refusal(row, c, e) : err_wrap(e, "the agent");
	rpc_client_free(c);
	return rc;
}

static int
call_agent(const struct agent_options *o, const struct method *m, const ProtobufCMessage *message, struct buf *out,
    struct err *e)
{
	const struct service *row = &services[rpc_find(services_methods(), span_str(m->service), span_str(m->name))];
	struct rpc_call call = { .service = m->service, .method = m->name, .max_answer = out->max };
	autobuf request = BUF(KIB(8));
	autoclose int fd = -1;
	struct address a;
	int rc = address_of(o, &a, e);

	if (rc == 0)
		rc = time_of(o, row, &call.timeout_ms, e);
	if (rc == 0)
		rc = pb_format(message, &request, e);
	if (rc < 0)
		return rc;
	rc = fd = address_connect_unix(&a, e);
	if (rc < 0)
		return err_wrap(e, "no agent answers");
	call.message = buf_span(&request);
	return run(row, &call, fd, out, e);
}

/* --- the methods */

/* answer: where the bytes are that the message out is made of, and how many there may be. */
static int
ask(const struct agent_options *o, const struct method *m, const ProtobufCMessage *message, struct buf *answer,
    const ProtobufCMessageDescriptor *type, struct pb *out, struct err *e)
{
	int rc = call_agent(o, m, message, answer, e);

	return rc < 0 ? rc : pb_parse(buf_span(answer), type, "the agent's answer", out, e);
}

/* A word that may be printed as it is. */
static int
take_word(struct span s, char *out, size_t size, struct err *e)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f || s.p[i] == '"' || s.p[i] == '\\')
			return err_set(e, ERR_PARSE, "the agent's answer: not a word");
	if (s.len == 0 || !span_to_cstr(s, out, size))
		return err_set(e, ERR_PARSE, "the agent's answer: not a word of its kind");
	return 0;
}

int
agent_status(const struct agent_options *o, struct buf *json, struct err *e)
{
	static const struct method method = { "cacao.AgentService", "Status" };
	AttestationAgent__Empty m = ATTESTATION_AGENT__EMPTY__INIT;
	autobuf answer = BUF(LIMIT_PROVIDER_JSON + KIB(1));
	autopb pb = { 0 };
	int rc = ask(o, &method, &m.base, &answer, &cacao__json__descriptor, &pb, e);

	return rc < 0 ? rc : buf_add_span(json, pb_span(((const Cacao__Json *)pb.message)->text), e);
}

int
agent_resource(const struct agent_options *o, const char *uri, struct buf *secret, struct err *e)
{
	static const struct method method = { "api.GetResourceService", "GetResource" };
	Api__GetResourceRequest m = API__GET_RESOURCE_REQUEST__INIT;
	autobuf answer = BUF_SECRET(LIMIT_RESOURCE + KIB(1));
	autopb pb = { 0 };
	int rc;

	m.uri = pb_bytes(span_str(uri));
	rc = ask(o, &method, &m.base, &answer, &api__get_resource_response__descriptor, &pb, e);
	return rc < 0 ? rc : buf_add_span(secret, pb_span(((const Api__GetResourceResponse *)pb.message)->resource), e);
}

int
agent_evidence(const struct agent_options *o, struct span data, struct buf *json, struct err *e)
{
	static const struct method method = { "attestation_agent.AttestationAgentService", "GetEvidence" };
	AttestationAgent__GetEvidenceRequest m = ATTESTATION_AGENT__GET_EVIDENCE_REQUEST__INIT;
	autobuf answer = BUF(SERVICES_ANSWER);
	autopb pb = { 0 };
	int rc;

	m.runtime_data = pb_bytes(data);
	rc = ask(o, &method, &m.base, &answer, &attestation_agent__get_evidence_response__descriptor, &pb, e);
	return rc < 0 ? rc :
	    buf_add_span(json, pb_span(((const AttestationAgent__GetEvidenceResponse *)pb.message)->evidence), e);
}

int
agent_tee(const struct agent_options *o, char name[32], struct err *e)
{
	static const struct method method = { "attestation_agent.AttestationAgentService", "GetTeeType" };
	AttestationAgent__Empty m = ATTESTATION_AGENT__EMPTY__INIT;
	autobuf answer = BUF(KIB(1));
	autopb pb = { 0 };
	int rc = ask(o, &method, &m.base, &answer, &attestation_agent__get_tee_type_response__descriptor, &pb, e);

	return rc < 0 ? rc : take_word(pb_span(((const AttestationAgent__GetTeeTypeResponse *)pb.message)->tee), name, 32, e);
}

int
agent_token(const struct agent_options *o, const char *type, struct buf *secret, struct err *e)
{
	static const struct method method = { "attestation_agent.AttestationAgentService", "GetToken" };
	AttestationAgent__GetTokenRequest m = ATTESTATION_AGENT__GET_TOKEN_REQUEST__INIT;
	autobuf answer = BUF_SECRET(AGENT_TOKEN_MAX + KIB(1));
	autopb pb = { 0 };
	int rc;

	m.token_type = pb_bytes(span_str(type));
	rc = ask(o, &method, &m.base, &answer, &attestation_agent__get_token_response__descriptor, &pb, e);
	return rc < 0 ? rc : buf_add_span(secret, pb_span(((const AttestationAgent__GetTokenResponse *)pb.message)->token), e);
}

int
agent_pull(const struct agent_options *o, const char *image, const char *bundle, char digest[160], struct err *e)
{
	static const struct method method = { "api.ImagePullService", "PullImage" };
	Api__ImagePullRequest m = API__IMAGE_PULL_REQUEST__INIT;
	autobuf answer = BUF(KIB(1));
	autopb pb = { 0 };
	int rc;

	m.image_url = pb_bytes(span_str(image));
	m.bundle_path = pb_bytes(span_str(bundle));
	rc = ask(o, &method, &m.base, &answer, &api__image_pull_response__descriptor, &pb, e);
	return rc < 0 ? rc :
	    take_word(pb_span(((const Api__ImagePullResponse *)pb.message)->manifest_digest), digest, 160, e);
}
