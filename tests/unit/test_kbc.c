/*
 * test_kbc.c: the list of modules and what kbc.c does around a module, with a
 * module of the test's own put in its place.
 */
#include "lib/base.h"
#include "kbc/kbc.h"

#include "lib/secret.h"
#include "tests/lib/tap.h"

static struct err e;

static int
no_file(maybe_unused void *arg, maybe_unused size_t n, maybe_unused struct buf *out, struct err *err)
{
	return err_set(err, ERR_NOTFOUND, "no such file");
}

static const struct kbc_env env = { .file = no_file };
static const struct kbs_uri uri = { .plugin = "resource", .path = "a/b/c" };

static void
test_list(void)
{
	for (const struct kbc_ops *const *ops = kbcs; *ops != NULL; ops++) {
		ok((*ops)->name != NULL && strstr((*ops)->name, "_kbc") != NULL, "%s", (*ops)->name);
		ok(kbc_find((*ops)->name, &e) == *ops, "is found by its name");
		ok(((*ops)->needs & KBC_FILES) == 0 || ((*ops)->files != NULL && (*ops)->files_dir[0] == '/'),
		    "says which files it reads");
	}
	ok(kbc_find("nope_kbc", &e) == NULL && e.code == ERR_CONFIG, "an unknown name");
	is_str(e.msg, "no key broker client 'nope_kbc'; there is: offline_fs_kbc", "lists the names there are");
	ok(kbc_find("", &e) == NULL && kbc_find("offline_fs", &e) == NULL &&
	    kbc_find("offline_fs_kbc ", &e) == NULL, "names are exact");
}

static void
test_dir(void)
{
	is_str(kbc_files_dir(&kbc_offline_fs, ""), "/etc", "no uri");
	is_str(kbc_files_dir(&kbc_offline_fs, "null"), "/etc", "the usual uri");
	is_str(kbc_files_dir(&kbc_offline_fs, "../x"), "/etc", "a relative path");
	is_str(kbc_files_dir(&kbc_offline_fs, "/run/kbc"), "/run/kbc", "an absolute path");
}

static void
test_open(void)
{
	struct kbc_params params = { .name = "offline_fs_kbc" }, bad = { .name = "nope" };
	struct kbc kbc = { .uri = "untouched" };

	fails(kbc_open(&bad, &env, &kbc, &e), ERR_CONFIG, "unknown module");
	is_str(kbc.uri, "untouched", "output untouched");
	works(kbc_open(&params, &env, &kbc, &e), "open");
	ok(kbc.ops == &kbc_offline_fs && kbc.env == &env && kbc.uri == params.uri && kbc.state != NULL, "filled in");
	ok(secret_in_use() > 0, "state is in secret memory");
	kbc_close(&kbc);
	kbc_close(&kbc);
	is_int(secret_in_use(), 0, "closed, twice");
}

/*
 * A module that does what the test wants.
 */

static struct {
	int	rc;
	size_t	bytes;		/* that it gives, also when it fails */
} wanted;

static int
fake_get(maybe_unused struct kbc *kbc, maybe_unused const struct kbs_uri *u, struct buf *out, struct err *err)
{
	for (size_t i = 0; i < wanted.bytes; i++)
		if (buf_add_u8(out, 'k', err) < 0)
			return -(int)err->code;
	return wanted.rc == 0 ? 0 : err_set(err, (enum err_code)wanted.rc, "as wanted");
}

static void
test_get(void)
{
	static const struct kbc_ops empty = { .name = "empty_kbc" };
	static const struct kbc_ops full = { .name = "full_kbc", .get_resource = fake_get, .get_key = fake_get };
	struct kbc kbc = { .ops = &empty };
	autobuf out = BUF_SECRET(256), open = BUF(256);

	fails(kbc_get_resource(&kbc, &uri, &out, &e), ERR_UNSUPPORTED, "no resources");
	is_str(e.msg, "empty_kbc has no resources", "says so");
	fails(kbc_get_key(&kbc, &uri, &out, &e), ERR_UNSUPPORTED, "no keys");
	kbc_close(&kbc);
	ok(kbc.ops == NULL, "closed without a close of its own");
	kbc.ops = &full;
	fails(kbc_get_resource(&kbc, &uri, &open, &e), ERR_BUG, "into ordinary memory");
	fails(kbc_get_key(&kbc, &uri, &open, &e), ERR_BUG, "a key too");
	works(buf_add_str(&out, "before", &e), "something there");
	wanted.bytes = 7;
	works(kbc_get_resource(&kbc, &uri, &out, &e), "a resource");
	is_str(buf_str(&out), "beforekkkkkkk", "is appended");
	wanted.rc = ERR_KEY_NOTFOUND;
	fails(kbc_get_resource(&kbc, &uri, &out, &e), ERR_KEY_NOTFOUND, "a failure");
	is_str(e.msg, "full_kbc: as wanted", "names the module");
	is_str(buf_str(&out), "beforekkkkkkk", "and leaves nothing behind");
	wanted.rc = 0;
	wanted.bytes = 32;
	works(kbc_get_key(&kbc, &uri, &out, &e), "a key of 32 bytes");
	is_int(out.len, 13 + 32, "is appended");
	for (wanted.bytes = 31; wanted.bytes <= 33; wanted.bytes += 2) {
		fails(kbc_get_key(&kbc, &uri, &out, &e), ERR_BUG, "a key of %zu bytes", wanted.bytes);
		is_int(out.len, 13 + 32, "leaves nothing behind");
	}
}

int
main(void)
{
	test_list();
	test_dir();
	test_open();
	test_get();
	return tap_done();
}
