/* tdx.c: Intel TDX: a quote from configfs-tsm, else by the device and the host. */
#include "lib/base.h"

#include "evidence/evidence.h"

#include "evidence/bytes.h"
#include "evidence/eventlog.h"
#include "evidence/quote.h"
#include "evidence/tdx_device.h"
#include "evidence/tsm.h"
#include "lib/crypto.h"

#define PROVIDER	"tdx_guest"

static bool
probe(const struct evidence_env *env)
{
	return tsm_provided_by(env, PROVIDER) || tdx_device_there(env);
}

/* Nothing that lies behind the quote goes any further. */
static int
collect(const struct evidence_env *env, struct span data, struct evidence *out, struct err *e)
{
	autobuf blob = BUF(LIMIT_REPORT);
	uint8_t padded[EVIDENCE_DATA];
	size_t size = 0;
	int rc;

	evidence_pad(data, padded);
	rc = tsm_provided_by(env, PROVIDER) ? tsm_report(env, PROVIDER, false, padded, &blob, NULL, e) :
	    tdx_device_quote(env, padded, &blob, e);
	if (rc == 0)
		rc = quote_size(buf_span(&blob), padded, &size, e);
	if (rc == 0)
		rc = buf_add(&out->report, blob.data, size, e);
	return rc < 0 ? rc : eventlog_read(env, &out->event_log, e);
}

static int
json(const struct evidence *ev, struct buf *out, struct err *e)
{
	struct emit o = { .out = out, .err = e };

	emit(&o, "{\"cc_eventlog\":");
	if (ev->event_log.len > 0)
		emit_base64(&o, buf_span(&ev->event_log));
	else
		emit(&o, "null");
	emit(&o, ",\"quote\":");
	emit_base64(&o, buf_span(&ev->report));
	emit(&o, "}");
	return o.rc;
}

static int
extend(const struct evidence_env *env, unsigned pcr, struct span digest, struct err *e)
{
	return tdx_device_extend(env, eventlog_register(pcr) - 1, digest, e);
}

static int
read_register(const struct evidence_env *env, unsigned pcr, uint8_t value[64], struct err *e)
{
	return tdx_device_register(env, eventlog_register(pcr) - 1, value, e);
}

const struct attester_ops attester_tdx = {
	.name = "tdx",
	.data_max = EVIDENCE_DATA,
	.shown_by = TSM_SHOWN_BY PROVIDER ", " TDX_DEVICES,
	.probe = probe,
	.collect = collect,
	.json = json,
	.extend = extend,
	.read_register = read_register,
	.extend_alg = HASH_SHA384,
};
