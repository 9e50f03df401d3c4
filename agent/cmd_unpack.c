/*
 * cmd_unpack.c: aa-cli unpack: layer files onto a flat root, by the same role, in the same
 * sandbox, with the same refusals as a pull.
 */
#include "lib/base.h"

#include <fcntl.h>

#include "agent/cli.h"
#include "agent/devices.h"
#include "agent/monitor.h"
#include "agent/staging.h"
#include "agent/storage.h"
#include "image/manifest.h"
#include "image/zstd.h"

static struct {
	const char	*rootfs, *work_dir, *device_nodes, *window_log, *trusted;
} opt;

static const struct option_def options[] = {
	{ "rootfs", "DIR", "the root to make; must not exist or be empty", &opt.rootfs, NULL },
	{ "work-dir", "DIR", "where it is made before it gets its name (default: beside DIR)", &opt.work_dir, NULL },
	{ "device-nodes", "WHAT", "create (default as root), refuse or skip", &opt.device_nodes, NULL },
	{ "zstd-window-log", "N", "memory for zstd: 2^N bytes, 10 to 27 (default 23: 8 MiB)", &opt.window_log, NULL },
	{ "trusted-storage", "DIR[:DIR…]", "write there and below, whatever it lies on", &opt.trusted, NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};

static const char more[] =
    "FILEs are layers as they lie in an image layout, plain tar, gzip or zstd, the lowest first; \"-\" is\n"
    "standard input. Whiteouts are obeyed. The diff_id of each layer is printed.\n\n"
    "Examples:\n"
    "  aa-cli unpack --rootfs root base.tar.gz app.tar.gz\n"
    "  aa-cli unpack --rootfs root blobs/sha256/8f3a…\n";

/* Reads the verdict of one layer and prints its diff_id. */
static int
take_result(const char *file, const struct msg *m, struct err *e)
{
	struct msg_reader r = msg_reader(m);
	char diff_id[160];
	uint64_t devices, xattrs;
	int rc = role_verdict(&r, e);

	if (rc < 0)
		return err_wrap(e, "%s", file);
	msg_get_str(&r, diff_id, sizeof(diff_id));
	(void)msg_get_u64(&r);	/* bytes */
	(void)msg_get_u64(&r);	/* entries */
	devices = msg_get_u64(&r);
	xattrs = msg_get_u64(&r);
	(void)msg_get_u64(&r);	/* implied directories: the lower ones stay as they are */
	(void)msg_get_u8(&r);	/* root entry */
	(void)msg_get_u8(&r);	/* compression was found by its magic: no wonder here */
	if (!msg_get_end(&r))
		return err_set(e, ERR_PROTO, "result that cannot be read");
	if (devices > 0)
		log_warning("%s: %" PRIu64 " device nodes skipped", file, devices);
	if (xattrs > 0)
		log_warning("%s: %" PRIu64 " extended attributes that this file system cannot hold "
		    "are missing", file, xattrs);
	printf("%s\n", diff_id);
	return 0;
}

/* What the options say of every layer. */
struct how {
	enum device_nodes	devices;
	unsigned		window_log;
};

static int
send_job(int control, bool first, bool owners, const struct how *how, struct err *e)
{
	automsg m;
	int rc;

	msg_init(&m, M_UNPACK_JOB, 0);
	rc = msg_put_u8(&m, COMPRESSION_NONE, e);
	if (rc == 0)
		rc = msg_put_str(&m, "", e);
	if (rc == 0)
		rc = msg_put_u8(&m, first, e);
	if (rc == 0)
		rc = msg_put_u8(&m, 0, e);	/* flat */
	if (rc == 0)
		rc = msg_put_u8(&m, owners, e);
	if (rc == 0)
		rc = msg_put_u8(&m, (uint8_t)how->devices, e);
	if (rc == 0)
		rc = msg_put_u8(&m, (uint8_t)how->window_log, e);
	return rc < 0 ? rc : msg_send(control, &m, -1, e);
}

static int
unpack_file(struct monitor *m, const struct staging *s, const char *file, bool first,
    const struct how *how, struct err *e)
{
	static const struct msg_rule rules[] = {
		{ .type = M_UNPACK_DONE, .max_len = KIB(1) }, { 0 },
	};
	autoclose int in = -1, ours = -1;
	automsg answer;
	int rc;

	msg_init(&answer, 0, 0);
	in = strcmp(file, "-") == 0 ? fcntl(0, F_DUPFD_CLOEXEC, 3) : open(file, O_RDONLY | O_CLOEXEC);
	if (in < 0)
		return err_sys(e, "%s", file);
	rc = monitor_start(m, ROLE_UNPACK, (int[]){ in, s->rootfs }, 2, &ours, NULL, e);
	if (rc == 0)
		rc = send_job(ours, first, m->root_mode, how, e);
	if (rc == 0)
		rc = monitor_await(m, ours, rules, &answer, e);
	if (rc == 0)
		return err_set(e, ERR_CRASH, "%s: the unpack process died", file);
	return rc < 0 ? rc : take_result(file, &answer, e);
}

/* Nothing of the layers is written to where it must not be. */
static int
unpack_all(struct monitor *m, const struct staging *s, const char **files, size_t n,
    const struct how *how, struct err *e)
{
	int rc = storage_check_list(s->rootfs, opt.rootfs, opt.trusted, e);

	for (size_t i = 0; i < n && rc == 0; i++)
		rc = unpack_file(m, s, files[i], i == 0, how, e);
	return rc < 0 ? storage_explain(s->rootfs, e) : 0;
}

static int
run(const char **operands, size_t n, struct err *e)
{
	struct how how;
	struct monitor m;
	struct staging s;
	int rc;

	if (opt.rootfs == NULL)
		return err_set(e, ERR_USAGE, "wants --rootfs DIR");
	rc = device_nodes_parse(opt.device_nodes, &how.devices, e);
	if (rc == 0)
		rc = window_log_parse(opt.window_log, &how.window_log, e);
	if (rc < 0)
		return rc;
	rc = monitor_open(&m, false, e);
	if (rc < 0 || (rc = staging_open(opt.rootfs, opt.work_dir, STAGING_ROOTFS, &s, e)) < 0) {
		monitor_close(&m);
		return rc;
	}
	rc = unpack_all(&m, &s, operands, n, &how, e);
	monitor_close(&m);
	if (rc == 0)
		rc = staging_commit(&s, "rootfs", e);
	staging_close(&s);
	return rc;
}

const struct cli_verb verb_unpack = {
	.name = "unpack",
	.operands = "--rootfs DIR FILE…",
	.summary = "unpack layer files onto a flat root",
	.more = more,
	.options = options,
	.min = 1,
	.max = CLI_MAX_OPERANDS,
	.run = run,
};
