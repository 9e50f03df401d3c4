/*
 * puller.c: the role that decides: manifests, configuration, policy. It asks net for bytes, key for
 * keys and the monitor for a pair of processes for each layer; no key and no layer byte
 * passes through it.
 */
#include "lib/base.h"

#include "agent/roles.h"

#include <fcntl.h>
#include <poll.h>

#include "agent/source.h"
#include "image/bundle.h"
#include "image/tree.h"
#include "lib/fs.h"
#include "lib/sys.h"

#define KEY_MS		120000	/* a broker may attest first */
#define GRACE_MS	3000	/* for the other parts of a layer, after one has failed */

struct puller {
	struct pull_request	request;
	struct buf		policy;
	struct source		source;
	bool			owners;
	enum device_nodes	devices;
	uint8_t			window_log;	/* of zstd */
};

static int
prepare(struct sandbox_path paths[ROLE_MAX_PATHS], struct err *e)
{
	/* For user names in the image's own passwd, and for nothing else. */
	paths[0] = (struct sandbox_path){ .fd = PULL_FD_ROOTFS };
	paths[1].fd = -1;
	if (fcntl(PULL_FD_LAYOUT, F_GETFD) >= 0) {
		paths[1].fd = PULL_FD_LAYOUT;
		paths[2].fd = -1;
	}
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
	static const struct msg_rule rules[] = {
		{ .type = M_UNWRAP_DONE, .max_len = KIB(1) },
		{ 0 },
	};
	struct span print;
	struct msg_reader r;
	automsg ask, answer;
	int rc;

	msg_init(&answer, 0, 0);
	msg_init(&ask, M_UNWRAP, (uint32_t)number);
	rc = msg_put_u32(&ask, (uint32_t)number, e);
	for (int i = 0; i < SCHEME_COUNT && rc == 0; i++)
		rc = msg_put_bytes(&ask, buf_span(&w->value[i]), e);
	if (rc == 0)
		rc = msg_send(PULL_FD_KEY, &ask, KEY_MS, e);
	if (rc == 0)
		rc = msg_recv(PULL_FD_KEY, rules, KEY_MS, &answer, e);
	if (rc == 0)
		return err_set(e, ERR_CRASH, "the key process died");
	if (rc < 0)
		return rc;
	r = msg_reader(&answer);
	rc = role_verdict(&r, e);
	if (rc < 0)
		return rc;
	print = msg_get_bytes(&r, 32);
	if (!msg_get_end(&r) || print.len != 32)
		return err_set(e, ERR_PROTO, "answer that cannot be read");
	memcpy(fingerprint, print.p, 32);
	return 0;
}

/* Asks the monitor for crypt and unpack: their control sockets. */
static int
start_pair(const struct layer_plan *plan, int *crypt, int *unpack, struct err *e)
{
	static const struct msg_rule rules[] = {
		{ .type = M_LAYER_FDS, .fds = 2 },
		{ 0 },
	};
	automsg ask, answer;
	int rc;

	msg_init(&answer, 0, 0);
	msg_init(&ask, M_LAYER, (uint32_t)plan->number);
	rc = msg_put_u32(&ask, (uint32_t)plan->number, e);
	if (rc == 0)
		rc = msg_put_u8(&ask, plan->layer->encrypted, e);
	if (rc == 0)
		rc = msg_send(FD_CONTROL, &ask, -1, e);
	if (rc == 0)
		rc = msg_recv(FD_CONTROL, rules, -1, &answer, e);
	if (rc == 0)
		return err_set(e, ERR_CRASH, "the monitor is gone");
	if (rc < 0)
		return rc;
	*crypt = fd_steal(&answer.fds[0]);
	*unpack = fd_steal(&answer.fds[1]);
	return 0;
}

static int
send_crypt_job(int crypt, const struct layer *l, int in, struct err *e)
{
	struct ocicrypt_public public;
	struct span hmac = { NULL, 0 };
	automsg m;
	int rc = 0;

	if (l->encrypted) {
		rc = ocicrypt_layer_public(l, &public, e);
		hmac = (struct span){ public.hmac, sizeof(public.hmac) };
	}
	msg_init(&m, M_CRYPT_JOB, 0);
	if (rc == 0)
		rc = msg_put_u8(&m, l->encrypted, e);
	if (rc == 0)
		rc = msg_put_str(&m, l->desc.digest.text, e);
	if (rc == 0)
		rc = msg_put_u64(&m, l->desc.size, e);
	if (rc == 0)
		rc = msg_put_bytes(&m, hmac, e);
	if (rc < 0)
		return rc;
	msg_put_fd(&m, in);
	return msg_send(crypt, &m, GRACE_MS, e);
}

