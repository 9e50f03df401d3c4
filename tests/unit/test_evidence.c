/* test_evidence.c: which platform is chosen, how much data it takes, TDX by configfs-tsm, the forms. */
#include "lib/base.h"

#include "evidence/evidence.h"

#include "evidence/sev_secret.h"
#include "evidence/tdx_device.h"
#include "lib/codec.h"
#include "tests/lib/fault.h"
#include "tests/lib/tap.h"
#include "tests/lib/world.h"

static struct err e;

/* A real quote with other data, and what a careless kernel leaves behind it. */
static size_t
quote(maybe_unused struct world *w, const uint8_t *in, uint8_t *out)
{
	static struct buf real;
	size_t n;

	if (real.len == 0)
		vector("tdx/tdx_prod_quote_SPR_E4.dat", &real);
	n = real.len;
	assert(real.data != NULL);
	memcpy(out, real.data, n);
	memcpy(out + 568, in, EVIDENCE_DATA);
	return n;
}

static size_t
token(maybe_unused struct world *w, const uint8_t *in, uint8_t *out)
{
	memcpy(out, in, 3);
	return 3;
}

static size_t
not_a_quote(maybe_unused struct world *w, const uint8_t *in, uint8_t *out)
{
	memcpy(out, in, EVIDENCE_DATA);
	return EVIDENCE_DATA;
}

static void
test_select(void)
{
	struct world w = { 0 };
	struct evidence_env env = world_env(&w);
	const struct attester_ops *tee = NULL;

	fails(evidence_select(&env, NULL, &tee, &e), ERR_NO_TEE, "nothing there");
	ok(strstr(e.msg, "/dev/sev-guest") != NULL && strstr(e.msg, "tdx_guest") != NULL &&
	    strstr(e.msg, "arm_cca_guest") != NULL, "what was looked for is listed");
	fails(evidence_select(&env, "sample", &tee, &e), ERR_NO_TEE, "sample without the setting");
	fails(evidence_select(&env, "tdx", &tee, &e), ERR_NO_TEE, "tdx, which is not there");
	ok(strstr(e.msg, "provider tdx_guest") != NULL, "names what is missing");
	fails(evidence_select(&env, "tdy", &tee, &e), ERR_CONFIG, "a name of nothing");
	ok(tee == NULL, "nothing comes out");

	env.allow_sample = true;
	works(evidence_select(&env, NULL, &tee, &e), "with the setting");
	is_str(tee->name, "sample", "sample, when there is nothing else");
	w.provider = "sev_guest";
	works(evidence_select(&env, NULL, &tee, &e), "configfs-tsm shows SNP");
	is_str(tee->name, "snp", "which goes before it");
	fails(evidence_select(&env, "tdx", &tee, &e), ERR_NO_TEE, "and does not stand in for another");
	w.provider = "arm_cca_guest";
	works(evidence_select(&env, NULL, &tee, &e), "configfs-tsm shows CCA");
	is_str(tee->name, "cca", "cca");
	w.provider = "tdx_guest";
	w.device = "/dev/sev-guest";
	works(evidence_select(&env, NULL, &tee, &e), "two at once");
	is_str(tee->name, "tdx", "the first in the order");
	works(evidence_select(&env, "snp", &tee, &e), "or the one named");
	is_str(tee->name, "snp", "snp");
	w.provider = "pkvm";
	w.device = NULL;
	env.allow_sample = false;
	fails(evidence_select(&env, NULL, &tee, &e), ERR_NO_TEE, "a provider that is not known");
	is_int(w.made, w.removed, "no entries are left");
}

static int
collect(struct world *w, const struct attester_ops *tee, struct span data, struct evidence *ev)
{
	struct evidence_env env = world_env(w);

	evidence_init(ev);
	return evidence_collect(&env, tee, data, ev, &e);
}

static bool
form_is(const struct evidence *ev, enum evidence_form form, const char *want)
{
	autobuf out = BUF(LIMIT_EVIDENCE);
	bool same;

	if (evidence_format(ev, form, &out, &e) < 0)
		return false;
	same = span_eq_str(buf_span(&out), want);
	if (!same)
		printf("# %s\n", buf_str(&out));
	return same;
}

static void
test_sample(void)
{
	struct world w = { 0 };
	uint8_t data[65] = "x";
	autobuf none = BUF(5);
	autoevidence ev, other;

	works(collect(&w, &attester_sample, SPAN_LIT("ab"), &ev), "sample");
	ok(form_is(&ev, EVIDENCE_COCO, "{\"svn\":\"1\",\"report_data\":\"YWI=\"}"), "the data without zeros");
	ok(form_is(&ev, EVIDENCE_STRING, "\"{\\\"svn\\\":\\\"1\\\",\\\"report_data\\\":\\\"YWI=\\\"}\""), "as a string");
	ok(form_is(&ev, EVIDENCE_COMPOSITE, "{\"primary_evidence\":{\"svn\":\"1\",\"report_data\":\"YWI=\"},"
	    "\"additional_evidence\":\"\"}"), "with its envelope");
	ok(form_is(&ev, EVIDENCE_RAW, "ab"), "raw");
	for (int form = 0; form < EVIDENCE_RAW; form++)
		fails(evidence_format(&ev, (enum evidence_form)form, &none, &e), ERR_LIMIT, "form %d, no room", form);
	is_int(none.len, 0, "nothing is written");
	fails(evidence_format(&ev, EVIDENCE_FORM_COUNT, &none, &e), ERR_BUG, "no form");
	works(collect(&w, &attester_sample, (struct span){ data, 64 }, &other), "64 bytes");
	evidence_free(&other);
	fails(collect(&w, &attester_sample, (struct span){ data, 65 }, &other), ERR_USAGE, "65 bytes");
	works(collect(&w, &attester_sample, (struct span){ NULL, 0 }, &other), "no bytes");
}

