/*
 * storage.c: asks the kernel what a directory lies on. Unknown file systems and devices
 * count as plain ones: no better than a disk that the host can read.
 */
#include "lib/base.h"

#include "agent/storage.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "agent/guest.h"
#include "lib/fs.h"
#include "lib/limits.h"
#include "lib/sys.h"

enum {
	DEVICE_LEVELS	= 4,		/* logical volume on RAID on crypt, and one more */
	UUID_MAX	= 256,		/* DM_UUID_LEN is 129 */
	PARENTS_MAX	= 4096,
	TRUSTED_MAX	= 16,
};

enum place { PLACE_MEMORY, PLACE_SHARED, PLACE_LOCAL };

static const struct kind {
	uint32_t	 magic;
	enum place	 place;
	const char	*name;
} kinds[] = {
	{ 0x01021994, PLACE_MEMORY, "tmpfs" },
	{ 0x858458f6, PLACE_MEMORY, "ramfs" },
	{ 0x65735546, PLACE_SHARED, "FUSE or virtiofs" },
	{ 0x01021997, PLACE_SHARED, "9p" },
	{ 0x00006969, PLACE_SHARED, "NFS" },
	{ 0x0000517b, PLACE_SHARED, "SMB" },
	{ 0xff534d42, PLACE_SHARED, "CIFS" },
	{ 0xfe534d42, PLACE_SHARED, "SMB2" },
	{ 0x5346414f, PLACE_SHARED, "AFS" },
	{ 0x6b414653, PLACE_SHARED, "AFS" },
	{ 0x73757245, PLACE_SHARED, "Coda" },
	{ 0x00c36400, PLACE_SHARED, "Ceph" },
	{ 0x01161970, PLACE_SHARED, "GFS2" },
	{ 0x7461636f, PLACE_SHARED, "OCFS2" },
	{ 0x0bd00bd0, PLACE_SHARED, "Lustre" },
	{ 0x47504653, PLACE_SHARED, "GPFS" },
	{ 0x20030528, PLACE_SHARED, "OrangeFS" },
	{ 0x786f4256, PLACE_SHARED, "vboxsf" },
	{ 0xbacbacbc, PLACE_SHARED, "vmhgfs" },
	{ 0x7c7c6673, PLACE_SHARED, "prl_fs" },
	{ 0x00c0ffee, PLACE_SHARED, "hostfs" },
	{ 0x794c7630, PLACE_LOCAL, "overlay" },
	{ 0x0000ef53, PLACE_LOCAL, "ext4" },
	{ 0x58465342, PLACE_LOCAL, "XFS" },
	{ 0x9123683e, PLACE_LOCAL, "Btrfs" },
	{ 0, PLACE_LOCAL, "a file system of no known kind" },
};

static const struct kind *
kind_of(const struct statfs *fs)
{
	const struct kind *k = kinds;

	while (k->magic != 0 && k->magic != (uint32_t)fs->f_type)
		k++;
	return k;
}

