/*
 * test_archived.c: an archive and its members through libarchive, plain and compressed, cut and spoilt; images in it
 * of both kinds.
 */
#include "lib/base.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <zlib.h>
#include <zstd.h>

#include "image/archived.h"
#include "image/manifest.h"
#include "lib/crypto.h"
#include "tests/lib/archive.h"
#include "tests/lib/fault.h"
#include "tests/lib/tap.h"

static struct err e;

/* A file that holds these bytes. */
static int
file_of(struct span s)
{
	int fd = memfd_create("archive", MFD_CLOEXEC);

	if (fd < 0 || write(fd, s.p, s.len) != (ssize_t)s.len)
		abort();
	return fd;
}

static void
gzip(struct span in, struct buf *out)
{
	z_stream z = { 0 };

	if (buf_reserve(out, in.len + 1000, &e) < 0 ||
	    deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		abort();
	z.next_in = (uint8_t *)(uintptr_t)in.p;
	z.avail_in = (uInt)in.len;
	z.next_out = out->data;
	z.avail_out = (uInt)(in.len + 1000);
	if (deflate(&z, Z_FINISH) != Z_STREAM_END)
		abort();
	out->len = z.total_out;
	deflateEnd(&z);
}

static void
zstd(struct span in, struct buf *out)
{
	size_t n;

	if (buf_reserve(out, ZSTD_compressBound(in.len), &e) < 0)
		abort();
	n = ZSTD_compress(out->data, ZSTD_compressBound(in.len), in.p, in.len, 1);
	if (ZSTD_isError(n))
		abort();
	out->len = n;
}

static int
open_bytes(struct span s, struct tarball **out, int *fd)
{
	*fd = file_of(s);
	return tarball_open(*fd, out, &e);
}

static void
refused(struct span s, enum err_code want, const char *what)
{
	struct tarball *t = NULL;
	int fd;

	fails(open_bytes(s, &t, &fd), want, "%s: %s", what, e.msg);
	close(fd);
}

static void
some_members(struct archive *a, size_t big)
{
	uint8_t *data = calloc(1, big);

	if (data == NULL)
		abort();
	memset(data, 'x', big);
	archive_dir(a, "./", 0755);
	archive_dir(a, "./dir/", 0755);
	archive_file(a, "./dir/first", "one");
	archive_entry(a, "big", '0', data, big);
	archive_link(a, "dir/link", '2', "../last");
	archive_link(a, "hard", '1', "dir/first");
	archive_file(a, "empty", "");
	archive_file(a, "last", "the last");
	free(data);
}

static void
end(struct archive *a)
{
	uint8_t zeros[1024] = { 0 };

	archive_bytes(a, zeros, sizeof(zeros));
}

static const char *
load(const struct tarball *t, const char *name)
{
	static char text[64];
	autobuf b = BUF(sizeof(text) - 1);

	text[0] = '\0';
	if (tarball_load(t, name, &b, &e) == 0)
		snprintf(text, sizeof(text), "%s", buf_str(&b));
	return text;
}

/* Two readers take turns: each has a place of its own. */
static void
read_by_turns(const struct tarball *t)
{
	const struct member *big = tarball_find(t, "big");
	struct tarball_reader *a = NULL, *b = NULL;
	uint64_t na = 0, nb = 0;
	uint8_t chunk[1000];
	ssize_t got_a = 1, got_b = 1;
	bool good = true;

	works(tarball_read_open(t, big, &a, &e), "one reader");
	works(tarball_read_open(t, big, &b, &e), "another");
	while (got_a > 0 || got_b > 0) {
		got_a = tarball_read(a, chunk, sizeof(chunk), &e);
		na += (uint64_t)MAX(got_a, 0);
		good &= got_a <= 0 || chunk[got_a - 1] == 'x';
		got_b = tarball_read(b, chunk, 77, &e);
		nb += (uint64_t)MAX(got_b, 0);
		good &= got_b <= 0 || chunk[got_b - 1] == 'x';
	}
	ok(good && got_a == 0 && got_b == 0 && na == big->size && nb == big->size, "both have it all");
	tarball_read_close(a);
	tarball_read_close(b);
}

static void
test_members(struct span bytes, const char *what)
{
	struct tarball *t = NULL;
	autobuf little = BUF(7);
	int fd;

	works(open_bytes(bytes, &t, &fd), "%s: opened", what);
	if (t == NULL)
		return;
	is_str(load(t, "dir/first"), "one", "%s: the first", what);
	is_str(load(t, "last"), "the last", "%s: the last", what);
	is_str(load(t, "dir/link"), "the last", "%s: through a symlink", what);
	is_str(load(t, "hard"), "one", "%s: through a hard link", what);
	works(tarball_load(t, "empty", &little, &e), "%s: one without bytes", what);
	is_int(little.len, 0, "%s: which has none", what);
	fails(tarball_load(t, "last", &little, &e), ERR_LIMIT, "%s: too long for the buffer", what);
	fails(tarball_load(t, "nothing", &little, &e), ERR_IMAGE_NOTFOUND, "%s: not there", what);
	ok(tarball_find(t, "dir") == NULL, "%s: a directory is no file", what);
	ok(tarball_find(t, "last")->nhead == 4 && memcmp(tarball_find(t, "last")->head, "the ", 4) == 0,
	    "%s: the first bytes", what);
	read_by_turns(t);
	tarball_close(t);
	close(fd);
}

static void
test_kinds(void)
{
	struct archive a = ARCHIVE();
	autobuf once = BUF(MIB(8)), twice = BUF(MIB(8)), z = BUF(MIB(8)), mixed = BUF(MIB(8));

	some_members(&a, 300000);
	end(&a);
	test_members(buf_span(&a.out), "plain");
	gzip(buf_span(&a.out), &once);
	test_members(buf_span(&once), "gzip");
	zstd(buf_span(&a.out), &z);
	test_members(buf_span(&z), "zstd");
	gzip(buf_span(&once), &twice);
	refused(buf_span(&twice), ERR_IMAGE, "gzip in gzip");
	gzip(buf_span(&z), &mixed);
	refused(buf_span(&mixed), ERR_IMAGE, "zstd in gzip");
	for (size_t n = 1; n < 20; n++) {
		refused((struct span){ once.data, once.len * n / 20 }, ERR_IMAGE, "cut gzip");
		refused((struct span){ z.data, z.len * n / 20 }, ERR_IMAGE, "cut zstd");
	}
	buf_free(&a.out);
}

static void
test_spoilt(void)
{
	struct archive a = ARCHIVE();
	uint8_t block[512];
	size_t n;

	refused(SPAN_LIT(""), ERR_IMAGE, "nothing");
	refused(SPAN_LIT("BZh91AY&SY"), ERR_IMAGE, "bzip2");
	refused(SPAN_LIT("!<arch>\n"), ERR_IMAGE, "ar");
	refused(SPAN_LIT("070701"), ERR_IMAGE, "cpio");
	some_members(&a, 200000);
	n = a.out.len;
	refused((struct span){ a.out.data, n / 2 }, ERR_IMAGE, "cut inside the big one");
	refused((struct span){ a.out.data, n - 700 }, ERR_IMAGE, "cut inside a header");
	archive_file(&a, "./dir//first", "again");
	end(&a);
	refused(buf_span(&a.out), ERR_IMAGE, "a name twice");
	a.out.len = n;
	archive_file(&a, "../x", "out");
	end(&a);
	refused(buf_span(&a.out), ERR_IMAGE, "a name that leads out");
	a.out.len = n;
	archive_link(&a, "fifo", '6', "");
	end(&a);
	refused(buf_span(&a.out), ERR_IMAGE, "a FIFO");
	a.out.len = n;
	archive_block(block, "lies", '0', 1 << 20);
	archive_seal(&a, block);
	archive_bytes(&a, "short", 5);
	refused(buf_span(&a.out), ERR_IMAGE, "a size beyond the end");
	a.out.len = n;
	archive_block(block, "huge", '0', 0);
	memset(block + 124, 0, 12);
	block[124] = 0x80;
	block[124 + 6] = 2;	/* 2 TiB */
	archive_seal(&a, block);
	end(&a);
	refused(buf_span(&a.out), ERR_LIMIT, "a size beyond all");
	a.out.len = n;
	archive_block(block, "spoilt", '0', 0);
	archive_seal(&a, block);
	a.out.data[a.out.len - 512] ^= 1;
	end(&a);
	refused(buf_span(&a.out), ERR_IMAGE, "a header with a wrong checksum");
	buf_free(&a.out);
}

static void
test_number(void)
{
	struct archive a = ARCHIVE();

	for (int i = 0; i <= LIMIT_MEMBERS; i++)
		archive_dir(&a, "d/", 0755);
	end(&a);
	refused(buf_span(&a.out), ERR_LIMIT, "too many members, directories even");
	buf_free(&a.out);
}

/* What lies there now is not what was listed. */
static void
test_changed(void)
{
	struct archive a = ARCHIVE();
	struct tarball *t = NULL;
	struct tarball_reader *r = NULL;
	uint8_t chunk[16];
	int fd;

	archive_file(&a, "a", "content");
	archive_file(&a, "b", "content");
	end(&a);
	works(open_bytes(buf_span(&a.out), &t, &fd), "opened");
	works(tarball_read_open(t, tarball_find(t, "a"), &r, &e), "one is being read");
	works(ftruncate(fd, 1024 + 300), "the archive is cut");
	is_int(tarball_read(r, chunk, sizeof(chunk), &e), 7, "what was read ahead is still there");
	fails(tarball_read_open(t, tarball_find(t, "b"), &r, &e) < 0 ? -(int)e.code : 0, ERR_IMAGE, "the other is not");
	tarball_read_close(r);
	works(ftruncate(fd, 0), "emptied");
	works(pwrite(fd, a.out.data + 1024, 1024, 1024) == 1024 ? 0 : -1, "the second is back");
	works(tarball_read_open(t, tarball_find(t, "b"), &r, &e), "and can be read");
	tarball_read_close(r);
	works(tarball_find(t, "b")->at == 1024 ? 0 : -1, "by its place");
	a.out.len = 0;
	archive_file(&a, "c", "something longer");
	works(pwrite(fd, a.out.data, 1024, 1024) == 1024 ? 0 : -1, "something else is there");
	fails(tarball_read_open(t, tarball_find(t, "b"), &r, &e), ERR_IMAGE, "another size: %s", e.msg);
	tarball_close(t);
	close(fd);
	buf_free(&a.out);
}

/*
 * Images.
 */

#define CONFIG(ids) "{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[" ids "]}}"

static int
open_image(const struct archive *a, const char *name, struct archived **out, int *fd)
{
	struct image_ref r;
	int rc = image_ref_parse(span_str(name), &r, &e);

	*fd = file_of(buf_span(&a->out));
	return rc < 0 ? rc : archived_open(*fd, &r, out, &e);
}

static void
image_refused(struct archive *a, const char *name, enum err_code want, const char *what)
{
	struct archived *image = NULL;
	int fd;

	end(a);
	fails(open_image(a, name, &image, &fd), want, "%s: %s", what, e.msg);
	archived_close(image);
	close(fd);
	buf_free(&a->out);
}

static void
digest_text(struct span s, struct digest *d)
{
	if (digest_of(HASH_SHA256, s, d, &e) < 0)
		abort();
}

/* One plain layer behind a symlink, one compressed with a digest in its name, one without. */
static void
docker_archive(struct archive *a)
{
	struct digest plain, packed;
	char config[600], blob[160], manifest[800];
	static const uint8_t gz[] = { 0x1f, 0x8b, 8, 0, 'x', 'y' };

	digest_text(SPAN_LIT("a plain layer"), &plain);
	digest_text((struct span){ gz, sizeof(gz) }, &packed);
	snprintf(config, sizeof(config), CONFIG("\"%s\",\"%s\",\"%s\""), plain.text, plain.text, plain.text);
	snprintf(blob, sizeof(blob), "blobs/sha256/%s", packed.text + 7);
	snprintf(manifest, sizeof(manifest), "[{\"Config\":\"config.json\",\"RepoTags\":[\"a.test/x:v1\"],"
	    "\"Layers\":[\"id/layer.tar\",\"%s\",\"packed.tar\"]}]", blob);
	archive_file(a, "plain.tar", "a plain layer");
	archive_link(a, "id/layer.tar", '2', "../plain.tar");
	archive_entry(a, blob, '0', gz, sizeof(gz));
	archive_entry(a, "packed.tar", '0', gz, sizeof(gz));
	archive_file(a, "config.json", config);
	archive_file(a, "manifest.json", manifest);
	end(a);
}

static int
use_docker_archive(void *arg, struct err *err)
{
	struct archived *image = NULL;
	struct archived_part part;
	struct manifest m = { 0 };
	struct image_ref r;
	struct digest d;
	int rc = image_ref_parse(span_str("docker-archive:x:a.test/x:v1"), &r, err);

	if (rc == 0)
		rc = archived_open(*(int *)arg, &r, &image, err);
	if (rc == 0)
		rc = archived_manifest(image, &part, err);
	if (rc == 0)
		rc = manifest_parse(part.bytes, part.content_type, &m, err);
	if (rc == 0)
		rc = digest_parse(span_str(part.digest), &d, err);
	if (rc == 0)
		rc = archived_blob(image, &d, &part, err);
	if (rc == 0 && (part.member != NULL || part.bytes.len == 0))
		rc = err_set(err, ERR_BUG, "the manifest by its digest");
	for (size_t i = 0; i < m.nlayers && rc == 0; i++)
		rc = archived_blob(image, &m.layers[i].desc.digest, &part, err);
	if (rc == 0)
		rc = archived_blob(image, &m.config.digest, &part, err);
	if (rc == 0 && (m.nlayers != 3 || m.layers[0].compression != COMPRESSION_NONE ||
	    m.layers[0].desc.size != 13 || m.layers[1].compression != COMPRESSION_GZIP ||
	    !digest_equal(&m.layers[1].desc.digest, &m.layers[2].desc.digest) ||
	    strcmp(part.member->name, "config.json") != 0 || part.member->size != m.config.size))
		rc = err_set(err, ERR_BUG, "the manifest is not that of the archive");
	manifest_fini(&m);
	archived_close(image);
	return rc;
}

static void
test_docker(void)
{
	struct archive a = ARCHIVE();
	int fd;

	docker_archive(&a);
	fd = file_of(buf_span(&a.out));
	works(use_docker_archive(&fd, &e), "what docker save writes");
	ok(fault_each(FAULT_ALLOC, ENOMEM, false, use_docker_archive, &fd) > 5, "no memory");
	ok(fault_each(FAULT_IO, EIO, false, use_docker_archive, &fd) > 5, "no reading");
	ok(fault_each(FAULT_SHORT, 0, true, use_docker_archive, &fd) >= 0, "reading by single bytes");
	close(fd);
	a.out.len -= 1024;
	image_refused(&a, "docker-archive:x:a.test/x:v2", ERR_IMAGE_NOTFOUND, "another name");
	archive_file(&a, "manifest.json", "[{\"Config\":\"c\",\"Layers\":[]}]");
	image_refused(&a, "docker-archive:x", ERR_IMAGE_NOTFOUND, "no configuration");
	archive_file(&a, "manifest.json", "[{\"Config\":\"c\",\"Layers\":[\"l\"]}]");
	archive_file(&a, "c", CONFIG("\"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\""));
	image_refused(&a, "docker-archive:x", ERR_IMAGE_NOTFOUND, "no layer");
	archive_file(&a, "manifest.json", "[{\"Config\":\"c\",\"Layers\":[\"c\"]}]");
	archive_file(&a, "c", CONFIG(""));
	image_refused(&a, "docker-archive:x", ERR_IMAGE, "fewer diff_ids than layers");
	archive_file(&a, "x", "y");
	image_refused(&a, "docker-archive:x", ERR_IMAGE_NOTFOUND, "no manifest.json");
}

static void
test_layout(void)
{
	struct archive a = ARCHIVE();
	struct archived *image = NULL;
	struct archived_part part;
	struct digest d, none;
	char path[160], index[800];
	int fd;

	digest_text(SPAN_LIT("{}"), &d);
	digest_text(SPAN_LIT("nothing"), &none);
	snprintf(path, sizeof(path), "./blobs/sha256/%s", d.text + 7);
	snprintf(index, sizeof(index), "{\"manifests\":[{\"mediaType\":\"a/b\",\"size\":2,\"digest\":\"%s\"},"
	    "{\"mediaType\":\"a/b\",\"size\":2,\"digest\":\"%s\"}]}", d.text, none.text);
	archive_file(&a, path, "{}");
	archive_file(&a, "index.json", index);
	end(&a);
	works(open_image(&a, "oci-archive:x:@0", &image, &fd), "an image layout");
	works(archived_manifest(image, &part, &e), "its manifest");
	ok(part.member != NULL && part.member->size == 2 && strcmp(part.content_type, "a/b") == 0 &&
	    strcmp(part.digest, d.text) == 0, "is what index.json says");
	fails(archived_blob(image, &none, &part, &e), ERR_IMAGE_NOTFOUND, "a blob that is not there");
	archived_close(image);
	close(fd);
	works(open_image(&a, "oci-archive:x:@1", &image, &fd), "another image of it");
	fails(archived_manifest(image, &part, &e), ERR_IMAGE_NOTFOUND, "whose manifest is not there");
	archived_close(image);
	close(fd);
	works(open_image(&a, "oci-archive:x", &image, &fd), "no name for two images");
	fails(archived_manifest(image, &part, &e), ERR_IMAGE, "is not enough");
	archived_close(image);
	close(fd);
	buf_free(&a.out);
}

int
main(void)
{
	struct tarball *t = NULL;
	int p[2];

	works(crypto_init(&e), "crypto");
	test_kinds();
	test_spoilt();
	test_number();
	test_changed();
	test_docker();
	test_layout();
	if (pipe(p) < 0)
		abort();
	fails(tarball_open(p[0], &t, &e), ERR_IMAGE, "a pipe");
	return tap_done();
}
