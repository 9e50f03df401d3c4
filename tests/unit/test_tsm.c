/* test_tsm.c: configfs-tsm: the order of its files, what is believed, and every way it can go wrong. */
#include "lib/base.h"

#include "evidence/tsm.h"

#include "tests/lib/fault.h"
#include "tests/lib/tap.h"
#include "tests/lib/world.h"

static struct err e;
static const uint8_t data[EVIDENCE_DATA] = { 1, 2, 3 };

static size_t
echo(maybe_unused struct world *w, const uint8_t *in, uint8_t *out)
{
	memcpy(out, in, EVIDENCE_DATA);
	out[EVIDENCE_DATA] = '!';
	return EVIDENCE_DATA + 1;
}

static size_t
nothing(maybe_unused struct world *w, maybe_unused const uint8_t *in, maybe_unused uint8_t *out)
{
	return 0;
}

static const struct world good = { .provider = "tdx_guest", .report = echo };

static int
get(struct world *w, const char *provider, bool levels, struct buf *report, struct buf *aux)
{
	struct evidence_env env = world_env(w);
	int rc;

	memset(&e, 0, sizeof(e));
	rc = tsm_report(&env, provider, levels, data, report, aux, &e);
	ok(w->made == w->removed, "no entry is left");
	return rc;
}

static void
test_good(void)
{
	struct world w = good;
	autobuf report = BUF(LIMIT_REPORT), aux = BUF(LIMIT_CERTS);

	works(get(&w, "tdx_guest", false, &report, NULL), "a report");
	is_int(report.len, EVIDENCE_DATA + 1, "whole");
	ok(memcmp(report.data, data, EVIDENCE_DATA) == 0, "over the data");
	is_int(w.made, 1, "in one entry");

	w = good;
	w.provider = "sev_guest";
	w.floor = "2";
	w.has_aux = true;
	w.aux = SPAN_LIT("certificates");
	buf_reset(&report);
	works(get(&w, "sev_guest", true, &report, &aux), "with a level and certificates");
	is_str(w.level, "2", "the lowest level there is");
	ok(span_eq_str(buf_span(&aux), "certificates"), "the certificates");
}

static void
test_provider(void)
{
	struct evidence_env env;
	struct world w = good;
	autobuf report = BUF(LIMIT_REPORT);

	env = world_env(&w);
	ok(tsm_provided_by(&env, "tdx_guest"), "it is the provider");
	ok(!tsm_provided_by(&env, "tdx_gues") && !tsm_provided_by(&env, "sev_guest"), "no other one is");
	is_int(w.made, w.removed, "no entry is left");
	fails(get(&w, "sev_guest", false, &report, NULL), ERR_NO_TEE, "another provider");
	ok(strstr(e.msg, "tdx_guest") != NULL && w.inblob_len == 0, "is named, and told nothing");
	w.provider = NULL;
	ok(!tsm_provided_by(&env, "tdx_guest"), "no configfs-tsm");
	fails(get(&w, "tdx_guest", false, &report, NULL), ERR_NO_TEE, "no configfs-tsm");
}

static void
test_faults(void)
{
	struct world w = good;
	autobuf report = BUF(LIMIT_REPORT);

	w.report = nothing;
	fails(get(&w, "tdx_guest", false, &report, NULL), ERR_EVIDENCE, "an empty report");
	w = good;
	w.ignores_inblob = true;
	fails(get(&w, "tdx_guest", false, &report, NULL), ERR_EVIDENCE, "a request that is not taken");
	ok(strstr(e.msg, "generation 0 instead of 1") != NULL, "is seen by the generation");
	w = good;
	w.extra_generation = 1;
	fails(get(&w, "tdx_guest", false, &report, NULL), ERR_EVIDENCE, "another writer");
	ok(report.len == 0, "nothing comes out");
	w = good;
	w.open_errno = EACCES;
	fails(get(&w, "tdx_guest", false, &report, NULL), ERR_EVIDENCE, "a report that does not open");
	w = good;
	fails(get(&w, "tdx_guest", true, &report, NULL), ERR_EVIDENCE, "no privilege levels");
	w.floor = "4";
	fails(get(&w, "tdx_guest", true, &report, NULL), ERR_EVIDENCE, "a level that is none");
	w.floor = "x";
	fails(get(&w, "tdx_guest", true, &report, NULL), ERR_EVIDENCE, "a level that is no number");
	report.max = EVIDENCE_DATA;
	w = good;
	fails(get(&w, "tdx_guest", false, &report, NULL), ERR_LIMIT, "a report that is too long");
}

static void
test_busy(void)
{
	struct world w = good;
	autobuf report = BUF(LIMIT_REPORT);

	w.outblob_errno = EBUSY;
	w.outblob_failures = 3;
	e = (struct err){ 0 };
	works(get(&w, "tdx_guest", false, &report, NULL), "busy three times");
	is_int(e.code, ERR_NONE, "of which nothing is told");
	ok(w.pauses == 3 && w.made == 4, "a new entry each time");
	w = good;
	w.outblob_errno = EINTR;
	w.outblob_failures = 1;
	buf_reset(&report);
	fails(get(&w, "tdx_guest", false, &report, NULL), ERR_EVIDENCE, "interrupted, then empty");
	w = good;
	w.outblob_errno = ETIMEDOUT;
	w.outblob_failures = 1;
	fails(get(&w, "tdx_guest", false, &report, NULL), ERR_TIMEOUT, "timed out");
	w = good;
	w.outblob_errno = EIO;
	w.outblob_failures = 1;
	fails(get(&w, "tdx_guest", false, &report, NULL), ERR_EVIDENCE, "a host that fails");
	is_int(w.made, 1, "is not asked again");
}

static int
run_once(void *arg, struct err *err)
{
	struct world *w = arg;
	autobuf report = BUF(LIMIT_REPORT), aux = BUF(LIMIT_CERTS);
	const struct sys_ops *injecting = sys;
	struct evidence_env env = world_env(w);
	int rc;

	sys = injecting;
	rc = tsm_report(&env, "sev_guest", true, data, &report, &aux, err);
	if (w->made != w->removed)
		abort();
	return rc;
}

static void
test_injected(void)
{
	struct world w = good;

	w.provider = "sev_guest";
	w.floor = "0";
	w.has_aux = true;
	ok(fault_each(FAULT_ALLOC, 0, false, run_once, &w) > 0, "every allocation fails once");
	ok(fault_each(FAULT_IO, EIO, false, run_once, &w) > 0, "every read and write fails once");
	ok(fault_each(FAULT_IO, EINTR, true, run_once, &w) > 0, "every read and write is interrupted once");
}

int
main(void)
{
	test_good();
	test_provider();
	test_faults();
	test_busy();
	test_injected();
	return tap_done();
}
