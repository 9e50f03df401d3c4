/*
 * test_storage.c: where plaintext may lie. The kernel's answers (kind of file system, devices
 * in /sys, signs of a confidential guest) are played by the test.
 */
#include "lib/base.h"

#include "agent/storage.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "agent/guest.h"
#include "lib/fs.h"
#include "lib/sys.h"
#include "tests/lib/fault.h"
#include "tests/lib/tap.h"

#define TMPFS	0x01021994
#define EXT4	0xef53
#define OVERLAY	0x794c7630
#define FUSE	0x65735546

static struct err e;
static char top[] = "/tmp/cacao-storage.XXXXXX";
static int dir = -1;

/* What the played kernel says. */
static struct {
	struct statfs	 fs;
	const char	*sign;		/* this file is there */
	int		 sign_errno;	/* why the others are not */
	bool		 tdx;
} world;

static int
played_fstatfs(int fd, struct statfs *out)
{
	(void)fd;
	*out = world.fs;
	return 0;
}

static bool
is_sign(const char *path)
{
	return strncmp(path, "/dev/", 5) == 0 || strncmp(path, "/sys/kernel/security/", 21) == 0;
}

/* The device below whatever the directory lies on is top/sys. */
static int
played_openat(int at, const char *path, int flags, mode_t mode)
{
	char own[64];

	if (is_sign(path)) {
		if (world.sign != NULL && strcmp(path, world.sign) == 0)
			return sys_real.openat(AT_FDCWD, "/dev/null", O_PATH | O_CLOEXEC, 0);
		errno = world.sign_errno;
		return -1;
	}
	if (strncmp(path, "/sys/dev/block/", 15) == 0) {
		snprintf(own, sizeof(own), "%s/sys", top);
		return sys_real.openat(AT_FDCWD, own, flags, mode);
	}
	return sys_real.openat(at, path, flags, mode);
}

static void
played_cpuid(uint32_t leaf, uint32_t regs[4])
{
	bool tdx = world.tdx && leaf == 0x21;

	regs[0] = 0;
	memcpy(&regs[1], tdx ? "Inte" : "Genu", 4);
	memcpy(&regs[3], tdx ? "lTDX" : "ineI", 4);
	memcpy(&regs[2], tdx ? "    " : "ntel", 4);
}

static void
play(uint32_t magic, bool confidential)
{
	world.fs = (struct statfs){ .f_type = (__typeof__(world.fs.f_type))magic };
	world.sign = confidential ? "/dev/sev-guest" : NULL;
	world.sign_errno = ENOENT;
	world.tdx = false;
}

static int
check(const char *trusted)
{
	return storage_check(dir, "bundle", &trusted, trusted != NULL ? 1 : 0, &e);
}

static void
guests(void)
{
	static const char *const signs[] = {
		"/dev/tdx_guest", "/dev/tdx-guest", "/dev/tdx-attest", "/dev/sev-guest",
		"/dev/csv-guest", "/sys/kernel/security/coco",
	};

	play(EXT4, false);
	ok(!guest_is_confidential(), "no sign: no confidential guest");
	for (size_t i = 0; i < ARRAY_LEN(signs); i++) {
		world.sign = signs[i];
		ok(guest_is_confidential(), "%s is a sign", signs[i]);
	}
	play(EXT4, false);
	world.tdx = true;
	ok(guest_is_confidential(), "the processor says TDX");
	world.tdx = false;
	world.sign_errno = ENOTDIR;
	ok(!guest_is_confidential(), "there is no such folder");
	world.sign_errno = EACCES;
	ok(guest_is_confidential(), "what cannot be found out counts as a sign");
}

