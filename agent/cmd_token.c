/* cmd_token.c: aa-cli token: a token of an attestation service for this guest, from the running agent. */
#include "lib/base.h"

#include "agent/agent_call.h"
#include "agent/cli.h"
#include "agent/output.h"
#include "lib/secret.h"
#include "lib/sys.h"

static struct {
	struct agent_options	 agent;
	struct output_options	 output;
} opt;

static const struct option_def options[] = {
	AGENT_OPTIONS(opt.agent),
	OUTPUT_OPTIONS(opt.output),
	{ NULL, NULL, NULL, NULL, NULL },
};

static const char more[] =
    "The running agent attests this guest and gets the token. TYPE is kbs: JSON with a key broker's token and the\n"
    "private key that belongs to it; or coco_as: the token of an attestation service. The agent of this version has\n"
    "neither, and says so.\n\n"
    "Examples:\n"
    "  aa-cli token --output token.json kbs\n"
    "  aa-cli token coco_as | cut -d. -f2 | base64 -d\n";

static int
run(const char **operands, maybe_unused size_t n, struct err *e)
{
	autobuf token = BUF_SECRET(AGENT_TOKEN_MAX);
	autoclose int out = -1;
	bool locked;
	int rc;

	if (strcmp(operands[0], "kbs") != 0 && strcmp(operands[0], "coco_as") != 0)
		return err_set(e, ERR_USAGE, "there is no token \"%s\": kbs or coco_as", operands[0]);
	(void)secret_lock_process(&locked);
	rc = output_open(&opt.output, &out, e);
	if (rc == 0)
		rc = agent_token(&opt.agent, operands[0], &token, e);
	if (rc == 0 && sys_write_all(out, token.data, token.len) < 0)
		rc = err_sys(e, "output");
	if (rc < 0)
		output_undo(&opt.output, out);
	return rc;
}

const struct cli_verb verb_token = {
	.name = "token",
	.operands = "TYPE",
	.summary = "a token of an attestation service, from the running agent",
	.more = more,
	.options = options,
	.min = 1,
	.max = 1,
	.run = run,
};
