/*
 * puller.c: the role that decides: manifests, configuration, policy; layers.c does the layers. It asks net
 * for bytes, key for keys and the monitor for a pair of processes for each layer; no key and no
 * layer byte passes through it.
 */
#include "lib/base.h"

#include "agent/roles.h"

#include <fcntl.h>

#include "agent/layers.h"
#include "agent/signatures.h"
#include "agent/unwrap.h"
#include "image/bundle.h"
#include "lib/fs.h"
#include "lib/sys.h"

struct puller {
	struct pull_request	request;
	struct buf		policy;
	struct err		refused;	/* the policy is none; told when the set-up is complete */
	struct source		source;
	struct signatures	signatures;
	bool			owners;
	enum device_nodes	devices;
	uint8_t			window_log;	/* of zstd */
	bool			verify;		/* M_POLICY_NOTE for each note */
	bool			flat;		/* found out: layers cannot lie one beside the other */
	int			rootfs;		/* when the layers are there; -1 before */
};

static int
prepare(struct sandbox_path paths[ROLE_MAX_PATHS], struct err *e)
{
	size_t n = 0;

	/*
	 * For user names in the image's own passwd, and for nothing else. Not the root itself: when layers are
	 * mounted there, a rule for what lies below the mount counts for nothing.
	 */
	if (fcntl(PULL_FD_STAGING, F_GETFD) >= 0)
		paths[n++] = (struct sandbox_path){ .fd = PULL_FD_STAGING };
	paths[n].fd = -1;
	return crypto_init(e);
}

static int
env_manifest(void *arg, const struct image_ref *ref, const char *wanted,
    struct document *out, struct err *e)
{
	struct puller *p = arg;

	return source_manifest(&p->source, ref, wanted, out, e);
}

static int
env_blob(void *arg, const struct image_ref *ref, const struct digest *d,
    struct document *out, struct err *e)
{
	struct puller *p = arg;

	return source_blob(&p->source, ref, d, out, e);
}

static int
env_unwrap(maybe_unused void *arg, size_t number, const struct ocicrypt_wrapped *w,
    uint8_t fingerprint[32], struct err *e)
{
	return unwrap_ask(PULL_FD_KEY, (uint32_t)number, w, fingerprint, e);
}

/* The complete root, from the monitor. */
static int
receive_rootfs(struct puller *p, struct err *e)
{
	static const struct msg_rule rules[] = { { .type = M_ROOTFS_FD, .fds = 1 }, { 0 } };
	automsg ask, answer;
	int rc;

	msg_init(&answer, 0, 0);
	msg_init(&ask, M_ROOTFS, 0);
	rc = msg_send(FD_CONTROL, &ask, -1, e);
	if (rc == 0)
		rc = msg_recv(FD_CONTROL, rules, -1, &answer, e);
	if (rc == 0)
		return err_set(e, ERR_CRASH, "the monitor is gone");
	if (rc < 0)
		return rc;
	p->rootfs = fd_steal(&answer.fds[0]);
	return 0;
}

static int
env_layers(void *arg, const struct image_ref *ref, const struct layer_plan *plans, size_t n,
    size_t *failed, struct err *e)
{
	struct puller *p = arg;
	const struct layers_request req = {
		.source = &p->source,
		.ref = ref,
		.plans = plans,
		.n = n,
		.owners = p->owners,
		.devices = p->devices,
		.window_log = p->window_log,
		.flat = p->flat,
	};
	int rc = layers_pull(&req, failed, e);

	if (rc == 1) {
		log_info("the layers cannot lie one above the other: all are unpacked to one root");
		p->flat = true;
	}
	return rc != 0 ? rc : receive_rootfs(p, e);
}

static int
env_bundle(void *arg, const struct image_config *config, struct err *e)
{
	struct puller *p = arg;
	autobuf text = BUF(MIB(16));
	int rc = bundle_config(config, p->rootfs, &text, e);

	if (rc < 0)
		return rc;
	if (sys_write_all(PULL_FD_CONFIG, text.data, text.len) < 0)
		return err_sys_as(e, ERR_STORAGE, "config.json");
	return 0;
}

static int
send_note(const struct policy_note *note, struct err *e)
{
	automsg m;
	int rc;

	msg_init(&m, M_POLICY_NOTE, 0);
	rc = msg_put_u8(&m, (uint8_t)note->about, e);
	if (rc == 0)
		rc = msg_put_u32(&m, (uint32_t)note->number, e);
	if (rc == 0)
		rc = msg_put_u8(&m, note->good, e);
	if (rc == 0)
		rc = msg_put_str(&m, note->name, e);
	if (rc == 0)
		rc = msg_put_str(&m, note->why, e);
	return rc < 0 ? rc : msg_send(FD_CONTROL, &m, -1, e);
}

/* Who only asks is told everything; in the log of a pull stands what speaks against the image. */
static void
env_tell(void *arg, const struct policy_note *note)
{
	const struct puller *p = arg;
	struct err e = { 0 };

	if (p->verify && send_note(note, &e) < 0)
		log_warning("a note of the policy is lost: %s", e.msg);
	else if (!p->verify && !note->good && note->about == ABOUT_SIGNATURE)
		log_warning("policy: requirement %zu: %s: %s", note->number, note->name, note->why);
	else if (!p->verify)
		log_info("policy: %s: %s", note->name, note->why);
}

