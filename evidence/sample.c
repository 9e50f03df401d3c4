/* sample.c: evidence that proves nothing, for tests of brokers; only where a setting allows it. */
#include "lib/base.h"

#include "evidence/evidence.h"

#include "evidence/bytes.h"

static bool
probe(const struct evidence_env *env)
{
	return env->allow_sample;
}

/* The data as given: its verifier compares without zeros. */
static int
collect(maybe_unused const struct evidence_env *env, struct span data, struct evidence *out, struct err *e)
{
	return buf_add_span(&out->report, data, e);
}

static int
json(const struct evidence *ev, struct buf *out, struct err *e)
{
	struct emit o = { .out = out, .err = e };

	emit(&o, "{\"svn\":\"1\",\"report_data\":");
	emit_base64(&o, buf_span(&ev->report));
	emit(&o, "}");
	return o.rc;
}

const struct attester_ops attester_sample = {
	.name = "sample",
	.data_max = EVIDENCE_DATA,
	.shown_by = "attester.allow_sample",
	.probe = probe,
	.collect = collect,
	.json = json,
};
