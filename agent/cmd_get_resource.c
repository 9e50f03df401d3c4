/* cmd_get_resource.c: aa-cli get-resource: one resource of a key broker, straight from the key role to the output. */
#include "lib/base.h"

#include <fcntl.h>

#include "agent/cli.h"
#include "agent/keyjob.h"
#include "lib/limits.h"
#include "lib/uri.h"

static struct {
	const char	*kbc_params, *output;
	bool		 raw;
} opt;

static const struct option_def options[] = {
	{ "aa-kbc-params", "NAME::URI", "the key broker (offline_fs_kbc::null)", &opt.kbc_params, NULL },
	{ "output", "FILE", "a new file, mode 0600, instead of standard output", &opt.output, NULL },
	{ "raw", NULL, "write the bytes even to a terminal", NULL, &opt.raw },
	{ NULL, NULL, NULL, NULL, NULL },
};

static const char more[] =
    "URI is kbs:///REPOSITORY/TYPE/TAG. offline_fs_kbc reads /etc/aa-offline_fs_kbc-resources.json,\n"
    "or that file in the directory given as its URI.\n\n"
    "Examples:\n"
    "  aa-cli get-resource --aa-kbc-params offline_fs_kbc::null kbs:///default/credential/test > auth.json\n"
    "  aa-cli get-resource --aa-kbc-params offline_fs_kbc::/media/keys --output policy.json \\\n"
    "      kbs:///default/security-policy/test\n";

static int
open_output(int *out, struct err *e)
{
	if (opt.output != NULL) {
		*out = open(opt.output, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		return *out < 0 ? err_sys(e, "%s", opt.output) : 0;
	}
	if (isatty(1) == 1 && !opt.raw)
		return err_set(e, ERR_USAGE, "standard output is a terminal: use --raw or --output FILE");
	*out = fcntl(1, F_DUPFD_CLOEXEC, 3);
	return *out < 0 ? err_sys(e, "standard output") : 0;
}

static int
run(const char **operands, maybe_unused size_t n, struct err *e)
{
	autoclose int out = -1, control = -1;
	struct kbs_uri uri;
	struct monitor m;
	int rc;

	if (opt.kbc_params == NULL)
		return err_set(e, ERR_USAGE, "wants --aa-kbc-params NAME::URI");
	rc = kbs_uri_parse(span_str(operands[0]), &uri, e);
	if (rc < 0)
		return rc;
	rc = monitor_open(&m, false, e);
	if (rc == 0)
		rc = keyjob_start(&m, opt.kbc_params, &control, e);
	if (rc == 0)
		rc = open_output(&out, e);
	if (rc == 0)
		rc = keyjob_resource(&m, control, operands[0], out, e);
	monitor_close(&m);
	if (rc < 0 && opt.output != NULL && out >= 0)
		(void)unlink(opt.output);
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
