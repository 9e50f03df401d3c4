/*
 * test_unpack.c: whole layers: every archive of tests/vectors/image/tar with what it must give (expect.json), as root and as
 * another user; digests, damage, cuts; and that nothing ever waits for a peer that stays silent.
 */
#include "lib/base.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include <fcntl.h>
#include <zlib.h>

#include "image/ahead.h"
#include "image/unpack.h"
#include "lib/codec.h"
#include "lib/fs.h"
#include "lib/json.h"
#include "lib/sys.h"
#include "tests/lib/archive.h"
#include "tests/lib/fault.h"
#include "tests/lib/tap.h"

#define VECTORS	"tests/vectors/image/tar"

static struct err e;
static int work = -1;
static int vectors = -1;	/* opened before the user changes */
static bool threads;

static void
fresh(void)
{
	if (fs_remove_tree(work, "root", &e) < 0 || mkdirat(work, "root", 0755) == -1)
		abort();
}

static int
unpack_fd(int in, enum compression c, const struct digest *diff_id, struct unpack_result *out,
    struct err *err)
{
	autoclose int root = openat(work, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct unpack_job job = {
		.in = in, .compression = c, .diff_id = diff_id,
		.tree = {
			.root = root, .first_layer = true, .owners = geteuid() == 0,
			.devices = geteuid() == 0 ? DEVICES_CREATE : DEVICES_SKIP,
			.max_bytes = LIMIT_LAYER_BYTES, .max_entries = LIMIT_ENTRIES,
		},
	};

	return unpack_layer(&job, threads, out, err);
}

/* A file without a name that holds the bytes. Not of the folder's file system: overlayfs has none before Linux 6.1. */
static int
file_of(struct span bytes)
{
	int fd = memfd_create("layer", MFD_CLOEXEC);

	if (fd == -1 || write(fd, bytes.p, bytes.len) != (ssize_t)bytes.len || lseek(fd, 0, SEEK_SET) == -1)
		abort();
	return fd;
}

static int
unpack_bytes(struct span bytes, enum compression c, const struct digest *diff_id,
    struct unpack_result *out, struct err *err)
{
	autoclose int fd = file_of(bytes);

	return unpack_fd(fd, c, diff_id, out, err);
}

/*
 * The checks of expect.json. All look below the root without following links.
 */

static int
stat_in_root(const char *path, struct stat *st)
{
	char full[5100];

	snprintf(full, sizeof(full), "root/%s", path);
	return fstatat(work, full, st, AT_SYMLINK_NOFOLLOW);
}

static bool
check_type(const struct stat *st, struct json_val want)
{
	return (json_str_eq(want, "file") && S_ISREG(st->st_mode)) ||
	    (json_str_eq(want, "dir") && S_ISDIR(st->st_mode)) ||
	    (json_str_eq(want, "symlink") && S_ISLNK(st->st_mode));
}

static bool
check_content(const char *path, struct json_val want)
{
	autobuf text = BUF(1 << 20), content = BUF(1 << 20);
	char full[5100];

	snprintf(full, sizeof(full), "root/%s", path);
	return fs_read_file(work, full, &content, &e) == 0 &&
	    json_str(want, "content", &text, &e) == 0 &&
	    span_eq(buf_span(&text), buf_span(&content));
}

static bool
check_target(const char *path, struct json_val want)
{
	char full[5100], target[4200];
	ssize_t n;

	snprintf(full, sizeof(full), "root/%s", path);
	n = readlinkat(work, full, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = '\0';
	return json_str_eq(want, target);
}

/* Sets or not; a value of NULL only asks whether it is there. */
static bool
has_xattr(const char *path, const char *name, const char *value)
{
	char full[5100], hex[2048];
	uint8_t got[1000];
	ssize_t n;

	snprintf(full, sizeof(full), "root/%s", path);
	if (fchdir(work) == -1)
		abort();
	n = lgetxattr(full, name, got, sizeof(got));
	if (n < 0 || value == NULL)
		return n >= 0;
	hex_encode(got, (size_t)n, hex);
	return strcmp(hex, value) == 0;
}

static bool
check_xattrs(const char *path, struct json_val want)
{
	struct json_iter it = json_iter(want);
	char name[256], value[2048];

	while (json_next(&it)) {
		if (json_cstr(it.key, "name", name, sizeof(name), &e) < 0 ||
		    json_cstr(it.val, "value", value, sizeof(value), &e) < 0)
			return false;
		if (geteuid() != 0 && strcmp(name, "security.capability") == 0)
			continue;	/* only root may */
		if (!has_xattr(path, name, value))
			return false;
	}
	return true;
}

static bool
check_xattrs_absent(const char *path, struct json_val want)
{
	struct json_iter it = json_iter(want);
	char name[256];

	while (json_next(&it))
		if (json_cstr(it.val, "name", name, sizeof(name), &e) < 0 || has_xattr(path, name, NULL))
			return false;
	return true;
}

static bool
check_number(struct json_val want, int64_t got)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRId64, got);
	return span_eq_str(json_raw(want), text);
}

