/* cmd_config.c: aa-cli config: what the settings come to, and where each is from. */
#include "lib/base.h"

#include "agent/cli.h"
#include "agent/configjob.h"
#include "lib/sys.h"

static struct {
	struct config_source	from;
	bool			json, check;
} opt;

static const struct option_def options[] = {
	{ "config", "FILE", "our own file (default " CONFIG_FILE ", if it is there)", &opt.from.own, NULL },
	{ "attestation-config", "FILE", "that of guest components' attestation agent, TOML or JSON", &opt.from.agent, NULL },
	{ "hub-config", "FILE", "that of their confidential data hub", &opt.from.hub, NULL },
	{ "cmdline", "FILE", "instead of /proc/cmdline", &opt.from.cmdline, NULL },
	{ "check", NULL, "only say what is wrong", NULL, &opt.check },
	{ "json", NULL, "one JSON object, with defaults and help", NULL, &opt.json },
	{ NULL, NULL, NULL, NULL, NULL },
};

static const char more[] =
    "Prints each setting: name, value, where it is from, and \"not measured\" where that is the host's word. Our own file holds\n"
    "over those of guest components, these over the kernel's command line. What decides about protection counts from files\n"
    "of the machine's own image only. Warnings tell what was found and does not count.\n"
    "--check prints the warnings, and ends with status 10 at the first error.\n\n"
    "Examples:\n"
    "  aa-cli config --attestation-config /etc/aa.toml --hub-config /etc/cdh.toml\n"
    "  aa-cli config --check --config agent.toml\n";

static int
print(const struct config *c, struct err *e)
{
	autobuf out = BUF(2 * CONFIG_FORMATTED);
	int rc = 0;

	if (opt.check)
		fprintf(stderr, "%s", buf_str(&c->warnings));
	else
		rc = config_print(c, opt.json, &out, e);
	if (rc == 0 && sys_write_all(1, out.data, out.len) < 0)
		rc = err_sys(e, "standard output");
	return rc;
}

static int
run(maybe_unused const char **operands, maybe_unused size_t n, struct err *e)
{
	struct monitor m;
	autoconfig c;
	int rc;

	config_init(&c);
	rc = monitor_open(&m, false, e);
	if (rc == 0)
		rc = configjob_read(&m, &opt.from, &c, e);
	monitor_close(&m);
	return rc < 0 ? rc : print(&c, e);
}

const struct cli_verb verb_config = {
	.name = "config",
	.operands = "",
	.summary = "what the agent is set to, and by whom",
	.more = more,
	.options = options,
	.run = run,
};
