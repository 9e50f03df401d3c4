/* cmd_derive_key.c: aa-cli derive-key: a key that SEV-SNP's firmware derives, straight from the tee role to the output. */
#include "lib/base.h"

#include "agent/cli.h"
#include "agent/output.h"
#include "agent/teejob.h"
#include "evidence/bytes.h"
#include "lib/codec.h"

static struct {
	struct output_options	 output;
	const char		*vmpl;
	bool			 vmrk;
} opt = { .output.no_raw = true };

static const struct option_def options[] = {
	{ "output", "FILE", "a new file, mode 0600, instead of standard output", &opt.output.file, NULL },
	{ "vmpl", "N", "0 (default) to 3, mixed in; not below the level this guest runs at", &opt.vmpl, NULL },
	{ "vmrk", NULL, "from the VM's root, which migrates with it, instead of the chip's", NULL, &opt.vmrk },
	{ NULL, NULL, NULL, NULL, NULL },
};

static const char more[] =
    "Writes 32 bytes that the firmware of SEV-SNP derives for this guest: the same again whenever it asks the same, others\n"
    "for any other guest or chip. Nothing needs to be stored for that, and nobody can be asked for it. Never to a terminal.\n"
    "FIELD is what of the guest the key shall depend on: policy, image-id, family-id, measurement, guest-svn=N, tcb=HEX (8\n"
    "bytes as they stand in a report). At most what the guest has: a guest of a higher version can still ask for a lower one.\n"
    "Without measurement, any guest on this chip gets the same key.\n\n"
    "Examples:\n"
    "  aa-cli derive-key measurement policy | cryptsetup open --key-file - /dev/vdb data\n"
    "  aa-cli derive-key --output key measurement tcb=0a00000000001917\n";

static const struct {
	const char	*name;
	uint64_t	 bit;
} fields[] = {
	{ "policy", SNP_KEY_POLICY },
	{ "image-id", SNP_KEY_IMAGE_ID },
	{ "family-id", SNP_KEY_FAMILY_ID },
	{ "measurement", SNP_KEY_MEASUREMENT },
	{ "guest-svn", SNP_KEY_GUEST_SVN },
	{ "tcb", SNP_KEY_TCB },
};

/* Fields with a number have one, the others none. */
static bool
take_value(uint64_t bit, struct span value, bool given, struct snp_key_question *q)
{
	uint8_t tcb[8];
	uint64_t svn;

	if (bit == SNP_KEY_GUEST_SVN) {
		if (!given || !span_decimal(value, UINT32_MAX, &svn))
			return false;
		q->svn = (uint32_t)svn;
		return true;
	}
	if (bit == SNP_KEY_TCB) {
		if (!given || !hex_decode(value, tcb, sizeof(tcb)))
			return false;
		q->tcb = le64(tcb);
		return true;
	}
	return !given;
}

static int
take_field(const char *operand, struct snp_key_question *q, struct err *e)
{
	struct span value = span_str(operand), name = value;
	const bool given = strchr(operand, '=') != NULL;

	(void)span_split(&value, '=', &name);
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		if (!span_eq_str(name, fields[i].name))
			continue;
		if ((q->fields & fields[i].bit) != 0 || !take_value(fields[i].bit, value, given, q))
			break;
		q->fields |= fields[i].bit;
		return 0;
	}
	return err_set(e, ERR_USAGE, "field \"%s\": not one of those, without its number, or twice", operand);
}

static int
take_question(const char **operands, size_t n, struct snp_key_question *q, struct err *e)
{
	uint64_t level = 0;
	int rc = 0;

	if (opt.vmpl != NULL && !span_decimal(span_str(opt.vmpl), SNP_KEY_VMPL_MAX, &level))
		return err_set(e, ERR_USAGE, "--vmpl is a number from 0 to %d", SNP_KEY_VMPL_MAX);
	q->vmpl = (uint32_t)level;
	q->migrates = opt.vmrk;
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = take_field(operands[i], q, e);
	return rc;
}

static int
run(const char **operands, size_t n, struct err *e)
{
	struct snp_key_question question = { 0 };
	autoclose int out = -1, control = -1;
	struct monitor m;
	int rc = take_question(operands, n, &question, e);

	if (rc == 0)
		rc = output_open(&opt.output, &out, e);
	if (rc < 0)
		return rc;
	rc = monitor_open(&m, false, e);
	if (rc == 0)
		rc = teejob_start(&m, false, &control, e);
	if (rc == 0)
		rc = teejob_key(&m, control, &question, out, e);
	monitor_close(&m);
	if (rc < 0)
		output_undo(&opt.output, out);
	return rc;
}

const struct cli_verb verb_derive_key = {
	.name = "derive-key",
	.operands = "[FIELD]…",
	.summary = "a key that SEV-SNP derives for this guest",
	.more = more,
	.options = options,
	.min = 0,
	.max = ARRAY_LEN(fields),
	.run = run,
};
