/*
 * cmd_pull.c: aa-cli pull: the monitor of one pull. It opens what the user named, starts the roles,
 * gives each layer its pair of processes, and gives the result its name at the very end.
 */
#include "lib/base.h"

#include <fcntl.h>

#include "agent/cli.h"
#include "agent/devices.h"
#include "agent/key_setup.h"
#include "agent/monitor.h"
#include "agent/net_setup.h"
#include "agent/progress.h"
#include "agent/pull_setup.h"
#include "agent/snapshot.h"
#include "agent/storage.h"
#include "image/manifest.h"
#include "image/reference.h"
#include "image/zstd.h"
#include "lib/sys.h"

#define STORE_DEFAULT	"/var/lib/cacao"
#define AT_ONCE_DEFAULT	"3"

static struct {
	const char		*policy, *kbc_params, *work_dir, *platform, *device_nodes,
				*window_log, *snapshot, *store, *at_once, *trusted;
	const char		*decryption_keys[OPTION_LIST];
	bool			 mixed, ctr, json;
	struct net_options	 net;
	struct signature_options signatures;
} opt = { .net = NET_OPTIONS };

static const struct option_def options[] = {
	{ "policy", "FILE|kbs:///…", "which images are accepted (default " POLICY_DEFAULT "; none: none)", &opt.policy, NULL },
	{ "aa-kbc-params", "NAME::URI", "key broker of encrypted images (offline_fs_kbc::null)", &opt.kbc_params, NULL },
	{ "decryption-key", "KEY...", "private key or certificate: FILE[:file=PASSWORDFILE|:fd=N]", opt.decryption_keys, NULL },
	NET_OPTION_DEFS(opt.net),
	SIGNATURE_OPTION_DEFS(opt.signatures),
	{ "work-dir", "DIR", "where layers are unpacked (default: beside BUNDLE)", &opt.work_dir, NULL },
	{ "snapshot", "KIND", "overlay or flat root (default: overlay where root can mount it)", &opt.snapshot, NULL },
	{ "store", "DIR", "where layers for overlays are kept (default " STORE_DEFAULT ")", &opt.store, NULL },
	{ "trusted-storage", "DIR[:DIR…]", "may hold content in the clear though its host or server can read it", &opt.trusted, NULL },
	{ "layers-at-once", "N", "1 to 16 (default " AT_ONCE_DEFAULT ")", &opt.at_once, NULL },
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
    "KEY is FILE, FILE:file=PATH or FILE:fd=N (where its password is read), for images encrypted by skopeo:\n"
    "a private key for jwe, a private key and its certificate for pkcs7; or\n"
    "provider:attestation-agent:NAME::URI, the same as --aa-kbc-params NAME::URI.\n\n"
    "Examples:\n"
    "  aa-cli pull --policy policy.json docker://registry.example.org/app:v1 /run/app\n"
    "  aa-cli pull --policy policy.json --aa-kbc-params offline_fs_kbc::null \\\n"
    "      --tls-verify=false docker://127.0.0.1:5000/secret:v1 bundle\n";

struct job {
	struct monitor		 m;
	struct staging		 staging;
	struct source_setup	 source;
	struct snapshot		 snapshot;
	struct snapshot_options	 snapshot_options;
	struct pull_setup	 setup;
	struct pull_roles	 roles;
	struct policy_setup	 policy;
	struct progress		 progress;
	struct key_setup	 keys;
	char			 digest[160];		/* the result */
};

static int
check_snapshot_options(struct snapshot_options *o, struct err *e)
{
	const char *text = opt.at_once != NULL ? opt.at_once : AT_ONCE_DEFAULT;
	uint64_t n;

	if (!span_decimal(span_str(text), 16, &n) || n == 0)
		return err_set(e, ERR_USAGE, "--layers-at-once is a number from 1 to 16");
	o->at_once = (uint32_t)n;
	o->trusted = opt.trusted;
	o->store = opt.store != NULL ? opt.store : STORE_DEFAULT;
	return snapshot_mode_parse(opt.snapshot, &o->mode, e);
}

static int
check_options(struct job *j, const char *image, struct err *e)
{
	int rc = source_open(image, &j->source, e);

	if (rc < 0)
		return rc;
	j->setup.policy = opt.policy;
	j->setup.mixed = opt.mixed;
	platform_host(&j->setup.platform);
	if (opt.platform != NULL)
		rc = platform_parse(span_str(opt.platform), &j->setup.platform, e);
	if (rc < 0)
		return err_set(e, ERR_USAGE, "--platform: '%s' is not OS/ARCH", opt.platform);
	rc = device_nodes_parse(opt.device_nodes, &j->setup.devices, e);
	if (rc == 0)
		rc = window_log_parse(opt.window_log, &j->setup.window_log, e);
	return rc < 0 ? rc : check_snapshot_options(&j->snapshot_options, e);
}

static int
start_roles(struct job *j, struct err *e)
{
	autoclose int config = sys_openat(j->staging.dir, "config.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
	    0644);

	if (config < 0)
		return err_sys_as(e, ERR_STORAGE, "config.json");
	return pull_roles_start(&j->roles, &j->m, &j->source, j->staging.dir, config, e);
}

static void
show_progress(struct job *j, const struct msg *m)
{
	struct msg_reader r = msg_reader(m);
	uint32_t layer = msg_get_u32(&r);
	uint8_t stage = msg_get_u8(&r);
	uint64_t bytes = msg_get_u64(&r);

	if (msg_get_end(&r) && layer < j->snapshot.n && stage < STAGE_COUNT)
		progress_update(&j->progress, layer, (enum stage)stage, bytes);
}

static int
take_result(struct job *j, const struct msg *m, struct err *e)
{
	struct msg_reader r = msg_reader(m);
	int rc = role_verdict(&r, e);

	if (rc < 0)
		return storage_explain(snapshot_dir(&j->snapshot), e);
	msg_get_str(&r, j->digest, sizeof(j->digest));
	return msg_get_end(&r) ? 0 : err_set(e, ERR_PROTO, "result that cannot be read");
}

/* Serves the pull role until its verdict. */
static int
serve_pull(struct job *j, struct err *e)
{
	static const struct msg_rule rules[] = {
		SNAPSHOT_RULES,
		POLICY_RULES,
		{ .type = M_PROGRESS, .max_len = 13 },
		{ .type = M_PULL_DONE, .max_len = KIB(1) },
		{ 0 },
	};

	for (;;) {
		automsg m;
		int rc = monitor_await(&j->m, j->roles.pull, rules, &m, e);

		if (rc == 0)
			return monitor_died(&j->m, "the pull process died", e);
		if (rc < 0)
			return rc;
		if (m.type == M_PULL_DONE)
			return take_result(j, &m, e);
		if (m.type == M_PROGRESS)
			show_progress(j, &m);
		else if (m.type == M_POLICY_OPEN || m.type == M_GPG_START)
			rc = policy_setup_serve(&j->policy, j->roles.pull, &m, e);
		else
			rc = snapshot_serve(&j->snapshot, &m, e);
		if (rc < 0)
			return rc;
		if (m.type == M_PLAN)
			snapshot_expect(&j->snapshot, &j->progress);
	}
}

static int
run_roles(struct job *j, struct err *e)
{
	int rc = start_roles(j, e);

	if (rc == 0 && source_has_net(&j->source))
		rc = net_set_up(j->roles.net, &opt.net, &j->source.ref, e);
	if (rc == 0)
		rc = key_setup_send(&j->keys, j->roles.key, opt.ctr, e);
	policy_setup_begin(&j->policy, &j->m, j->roles.key, j->keys.kbc_params != NULL);
	if (rc == 0)
		rc = pull_setup_send(&j->setup, &j->policy, j->source.name, j->roles.pull, e);
	j->snapshot.pull = j->roles.pull;
	j->snapshot.key = j->roles.key;
	return rc < 0 ? rc : serve_pull(j, e);
}

static void
print_result(const struct job *j)
{
	if (opt.json)
		printf("{\"event\":\"done\",\"manifest\":\"%s\",\"layers\":%zu,\"snapshot\":\"%s\"}\n",
		    j->digest, j->snapshot.n, j->snapshot.overlay ? "overlay" : "flat");
	else
		printf("%s\n", j->digest);
}

/* Everything but the roles is there; afterwards either the bundle or nothing is. */
static int
make_bundle(struct job *j, struct err *e)
{
	int rc = storage_check_list(j->staging.dir, "BUNDLE", opt.trusted, e);

	if (rc == 0)
		rc = snapshot_open(&j->snapshot_options, &j->snapshot, e);
	if (rc < 0)
		return rc;
	rc = run_roles(j, e);
	progress_end(&j->progress);
	policy_setup_close(&j->policy);
	pull_roles_close(&j->roles);
	monitor_end_all(&j->m);		/* nobody may write any more when the name is given */
	if (rc == 0)
		rc = staging_commit(&j->staging, NULL, e);
	if (rc == 0) {
		snapshot_commit(&j->snapshot);
		print_result(j);
	}
	snapshot_close(&j->snapshot);
	return rc;
}

static int
run(const char **operands, maybe_unused size_t n, struct err *e)
{
	struct job j = { .roles = PULL_ROLES, .policy = POLICY_SETUP(opt.signatures) };
	int rc = key_setup_open(opt.decryption_keys, opt.kbc_params, &j.keys, e);

	if (rc == 0)
		rc = check_options(&j, operands[0], e);
	if (rc < 0) {
		key_setup_close(&j.keys);
		return rc;
	}
	progress_init(&j.progress, opt.json);
	j.snapshot_options.monitor = &j.m;
	j.snapshot_options.staging = &j.staging;
	rc = monitor_open(&j.m, j.snapshot_options.mode != SNAPSHOT_FLAT, e);
	j.setup.root_mode = j.m.root_mode;
	if (rc == 0)
		rc = staging_open(operands[1], opt.work_dir, STAGING_ROOTFS, &j.staging, e);
	if (rc == 0) {
		rc = make_bundle(&j, e);
		staging_close(&j.staging);
	}
	monitor_close(&j.m);
	key_setup_close(&j.keys);
	source_close(&j.source);
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