static void
kinds(void)
{
	static const struct { uint32_t magic; const char *name; } shared[] = {
		{ FUSE, "FUSE or virtiofs" }, { 0x01021997, "9p" }, { 0x6969, "NFS" },
		{ 0x517b, "SMB" }, { 0xff534d42, "CIFS" }, { 0xfe534d42, "SMB2" },
		{ 0x5346414f, "AFS" }, { 0x6b414653, "AFS" }, { 0x00c36400, "Ceph" },
		{ 0x73757245, "Coda" }, { 0x01161970, "GFS2" }, { 0x7461636f, "OCFS2" },
		{ 0x0bd00bd0, "Lustre" }, { 0x47504653, "GPFS" }, { 0x20030528, "OrangeFS" },
		{ 0x786f4256, "vboxsf" }, { 0xbacbacbc, "vmhgfs" }, { 0x7c7c6673, "prl_fs" },
		{ 0x00c0ffee, "hostfs" },
	};
	static const uint32_t local[] = { EXT4, 0x58465342, 0x9123683e, OVERLAY, 0x12345678 };
	static const uint32_t memory[] = { TMPFS, 0x858458f6 };

	for (int confidential = 0; confidential < 2; confidential++) {
		for (size_t i = 0; i < ARRAY_LEN(shared); i++) {
			char on[64];

			play(shared[i].magic, confidential);
			fails(check(NULL), ERR_STORAGE, "%s, confidential %d", shared[i].name,
			    confidential);
			snprintf(on, sizeof(on), "lies on %s, where others", shared[i].name);
			ok(strncmp(e.msg, "bundle: ", 8) == 0 && strstr(e.msg, top) != NULL &&
			    strstr(e.msg, on) != NULL && strstr(e.msg, "--trusted-storage") != NULL,
			    "says why and what to do");
			works(check(top), "%s when it is trusted", shared[i].name);
		}
		for (size_t i = 0; i < ARRAY_LEN(memory); i++) {
			play(memory[i], confidential);
			works(check(NULL), "memory, confidential %d", confidential);
		}
		for (size_t i = 0; i < ARRAY_LEN(local); i++) {
			play(local[i], confidential);
			if (confidential)
				fails(check(NULL), ERR_STORAGE, "a plain disk in a confidential guest");
			else
				works(check(NULL), "a local disk");
			works(check(top), "a local disk that is trusted");
		}
	}
}

static void
make(const char *name)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/%.100s", top, name);
	if (mkdir(path, 0755) == -1)
		abort();
}