static bool
check_member(const char *path, const struct stat *st, struct json_val key, struct json_val want)
{
	char other[5000], mode[8];
	struct stat same;

	snprintf(mode, sizeof(mode), "%04o", (unsigned)st->st_mode & 07777);
	if (json_str_eq(key, "type"))
		return check_type(st, want);
	if (json_str_eq(key, "content"))
		return check_content(path, want);
	if (json_str_eq(key, "mode"))
		return json_str_eq(want, mode);
	if (json_str_eq(key, "target"))
		return check_target(path, want);
	if (json_str_eq(key, "uid"))
		return check_number(want, st->st_uid) || geteuid() != 0;
	if (json_str_eq(key, "gid"))
		return check_number(want, st->st_gid) || geteuid() != 0;
	if (json_str_eq(key, "mtime"))
		return check_number(want, st->st_mtime);
	if (json_str_eq(key, "nlink"))
		return check_number(want, (int64_t)st->st_nlink);
	if (json_str_eq(key, "xattr"))
		return check_xattrs(path, want);
	if (json_str_eq(key, "xattr_absent"))
		return check_xattrs_absent(path, want);
	if (json_str_eq(key, "same_inode_as"))
		return json_cstr(want, "path", other, sizeof(other), &e) == 0 &&
		    stat_in_root(other, &same) == 0 && same.st_ino == st->st_ino;
	return false;		/* a property that this test does not know */
}

static void
check_paths(const char *vector, struct json_val paths)
{
	struct json_iter it = json_iter(paths);
	char path[5000];
	struct stat st;

	while (json_next(&it)) {
		struct json_iter members = json_iter(it.val);

		if (json_cstr(it.key, "path", path, sizeof(path), &e) < 0)
			abort();
		if (stat_in_root(path, &st) == -1) {
			/* The vector's own mode may close a directory to all but root. */
			ok(errno == EACCES && geteuid() != 0, "%s: %.40s is there", vector, path);
			continue;
		}
		while (json_next(&members))
			ok(check_member(path, &st, members.key, members.val), "%s: %.40s: %.*s", vector,
			    path, (int)json_raw(members.key).len, (const char *)json_raw(members.key).p);
	}
}

static void
check_absent(const char *vector, struct json_val absent)
{
	struct json_iter it = json_iter(absent);
	char path[5000];
	struct stat st;

	while (json_next(&it))
		ok(json_cstr(it.val, "path", path, sizeof(path), &e) == 0 && stat_in_root(path, &st) == -1,
		    "%s: %s is not there", vector, path);
}

