/* cmd_verify.c: aa-cli verify: would this image be pulled? */
#include "lib/base.h"

#include "agent/cli.h"
#include "agent/pull_setup.h"
#include "agent/verifyjob.h"

static struct {
	const char		*policy, *platform, *kbc_params;
	bool			 mixed, json;
	struct net_options	 net;
	struct signature_options signatures;
} opt = { .net = NET_OPTIONS };

static const struct option_def options[] = {
	{ "policy", "FILE", "which images are accepted (default " POLICY_DEFAULT "; none: none)", &opt.policy, NULL },
	{ "aa-kbc-params", "NAME::URI", "key broker, where the policy names keys by kbs:///", &opt.kbc_params, NULL },
	{ "allow-mixed-layers", NULL, "accept plain layers among encrypted ones", NULL, &opt.mixed },
	{ "platform", "OS/ARCH[/VARIANT]", "default: this machine's", &opt.platform, NULL },
	{ "json", NULL, "one JSON object, also of an image that is refused", NULL, &opt.json },
	NET_OPTION_DEFS(opt.net),
	SIGNATURE_OPTION_DEFS(opt.signatures),
	{ NULL, NULL, NULL, NULL, NULL },
};

static const char more[] =
    "IMAGE as for pull. Policy, manifest, configuration and signatures are fetched and checked as pull does it, by the\n"
    "same processes; keys of layers are not asked for and layers not fetched. The digest of the manifest that\n"
    "would be pulled is printed. The exit status is that of pull: 0 accepted, 11 refused by the policy.\n"
    "\"aa-cli policy explain\" prints the reasons.\n\n"
    "Examples:\n"
    "  aa-cli verify --policy policy.json docker://registry.example.org/app:v1\n"
    "  aa-cli verify --policy policy.json --json oci:app:v1 | jq .accepted\n";

static int
run(const char **operands, maybe_unused size_t n, struct err *e)
{
	const struct verify_options o = {
		.image = operands[0],
		.policy = opt.policy,
		.platform = opt.platform,
		.kbc_params = opt.kbc_params,
		.net = &opt.net,
		.signatures = opt.signatures,
		.mixed = opt.mixed,
		.json = opt.json,
	};

	return verify_run(&o, e);
}

const struct cli_verb verb_verify = {
	.name = "verify",
	.operands = "IMAGE",
	.summary = "tell whether an image would be pulled, without its layers",
	.more = more,
	.options = options,
	.min = 1,
	.max = 1,
	.run = run,
};
