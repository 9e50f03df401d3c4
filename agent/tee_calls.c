/* tee_calls.c: see tee_calls.h. */
#include "lib/base.h"

#include "agent/tee_calls.h"

#include "agent/services.h"
#include "agent/tee.h"
#include "evidence/eventlog.h"
#include "evidence/measure.h"

static_assert(CALL_TEXT < EVENTLOG_TEXT, "what rpc lets through can be read here");

int
tee_calls_set_up(const struct msg *m, struct tee_calls *t, struct err *e)
{
	struct msg_reader r = msg_reader(m);
	uint8_t mode;

	msg_get_str(&r, t->platform, sizeof(t->platform));
	t->sample = msg_get_u8(&r) != 0;
	mode = msg_get_u8(&r);
	t->eventlog = msg_get_u8(&r) != 0;
	t->pcr = msg_get_u32(&r);
	if (!msg_get_end(&r) || mode >= CALLER_MODE_COUNT)
		return err_set(e, ERR_PROTO, "set-up");
	t->mode = (enum caller_mode)mode;
	t->ready = true;
	return 0;
}

static int
find_platform(const struct tee_calls *t, const struct attester_ops **tee, struct err *e)
{
	struct evidence_env env = tee_env;

	env.allow_sample = t->sample;
	return evidence_select(&env, t->platform[0] != '\0' ? t->platform : NULL, tee, e);
}

/* These three: 0, or 1 and *failed is what the caller is told; what was tried again and went well leaves an error there. */

static int
give_evidence(const struct tee_calls *t, struct msg_reader *r, int fd, struct err *failed, struct err *e)
{
	struct tee_request q = { .platform = t->platform, .sample = t->sample, .form = EVIDENCE_COCO };
	struct span data = msg_get_bytes(r, CALL_DATA);
	const struct attester_ops *tee;
	uint8_t bound[EVIDENCE_DATA];
	size_t len = 0;

	if (!msg_get_end(r) || fd < 0)
		return err_set(e, ERR_PROTO, "call that cannot be read");
	if (caller_data(t->mode, CALLER_RPC, data, bound, &len, failed) < 0)
		return 1;
	q.data = (struct span){ bound, len };
	return tee_collect(&q, fd, &tee, failed) < 0;
}

static int
give_name(const struct tee_calls *t, struct msg_reader *r, struct msg *out, struct err *failed, struct err *e)
{
	const struct attester_ops *tee;

	if (!msg_get_end(r))
		return err_set(e, ERR_PROTO, "call that cannot be read");
	return find_platform(t, &tee, failed) < 0 ? 1 : msg_put_str(out, tee->name, e);
}

/* What the attestation agent answers. */
enum { MEASURED, NO_REGISTERS, SWITCHED_OFF };

static int
measure(const struct tee_calls *t, const struct measure_event *event, uint8_t *result, struct err *failed)
{
	const struct attester_ops *tee;
	int rc;

	*result = t->eventlog ? MEASURED : SWITCHED_OFF;
	if (!t->eventlog)
		return 0;
	rc = find_platform(t, &tee, failed);
	if (rc == 0)
		rc = measure_event(&tee_env, tee, event, failed);
	if (rc == -ERR_UNSUPPORTED)
		*result = NO_REGISTERS;
	return rc < 0 && rc != -ERR_UNSUPPORTED;
}

static int
take_event(const struct tee_calls *t, struct msg_reader *r, struct msg *out, struct err *failed, struct err *e)
{
	char domain[EVENTLOG_TEXT], operation[EVENTLOG_TEXT], content[EVENTLOG_TEXT];
	struct measure_event event = { .pcr = t->pcr, .domain = domain, .operation = operation, .content = content };
	bool named = msg_get_u8(r) != 0;
	uint32_t pcr = msg_get_u32(r);
	uint8_t result;

	if (named)
		event.pcr = pcr;
	msg_get_str(r, domain, sizeof(domain));
	msg_get_str(r, operation, sizeof(operation));
	msg_get_str(r, content, sizeof(content));
	if (!msg_get_end(r))
		return err_set(e, ERR_PROTO, "call that cannot be read");
	return measure(t, &event, &result, failed) != 0 ? 1 : msg_put_u8(out, result, e);
}

int
tee_calls_serve(const struct tee_calls *t, struct err *e)
{
	static const struct msg_rule rules[] = {
		{ .type = M_CALL, .max_len = CALL_MAX },
		{ .type = M_CALL_PIPE, .max_len = CALL_MAX, .fds = 1 },
		{ 0 },
	};
	struct err failed = { 0 };
	struct msg_reader r;
	automsg m, done;
	uint8_t call;
	int rc = msg_recv(TEE_FD_RPC, rules, -1, &m, e);

	msg_init(&done, M_CALL_DONE, m.id);
	if (rc <= 0)
		return rc;
	r = msg_reader(&m);
	call = msg_get_u8(&r);
	rc = msg_put_u8(&done, 0, e);
	if (rc == 0 && call == CALL_EVIDENCE)
		rc = give_evidence(t, &r, m.nfds > 0 ? m.fds[0] : -1, &failed, e);
	else if (rc == 0 && call == CALL_TEE)
		rc = give_name(t, &r, &done, &failed, e);
	else if (rc == 0)
		rc = call == CALL_MEASURE ? take_event(t, &r, &done, &failed, e) :
		    err_set(e, ERR_PROTO, "call that is none of ours");
	if (rc >= 0)
		rc = rc == 1 ? role_answer(TEE_FD_RPC, M_CALL_DONE, m.id, &failed, e) : msg_send(TEE_FD_RPC, &done, -1, e);
	return rc < 0 ? rc : 1;
}