static void
test_tdx(void)
{
	struct world w = { .provider = "tdx_guest", .report = quote };
	autobuf json = BUF(LIMIT_EVIDENCE), back = BUF(LIMIT_EVIDENCE);
	autoevidence ev, bad, cca;
	struct span quoted, log;

	works(collect(&w, &attester_tdx, SPAN_LIT("nonce"), &ev), "a quote");
	is_int(ev.report.len, 4935, "without the bytes behind it");
	ok(memcmp(ev.report.data + 568, "nonce\0\0\0", 8) == 0 && ev.tee == &attester_tdx, "over the data");
	works(evidence_format(&ev, EVIDENCE_COCO, &json, &e), "as JSON");
	quoted = buf_span(&json);
	ok(span_starts(quoted, "{\"cc_eventlog\":null,\"quote\":\""), "no event log");
	quoted = (struct span){ quoted.p + 29, quoted.len - 29 - 2 };
	works(base64_decode(quoted, &back, &e), "base64");
	ok(span_eq(buf_span(&back), buf_span(&ev.report)), "of the quote");
	log = SPAN_LIT("log");
	works(buf_add_span(&ev.event_log, log, &e), "an event log");
	buf_reset(&json);
	works(evidence_format(&ev, EVIDENCE_COCO, &json, &e), "as JSON");
	ok(span_starts(buf_span(&json), "{\"cc_eventlog\":\"bG9n\",\"quote\":\""), "is attached");
	w.report = not_a_quote;
	fails(collect(&w, &attester_tdx, SPAN_LIT("nonce"), &bad), ERR_EVIDENCE, "what is no quote");
	is_int(bad.report.len, 0, "does not come out");
	w.provider = "arm_cca_guest";
	w.report = token;
	works(collect(&w, &attester_cca, SPAN_LIT("\1\2\377"), &cca), "a token of CCA");
	ok(form_is(&cca, EVIDENCE_COCO, "{\"token\":[1,2,255]}"), "as JSON");
}

static void
test_sev(void)
{
	static const struct world_file old[] = { { SEV_SECRETS_OLD, "", 0 }, { 0 } };
	static const struct world_file files[] = {
		{ SEV_SECRETS, "", 0 }, { SEV_SECRETS "/" SEV_SECRET_KEYS, "hidden", 6 }, { 0 },
	};
	struct world w = { .files = old };
	struct evidence_env env = world_env(&w);
	const struct attester_ops *tee = NULL;
	autobuf out = BUF(KIB(1));
	autoevidence ev;

	works(evidence_select(&env, NULL, &tee, &e), "secrets of an old kernel");
	is_str(tee->name, "sev", "show SEV");
	w.files = files;
	works(evidence_select(&env, "sev", &tee, &e), "or those of a new one");
	evidence_init(&ev);
	fails(evidence_collect(&env, tee, SPAN_LIT("x"), &ev, &e), ERR_UNSUPPORTED, "there is no report");
	ok(strstr(e.msg, "keys is there, a connection is not there") != NULL && strstr(e.msg, "hidden") == NULL, "what is there is told");
	ev.tee = tee;
	fails(evidence_format(&ev, EVIDENCE_COCO, &out, &e), ERR_BUG, "and none is made up");
}

static void
test_tdx_register(void)
{
	static uint8_t bytes[49] = { 1, [47] = 2 };
	struct world_file files[] = { { TDX_MEASUREMENTS "/rtmr2:sha384", bytes, 48 }, { 0 } };
	struct world w = { .files = files };
	struct evidence_env env = world_env(&w);
	uint8_t value[64] = { 0 };

	works(attester_tdx.read_register(&env, 8, value, &e), "read PCR 8");
	ok(memcmp(value, bytes, 48) == 0, "RTMR2");
	fails(attester_tdx.read_register(&env, 17, value, &e), ERR_UNSUPPORTED, "a kernel that does not show it");
	files[0].len = 47;
	fails(attester_tdx.read_register(&env, 8, value, &e), ERR_EVIDENCE, "47 bytes");
	files[0].len = 49;
	fails(attester_tdx.read_register(&env, 8, value, &e), ERR_LIMIT, "49 bytes");
}

static int
run_once(void *arg, struct err *err)
{
	const struct sys_ops *injecting = sys;
	struct world *w = arg;
	struct evidence_env env = world_env(w);
	autobuf out = BUF(LIMIT_EVIDENCE);
	autoevidence ev;
	int rc;

	sys = injecting;
	evidence_init(&ev);
	rc = evidence_collect(&env, &attester_tdx, SPAN_LIT("x"), &ev, err);
	return rc < 0 ? rc : evidence_format(&ev, EVIDENCE_STRING, &out, err);
}

int
main(void)
{
	struct world w = { .provider = "tdx_guest", .report = quote };

	test_select();
	test_sample();
	test_tdx();
	test_tdx_register();
	test_sev();
	ok(fault_each(FAULT_ALLOC, 0, false, run_once, &w) > 0, "every allocation fails once");
	ok(fault_each(FAULT_IO, EIO, true, run_once, &w) > 0, "every read and write fails once");
	return tap_done();
}
