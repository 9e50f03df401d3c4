/*
 * unpacker.c: the role that parses what images are made of: one layer, decompressed and
 * unpacked into one directory. It holds no key, has no network, and what it
 * writes is thrown away unless every other check has passed, too.
 */
#include "lib/base.h"

#include "agent/roles.h"

#include <linux/capability.h>
#include <sys/stat.h>

#include "image/unpack.h"
#include "image/zstd.h"

#define CAP(c)	(1ULL << (c))

static int
prepare(struct sandbox_path paths[ROLE_MAX_PATHS], struct err *e)
{
	umask(0);
	paths[0] = (struct sandbox_path){ .fd = UNPACK_FD_ROOTFS, .write = true };
	paths[1].fd = -1;
	return crypto_init(e);
}

static int
receive_job(struct unpack_job *j, struct digest *diff_id, uint32_t *id, struct err *e)
{
	static const struct msg_rule rules[] = {
		{ .type = M_UNPACK_JOB, .max_len = 512 },
		{ 0 },
	};
	char text[sizeof(diff_id->text)];
	struct msg_reader r;
	uint8_t compression, devices, window;
	automsg m;
	int rc = msg_recv(FD_CONTROL, rules, -1, &m, e);

	if (rc <= 0)
		return rc < 0 ? rc : err_set(e, ERR_CANCELLED, "no job");
	*id = m.id;
	r = msg_reader(&m);
	compression = msg_get_u8(&r);
	msg_get_str(&r, text, sizeof(text));
	j->tree.first_layer = msg_get_u8(&r) != 0;
	j->tree.overlay = msg_get_u8(&r) != 0;
	j->tree.owners = msg_get_u8(&r) != 0;
	devices = msg_get_u8(&r);
	window = msg_get_u8(&r);
	if (!msg_get_end(&r) || compression > COMPRESSION_ZSTD || devices > DEVICES_SKIP ||
	    window < WINDOW_LOG_MIN || window > WINDOW_LOG_MAX)
		return err_set(e, ERR_PROTO, "job that cannot be read");
	j->compression = (enum compression)compression;
	j->tree.devices = (enum device_nodes)devices;
	j->max_window_log = window;
	if (text[0] == '\0')
		return 0;
	j->diff_id = diff_id;
	return digest_parse(span_str(text), diff_id, e);
}

/* The monitor sets the attribute: it takes CAP_SYS_ADMIN, which is not for us. */
static int
tell_opaque(maybe_unused void *arg, int dir)
{
	struct err e = { 0 };
	automsg m;

	msg_init(&m, M_OPAQUE, 0);
	msg_put_fd(&m, dir);
	if (msg_send(UNPACK_FD_OPAQUE, &m, -1, &e) == 0)
		return 0;
	errno = e.sys != 0 ? e.sys : EIO;
	return -1;
}

static int
report(const struct unpack_result *res, uint32_t id, struct err *e)
{
	automsg m;
	int rc;

	msg_init(&m, M_UNPACK_DONE, id);
	rc = msg_put_u8(&m, 0, e);
	if (rc == 0)
		rc = msg_put_str(&m, res->diff_id.text, e);
	if (rc == 0)
		rc = msg_put_u64(&m, res->unpacked, e);
	if (rc == 0)
		rc = msg_put_u64(&m, res->stats.entries, e);
	if (rc == 0)
		rc = msg_put_u64(&m, res->stats.skipped_devices, e);
	if (rc == 0)
		rc = msg_put_u64(&m, res->stats.skipped_xattrs, e);
	if (rc == 0)
		rc = msg_put_u64(&m, res->stats.implied_dirs, e);
	if (rc == 0)
		rc = msg_put_u8(&m, res->stats.root_entry, e);
	if (rc == 0)
		rc = msg_put_u8(&m, res->sniffed, e);
	return rc < 0 ? rc : msg_send(FD_CONTROL, &m, -1, e);
}

static int
serve(struct err *e)
{
	struct unpack_job job = {
		.in = UNPACK_FD_IN,
		.tree = {
			.root = UNPACK_FD_ROOTFS,
			.max_bytes = LIMIT_LAYER_BYTES,
			.max_entries = LIMIT_ENTRIES,
			.opaque = tell_opaque,
		},
	};
	struct unpack_result res = { 0 };
	struct err failed = { 0 };
	struct digest diff_id;
	uint32_t id = 0;
	int rc;

	rc = receive_job(&job, &diff_id, &id, e);
	if (rc < 0)
		return rc;
	rc = unpack_layer(&job, true, &res, &failed);
	close(UNPACK_FD_IN);	/* crypt must not wait for a reader that has given up */
	if (rc < 0)
		return role_answer(FD_CONTROL, M_UNPACK_DONE, id, &failed, e);
	return report(&res, id, e);
}

const struct role_ops role_unpack = {
	.name = "unpack",
	.keep_caps = CAP(CAP_CHOWN) | CAP(CAP_DAC_OVERRIDE) | CAP(CAP_FOWNER) |
	    CAP(CAP_FSETID) | CAP(CAP_MKNOD) | CAP(CAP_SETFCAP),
	.words = WORD(STDIO) | WORD(FDPASS) | WORD(THREAD) | WORD(TREE_WRITE),
	.max_files = 1024,
	.prepare = prepare,
	.serve = serve,
};
