/* cmd_decrypt.c: aa-cli decrypt: an image with its layers in the clear. */
#include "lib/base.h"

#include "agent/cli.h"
#include "agent/copyjob.h"

static struct {
	const char		*kbc_params, *keyprovider, *platform;
	const char		*decryption_keys[OPTION_LIST];
	struct key_source_options keys;
	bool			 json;
	struct net_options	 net;
} opt = { .net = NET_OPTIONS };

static const struct option_def options[] = {
	{ "decryption-key", "KEY...", "private key or certificate: FILE[:file=PASSWORDFILE|:fd=N]", opt.decryption_keys, NULL },
	{ "aa-kbc-params", "NAME::URI", "the key broker (offline_fs_kbc::/dir)", &opt.kbc_params, NULL },
	KEY_SOURCE_OPTION_DEFS(opt.keys),
	{ "keyprovider", "ADDRESS", PROVIDER_LINK_OPTION, &opt.keyprovider, NULL },
	{ "platform", "OS/ARCH[/VARIANT]", "of an index (default: this machine's)", &opt.platform, NULL },
	{ "json", NULL, "progress, result and errors as JSON lines", NULL, &opt.json },
	NET_OPTION_DEFS(opt.net),
	{ NULL, NULL, NULL, NULL, NULL },
};

static const char more[] =
    "SRC is any image that pull reads, DST is oci:DIR[:TAG], oci-archive:FILE[:TAG] or\n"
    "docker://HOST[:PORT]/PATH[:TAG]. Encrypted layers are checked by their digest and MAC; what comes out is in the\n"
    "clear, so DST belongs where plaintext may lie. Layers that were plain stay as they are. The new manifest's\n"
    "digest is printed. KEY is as in \"aa-cli pull --help\".\n\n"
    "Examples:\n"
    "  aa-cli decrypt --decryption-key private.pem oci:secret:v1 oci:plain:v1\n"
    "  aa-cli decrypt --keys keys docker://registry.example.org/app:secret oci:plain:v1\n";

static int
run(const char **operands, maybe_unused size_t n, struct err *e)
{
	const struct copy_options o = {
		.action = ACTION_DECRYPT,
		.source = operands[0],
		.destination = operands[1],
		.platform = opt.platform,
		.kbc_params = opt.kbc_params,
		.keyprovider = opt.keyprovider,
		.keys = opt.keys,
		.decryption_keys = opt.decryption_keys,
		.net = &opt.net,
		.json = opt.json,
	};

	if (opt.kbc_params == NULL && opt.decryption_keys[0] == NULL && opt.keys.keys == NULL &&
	    opt.keyprovider == NULL)
		return err_set(e, ERR_USAGE, "wants --decryption-key, --keys, --aa-kbc-params or --keyprovider");
	return copyjob_run(&o, e);
}

const struct cli_verb verb_decrypt = {
	.name = "decrypt",
	.operands = "SRC DST",
	.summary = "copy an image with its layers decrypted",
	.more = more,
	.options = options,
	.min = 2,
	.max = 2,
	.json = &opt.json,
	.run = run,
};