static void
check_vector(const char *vector, struct json_val want)
{
	struct json_val accept = json_get(want, "accept");
	struct unpack_result res = { 0 };
	autoclose int fd = -1;
	char file[300];
	bool must = false;
	struct stat st;
	int rc;

	fresh();
	snprintf(file, sizeof(file), "%s.tar", vector);
	fd = openat(vectors, file, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		abort();
	rc = unpack_fd(fd, COMPRESSION_NONE, NULL, &res, &e);
	/* More bytes than PATH_MAX: refused in order. */
	if (strcmp(vector, "name-deep") == 0)
		is_int(rc, -ERR_LIMIT, "%s: a clean refusal", vector);
	else if (json_boolean(accept, "accept", &must, &e) == 0)
		ok((rc == 0) == must, "%s: %s%s%s", vector, must ? "accepted" : "refused",
		    rc < 0 ? ": " : "", rc < 0 ? e.msg : "");
	else
		ok(true, "%s: either, and %s", vector, rc == 0 ? "accepted" : "refused");
	ok(fstatat(work, "root", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode), "%s: root stays", vector);
	if (rc < 0)
		return;
	check_paths(vector, json_get(want, "paths"));
	check_paths(vector, json_get(want, "paths_if_accepted"));
	check_absent(vector, json_get(want, "absent"));
	ok(fstat(fd, &st) == 0 && res.unpacked == (uint64_t)st.st_size, "%s: all bytes are hashed", vector);
}

/* Only "root" and what the test made may be there. */
static bool
outside_untouched(void)
{
	return faccessat(work, "etc", F_OK, AT_SYMLINK_NOFOLLOW) == -1 &&
	    faccessat(work, "escape", F_OK, AT_SYMLINK_NOFOLLOW) == -1 &&
	    access("/escape", F_OK) == -1 && access("/etc/f", F_OK) == -1 && access("/etc/p", F_OK) == -1;
}

static void
test_vectors(void)
{
	autobuf text = BUF(1 << 20);
	autojson json = NULL;
	struct json_iter it;
	char name[256];
	int n = 0;

	works(fs_read_file(vectors, "expect.json", &text, &e), "expect.json");
	works(json_parse(buf_span(&text), &json, &e), "expect.json parses");
	it = json_iter(json_root(json));
	while (json_next(&it)) {
		if (json_cstr(it.key, "name", name, sizeof(name), &e) < 0)
			abort();
		check_vector(name, it.val);
		n++;
	}
	ok(n >= 60, "all vectors");
	ok(outside_untouched(), "nothing outside of the root was made");
}

/*
 * Digests and damage.
 */

static void
compress_into(struct buf *out, struct span in)
{
	z_stream z = { .next_in = (void *)(uintptr_t)in.p, .avail_in = (unsigned)in.len };
	size_t room = in.len + 1000;

	if (buf_reserve(out, room, &e) < 0 ||
	    deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		abort();
	z.next_out = out->data + out->len;
	z.avail_out = (unsigned)room;
	if (deflate(&z, Z_FINISH) != Z_STREAM_END)
		abort();
	out->len += z.total_out;
	deflateEnd(&z);
}

static void
test_digests(void)
{
	struct archive a = ARCHIVE();
	struct unpack_result res, untouched;
	struct digest good, bad;
	autobuf gz = BUF(1 << 20);

	archive_file(&a, "f", "content");
	archive_end(&a);
	archive_bytes(&a, "trailing bytes", 14);
	compress_into(&gz, buf_span(&a.out));
	for (int alg = HASH_SHA256; alg <= HASH_SHA512; alg++) {
		if (alg == HASH_SHA384)
			continue;
		works(digest_of((enum hash_alg)alg, buf_span(&a.out), &good, &e), "digest");
		fresh();
		works(unpack_bytes(buf_span(&a.out), COMPRESSION_NONE, &good, &res, &e), "plain");
		ok(digest_equal(&res.diff_id, &good) && res.unpacked == a.out.len && !res.sniffed &&
		    res.stats.entries == 1 && res.stats.bytes == 7, "result");
		fresh();
		works(unpack_bytes(buf_span(&gz), COMPRESSION_GZIP, &good, &res, &e), "gzip");
		ok(digest_equal(&res.diff_id, &good) && !res.sniffed, "result");
		fresh();
		works(unpack_bytes(buf_span(&gz), COMPRESSION_NONE, &good, &res, &e), "gzip said to be plain");
		ok(res.sniffed, "is noticed");
		fresh();
		works(unpack_bytes(buf_span(&a.out), COMPRESSION_GZIP, &good, &res, &e), "plain said to be gzip");
		ok(res.sniffed, "is noticed");
		bad = good;
		bad.value[3] ^= 1;
		digest_set(&bad, (enum hash_alg)alg, bad.value);
		memset(&res, 42, sizeof(res));
		untouched = res;
		fresh();
		fails(unpack_bytes(buf_span(&gz), COMPRESSION_GZIP, &bad, &res, &e), ERR_DIGEST, "wrong diff_id");
		ok(strstr(e.msg, bad.text) != NULL && strstr(e.msg, good.text) != NULL, "names both");
		ok(memcmp(&res, &untouched, sizeof(res)) == 0, "output untouched");
		a.out.data[a.out.len - 1] ^= 1;
		fresh();
		fails(unpack_bytes(buf_span(&a.out), COMPRESSION_NONE, &good, &res, &e), ERR_DIGEST,
		    "a byte behind the end counts");
		a.out.data[a.out.len - 1] ^= 1;
	}
	fresh();
	works(unpack_bytes(buf_span(&a.out), COMPRESSION_NONE, NULL, &res, &e), "no diff_id");
	fresh();
	works(unpack_bytes((struct span){ NULL, 0 }, COMPRESSION_NONE, NULL, &res, &e), "nothing at all");
	is_str(res.diff_id.text, "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "its digest");
	buf_free(&a.out);
}

static void
test_damage(void)
{
	struct archive a = ARCHIVE();
	struct unpack_result res;
	autobuf gz = BUF(1 << 20), twice = BUF(1 << 20);

	archive_file(&a, "f", "content");
	archive_end(&a);
	compress_into(&gz, buf_span(&a.out));
	gz.data[gz.len - 1] ^= 1;
	fresh();
	fails(unpack_bytes(buf_span(&gz), COMPRESSION_GZIP, NULL, &res, &e), ERR_LAYER, "gzip trailer");
	gz.data[gz.len - 1] ^= 1;
	gz.len--;
	fresh();
	fails(unpack_bytes(buf_span(&gz), COMPRESSION_GZIP, NULL, &res, &e), ERR_LAYER,
	    "cut, although the archive is whole");
	gz.len++;
	compress_into(&twice, buf_span(&gz));
	fresh();
	fails(unpack_bytes(buf_span(&twice), COMPRESSION_GZIP, NULL, &res, &e), ERR_LAYER, "gzip in gzip");
	fresh();
	fails(unpack_bytes(span_str("\x28\xb5\x2f\xfd, so zstd"), COMPRESSION_ZSTD, NULL, &res, &e), ERR_LAYER,
	    "damaged zstd");
	fresh();
	fails(unpack_bytes(span_str("PK\x03\x04 is a zip file"), COMPRESSION_NONE, NULL, &res, &e), ERR_LAYER, "zip");
	fresh();
	fails(unpack_fd(-1, COMPRESSION_NONE, NULL, &res, &e), ERR_BUG, "no descriptor");
	buf_free(&a.out);
}

/* A big one, so that the ring goes round; compressed from a pipe in small pieces. */
static void
test_big(void)
{
	enum { BIG = 9 << 20 };
	struct archive a = ARCHIVE();
	struct unpack_result res;
	struct digest want;
	autobuf gz = BUF(1 << 25);
	uint8_t *big = malloc(BIG);
	uint32_t x = 1;
	int ends[2], status;
	pid_t pid;

	assert(big != NULL);
	for (size_t i = 0; i < BIG; i++) {
		x = x * 1103515245 + 12345;
		big[i] = (uint8_t)(x >> 24 & 0x3f);
	}
	archive_entry(&a, "big", '0', big, BIG);
	archive_file(&a, "small", "s");
	archive_end(&a);
	free(big);
	compress_into(&gz, buf_span(&a.out));
	works(digest_of(HASH_SHA256, buf_span(&a.out), &want, &e), "digest");
	if (pipe2(ends, O_CLOEXEC) == -1 || (pid = fork()) == -1)
		abort();
	if (pid == 0) {
		close(ends[0]);
		for (size_t at = 0, n; at < gz.len; at += n) {
			n = MIN((size_t)3001, gz.len - at);
			if (write(ends[1], gz.data + at, n) != (ssize_t)n)
				_exit(1);
		}
		_exit(0);
	}
	close(ends[1]);
	fresh();
	works(unpack_fd(ends[0], COMPRESSION_GZIP, &want, &res, &e), "9 MiB from a pipe");
	close(ends[0]);
	is_int(res.stats.bytes, BIG + 1, "all bytes");
	ok(waitpid(pid, &status, 0) == pid && status == 0, "the writer got rid of all");
	buf_free(&a.out);
}

/* A peer that sends something and then neither more nor its end. */
static void
test_silent_peer(void)
{
	struct archive a = ARCHIVE();
	struct unpack_result res;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) == -1)
		abort();
	archive_file(&a, "../..", "");
	if (write(ends[1], a.out.data, a.out.len) != (ssize_t)a.out.len)
		abort();
	fresh();
	alarm(120);
	fails(unpack_fd(ends[0], COMPRESSION_NONE, NULL, &res, &e), ERR_LAYER,
	    "a bad entry ends it while the peer is silent");
	/* And one that sends faster than anybody reads, far beyond the fault. */
	if (fork() == 0) {
		static uint8_t flood[65536];

		memset(flood, 'x', sizeof(flood));
		close(ends[0]);
		for (;;)
			if (write(ends[1], flood, sizeof(flood)) < 0)
				_exit(0);
	}
	fails(unpack_fd(ends[0], COMPRESSION_NONE, NULL, &res, &e), ERR_LAYER, "or floods us");
	alarm(0);
	close(ends[0]);
	close(ends[1]);
	while (wait(NULL) > 0)
		;
	buf_free(&a.out);
}

static int
unpack_once(void *arg, struct err *err)
{
	struct buf *gz = arg;
	struct unpack_result res;

	return unpack_bytes(buf_span(gz), COMPRESSION_GZIP, NULL, &res, err);
}

static void
test_faults(void)
{
	struct archive a = ARCHIVE();
	autobuf gz = BUF(1 << 20);
	size_t before;

	archive_dir(&a, "d", 0755);
	archive_file(&a, "d/f", "content");
	archive_end(&a);
	compress_into(&gz, buf_span(&a.out));
	fresh();
	before = fault_live_bytes();
	ok(fault_each(FAULT_ALLOC, 0, false, unpack_once, &gz) >= 5, "every allocation fails in turn");
	ok(fault_each(FAULT_IO, EIO, false, unpack_once, &gz) >= 5, "every call fails in turn");
	ok(fault_each(FAULT_SHORT, 0, true, unpack_once, &gz) >= 0, "one byte at a time");
	is_int(fault_live_bytes(), before, "no leak");
	buf_free(&a.out);
}

static int
run_all(void)
{
	char template[] = "/var/tmp/cacao-unpack-XXXXXX";
	int top = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (mkdtemp(template) == NULL ||
	    (work = open(template, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		abort();
	works(crypto_init(&e), "crypto");
	for (int i = 0; i < 2; i++) {
		threads = i == 1;
		test_vectors();
		test_digests();
		test_damage();
		test_big();
		/* The thread's own allocations would race with the counting. */
		if (!threads)
			test_faults();
	}
	test_silent_peer();
	ok(fs_empty_dir(work, &e) == 0 && rmdir(template) == 0, "nothing is left behind");
	close(work);
	if (fchdir(top) == -1)
		abort();
	close(top);
	return tap_failed;
}

int
main(void)
{
	int status = 0;
	pid_t pid;

	vectors = open(VECTORS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (vectors == -1)
		abort();
	run_all();
	fflush(stdout);
	if (geteuid() != 0) {
		skip("not root", "the same as another user");
		return tap_done();
	}
	pid = fork();
	if (pid == 0) {
		/* Its checks are not counted here: they go where they do not disturb. */
		if (dup2(STDERR_FILENO, STDOUT_FILENO) == -1 || setgid(65534) == -1 || setuid(65534) == -1)
			_exit(2);
		tap_failed = 0;
		_exit(run_all() == 0 ? 0 : 1);
	}
	ok(waitpid(pid, &status, 0) == pid && status == 0, "the same as another user");
	return tap_done();
}