static int
take_setup(struct puller *p, const struct msg *m, struct err *e)
{
	struct platform *want = &p->request.platform;
	char image[sizeof(p->request.ref.dir) + LIMIT_REFERENCE];
	struct msg_reader r = msg_reader(m);
	uint8_t devices;

	msg_get_str(&r, image, sizeof(image));
	msg_get_str(&r, want->os, sizeof(want->os));
	msg_get_str(&r, want->architecture, sizeof(want->architecture));
	msg_get_str(&r, want->variant, sizeof(want->variant));
	p->request.allow_mixed = msg_get_u8(&r) != 0;
	p->owners = msg_get_u8(&r) != 0;
	devices = msg_get_u8(&r);
	p->window_log = msg_get_u8(&r);
	p->verify = msg_get_u8(&r) != 0;
	p->request.only_verify = p->verify;
	if (!msg_get_end(&r) || devices > DEVICES_SKIP)
		return err_set(e, ERR_PROTO, "set-up");
	p->devices = (enum device_nodes)devices;
	if (image_ref_parse(span_str(image), &p->request.ref, e) < 0)
		return -(int)e->code;
	p->source.layout = p->request.ref.transport == TRANSPORT_OCI ? PULL_FD_LAYOUT : -1;
	p->signatures.from_registry = p->request.ref.transport == TRANSPORT_DOCKER;
	return 0;
}

static int
take_file(struct puller *p, const struct msg *m, struct err *e)
{
	struct msg_reader r = msg_reader(m);
	uint8_t which = msg_get_u8(&r);

	if (!msg_get_end(&r) || which > PULL_FILE_SIGSTORE)
		return err_set(e, ERR_PROTO, "file");
	if (which == PULL_FILE_SIGSTORE) {
		signatures_add_config(&p->signatures, m->fds[0]);
		return 0;
	}
	if (fs_read_fd(m->fds[0], "policy", &p->policy, e) < 0)
		(void)err_set(&p->refused, ERR_POLICY_INVALID, "policy: it cannot be read, or has more than %zu bytes",
		    LIMIT_POLICY);
	return 0;
}

static int
set_up(struct puller *p, struct err *e)
{
	static const struct msg_rule rules[] = {
		{ .type = M_FILE, .max_len = 1, .fds = 1 },
		{ .type = M_PULL_SETUP, .max_len = KIB(8) },
		{ 0 },
	};

	for (;;) {
		automsg m;
		int rc = msg_recv(FD_CONTROL, rules, -1, &m, e);

		if (rc <= 0)
			return rc < 0 ? rc : err_set(e, ERR_CRASH, "no set-up");
		if (m.type == M_PULL_SETUP)
			return take_setup(p, &m, e);
		rc = take_file(p, &m, e);
		if (rc < 0)
			return rc;
	}
}

static int
pull(struct puller *p, struct pull_result *res, struct err *e)
{
	struct image_env env = {
		.manifest = env_manifest,
		.blob = env_blob,
		.unwrap = env_unwrap,
		.layers = env_layers,
		.bundle = env_bundle,
		.arg = p,
	};
	int rc = signatures_init(&p->signatures, &p->source, e);

	p->signatures.tell = env_tell;
	p->signatures.arg = p;
	if (rc == 0)
		rc = set_up(p, e);
	if (rc < 0)
		return rc;
	if (p->refused.code != ERR_NONE) {
		*e = p->refused;
		return -(int)e->code;
	}
	env.policy = signatures_env(&p->signatures);
	p->request.policy = buf_span(&p->policy);
	return pull_image(&p->request, &env, res, e);
}

static int
report(const struct pull_result *res, struct err *e)
{
	automsg m;
	int rc;

	msg_init(&m, M_PULL_DONE, 0);
	rc = msg_put_u8(&m, 0, e);
	if (rc == 0)
		rc = msg_put_str(&m, res->manifest.text, e);
	return rc < 0 ? rc : msg_send(FD_CONTROL, &m, -1, e);
}

static int
serve(struct err *e)
{
	struct puller p = { .policy = BUF(LIMIT_POLICY), .source = { .layout = -1 }, .rootfs = -1 };
	struct pull_result res;
	struct err failed = { 0 };
	int rc = pull(&p, &res, &failed);

	if (rc == 0 && res.encrypted > 0 && !res.is_signed && !p.request.ref.has_digest)
		log_warning("encrypted image %s: neither signature nor digest pin says who made it",
		    res.manifest.text);
	base_close(&p.rootfs);
	signatures_fini(&p.signatures);
	buf_free(&p.policy);
	if (rc < 0)
		return role_answer(FD_CONTROL, M_PULL_DONE, 0, &failed, e);
	return report(&res, e);
}

const struct role_ops role_pull = {
	.name = "pull",
	.uid = UID_PULL,
	.words = WORD(STDIO) | WORD(FDPASS) | WORD(FILE_READ),
	.max_files = 64,
	.prepare = prepare,
	.serve = serve,
};