static bool
same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* The directory above, of which there is none above the root: -1. */
static int
open_above(int dir, const struct stat *here)
{
	autoclose int up = sys_openat(dir, "..", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	struct stat st;

	if (up < 0 || fstat(up, &st) < 0 || same_file(&st, here))
		return -1;
	return fd_steal(&up);
}

/* Compares the directories themselves on the way up: no names that could lead elsewhere. */
static bool
lies_beneath(int dir, const char *trusted)
{
	autoclose int at = fcntl(dir, F_DUPFD_CLOEXEC, 3);
	struct stat here, wanted;

	if (stat(trusted, &wanted) < 0)
		return false;
	for (int i = 0; i < PARENTS_MAX && at >= 0 && fstat(at, &here) == 0; i++) {
		int up;

		if (same_file(&here, &wanted))
			return true;
		up = open_above(at, &here);
		base_close(&at);
		at = up;
	}
	return false;
}

/* Where it is, for people. Without /proc nobody knows. */
static void
path_of(int dir, char *out, size_t size)
{
	char link[32];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
	n = readlink(link, out, size - 1);
	if (n <= 0)
		n = snprintf(out, size, "this directory");
	out[n] = '\0';
}

/* The path cut to where its file system is mounted. */
static void
mount_point_of(int dir, char *out, size_t size)
{
	autoclose int at = fcntl(dir, F_DUPFD_CLOEXEC, 3);
	struct stat here, above;
	char *slash;

	path_of(dir, out, size);
	while (at >= 0 && fstat(at, &here) == 0 && (slash = strrchr(out, '/')) != NULL) {
		int up = open_above(at, &here);

		base_close(&at);
		at = up;
		if (at < 0 || fstat(at, &above) < 0 || above.st_dev != here.st_dev)
			return;
		slash[slash == out ? 1 : 0] = '\0';
	}
}

/*
 * Encryption by the kernel. cryptsetup marks verity and integrity devices with the same
 * word, and disks that say they encrypt themselves.
 */
static bool
is_crypt_uuid(struct span uuid)
{
	return span_starts(uuid, "CRYPT-") && !span_starts(uuid, "CRYPT-VERITY-") &&
	    !span_starts(uuid, "CRYPT-INTEGRITY-") && !span_starts(uuid, "CRYPT-LUKS2-OPAL-");
}

static bool on_crypt(int device, int level);

/* All devices that this one is made of, and at least one, are encrypted. */
static bool
slaves_on_crypt(int device, int level)
{
	int slaves = sys_openat(device, "slaves", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	DIR *d = slaves >= 0 ? fdopendir(slaves) : NULL;
	struct dirent *entry;
	bool good = true, any = false;

	if (d == NULL) {
		base_close(&slaves);
		return false;
	}
	while (good && (entry = readdir(d)) != NULL) {
		autoclose int slave = -1;

		if (entry->d_name[0] == '.')
			continue;
		slave = sys_openat(dirfd(d), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
		good = slave >= 0 && on_crypt(slave, level + 1);
		any = true;
	}
	closedir(d);
	return good && any;
}

/* device is its directory in /sys; what the kernel shows there is no foreign data. */
static bool
on_crypt(int device, int level)
{
	autobuf uuid = BUF(UUID_MAX);
	struct err ignored;

	if (fs_read_file(device, "dm/uuid", &uuid, &ignored) == 0 && is_crypt_uuid(buf_span(&uuid)))
		return true;
	return level < DEVICE_LEVELS && slaves_on_crypt(device, level);
}

static bool
lies_on_crypt(int dir)
{
	autoclose int device = -1;
	struct stat st;
	char path[64];

	if (fstat(dir, &st) < 0)
		return false;
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(st.st_dev), minor(st.st_dev));
	device = sys_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	return device >= 0 && on_crypt(device, 0);
}

int
storage_check(int dir, const char *what, const char *const *trusted, size_t ntrusted,
    struct err *e)
{
	char path[LIMIT_PATH + 1];
	struct statfs fs;
	const struct kind *k;

	if (sys_fstatfs(dir, &fs) < 0)
		return err_sys_as(e, ERR_STORAGE, "%s: what it lies on", what);
	k = kind_of(&fs);
	if (k->place == PLACE_MEMORY)
		return 0;
	for (size_t i = 0; i < ntrusted; i++)
		if (lies_beneath(dir, trusted[i]))
			return 0;
	if (k->place == PLACE_LOCAL && (!guest_is_confidential() || lies_on_crypt(dir)))
		return 0;
	path_of(dir, path, sizeof(path));
	return err_set(e, ERR_STORAGE, "%s: %.200s lies on %s, %s; if that is to be, allow it with "
	    "--trusted-storage DIR", what, path, k->name, k->place == PLACE_SHARED ?
	    "where others can read and change the image's files" :
	    "which is neither memory nor encrypted by dm-crypt in this guest");
}

int
storage_check_list(int dir, const char *what, const char *trusted, struct err *e)
{
	struct span left = span_str(trusted != NULL ? trusted : ""), one;
	const char *list[TRUSTED_MAX];
	char text[LIMIT_PATH + 1], *end = text;
	size_t n = 0;

	if (left.len >= sizeof(text))
		return err_set(e, ERR_USAGE, "--trusted-storage is too long");
	for (; span_split(&left, ':', &one); end += one.len + 1) {
		if (n == TRUSTED_MAX || one.len == 0 || one.p[0] != '/')
			return err_set(e, ERR_USAGE, "--trusted-storage: at most %d absolute paths, "
			    "with : between", TRUSTED_MAX);
		memcpy(end, one.p, one.len);
		end[one.len] = '\0';
		list[n++] = end;
	}
	return storage_check(dir, what, list, n, e);
}

/* Needs are rounded up, what there is down. */
static void
size_text(uint64_t n, bool up, char out[32])
{
	static const char *const units[] = { "bytes", "KiB", "MiB" };
	size_t i = 0;

	for (; i + 1 < ARRAY_LEN(units) && n >= 10240; i++)
		n = n / 1024 + (up && n % 1024 != 0);
	snprintf(out, 32, "%" PRIu64 " %s", n, units[i]);
}

/* Bytes that we may still write. A file system that does not count blocks has no bound to tell. */
static uint64_t
free_bytes(const struct statfs *fs)
{
	uint64_t n, block = (uint64_t)(fs->f_frsize > 0 ? fs->f_frsize : fs->f_bsize);

	if (fs->f_blocks == 0 || __builtin_mul_overflow((uint64_t)fs->f_bavail, block, &n))
		return UINT64_MAX;
	return n;
}

int
storage_room(int dir, const char *what, uint64_t need, struct err *e)
{
	char path[LIMIT_PATH + 1], wanted[32], there[32];
	struct statfs fs;
	uint64_t left;

	if (sys_fstatfs(dir, &fs) < 0)
		return err_sys_as(e, ERR_STORAGE, "%s: room on its file system", what);
	left = free_bytes(&fs);
	if (need <= left)
		return 0;
	mount_point_of(dir, path, sizeof(path));
	size_text(need, true, wanted);
	size_text(left, false, there);
	return err_set(e, ERR_NOSPACE, "%s: %s are needed, %s are free on the file system %.200s (%s)",
	    what, wanted, there, path, kind_of(&fs)->name);
}

int
storage_explain(int dir, struct err *e)
{
	char path[LIMIT_PATH + 1], there[32];
	struct statfs fs;

	if (e->code != ERR_NOSPACE || sys_fstatfs(dir, &fs) < 0)
		return -(int)e->code;
	mount_point_of(dir, path, sizeof(path));
	size_text(free_bytes(&fs), false, there);
	return err_wrap(e, "file system %.200s (%s, %s left)", path, kind_of(&fs)->name, there);
}
