/* cmd_pull.c: aa-cli pull: options to a pull (agent/pulljob.h), and its result for people or programs. */
#include "lib/base.h"

#include "agent/agent_call.h"
#include "agent/cli.h"
#include "agent/pulljob.h"

static struct pulljob_options opt = PULLJOB_OPTIONS;
static struct agent_options agent;
static bool by_agent;

static const struct option_def options[] = {
	{ "agent", NULL, "let the running agent pull, with its settings", NULL, &by_agent },
	AGENT_SOCKET_OPTION(agent),
	{ "policy", "FILE|kbs:///…", "which images are accepted (default " POLICY_DEFAULT "; none: none)", &opt.policy, NULL },
	{ "aa-kbc-params", "NAME::URI", "key broker of encrypted images (offline_fs_kbc::null)", &opt.kbc_params, NULL },
	{ "decryption-key", "KEY...", "private key or certificate: FILE[:file=PASSWORDFILE|:fd=N]", opt.decryption_keys, NULL },
	NET_OPTION_DEFS(opt.net),
	SIGNATURE_OPTION_DEFS(opt.signatures),
	{ "work-dir", "DIR", "where layers are unpacked (default: beside BUNDLE)", &opt.work_dir, NULL },
	{ "snapshot", "KIND", "overlay or flat root (default: overlay where root can mount it)", &opt.snapshot, NULL },
	{ "store", "DIR", "where layers for overlays are kept (default " PULL_STORE_DEFAULT ")", &opt.store, NULL },
	{ "trusted-storage", "DIR[:DIR…]", "may hold content in the clear though its host or server can read it", &opt.trusted, NULL },
	{ "measure", "WHEN", "off (default), on or required: the image into a register of the platform", &opt.measure, NULL },
	{ "layers-at-once", "N", "1 to 16 (default " PULL_AT_ONCE_DEFAULT ")", &opt.at_once, NULL },
	{ "json", NULL, "progress, result and errors as JSON lines", NULL, &opt.json },
	{ "platform", "OS/ARCH[/VARIANT]", "default: this machine's", &opt.platform, NULL },
	{ "device-nodes", "WHAT", "create (default as root), refuse or skip", &opt.device_nodes, NULL },
	{ "zstd-window-log", "N", "memory for zstd: 2^N bytes, 10 to 27 (default 23: 8 MiB)", &opt.window_log, NULL },
	{ "allow-ctr-wrapped-keys", NULL, "accept layer keys wrapped with A256CTR (old images)", NULL, &opt.ctr },
	{ "allow-mixed-layers", NULL, "accept plain layers among encrypted ones", NULL, &opt.mixed },
	{ NULL, NULL, NULL, NULL, NULL },
};

static const char more[] =
    "IMAGE is docker://HOST[:PORT]/PATH[:TAG|@DIGEST], oci:DIR[:NAME], oci-archive:FILE[:NAME] or\n"
    "docker-archive:FILE[:REF] (docker save); @N for NAME or REF is image number N, from 0. BUNDLE gets\n"
    "rootfs and config.json, all at once at the end; it must not exist or be empty. The manifest's\n"
    "digest is printed; of docker-archive it is that of a manifest made here, as the file has none.\n"
    "Everything is checked: digests of manifest, configuration, layers and their content, the MAC of\n"
    "encrypted layers, and the policy before all.\n\n"
    "Measured, an image leaves an event with its name and digest in a runtime register and in the log that goes\n"
    "with evidence (aa-cli evidence), before BUNDLE is there; on tells what cannot be measured, required does\n"
    "not pull it.\n\n"
    "With --agent or --socket the running agent pulls, by its own settings: BUNDLE is an absolute path below\n"
    "one of its pull.bundles, and only --timeout and --json go with them.\n\n"
    "KEY is FILE, FILE:file=PATH or FILE:fd=N (where its password is read), for images encrypted by skopeo:\n"
    "a private key for jwe, a private key and its certificate for pkcs7; or\n"
    "provider:attestation-agent:NAME::URI, the same as --aa-kbc-params NAME::URI.\n\n"
    "Examples:\n"
    "  aa-cli pull --policy policy.json docker://registry.example.org/app:v1 /run/app\n"
    "  aa-cli pull --policy policy.json --aa-kbc-params offline_fs_kbc::null \\\n"
    "      --tls-verify=false docker://127.0.0.1:5000/secret:v1 bundle\n";

static void
print_digest(const char *digest)
{
	if (opt.json)
		printf("{\"event\":\"done\",\"manifest\":\"%s\"}\n", digest);
	else
		printf("%s\n", digest);
}

static int
ask_agent(const char *image, const char *bundle, struct err *e)
{
	static const char *const names[] = { "agent", AGENT_OPTION_NAMES, "json", NULL };
	const char *other = options_other(options, names);
	char digest[160];
	int rc;

	if (other != NULL)
		return err_set(e, ERR_USAGE, "--%s is nothing that the running agent can be told", other);
	agent.timeout = opt.net.timeout;
	rc = agent_pull(&agent, image, bundle, digest, e);
	if (rc == 0)
		print_digest(digest);
	return rc;
}

static void
print_result(const struct pulljob_result *r)
{
	if (opt.json)
		printf("{\"event\":\"done\",\"manifest\":\"%s\",\"layers\":%zu,\"snapshot\":\"%s\"}\n",
		    r->digest, r->layers, r->overlay ? "overlay" : "flat");
	else
		printf("%s\n", r->digest);
}

static int
run(const char **operands, maybe_unused size_t n, struct err *e)
{
	struct pulljob_result result;
	int rc;

	if (by_agent || agent.socket != NULL)
		return ask_agent(operands[0], operands[1], e);
	opt.image = operands[0];
	opt.bundle = operands[1];
	rc = pulljob_run(&opt, &result, e);
	if (rc == 0)
		print_result(&result);
	return rc;
}

const struct cli_verb verb_pull = {
	.name = "pull",
	.operands = "IMAGE BUNDLE",
	.summary = "pull, check, decrypt and unpack an image to a bundle",
	.more = more,
	.options = options,
	.min = 2,
	.max = 2,
	.json = &opt.json,
	.run = run,
};