static int
send_unpack_job(const struct puller *p, int unpack, const struct layer_plan *plan, struct err *e)
{
	automsg m;
	int rc;

	msg_init(&m, M_UNPACK_JOB, 0);
	rc = msg_put_u8(&m, (uint8_t)plan->layer->compression, e);
	if (rc == 0)
		rc = msg_put_str(&m, plan->diff_id->text, e);
	if (rc == 0)
		rc = msg_put_u8(&m, plan->number == 0, e);
	if (rc == 0)
		rc = msg_put_u8(&m, p->owners, e);
	if (rc == 0)
		rc = msg_put_u8(&m, (uint8_t)p->devices, e);
	if (rc == 0)
		rc = msg_put_u8(&m, p->window_log, e);
	return rc < 0 ? rc : msg_send(unpack, &m, GRACE_MS, e);
}

/* The parts of one layer's work, in the order in which a fault of one explains those of the next. */
enum { PART_NET, PART_CRYPT, PART_UNPACK, PARTS };

struct part {
	int		fd;		/* -1: nothing is awaited */
	const char	*name;
	const struct msg_rule *rules;
	uint16_t	done_type;
	bool		done;
	struct err	err;
};

static void
tell_progress(const struct layer_plan *plan, uint64_t bytes)
{
	struct err ignored;
	automsg m;

	msg_init(&m, M_PROGRESS, 0);
	if (msg_put_u32(&m, (uint32_t)plan->number, &ignored) == 0 &&
	    msg_put_u32(&m, (uint32_t)plan->of, &ignored) == 0 &&
	    msg_put_u64(&m, bytes, &ignored) == 0 &&
	    msg_put_u64(&m, plan->layer->desc.size, &ignored) == 0)
		(void)(msg_send(FD_CONTROL, &m, 0, &ignored) < 0);	/* the next one counts as well */
}

/* One message of a part. Its verdict ends it. */
static void
hear(const struct layer_plan *plan, struct part *part)
{
	struct msg_reader r;
	struct err e = { 0 };
	automsg m;
	int rc = msg_recv(part->fd, part->rules, 0, &m, &e);

	if (rc == -ERR_TIMEOUT)
		return;
	if (rc == 0)
		err_set(&e, ERR_CRASH, "the %s process died", part->name);
	part->err = e;
	r = msg_reader(&m);
	if (rc > 0 && m.type == M_GET_PROGRESS)
		tell_progress(plan, msg_get_u64(&r));
	if (rc > 0 && m.type != part->done_type)
		return;
	part->done = true;
	if (rc <= 0)
		return;
	(void)(role_verdict(&r, &part->err) < 0);
	if (part->err.code == ERR_NONE && m.type == M_UNPACK_DONE) {
		char diff_id[160];

		msg_get_str(&r, diff_id, sizeof(diff_id));
		(void)msg_get_u64(&r);
		(void)msg_get_u64(&r);
		if (msg_get_u64(&r) > 0)
			log_warning("layer %zu: device nodes skipped", plan->number + 1);
		if (msg_get_u64(&r) > 0)
			log_warning("layer %zu: extended attributes that this file system cannot hold "
			    "are missing", plan->number + 1);
		if (msg_get_u8(&r))
			log_warning("layer %zu: compressed otherwise than its media type says",
			    plan->number + 1);
	}
}

/*
 * Is there anything to wait for? A malformed archive may only be damaged bytes: then the digest's verdict
 * is worth the rest of the download. Any other fault ends the layer soon.
 */
static bool
is_settled(const struct part parts[PARTS], int64_t deadline)
{
	bool all = true;

	for (int i = 0; i < PARTS; i++)
		all &= parts[i].done;
	return all || (deadline >= 0 && sys_now_ms() >= deadline);
}

static bool
ends_soon(const struct part parts[PARTS])
{
	enum err_code unpack = parts[PART_UNPACK].err.code;

	return parts[PART_NET].err.code != ERR_NONE || parts[PART_CRYPT].err.code != ERR_NONE ||
	    (unpack != ERR_NONE && unpack != ERR_LAYER && unpack != ERR_DIGEST);
}

static int
await_parts(const struct layer_plan *plan, struct part parts[PARTS], struct err *e)
{
	int64_t deadline = -1;

	while (!is_settled(parts, deadline)) {
		struct pollfd fds[PARTS + 1];
		int64_t left = deadline < 0 ? -1 : MAX(deadline - sys_now_ms(), 0);

		for (int i = 0; i < PARTS; i++)
			fds[i] = (struct pollfd){ .fd = parts[i].done ? -1 : parts[i].fd, .events = POLLIN };
		fds[PARTS] = (struct pollfd){ .fd = FD_CONTROL };
		if (poll(fds, PARTS + 1, (int)left) < 0 && errno != EINTR)
			return err_sys(e, "poll");
		if (fds[PARTS].revents != 0)
			return err_set(e, ERR_CANCELLED, "the monitor is gone");
		for (int i = 0; i < PARTS; i++)
			if (fds[i].fd >= 0 && fds[i].revents != 0)
				hear(plan, &parts[i]);
		if (deadline < 0 && ends_soon(parts))
			deadline = sys_now_ms() + GRACE_MS;
	}
	return 0;
}