static void
trusted_places(void)
{
	static const char *const bad[] = { "/nonexistent", "", "a/b", "link/no" };
	char name[256], deep[256];

	make("a");
	make("a/b");
	make("ab");
	snprintf(name, sizeof(name), "%s/link", top);
	snprintf(deep, sizeof(deep), "%s/a", top);
	if (symlink(deep, name) == -1)
		abort();
	snprintf(deep, sizeof(deep), "%s/a/b", top);
	close(dir);
	dir = open(deep, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	play(FUSE, false);
	works(check(deep), "the directory itself is trusted");
	works(check(top), "one above is");
	works(check("/"), "all is");
	works(check(name), "by a symlink");
	snprintf(name, sizeof(name), "%s/ab", top);
	fails(check(name), ERR_STORAGE, "a name that begins like it");
	snprintf(name, sizeof(name), "%s/sys", top);
	fails(check(name), ERR_STORAGE, "one beside it");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		fails(check(bad[i]), ERR_STORAGE, "not there: \"%s\"", bad[i]);
	works(storage_check(dir, "bundle", (const char *const[]){ "/nonexistent", top }, 2, &e),
	    "the second of two");
	close(dir);
	dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fails(check(deep), ERR_STORAGE, "one below it");
}

static void
lists(void)
{
	char list[4200], *end = list;

	play(FUSE, false);
	fails(storage_check_list(dir, "bundle", NULL, &e), ERR_STORAGE, "no list");
	fails(storage_check_list(dir, "bundle", "", &e), ERR_STORAGE, "an empty list");
	works(storage_check_list(dir, "bundle", top, &e), "a list of one");
	snprintf(list, sizeof(list), "/nonexistent:%s", top);
	works(storage_check_list(dir, "bundle", list, &e), "the second of two");
	fails(storage_check_list(dir, "bundle", "/nonexistent:/dev", &e), ERR_STORAGE, "none of two");
	fails(storage_check_list(dir, "bundle", "tmp", &e), ERR_USAGE, "a relative path");
	fails(storage_check_list(dir, "bundle", "/dev::/tmp", &e), ERR_USAGE, "an empty path");
	for (int i = 0; i < 16; i++)
		end += snprintf(end, 8, "/dev:");
	fails(storage_check_list(dir, "bundle", list, &e), ERR_STORAGE, "as many as may be");
	snprintf(end, 8, "/tmp");
	fails(storage_check_list(dir, "bundle", list, &e), ERR_USAGE, "one more");
	memset(list, '/', 4095);
	list[4095] = '\0';
	works(storage_check_list(dir, "bundle", list, &e), "as long as may be");
	list[4095] = '/';
	list[4096] = '\0';
	fails(storage_check_list(dir, "bundle", list, &e), ERR_USAGE, "too long");
}

/* A device in our /sys; uuid NULL: not of the device mapper. */
static void
device(const char *name, const char *uuid)
{
	autoclose int fd = -1;
	char path[300];

	make(name);
	if (uuid == NULL)
		return;
	snprintf(path, sizeof(path), "%s/dm", name);
	make(path);
	snprintf(path, sizeof(path), "%s/%s/dm/uuid", top, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd == -1 || write(fd, uuid, strlen(uuid)) != (ssize_t)strlen(uuid))
		abort();
}

static void
slave(const char *of, const char *name)
{
	char path[256], target[256];

	snprintf(path, sizeof(path), "%s/%s/slaves", top, of);
	(void)mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/%s/slaves/%s", top, of, name);
	snprintf(target, sizeof(target), "%s/%s", top, name);
	if (symlink(target, path) == -1)
		abort();
}

static void
forget_devices(void)
{
	static const char *const names[] = { "sys", "d1", "d2", "d3", "d4", "d5" };
	autoclose int at = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (fs_remove_tree(at, names[i], &e) < 0)
			abort();
}

static void
devices(void)
{
	static const struct { const char *uuid; bool good; } uuids[] = {
		{ "CRYPT-LUKS2-0123456789abcdef-name\n", true }, { "CRYPT-PLAIN-name\n", true },
		{ "CRYPT-VERITY-0123-name\n", false }, { "CRYPT-INTEGRITY-name\n", false },
		{ "CRYPT-LUKS2-OPAL-0123-name\n", false }, { "LVM-0123\n", false },
		{ "xCRYPT-LUKS2-0\n", false }, { "\n", false }, { "", false },
	};

	play(EXT4, true);
	for (size_t i = 0; i < ARRAY_LEN(uuids); i++) {
		forget_devices();
		device("sys", uuids[i].uuid);
		is_int(check(NULL), uuids[i].good ? 0 : -ERR_STORAGE, "kind %zu of a device", i);
	}
	ok(strstr(e.msg, "dm-crypt") != NULL, "says what is missing");
	play(OVERLAY, true);
	fails(check(NULL), ERR_STORAGE, "the last one, for an overlay");
	play(EXT4, true);

	forget_devices();
	device("sys", "LVM-0123\n");
	slave("sys", "d1");
	device("d1", "CRYPT-LUKS2-0\n");
	works(check(NULL), "a logical volume on crypt");
	slave("sys", "d2");
	device("d2", NULL);
	fails(check(NULL), ERR_STORAGE, "half of it is on a plain disk");
	forget_devices();
	device("sys", NULL);
	slave("sys", "d1");
	fails(check(NULL), ERR_STORAGE, "a slave that cannot be looked at");
	device("d1", "CRYPT-INTEGRITY-0\n");
	slave("d1", "d2");
	device("d2", "CRYPT-PLAIN-0\n");
	works(check(NULL), "RAID on integrity on crypt");

	forget_devices();
	device("sys", NULL);
	slave("sys", "d1");
	device("d1", NULL);
	slave("d1", "d2");
	device("d2", NULL);
	slave("d2", "d3");
	device("d3", NULL);
	slave("d3", "d4");
	device("d4", "CRYPT-PLAIN-0\n");
	works(check(NULL), "four levels");
	if (fs_remove_tree(dir, "d4", &e) < 0)
		abort();
	device("d4", NULL);
	slave("d4", "d5");
	device("d5", "CRYPT-PLAIN-0\n");
	fails(check(NULL), ERR_STORAGE, "five are too many");
	forget_devices();
	device("sys", NULL);
	slave("sys", "sys");
	fails(check(NULL), ERR_STORAGE, "a device made of itself");
}

static void
room(void)
{
	play(TMPFS, false);
	world.fs.f_bsize = 4096;
	world.fs.f_blocks = 100000;
	world.fs.f_bavail = 25600;
	works(storage_room(dir, "layers", 25600ULL * 4096, &e), "fits just");
	fails(storage_room(dir, "layers", 25600ULL * 4096 + 1, &e), ERR_NOSPACE, "one byte more");
	ok(strncmp(e.msg, "layers: 101 MiB are needed, 100 MiB are free on the file system /", 65) == 0 &&
	    strstr(e.msg, "(tmpfs)") != NULL && strstr(e.msg, top) == NULL,
	    "says how much, and where it is mounted");
	world.fs.f_frsize = 512;
	fails(storage_room(dir, "layers", 25600ULL * 512 + 1, &e), ERR_NOSPACE, "fragments count");
	world.fs.f_bavail = 0;
	fails(storage_room(dir, "layers", 1, &e), ERR_NOSPACE, "none is left");
	ok(strstr(e.msg, "1 bytes are needed, 0 bytes") != NULL, "in bytes");
	works(storage_room(dir, "layers", 0, &e), "nothing always fits");
	world.fs.f_blocks = 0;
	works(storage_room(dir, "layers", UINT64_MAX, &e), "a file system that does not count");
	world.fs.f_blocks = 1;
	world.fs.f_bavail = (__typeof__(world.fs.f_bavail))UINT64_MAX;
	works(storage_room(dir, "layers", UINT64_MAX - 1, &e), "more than can be counted");

	world.fs.f_bavail = 3;
	(void)err_set(&e, ERR_NOSPACE, "write");
	is_int(storage_explain(dir, &e), -ERR_NOSPACE, "the code stays");
	ok(strncmp(e.msg, "file system /", 13) == 0 && strstr(e.msg, "(tmpfs, 1536 bytes left): write"),
	    "says which one is full");
	(void)err_set(&e, ERR_LAYER, "bad");
	is_int(storage_explain(dir, &e), -ERR_LAYER, "others are left alone");
	is_str(e.msg, "bad", "wholly");
}

static int
run_check(void *arg, struct err *err)
{
	(void)arg;
	return storage_check(dir, "bundle", NULL, 0, err);
}

static int
run_room(void *arg, struct err *err)
{
	(void)arg;
	return storage_room(dir, "bundle", 1, err);
}

static int
broken_fstatfs(int fd, struct statfs *out)
{
	static int turn;

	(void)out;
	errno = turn++ == 0 ? EINTR : EIO;
	return fd >= 0 ? -1 : 0;
}

static void
hardship(const struct sys_ops *played)
{
	struct sys_ops broken = *played;

	sys = &sys_real;
	ok(fault_each(FAULT_IO, EIO, true, run_check, NULL) > 0, "each question fails");
	ok(fault_each(FAULT_ALLOC, ENOMEM, true, run_check, NULL) >= 0, "no memory");
	ok(fault_each(FAULT_IO, EIO, false, run_room, NULL) > 0, "room cannot be found out");
	broken.fstatfs = broken_fstatfs;
	sys = &broken;
	fails(run_check(NULL, &e), ERR_STORAGE, "what cannot be found out is refused");
	fails(run_room(NULL, &e), ERR_STORAGE, "room, too");
	(void)err_set(&e, ERR_NOSPACE, "write");
	is_int(storage_explain(dir, &e), -ERR_NOSPACE, "an error is not lost for another");
	is_str(e.msg, "write", "it stays as it was");
}

int
main(void)
{
	struct sys_ops played = sys_real;
	autoclose int parent = -1;
	char *base;

	if (mkdtemp(top) == NULL || (dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		abort();
	works(storage_check(dir, "this machine", (const char *const[]){ top }, 1, &e), "the real world");
	played.fstatfs = played_fstatfs;
	played.openat = played_openat;
	sys = &played;
	guest_cpuid = played_cpuid;
	guests();
	kinds();
	trusted_places();
	lists();
	devices();
	room();
	hardship(&played);
	sys = &sys_real;
	base = strrchr(top, '/');
	parent = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ok(fs_remove_tree(parent, base + 1, &e) == 0, "nothing is left behind");
	close(dir);
	return tap_done();
}
