/*
 * pulljob.c: the monitor of one pull. It opens what the user named, starts the roles, gives each layer its pair of
 * processes, and gives the result its name at the very end.
 */
#include "lib/base.h"

#include "agent/pulljob.h"

#include <fcntl.h>

#include "agent/devices.h"
#include "agent/key_setup.h"
#include "agent/keyjob.h"
#include "agent/monitor.h"
#include "agent/progress.h"
#include "agent/pull_measure.h"
#include "agent/pull_setup.h"
#include "agent/snapshot.h"
#include "agent/storage.h"
#include "image/manifest.h"
#include "image/zstd.h"
#include "lib/sys.h"

struct job {
	const struct pulljob_options *opt;
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
	enum measure_mode	 measure;
	struct pulljob_result	 result;
};

static int
check_snapshot_options(const struct pulljob_options *opt, struct snapshot_options *o, struct err *e)
{
	const char *text = opt->at_once != NULL ? opt->at_once : PULL_AT_ONCE_DEFAULT;
	uint64_t n;

	if (!span_decimal(span_str(text), 16, &n) || n == 0)
		return err_set(e, ERR_USAGE, "--layers-at-once is a number from 1 to 16");
	o->at_once = (uint32_t)n;
	o->trusted = opt->trusted;
	o->store = opt->store != NULL ? opt->store : PULL_STORE_DEFAULT;
	return snapshot_mode_parse(opt->snapshot, &o->mode, e);
}

static int
check_options(struct job *j, struct err *e)
{
	const struct pulljob_options *opt = j->opt;
	int rc = measure_mode_parse(opt->measure, &j->measure, e);

	if (rc < 0)
		return rc;
	j->setup.policy = opt->policy;
	j->setup.policy_text = opt->policy_text;
	j->setup.mixed = opt->mixed;
	platform_host(&j->setup.platform);
	if (opt->platform != NULL)
		rc = platform_parse(span_str(opt->platform), &j->setup.platform, e);
	if (rc < 0)
		return err_set(e, ERR_USAGE, "--platform: '%s' is not OS/ARCH", opt->platform);
	rc = device_nodes_parse(opt->device_nodes, &j->setup.devices, e);
	if (rc == 0)
		rc = window_log_parse(opt->window_log, &j->setup.window_log, e);
	return rc < 0 ? rc : check_snapshot_options(opt, &j->snapshot_options, e);
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

	if (msg_get_end(&r) && !j->opt->quiet && layer < j->snapshot.n && stage < STAGE_COUNT)
		progress_update(&j->progress, layer, (enum stage)stage, bytes);
}

