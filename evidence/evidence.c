/* evidence.c: the platforms in the order they are tried, and what all of them have in common. */
#include "lib/base.h"

#include "evidence/evidence.h"

#include "evidence/bytes.h"

const struct attester_ops *const attesters[] = {
	&attester_tdx, &attester_snp, &attester_csv, &attester_cca, &attester_sev, &attester_sample, NULL
};

void
evidence_init(struct evidence *ev)
{
	*ev = (struct evidence){
		.report = BUF(LIMIT_REPORT),
		.certs = BUF(LIMIT_CERTS),
		.event_log = BUF(LIMIT_EVENT_LOG),
	};
}

void
evidence_free(struct evidence *ev)
{
	buf_free(&ev->report);
	buf_free(&ev->certs);
	buf_free(&ev->event_log);
	ev->tee = NULL;
}

static int
select_by_name(const struct evidence_env *env, const char *name, const struct attester_ops **out, struct err *e)
{
	for (size_t i = 0; attesters[i] != NULL; i++) {
		if (strcmp(attesters[i]->name, name) != 0)
			continue;
		if (!attesters[i]->probe(env))
			return err_set(e, ERR_NO_TEE, "%s: there is no %s", name, attesters[i]->shown_by);
		*out = attesters[i];
		return 0;
	}
	return err_set(e, ERR_CONFIG, "no such platform: \"%s\"", name);
}

int
evidence_select(const struct evidence_env *env, const char *name, const struct attester_ops **out, struct err *e)
{
	autobuf looked = BUF(sizeof(e->msg));

	if (name != NULL)
		return select_by_name(env, name, out, e);
	for (size_t i = 0; attesters[i] != NULL; i++) {
		int rc;

		if (attesters[i]->probe(env)) {
			*out = attesters[i];
			return 0;
		}
		rc = buf_addf(&looked, e, "%s%s", i > 0 ? "; " : "", attesters[i]->shown_by);
		if (rc < 0)
			return rc;
	}
	return err_set(e, ERR_NO_TEE, "no platform that could prove anything; looked for: %s", buf_str(&looked));
}

void
evidence_pad(struct span data, uint8_t out[EVIDENCE_DATA])
{
	assert(data.len <= EVIDENCE_DATA);
	memset(out, 0, EVIDENCE_DATA);
	if (data.len > 0)
		memcpy(out, data.p, data.len);
}

int
evidence_collect(const struct evidence_env *env, const struct attester_ops *tee, struct span data, struct evidence *out,
    struct err *e)
{
	int rc;

	if (data.len > tee->data_max)
		return err_set(e, ERR_USAGE, "%s: %zu bytes of report data; it takes %zu", tee->name, data.len, tee->data_max);
	rc = tee->collect(env, data, out, e);
	if (rc < 0) {
		evidence_free(out);
		evidence_init(out);
		return rc;
	}
	out->tee = tee;
	return 0;
}

/* JSON inside of a JSON string; the platforms' JSON has no other character that would need it. */
static int
as_string(const struct evidence *ev, struct buf *out, struct err *e)
{
	autobuf json = BUF(out->max);
	struct emit o = { .out = out, .err = e };
	int rc = ev->tee->json(ev, &json, e);

	if (rc < 0)
		return rc;
	emit(&o, "\"");
	for (size_t i = 0; i < json.len; i++)
		emit(&o, json.data[i] == '"' ? "\\\"" : "%c", json.data[i]);
	emit(&o, "\"");
	return o.rc;
}

static int
as_composite(const struct evidence *ev, struct buf *out, struct err *e)
{
	int rc = buf_add_str(out, "{\"primary_evidence\":", e);

	if (rc == 0)
		rc = ev->tee->json(ev, out, e);
	if (rc == 0)
		rc = buf_add_str(out, ",\"additional_evidence\":\"\"}", e);
	return rc;
}

static int
as_raw(const struct evidence *ev, struct buf *out, struct err *e)
{
	return ev->tee->raw != NULL ? ev->tee->raw(ev, out, e) : buf_add_span(out, buf_span(&ev->report), e);
}

int
evidence_format(const struct evidence *ev, enum evidence_form form, struct buf *out, struct err *e)
{
	autobuf made = BUF(out->max);
	int rc = -ERR_BUG;

	switch (form) {
	case EVIDENCE_COCO:
		rc = ev->tee->json(ev, &made, e);
		break;
	case EVIDENCE_STRING:
		rc = as_string(ev, &made, e);
		break;
	case EVIDENCE_COMPOSITE:
		rc = as_composite(ev, &made, e);
		break;
	case EVIDENCE_RAW:
		rc = as_raw(ev, &made, e);
		break;
	case EVIDENCE_FORM_COUNT:
		rc = err_set(e, ERR_BUG, "evidence: no such form");
		break;
	}
	return rc < 0 ? rc : buf_add_span(out, buf_span(&made), e);
}
