/*
 * cmd_policy.c: aa-cli policy lint and explain: what is wrong with a policy, and what it says about one image.
 */
#include "lib/base.h"

#include <fcntl.h>

#include "agent/cli.h"
#include "agent/verifyjob.h"
#include "image/policy_lint.h"
#include "lib/fs.h"
#include "lib/limits.h"
#include "lib/log.h"

static struct {
	const char		*platform, *kbc_params;
	bool			 mixed, json;
	struct net_options	 net;
	struct signature_options signatures;
} opt = { .net = NET_OPTIONS };

static const struct option_def options[] = {
	{ "json", NULL, "explain: one JSON object", NULL, &opt.json },
	{ "aa-kbc-params", "NAME::URI", "key broker, where the policy names keys by kbs:///", &opt.kbc_params, NULL },
	{ "allow-mixed-layers", NULL, "accept plain layers among encrypted ones", NULL, &opt.mixed },
	{ "platform", "OS/ARCH[/VARIANT]", "default: this machine's", &opt.platform, NULL },
	NET_OPTION_DEFS(opt.net),
	SIGNATURE_OPTION_DEFS(opt.signatures),
	{ NULL, NULL, NULL, NULL, NULL },
};

static const char more[] =
    "lint finds every fault of a policy, and prints how the line should read where it knows; warnings are about\n"
    "what is allowed but seldom meant. Exit status: 0 valid, 11 not.\n"
    "explain asks the policy about an image and prints which scope decides, each requirement, where signatures were\n"
    "looked for, how many there are, and why each counts or does not. Exit status: as of pull.\n\n"
    "Examples:\n"
    "  aa-cli policy lint policy.json\n"
    "  aa-cli policy explain --json policy.json docker://registry.example.org/app:v1 | jq .requirements\n";

static void
print_finding(void *arg, const struct lint_finding *f)
{
	char clean[1024];

	printf("%s:", (const char *)arg);
	if (f->line > 0)
		printf("%zu:", f->line);
	printf(" %s: %s\n", f->level == LINT_ERROR ? "error" : "warning", f->what);
	if (f->corrected.len > 0)
		printf("  write: %s\n", log_escape(f->corrected.p, f->corrected.len, clean, sizeof(clean)));
}

static int
lint(const char *file, struct err *e)
{
	autobuf text = BUF(LIMIT_POLICY);
	char name[512];
	size_t errors = 0;
	int rc = fs_read_file(AT_FDCWD, file, &text, e);

	if (rc == 0)
		rc = policy_lint(buf_span(&text), print_finding, log_escape(file, strlen(file), name, sizeof(name)),
		    &errors, e);
	if (rc < 0 || errors == 0)
		return rc;
	return err_set(e, ERR_POLICY_INVALID, "%s: %zu error%s", file, errors, errors == 1 ? "" : "s");
}

static int
explain(const char *policy, const char *image, struct err *e)
{
	const struct verify_options o = {
		.image = image,
		.policy = policy,
		.platform = opt.platform,
		.kbc_params = opt.kbc_params,
		.net = &opt.net,
		.signatures = opt.signatures,
		.mixed = opt.mixed,
		.explain = true,
		.json = opt.json,
	};

	return verify_run(&o, e);
}

static int
run(const char **operands, size_t n, struct err *e)
{
	if (strcmp(operands[0], "lint") == 0 && n == 2)
		return lint(operands[1], e);
	if (strcmp(operands[0], "explain") == 0 && n == 3)
		return explain(operands[1], operands[2], e);
	return err_set(e, ERR_USAGE, "wants lint FILE or explain FILE IMAGE");
}

const struct cli_verb verb_policy = {
	.name = "policy",
	.operands = "lint FILE | explain FILE IMAGE",
	.summary = "find faults of a policy; explain what it says about an image",
	.more = more,
	.options = options,
	.min = 2,
	.max = 3,
	.run = run,
};
