/* cmd_encrypt.c: aa-cli encrypt: an image with its layers encrypted. */
#include "lib/base.h"

#include "agent/cli.h"
#include "agent/copyjob.h"

static struct {
	const char		*kbc_params, *keyprovider, *platform;
	const char		*recipients[OPTION_LIST], *layers[OPTION_LIST];
	struct key_source_options keys;
	bool			 json;
	struct net_options	 net;
} opt = { .net = NET_OPTIONS };

static const struct option_def options[] = {
	{ "recipient", "RECIPIENT...", "for whom: provider:attestation-agent:KEYID, or jwe:FILE, a public key",
	    opt.recipients, NULL },
	{ "aa-kbc-params", "NAME::URI", "the key broker that knows the key (offline_fs_kbc::/dir)", &opt.kbc_params, NULL },
	KEY_SOURCE_OPTION_DEFS(opt.keys),
	{ "keyprovider", "ADDRESS", PROVIDER_LINK_OPTION, &opt.keyprovider, NULL },
	KEY_SOURCE_WRAP_DEFS(opt.keys),
	{ "layer", "N[,N…]...", "only these layers: from 0, or from -1 at the end (default: all)", opt.layers, NULL },
	{ "platform", "OS/ARCH[/VARIANT]", "of an index (default: this machine's)", &opt.platform, NULL },
	{ "json", NULL, "progress, result and errors as JSON lines", NULL, &opt.json },
	NET_OPTION_DEFS(opt.net),
	{ NULL, NULL, NULL, NULL, NULL },
};

static const char more[] =
    "SRC is any image that pull reads: docker://HOST[:PORT]/PATH[:TAG|@DIGEST], oci:DIR[:NAME],\n"
    "oci-archive:FILE[:NAME] or docker-archive:FILE[:REF]. DST is oci:DIR[:TAG], oci-archive:FILE[:TAG] or\n"
    "docker://HOST[:PORT]/PATH[:TAG]; a layout that is there already gets the new image besides its others, an\n"
    "archive takes the place of the old one. Each layer gets a key of its own, which is wrapped for every\n"
    "recipient and written into the manifest, which becomes one of OCI; any one of them can decrypt it. KEYID is\n"
    "kbs:///REPOSITORY/TYPE/TAG, a key of --keys or of the broker (AES-256-GCM). FILE is a public key or a\n"
    "certificate, RSA or EC (PEM, DER, JWK). The manifest's digest is printed. Sign afterwards: encryption does\n"
    "not say who made an image.\n\n"
    "Examples:\n"
    "  aa-cli encrypt --keys keys --make-keys --recipient provider:attestation-agent:kbs:///default/key/app \\\n"
    "      docker://registry.example.org/app:v1 docker://registry.example.org/app:secret\n"
    "  aa-cli encrypt --recipient jwe:alice.pub.pem --recipient jwe:bob.pub.pem oci:plain:v1 oci:secret:v1\n";

static int
run(const char **operands, maybe_unused size_t n, struct err *e)
{
	const struct copy_options o = {
		.action = ACTION_ENCRYPT,
		.source = operands[0],
		.destination = operands[1],
		.platform = opt.platform,
		.layers = opt.layers,
		.recipients = opt.recipients,
		.kbc_params = opt.kbc_params,
		.keyprovider = opt.keyprovider,
		.keys = opt.keys,
		.net = &opt.net,
		.json = opt.json,
	};

	if (opt.recipients[0] == NULL)
		return err_set(e, ERR_USAGE, "wants --recipient");
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
