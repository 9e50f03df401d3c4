/*
 * test_gpgme.c: every signature of the vectors against its key ring, by the program gpg; what is no message and what
 * is no ring.
 */
#include "lib/base.h"
#include "agent/gpgme.h"

#include <dirent.h>
#include <fcntl.h>

#include "lib/fs.h"
#include "lib/json.h"
#include "tests/lib/tap.h"

#define DIR_	"tests/vectors/image/simple-signing/"

static struct err e;
static const char *program = "/usr/bin/gpg";

static void
read_file(const char *name, struct buf *out)
{
	if (fs_read_file(AT_FDCWD, name, out, &e) < 0) {
		printf("Bail out! %s: %s\n", name, e.msg);
		exit(1);
	}
}

/* Verifies with a home of its own. */
static int
verify(const struct span *rings, size_t n, struct span message, struct gpg_verdict *v, struct buf *payload)
{
	char home[] = "/tmp/cacao-gpg-XXXXXX";
	struct gpgme_job job = { .program = program, .home = home, .nrings = n, .message = message };
	autoclose int tmp = -1;
	int rc;

	for (size_t i = 0; i < n; i++)
		job.rings[i] = rings[i];
	if (mkdtemp(home) == NULL)
		abort();
	rc = gpgme_verify(&job, v, payload, &e);
	tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fs_remove_tree(tmp, home + strlen("/tmp/"), &(struct err){ 0 }) < 0)
		abort();
	return rc;
}

/* As the whole decision: 0 if gpg ran and the judge is content. */
static int
verdict(const char *key, const char *name, struct buf *payload)
{
	autobuf ring = BUF(MIB(1)), message = BUF(MIB(1));
	struct gpg_verdict v;
	char path[256];
	int rc;

	snprintf(path, sizeof(path), DIR_ "%s", key);
	read_file(path, &ring);
	snprintf(path, sizeof(path), DIR_ "signatures/%s", name);
	read_file(path, &message);
	rc = verify(&(struct span){ ring.data, ring.len }, 1, buf_span(&message), &v, payload);
	if (rc == 0)
		rc = gpg_judge(&v, &e);
	return rc;
}

/* The signature is good there; what is wrong is in the payload, or in how the blob begins. */
static bool
good_to_gpg(const char *name)
{
	static const char *const names[] = {
		"bad-digest-syntax", "digest-sha512", "dup-digest", "dup-key", "identity-extra", "image-extra",
		"key-case", "not-json", "opt-bad-creator", "opt-bad-timestamp", "opt-missing", "opt-null", "ref-digest",
		"ref-nametag-missing", "ref-vendor", "wrong-digest", "wrong-type",
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static void
test_vectors(void)
{
	autobuf text = BUF(MIB(1));
	autojson doc = NULL;
	struct json_iter it;

	read_file(DIR_ "signatures.json", &text);
	if (json_parse(buf_span(&text), &doc, &e) < 0)
		abort();
	it = json_iter(json_get(json_root(doc), "cases"));
	while (json_next(&it)) {
		autobuf payload = BUF(GPGME_MAX_PAYLOAD);
		char name[64], key[64];
		bool want;
		int rc;

		if (json_cstr(it.key, "name", name, sizeof(name), &e) < 0 ||
		    json_cstr(json_get(it.val, "key"), "key", key, sizeof(key), &e) < 0)
			abort();
		rc = verdict(key, name, &payload);
		want = json_str_eq(json_get(it.val, "recommended"), "accept");
		if (good_to_gpg(name)) {
			ok(rc == 0, "%s: %s", name, rc == 0 ? "signed" : e.msg);
			continue;
		}
		ok((rc == 0) == want, "%s: %s", name, rc == 0 ? "good" : e.msg);
		ok(rc < 0 || payload.len > 100, "%s: its payload, %zu bytes", name, payload.len);
	}
}

int
main(void)
{
	if (getenv("CACAO_GPG") != NULL)
		program = getenv("CACAO_GPG");
	test_vectors();
	return tap_done();
}
