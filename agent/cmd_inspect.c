/* cmd_inspect.c: aa-cli inspect: what an image is made of, and for whom it is encrypted. */
#include "lib/base.h"

#include "agent/cli.h"
#include "agent/copyjob.h"

static struct {
	const char		*platform;
	bool			 json;
	struct net_options	 net;
} opt = { .net = NET_OPTIONS };

static const struct option_def options[] = {
	{ "json", NULL, "one JSON object", NULL, &opt.json },
	{ "platform", "OS/ARCH[/VARIANT]", "of an index: look into this image", &opt.platform, NULL },
	NET_OPTION_DEFS(opt.net),
	{ NULL, NULL, NULL, NULL, NULL },
};

static const char more[] =
    "IMAGE is docker://HOST[:PORT]/PATH[:TAG|@DIGEST], oci:DIR[:NAME], oci-archive:FILE[:NAME] or\n"
    "docker-archive:FILE[:REF]. Manifest and configuration are fetched and their digests checked; layers are\n"
    "not read. Of each: number, digest, size, media type; if it is encrypted, by which cipher, and for each\n"
    "wrapping of its key the scheme and the key's name. In a registry or a layout it is asked whether a\n"
    "cosign signature lies beside the image; it is not checked, and no policy is asked: pull does both.\n"
    "An index lists its platforms, unless --platform names one.\n\n"
    "Examples:\n"
    "  aa-cli inspect docker://registry.example.org/app:secret\n"
    "  aa-cli inspect --json oci:secret:v1 | jq '.layers[].keys'\n";

static int
run(const char **operands, maybe_unused size_t n, struct err *e)
{
	const struct copy_options o = {
		.action = ACTION_INSPECT,
		.source = operands[0],
		.platform = opt.platform,
		.net = &opt.net,
		.json = opt.json,
	};

	return copyjob_run(&o, e);
}

const struct cli_verb verb_inspect = {
	.name = "inspect",
	.operands = "IMAGE",
	.summary = "show what an image is made of and for whom it is encrypted",
	.more = more,
	.options = options,
	.min = 1,
	.max = 1,
	.json = &opt.json,
	.run = run,
};
