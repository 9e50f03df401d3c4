/* test_destination_archive.c: an archive that was written holds the image, or there is none. */
#include "lib/base.h"

#include "agent/destination_setup.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "image/archived.h"
#include "lib/fs.h"
#include "tests/lib/tap.h"

static struct err e;
static char dir[] = "/tmp/test-archive.XXXXXX", file[64], name[96];
static const char config[] = "{}", manifest_text[] = "{\"schemaVersion\":2}";
static struct digest layer, config_digest, manifest;

static void
add(struct destination_setup *d, const void *data, size_t n, struct digest *digest)
{
	int fd = -1;

	works(digest_of(HASH_SHA256, (struct span){ data, n }, digest, &e), "a digest");
	works(d->ops->begin(d, STORE_BLOB, "", n, &fd, &e), "a blob begins");
	is_int(write(fd, data, n), n, "is written");
	close(fd);
	works(d->ops->end(d, digest, n, &e), "and ends");
}

/* One image; the layer comes twice. */
static void
write_image(const char *layer_text, bool finished)
{
	struct destination_setup d;

	works(destination_open(name, NULL, &d, &e), "a destination");
	add(&d, layer_text, strlen(layer_text), &layer);
	add(&d, layer_text, strlen(layer_text), &layer);
	add(&d, config, strlen(config), &config_digest);
	add(&d, manifest_text, strlen(manifest_text), &manifest);
	works(d.ops->commit(&d, "x/y", &manifest, strlen(manifest_text), &e), "the image is named");
	d.committed = true;
	if (finished)
		works(destination_finish(&d, &e), "and finished");
	destination_close(&d);
}

static void
has_blob(const struct archived *image, const struct digest *d, const char *wanted)
{
	autobuf got = BUF(4096);
	struct archived_part part;

	works(archived_blob(image, d, &part, &e), "the archive has %s", d->text);
	works(tarball_load(archived_tarball(image), part.member->name, &got, &e), "which can be read");
	is_str(buf_str(&got), wanted, "and is right");
}

static void
check_image(const char *layer_text)
{
	autoclose int fd = open(file, O_RDONLY);
	struct archived *image = NULL;
	struct archived_part part;
	struct image_ref ref;
	struct stat st;

	works(image_ref_parse(span_str(name), &ref, &e), "its name");
	works(archived_open(fd, &ref, &image, &e), "the archive opens");
	works(archived_manifest(image, &part, &e), "the image of the tag is there");
	is_str(part.digest, manifest.text, "and is ours");
	has_blob(image, &manifest, manifest_text);
	has_blob(image, &config_digest, config);
	has_blob(image, &layer, layer_text);
	archived_close(image);
	is_int(fstat(fd, &st), 0, "its attributes");
	is_int(st.st_mode, S_IFREG | 0644, "are those of other files");
}

static void
is_alone(const char *what)
{
	char other[96];

	snprintf(other, sizeof(other), "%s/.cacao-staging", dir);
	ok(access(other, F_OK) < 0, "%s: nothing is left beside it", what);
}

static void
test_images(void)
{
	write_image("a layer", false);
	ok(access(file, F_OK) < 0, "what was not finished has no name");
	is_alone("not finished");
	write_image("a layer", true);
	check_image("a layer");
	is_alone("finished");
	write_image("another layer, which is longer", true);
	check_image("another layer, which is longer");
	write_image("third", false);
	ok(access(file, F_OK) == 0, "the file that was there stays");
}

static void
test_refusals(void)
{
	struct destination_setup d;
	char other[160];

	snprintf(other, sizeof(other), "oci-archive:%s/folder", dir);
	works(mkdir(strchr(other, '/'), 0755), "a folder");
	fails(destination_open(other, NULL, &d, &e), ERR_STORAGE, "is not written over");
	rmdir(strchr(other, '/'));
	is_int(symlink("image.tar", strchr(other, '/')), 0, "a link");
	fails(destination_open(other, NULL, &d, &e), ERR_STORAGE, "is not followed");
	unlink(strchr(other, '/'));
	snprintf(other, sizeof(other), "oci-archive:%s/none/image.tar", dir);
	fails(destination_open(other, NULL, &d, &e), ERR_STORAGE, "no folder to write into");
	snprintf(other, sizeof(other), "docker-archive:%s/image.tar:a/b:c", dir);
	fails(destination_open(other, NULL, &d, &e), ERR_UNSUPPORTED, "an archive of docker");
	ok(strstr(e.msg, "annotations") != NULL, "and why not: %s", e.msg);
	is_alone("refused");
}

int
main(void)
{
	umask(022);
	works(crypto_init(&e), "digests");
	if (mkdtemp(dir) == NULL)
		return 1;
	snprintf(file, sizeof(file), "%s/image.tar", dir);
	snprintf(name, sizeof(name), "oci-archive:%s:v1", file);
	test_images();
	test_refusals();
	unlink(file);
	is_int(rmdir(dir), 0, "the folder is empty");
	return tap_done();
}