static int
take_result(struct job *j, const struct msg *m, struct err *e)
{
	struct msg_reader r = msg_reader(m);
	int rc = role_verdict(&r, e);

	if (rc < 0)
		return storage_explain(snapshot_dir(&j->snapshot), e);
	msg_get_str(&r, j->result.digest, sizeof(j->result.digest));
	j->result.layers = j->snapshot.n;
	j->result.overlay = j->snapshot.overlay;
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

/*
 * What the broker has for net: from the key role by a pipe, so that it is in no file and not in this process. net reads
 * while key writes.
 */
static int
pass_resource(struct job *j, const char *uri, uint8_t which, const char *type, struct err *e)
{
	autoclose int from = -1, to = -1;
	int pair[2], rc = keyjob_check_type(uri, (const char *[]){ type, NULL }, e);

	if (rc < 0)
		return rc;
	if (j->keys.kbc_params == NULL)
		return err_set(e, ERR_CONFIG, "%s: no key broker is configured", uri);
	if (pipe2(pair, O_CLOEXEC) < 0)
		return err_sys(e, "pipe");
	from = pair[0];
	to = pair[1];
	rc = monitor_send_file(j->roles.net, which, from, e);
	base_close(&from);
	if (rc == 0)
		rc = keyjob_resource(&j->m, j->roles.key, uri, to, e);
	return rc < 0 ? err_wrap(e, "%s", uri) : 0;
}

static int
set_up_net(struct job *j, struct err *e)
{
	struct net_options net = j->opt->net;
	int rc = 0;

	if (net.authfile != NULL && keyjob_is_resource(net.authfile)) {
		rc = pass_resource(j, net.authfile, NET_FILE_AUTH, "credential", e);
		net.authfile = NULL;
		net.no_creds = true;
	}
	if (rc == 0 && net.registries != NULL && keyjob_is_resource(net.registries)) {
		rc = j->opt->distrusted_broker ?
		    err_set(e, ERR_CONFIG, "%s: the key broker is the host's choice, and may not decide where images are from",
		    net.registries) :
		    pass_resource(j, net.registries, NET_FILE_REGISTRIES, "registry-configuration", e);
		net.registries = NULL;
		net.registries_text = "";
	}
	return rc < 0 ? rc : net_set_up(j->roles.net, &net, &j->source.ref, e);
}

static int
run_roles(struct job *j, struct err *e)
{
	int rc = start_roles(j, e);

	if (rc == 0)
		rc = key_setup_send(&j->keys, j->roles.key, j->opt->ctr, e);
	if (rc == 0 && source_has_net(&j->source))
		rc = set_up_net(j, e);
	policy_setup_begin(&j->policy, &j->m, j->roles.key, j->keys.kbc_params != NULL && !j->opt->distrusted_broker);
	if (rc == 0)
		rc = pull_setup_send(&j->setup, &j->policy, j->source.name, j->roles.pull, e);
	j->snapshot.pull = j->roles.pull;
	j->snapshot.key = j->roles.key;
	return rc < 0 ? rc : serve_pull(j, e);
}

/* Everything but the roles is there; afterwards either the bundle or nothing is. */
static int
make_bundle(struct job *j, struct err *e)
{
	int rc = storage_check_list(j->staging.dir, "BUNDLE", j->opt->trusted, e);

	if (rc == 0)
		rc = snapshot_open(&j->snapshot_options, &j->snapshot, e);
	if (rc < 0)
		return rc;
	rc = run_roles(j, e);
	progress_end(&j->progress);
	policy_setup_close(&j->policy);
	pull_roles_close(&j->roles);
	if (rc == 0)
		rc = pull_measure(&j->m, j->measure, j->opt->tee, j->opt->image, j->result.digest, e);
	monitor_end_all(&j->m);		/* nobody may write any more when the name is given */
	if (rc == 0 && j->opt->mount_point && j->m.root_mode)
		rc = snapshot_bind(&j->snapshot, e);
	if (rc == 0)
		rc = staging_commit(&j->staging, NULL, e);
	if (rc == 0)
		snapshot_commit(&j->snapshot);
	snapshot_close(&j->snapshot);
	return rc;
}

/* All that is open while the roles work; closed by the caller. */
static int
open_and_make(struct job *j, struct err *e)
{
	const struct pulljob_options *opt = j->opt;
	const unsigned flags = STAGING_ROOTFS | (opt->no_links ? STAGING_NO_LINKS : 0);
	const bool mounts = opt->mount_point || j->snapshot_options.mode != SNAPSHOT_FLAT;
	int rc = monitor_open_image(&j->m, opt->image_fd, mounts, e);

	j->setup.root_mode = j->m.root_mode;
	if (rc == 0)
		rc = staging_open(opt->bundle, opt->work_dir, flags, &j->staging, e);
	if (rc == 0) {
		rc = make_bundle(j, e);
		staging_close(&j->staging);
	}
	monitor_close(&j->m);
	return rc;
}

int
pulljob_run(const struct pulljob_options *opt, struct pulljob_result *out, struct err *e)
{
	struct job j = { .opt = opt, .roles = PULL_ROLES, .policy = POLICY_SETUP(opt->signatures) };
	int rc = key_setup_open(opt->decryption_keys, opt->kbc_params, &j.keys, e);

	if (rc < 0)
		return rc;
	rc = check_options(&j, e);
	if (rc == 0)
		rc = source_open(opt->image, &j.source, e);
	progress_init(&j.progress, opt->json);
	j.snapshot_options.monitor = &j.m;
	j.snapshot_options.staging = &j.staging;
	if (rc == 0) {
		rc = open_and_make(&j, e);
		source_close(&j.source);
	}
	key_setup_close(&j.keys);
	if (rc == 0)
		*out = j.result;
	return rc;
}
