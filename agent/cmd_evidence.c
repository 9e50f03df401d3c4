/*
 * cmd_evidence.c: aa-cli evidence: get, what the platform says about this guest, over data of the caller's; extend, an event into
 * one of its registers; secret, what the guest's owner has injected.
 */
#include "lib/base.h"

#include <fcntl.h>

#include "agent/agent_call.h"
#include "agent/cli.h"
#include "agent/sev_module.h"
#include "agent/teejob.h"
#include "evidence/sev_secret.h"
#include "lib/codec.h"
#include "lib/json.h"
#include "lib/sys.h"

static struct {
	const char	*tee, *form, *data, *pcr;
	bool		 json, sample, raw;
	struct agent_options agent;
} opt;

static const struct option_def options[] = {
	{ "standalone", NULL, "get: ask no agent, even if one is running", NULL, &opt.agent.standalone },
	AGENT_OPTIONS(opt.agent),
	{ "tee", "NAME", "tdx, snp, csv, cca, sev or sample (default: what the kernel shows)", &opt.tee, NULL },
	{ "report-data", "HEX", "up to 64 bytes to bind, lower case (default: none)", &opt.data, NULL },
	{ "form", "FORM", "coco (default), composite, string or raw", &opt.form, NULL },
	{ "json", NULL, "one JSON object: whose evidence, and the evidence", NULL, &opt.json },
	{ "raw", NULL, "write bytes even to a terminal", NULL, &opt.raw },
	{ "pcr", "N", "extend: 0 to 23 (default 17), which stands for a register", &opt.pcr, NULL },
	{ "allow-sample", NULL, "let there be sample evidence, which proves nothing", NULL, &opt.sample },
	{ NULL, NULL, NULL, NULL, NULL },
};

static const char more[] =
    "get collects evidence from the kernel of this confidential guest and writes it to standard output. It binds the\n"
    "report data, followed by zeros up to 64 bytes: a verifier must see there what he has asked for.\n"
    "If an agent is running, it is asked instead: for coco evidence, with report data as its evidence.for_callers\n"
    "says, which is off by default.\n"
    "coco is the JSON value of today's CoCo attesters, composite its envelope from KBS protocol 0.3 on, string the form\n"
    "of protocol 0.1.0, raw the bytes as rats-tls carries them.\n\n"
    "extend puts an event into a runtime register and into the log that goes with evidence. DOMAIN and OPERATION are one\n"
    "word each, CONTENT is one line. PCRs 1 and 7 stand for the first of the registers of TDX, 2 to 6 for the second, 8 to\n"
    "15 for the third, the others for the fourth.\n\n"
    "secret takes what was injected into a guest of SEV or SEV-ES at launch (keys, connection, or a GUID) out of the kernel,\n"
    "where nobody can read it again, into FILE, which must not be there and should lie in memory.\n\n"
    "Examples:\n"
    "  aa-cli evidence get --report-data $(head -c 32 /dev/urandom | xxd -p -c 64)\n"
    "  aa-cli evidence get --standalone --tee tdx --form raw > quote.bin\n"
    "  aa-cli evidence extend example.org/setup LoadPolicy sha256:e3b0c442\n";

static const char *const forms[EVIDENCE_FORM_COUNT] = {
	[EVIDENCE_COCO] = "coco",
	[EVIDENCE_STRING] = "string",
	[EVIDENCE_COMPOSITE] = "composite",
	[EVIDENCE_RAW] = "raw",
};

static int
find_form(enum evidence_form *out, struct err *e)
{
	for (int f = 0; f < EVIDENCE_FORM_COUNT; f++) {
		if (strcmp(opt.form != NULL ? opt.form : "coco", forms[f]) != 0)
			continue;
		*out = (enum evidence_form)f;
		if (*out != EVIDENCE_RAW)
			return 0;
		if (opt.json)
			return err_set(e, ERR_USAGE, "raw evidence is not JSON");
		if (isatty(1) == 1 && !opt.raw)
			return err_set(e, ERR_USAGE, "standard output is a terminal: use --raw");
		return 0;
	}
	return err_set(e, ERR_USAGE, "there is no form \"%s\"", opt.form);
}

static int
report_data(uint8_t bytes[EVIDENCE_DATA], struct span *out, struct err *e)
{
	size_t digits = opt.data != NULL ? strlen(opt.data) : 0;

	if (digits > (size_t)2 * EVIDENCE_DATA)
		return err_set(e, ERR_USAGE, "report data: more than %d bytes", EVIDENCE_DATA);
	if (digits > 0 && !hex_decode(span_str(opt.data), bytes, digits / 2))
		return err_set(e, ERR_USAGE, "report data: not pairs of lower-case hexadecimal digits");
	*out = (struct span){ bytes, digits / 2 };
	return 0;
}

static int
print(const char *platform, const struct buf *evidence, enum evidence_form form, struct err *e)
{
	autobuf out = BUF(LIMIT_EVIDENCE + KIB(1));
	int rc = 0;

	if (opt.json)
		rc = buf_addf(&out, e, "{\"tee\":\"%s\",\"evidence\":", platform);
	if (rc == 0)
		rc = buf_add_span(&out, buf_span(evidence), e);
	if (rc == 0 && form != EVIDENCE_RAW)
		rc = buf_add_str(&out, opt.json ? "}\n" : "\n", e);
	if (rc == 0 && sys_write_all(1, out.data, out.len) < 0)
		rc = err_sys(e, "standard output");
	return rc;
}

