/*
 * fuzz_attesters.c: a kernel that answers anything: provider, generation, level, report, certificates. The input is the lines
 * of these, and the report behind them; the certificates are its second half.
 */
#include "lib/base.h"

#include "evidence/evidence.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "lib/crypto.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

struct kernel {
	struct span	provider, generation, floor, report, aux;
	unsigned	dirs;
};

static int
give(struct span bytes)
{
	int fd = memfd_create("kernel", MFD_CLOEXEC);

	if (fd < 0 || (bytes.len > 0 && pwrite(fd, bytes.p, bytes.len, 0) != (ssize_t)bytes.len))
		abort();
	return fd;
}

static int
kernel_open(void *arg, const char *path, int flags)
{
	const char *name = strrchr(path, '/') + 1;
	const struct kernel *k = arg;

	if ((flags & O_ACCMODE) == O_WRONLY)
		return give((struct span){ NULL, 0 });
	if (strcmp(name, "provider") == 0)
		return give(k->provider);
	if (strcmp(name, "generation") == 0)
		return give(k->generation);
	if (strcmp(name, "privlevel_floor") == 0)
		return give(k->floor);
	if (strcmp(name, "outblob") == 0)
		return give(k->report);
	if (strcmp(name, "auxblob") == 0)
		return give(k->aux);
	errno = ENOENT;
	return -1;
}

static int
kernel_ioctl(maybe_unused void *arg, maybe_unused int fd, maybe_unused unsigned long request, maybe_unused void *argument)
{
	errno = ENOTTY;
	return -1;
}

static int
kernel_make(void *arg, maybe_unused const char *path)
{
	((struct kernel *)arg)->dirs++;
	return 0;
}

static int
kernel_remove(void *arg, maybe_unused const char *path)
{
	((struct kernel *)arg)->dirs--;
	return 0;
}

static int
kernel_vsock(maybe_unused void *arg, maybe_unused uint32_t port)
{
	errno = ENODEV;
	return -1;
}

static void
kernel_pause(maybe_unused void *arg, maybe_unused unsigned ms)
{
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static const uint8_t data[EVIDENCE_DATA];
	struct kernel k = { .dirs = 0 };
	const struct evidence_env env = {
		.open = kernel_open, .ioctl = kernel_ioctl, .make_dir = kernel_make, .remove_dir = kernel_remove,
		.remove_file = kernel_remove, .vsock = kernel_vsock, .pause = kernel_pause, .arg = &k,
	};
	autobuf out = BUF(LIMIT_EVIDENCE);
	const struct attester_ops *tee;
	struct span in = { bytes, n };
	autoevidence ev;
	struct err e;

	evidence_init(&ev);
	if (crypto_init(&e) < 0 || !span_split(&in, '\n', &k.provider) || !span_split(&in, '\n', &k.generation) ||
	    !span_split(&in, '\n', &k.floor))
		return 0;
	k.report = in;
	if (in.len > 1184)
		k.aux = (struct span){ in.p + 1184, in.len - 1184 };
	if (k.aux.len > 0 && span_eq_str(k.provider, "sev_guest"))
		k.report.len = 1184;
	if (evidence_select(&env, NULL, &tee, &e) == 0 &&
	    evidence_collect(&env, tee, (struct span){ data, sizeof(data) }, &ev, &e) == 0)
		(void)(evidence_format(&ev, EVIDENCE_COMPOSITE, &out, &e) < 0);
	if (k.dirs != 0)
		abort();
	return 0;
}
