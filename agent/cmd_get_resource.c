/*
 * cmd_get_resource.c: aa-cli get-resource: one resource of a key broker, from the running agent or, where there is none,
 * straight from a key role to the output.
 */
#include "lib/base.h"

#include "agent/agent_call.h"
#include "agent/cli.h"
#include "agent/keyjob.h"
#include "agent/output.h"
#include "lib/limits.h"
#include "lib/secret.h"
#include "lib/sys.h"
#include "lib/uri.h"

static struct {
	const char		*kbc_params;
	struct agent_options	 agent;
	struct output_options	 output;
} opt;

static const struct option_def options[] = {
	{ "standalone", NULL, "ask no agent, even if one is running", NULL, &opt.agent.standalone },
	{ "aa-kbc-params", "NAME::URI", "alone: the key broker (offline_fs_kbc::null)", &opt.kbc_params, NULL },
	AGENT_OPTIONS(opt.agent),
	OUTPUT_OPTIONS(opt.output),
	{ NULL, NULL, NULL, NULL, NULL },
};

static const char more[] =
    "URI is kbs:///REPOSITORY/TYPE/TAG. If an agent is running, it gets the resource from the broker of its settings.\n"
    "Else this works alone: offline_fs_kbc reads /etc/aa-offline_fs_kbc-resources.json, or that file in the\n"
    "directory given as its URI.\n\n"
    "Examples:\n"
    "  aa-cli get-resource --output policy.json kbs:///default/security-policy/test\n"
    "  aa-cli get-resource --standalone --aa-kbc-params offline_fs_kbc::null \\\n"
    "      kbs:///default/credential/test > auth.json\n";

static int
ask_agent(const char *uri, int out, struct err *e)
{
	static const char *const names[] = { AGENT_OPTION_NAMES, OUTPUT_OPTION_NAMES, NULL };
	const char *other = options_other(options, names);
	autobuf secret = BUF_SECRET(LIMIT_RESOURCE);
	bool locked;
	int rc;

	if (other != NULL)
		return err_set(e, ERR_USAGE, "--%s is nothing that the running agent can be told; use --standalone", other);
	(void)secret_lock_process(&locked);
	rc = agent_resource(&opt.agent, uri, &secret, e);
	if (rc == 0 && sys_write_all(out, secret.data, secret.len) < 0)
		rc = err_sys(e, "output");
	return rc;
}

static int
work_alone(const char *uri, int out, struct err *e)
{
	autoclose int control = -1;
	struct monitor m;
	int rc;

	if (opt.kbc_params == NULL)
		return err_set(e, ERR_USAGE, "wants --aa-kbc-params NAME::URI where no agent is running");
	rc = monitor_open(&m, false, e);
	if (rc == 0)
		rc = keyjob_start(&m, opt.kbc_params, &control, e);
	if (rc == 0)
		rc = keyjob_resource(&m, control, uri, out, e);
	monitor_close(&m);
	return rc;
}

static int
run(const char **operands, maybe_unused size_t n, struct err *e)
{
	autoclose int out = -1;
	struct kbs_uri uri;
	int found, rc = kbs_uri_parse(span_str(operands[0]), &uri, e);

	if (rc < 0)
		return rc;
	found = agent_find(&opt.agent, e);
	if (found < 0)
		return found;
	rc = output_open(&opt.output, &out, e);
	if (rc == 0)
		rc = found > 0 ? ask_agent(operands[0], out, e) : work_alone(operands[0], out, e);
	if (rc < 0)
		output_undo(&opt.output, out);
	return rc;
}

const struct cli_verb verb_get_resource = {
	.name = "get-resource",
	.operands = "URI",
	.summary = "get a resource from a key broker",
	.more = more,
	.options = options,
	.min = 1,
	.max = 1,
	.run = run,
};