/* The verdict of a layer: the first part whose fault is its own, not that its reader gave up. */
static int
judge(const struct part parts[PARTS], struct err *e)
{
	const struct err *other = NULL;

	for (int i = 0; i < PARTS; i++) {
		if (parts[i].err.code == ERR_NONE && parts[i].done)
			continue;
		if (parts[i].done && parts[i].err.code != ERR_CANCELLED) {
			*e = parts[i].err;
			return -(int)e->code;
		}
		other = &parts[i].err;
	}
	if (other == NULL)
		return 0;
	return err_set(e, ERR_CRASH, "a part gave no verdict: %s", other->msg);
}

static int
env_layer(void *arg, const struct image_ref *ref, const struct layer_plan *plan, struct err *e)
{
	static const struct msg_rule crypt_rules[] = {
		{ .type = M_CRYPT_DONE, .max_len = KIB(1) }, { 0 },
	};
	static const struct msg_rule unpack_rules[] = {
		{ .type = M_UNPACK_DONE, .max_len = KIB(1) }, { 0 },
	};
	struct puller *p = arg;
	autoclose int crypt = -1, unpack = -1, blob = -1;
	struct part parts[PARTS] = {
		{ .fd = PULL_FD_NET, .name = "net", .rules = source_net_rules, .done_type = M_GET_DONE },
		{ .name = "crypt", .rules = crypt_rules, .done_type = M_CRYPT_DONE },
		{ .name = "unpack", .rules = unpack_rules, .done_type = M_UNPACK_DONE },
	};
	uint32_t get;
	int rc;

	rc = start_pair(plan, &crypt, &unpack, e);
	if (rc == 0)
		rc = source_stream(&p->source, ref, &plan->layer->desc.digest,
		    plan->layer->desc.size, &blob, &get, e);
	if (rc == 0)
		rc = send_crypt_job(crypt, plan->layer, blob, e);
	if (rc == 0)
		rc = send_unpack_job(p, unpack, plan, e);
	if (rc < 0)
		return rc;
	base_close(&blob);
	parts[PART_NET].done = get == 0;
	parts[PART_CRYPT].fd = crypt;
	parts[PART_UNPACK].fd = unpack;
	tell_progress(plan, 0);
	rc = await_parts(plan, parts, e);
	if (rc == 0)
		rc = judge(parts, e);
	if (rc == 0)
		tell_progress(plan, plan->layer->desc.size);
	return rc;
}

static int
env_bundle(maybe_unused void *arg, const struct image_config *config, struct err *e)
{
	autobuf text = BUF(MIB(16));
	int rc = bundle_config(config, PULL_FD_ROOTFS, &text, e);

	if (rc < 0)
		return rc;
	if (sys_write_all(PULL_FD_CONFIG, text.data, text.len) < 0)
		return err_sys_as(e, ERR_STORAGE, "config.json");
	return 0;
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
	if (!msg_get_end(&r) || devices > DEVICES_SKIP)
		return err_set(e, ERR_PROTO, "set-up");
	p->devices = (enum device_nodes)devices;
	if (image_ref_parse(span_str(image), &p->request.ref, e) < 0)
		return -(int)e->code;
	p->source.layout = p->request.ref.transport == TRANSPORT_OCI ? PULL_FD_LAYOUT : -1;
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
		rc = fs_read_fd(m.fds[0], "policy", &p->policy, e);
		if (rc < 0)
			return err_set(e, ERR_POLICY_INVALID, "policy: it cannot be read, or has more than %zu bytes",
			    LIMIT_POLICY);
	}
}

static int
pull(struct puller *p, struct pull_result *res, struct err *e)
{
	const struct image_env env = {
		.manifest = env_manifest,
		.blob = env_blob,
		.unwrap = env_unwrap,
		.layer = env_layer,
		.bundle = env_bundle,
		.arg = p,
	};
	int rc = set_up(p, e);

	if (rc < 0)
		return rc;
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
	struct puller p = { .policy = BUF(LIMIT_POLICY), .source = { .layout = -1 } };
	struct pull_result res;
	struct err failed = { 0 };
	int rc = pull(&p, &res, &failed);

	if (rc == 0 && res.encrypted > 0 && !p.request.ref.has_digest)
		log_warning("encrypted image %s: neither signature nor digest pin says who made it",
		    res.manifest.text);
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