static int
get_from_agent(struct err *e)
{
	static const char *const names[] = { AGENT_OPTION_NAMES, "report-data", "json", NULL };
	const char *other = options_other(options, names);
	autobuf evidence = BUF(CALL_EVIDENCE_MAX);
	uint8_t bytes[EVIDENCE_DATA];
	char platform[32] = "";
	autojson doc = NULL;
	struct span data;
	int rc;

	if (other != NULL)
		return err_set(e, ERR_USAGE, "--%s is nothing that the running agent can be told; use --standalone", other);
	rc = report_data(bytes, &data, e);
	if (rc == 0)
		rc = agent_evidence(&opt.agent, data, &evidence, e);
	if (rc == 0 && json_parse(buf_span(&evidence), &doc, e) < 0)
		rc = err_wrap(e, "the agent's answer");
	if (rc == 0 && opt.json)
		rc = agent_tee(&opt.agent, platform, e);
	return rc < 0 ? rc : print(platform, &evidence, EVIDENCE_COCO, e);
}

static int
get_alone(struct err *e)
{
	struct tee_ask ask = { .platform = opt.tee, .allow_sample = opt.sample };
	autobuf evidence = BUF(LIMIT_EVIDENCE);
	uint8_t data[EVIDENCE_DATA];
	autoclose int control = -1;
	char platform[32];
	struct monitor m;
	int rc = find_form(&ask.form, e);

	if (rc == 0)
		rc = report_data(data, &ask.data, e);
	if (rc == 0 && opt.tee != NULL && strcmp(opt.tee, attester_sev.name) == 0)
		rc = sev_module_load(e);
	if (rc < 0)
		return rc;
	rc = monitor_open(&m, false, e);
	if (rc == 0)
		rc = teejob_start(&m, false, &control, e);
	if (rc == 0)
		rc = teejob_get(&m, control, &ask, &evidence, platform, e);
	monitor_close(&m);
	return rc < 0 ? rc : print(platform, &evidence, ask.form, e);
}

static int
get(struct err *e)
{
	int found = agent_find(&opt.agent, e);

	if (found < 0)
		return found;
	return found > 0 ? get_from_agent(e) : get_alone(e);
}

static int
extend(const char **event, struct err *e)
{
	static const char *const names[] = { "standalone", "tee", "pcr", "json", NULL };
	const char *other = options_other(options, names);
	struct measure_event m = { MEASURE_PCR, event[0], event[1], event[2], false };
	autoclose int control = -1;
	struct monitor monitor;
	uint64_t pcr;
	int rc;

	if (other != NULL)
		return err_set(e, ERR_USAGE, "--%s is nothing for extend", other);
	if (opt.pcr != NULL) {
		if (!span_decimal(span_str(opt.pcr), MEASURE_PCRS - 1, &pcr))
			return err_set(e, ERR_USAGE, "--pcr is a number from 0 to %d", MEASURE_PCRS - 1);
		m.pcr = (unsigned)pcr;
	}
	rc = monitor_open(&monitor, false, e);
	if (rc == 0)
		rc = teejob_start(&monitor, true, &control, e);
	if (rc == 0)
		rc = teejob_measure(&monitor, control, opt.tee, &m, e);
	monitor_close(&monitor);
	return rc;
}

static const char *
find_guid(const char *name)
{
	if (strcmp(name, "keys") == 0)
		return SEV_SECRET_KEYS;
	if (strcmp(name, "connection") == 0)
		return SEV_SECRET_CONNECTION;
	return strlen(name) == 36 && strspn(name, "0123456789abcdef-") == 36 ? name : NULL;
}

/* The file is whole or gone. */
static int
secret(const char *name, const char *path, struct err *e)
{
	const char *guid = find_guid(name);
	autoclose int control = -1, fd = -1;
	struct monitor m;
	int rc;

	if (guid == NULL)
		return err_set(e, ERR_USAGE, "a secret is keys, connection, or a GUID in lower case");
	rc = sev_module_load(e);
	if (rc < 0)
		return rc;
	fd = sys_openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys_as(e, ERR_STORAGE, "%s", path);
	rc = monitor_open(&m, false, e);
	if (rc == 0)
		rc = teejob_start(&m, false, &control, e);
	if (rc == 0)
		rc = teejob_secret(&m, control, guid, fd, e);
	monitor_close(&m);
	if (rc < 0)
		(void)unlink(path);
	return rc;
}

static int
run(const char **operands, size_t n, struct err *e)
{
	if (strcmp(operands[0], "get") == 0 && n == 1)
		return get(e);
	if (strcmp(operands[0], "extend") == 0 && n == 4)
		return extend(operands + 1, e);
	if (strcmp(operands[0], "secret") == 0 && n == 3)
		return secret(operands[1], operands[2], e);
	return err_set(e, ERR_USAGE, "wants get, extend DOMAIN OPERATION CONTENT, or secret NAME FILE");
}

const struct cli_verb verb_evidence = {
	.name = "evidence",
	.operands = "get | extend DOMAIN OPERATION CONTENT | secret NAME FILE",
	.summary = "what the platform says about this guest, and what it shall say",
	.more = more,
	.options = options,
	.min = 1,
	.max = 4,
	.json = &opt.json,
	.run = run,
};
