/* cca.c: Arm CCA: a token from configfs-tsm, passed on as it is. */
#include "lib/base.h"

#include "evidence/evidence.h"

#include "evidence/bytes.h"
#include "evidence/tsm.h"

#define PROVIDER	"arm_cca_guest"

static bool
probe(const struct evidence_env *env)
{
	return tsm_provided_by(env, PROVIDER);
}

static int
collect(const struct evidence_env *env, struct span data, struct evidence *out, struct err *e)
{
	uint8_t challenge[EVIDENCE_DATA];

	evidence_pad(data, challenge);
	return tsm_report(env, PROVIDER, false, challenge, &out->report, NULL, e);
}

static int
json(const struct evidence *ev, struct buf *out, struct err *e)
{
	struct emit o = { .out = out, .err = e };

	emit(&o, "{");
	emit_ints(&o, "token", ev->report.data, ev->report.len, false);
	emit(&o, "}");
	return o.rc;
}

const struct attester_ops attester_cca = {
	.name = "cca",
	.data_max = EVIDENCE_DATA,
	.shown_by = TSM_SHOWN_BY PROVIDER,
	.probe = probe,
	.collect = collect,
	.json = json,
};
