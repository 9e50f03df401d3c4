/* cmd_encrypt.c: aa-cli encrypt: an image with its layers encrypted. */
#include "lib/base.h"

#include "agent/cli.h"
#include "agent/copyjob.h"

static struct {
	const char		*recipient, *kbc_params, *platform;
	const char		*layers[OPTION_LIST];
	bool			 json;
	struct net_options	 net;
} opt = { .net = NET_OPTIONS };

static const struct option_def options[] = {
	{ "recipient", "RECIPIENT", "provider:attestation-agent:KEYID, a key of the broker", &opt.recipient, NULL },
	{ "aa-kbc-params", "NAME::URI", "the key broker that knows the key (offline_fs_kbc::/dir)", &opt.kbc_params, NULL },
	{ "layer", "N[,N…]...", "only these layers: from 0, or from -1 at the end (default: all)", opt.layers, NULL },
	{ "platform", "OS/ARCH[/VARIANT]", "of an index (default: this machine's)", &opt.platform, NULL },
	{ "json", NULL, "progress, result and errors as JSON lines", NULL, &opt.json },
	NET_OPTION_DEFS(opt.net),
	{ NULL, NULL, NULL, NULL, NULL },
};

static const char more[] =
    "SRC is any image that pull reads: docker://HOST[:PORT]/PATH[:TAG|@DIGEST], oci:DIR[:NAME],\n"
    "oci-archive:FILE[:NAME] or docker-archive:FILE[:REF]. DST is oci:DIR[:TAG]; a layout that is there already\n"
    "gets the new image besides its others. KEYID is kbs:///REPOSITORY/TYPE/TAG. Each layer gets a key of its\n"
    "own, wrapped with the one named (AES-256-GCM) and written into the manifest, which becomes one of OCI. The\n"
    "manifest's digest is printed. Sign afterwards: encryption does not say who made an image.\n\n"
    "Examples:\n"
    "  aa-cli encrypt --recipient provider:attestation-agent:kbs:///default/key/app \\\n"
    "      --aa-kbc-params offline_fs_kbc::keys docker://registry.example.org/app:v1 oci:secret:v1\n"
    "  skopeo copy oci:secret:v1 docker://registry.example.org/app:secret\n";

static int
run(const char **operands, maybe_unused size_t n, struct err *e)
{
	static const char provider[] = "provider:attestation-agent:";
	struct copy_options o = {
		.action = ACTION_ENCRYPT,
		.source = operands[0],
		.destination = operands[1],
		.platform = opt.platform,
		.layers = opt.layers,
		.kbc_params = opt.kbc_params,
		.net = &opt.net,
		.json = opt.json,
	};

	if (opt.recipient == NULL || opt.kbc_params == NULL)
		return err_set(e, ERR_USAGE, "wants --recipient and --aa-kbc-params");
	if (strncmp(opt.recipient, provider, strlen(provider)) != 0)
		return err_set(e, ERR_UNSUPPORTED, "--recipient: only %sKEYID is supported yet", provider);
	o.kid = opt.recipient + strlen(provider);
	return copyjob_run(&o, e);
}

const struct cli_verb verb_encrypt = {
	.name = "encrypt",
	.operands = "SRC DST",
	.summary = "copy an image with its layers encrypted",
	.more = more,
	.options = options,
	.min = 2,
	.max = 2,
	.json = &opt.json,
	.run = run,
};
