/*
 * test_offline_fs.c: keys and resources from files given as text: the public
 * example files, what is found and what is not, files that are missing or bad,
 * and that no secret reaches a message.
 */
#include "lib/base.h"
#include "kbc/kbc.h"

#include <fcntl.h>

#include "lib/codec.h"
#include "lib/fs.h"
#include "lib/json.h"
#include "lib/limits.h"
#include "lib/secret.h"
#include "tests/lib/fault.h"
#include "tests/lib/mutate.h"
#include "tests/lib/tap.h"

#define VECTORS	"tests/vectors/kbc/offline_fs/"
#define KEY	"cGFzc3BocmFzZXdoaWNobmVlZHN0b2JlMzJieXRlcyE="	/* of 32 bytes */

static struct err e;

/* The two files as spans; p == NULL: there is none; code != 0: cannot be read. */
struct guest {
	struct span	files[2];
	int		code;
};

static int
guest_file(void *arg, size_t n, struct buf *out, struct err *err)
{
	const struct guest *g = arg;

	assert(n < 2);
	if (g->code != 0)
		return err_set(err, (enum err_code)g->code, "cannot be read");
	if (g->files[n].p == NULL)
		return err_set(err, ERR_NOTFOUND, "no such file");
	return buf_add_span(out, g->files[n], err);
}

/* The module on these files; g and env must outlive it. */
static int
open_guest(struct guest *g, struct kbc_env *env, struct kbc *out, struct err *err)
{
	static const struct kbc_params params = { .name = "offline_fs_kbc", .uri = "null" };

	*env = (struct kbc_env){ .file = guest_file, .arg = g };
	return kbc_open(&params, env, out, err);
}

static struct guest
guest(const char *keys, const char *resources)
{
	struct guest g = { .code = 0 };

	if (keys != NULL)
		g.files[0] = span_str(keys);
	if (resources != NULL)
		g.files[1] = span_str(resources);
	return g;
}

static struct kbs_uri
named(const char *text)
{
	struct kbs_uri u;

	if (kbs_uri_parse(span_str(text), &u, &e) < 0) {
		printf("Bail out! %s\n", e.msg);
		exit(1);
	}
	return u;
}

/* Every entry of a published file comes back as its decoded value. */
static void
compare(struct kbc *kbc, struct json_val root, bool keys)
{
	struct json_iter it = json_iter(root);
	size_t good = 0;

	while (json_next(&it)) {
		struct kbs_uri u = { .plugin = "resource" };
		autobuf text = BUF(KIB(256)), want = BUF(KIB(256)), got = BUF_SECRET(KIB(256));

		if (json_cstr(it.key, "name", u.path, sizeof(u.path), &e) == 0 &&
		    json_str(it.val, "value", &text, &e) == 0 &&
		    base64_decode(buf_span(&text), &want, &e) == 0 &&
		    (keys ? kbc_get_key(kbc, &u, &got, &e) : kbc_get_resource(kbc, &u, &got, &e)) == 0 &&
		    span_eq(buf_span(&want), buf_span(&got)))
			good++;
		fails(keys ? kbc_get_resource(kbc, &u, &got, &e) : kbc_get_key(kbc, &u, &got, &e),
		    ERR_KEY_NOTFOUND, "%s is not of the other kind", u.path);
	}
	ok(good > 0 && good == json_count(root), "all %zu entries", good);
}

static void
test_vectors(void)
{
	autobuf keys = BUF(KIB(256)), resources = BUF(KIB(256)), out = BUF_SECRET(64);
	autojson kdoc = NULL;
	autojson rdoc = NULL;
	struct kbs_uri u = named("kbs://host.example:80/default/key/key_id1");
	struct guest g;
	struct kbc_env env;
	struct kbc kbc;

	works(fs_read_file(AT_FDCWD, VECTORS "aa-offline_fs_kbc-keys.json", &keys, &e), "keys");
	works(fs_read_file(AT_FDCWD, VECTORS "aa-offline_fs_kbc-resources.json", &resources, &e), "resources");
	works(json_parse(buf_span(&keys), &kdoc, &e), "keys");
	works(json_parse(buf_span(&resources), &rdoc, &e), "resources");
	g = guest(buf_str(&keys), buf_str(&resources));
	works(open_guest(&g, &env, &kbc, &e), "open");
	compare(&kbc, json_root(kdoc), true);
	compare(&kbc, json_root(rdoc), false);
	works(kbc_get_key(&kbc, &u, &out, &e), "the host of a URI is ignored");
	is_str(buf_str(&out), "passphrasewhichneedstobe32bytes!", "the published key");
	kbc_close(&kbc);
}

static void
test_lookup(void)
{
	struct guest g = guest("{\"a/b/c\":\"" KEY "\",\"word\":\"" KEY "\"}",
	    "{\"a/b/d\":\"aGVsbG8=\",\"a/b/slash\":\"Pz8\\/\",\"a/b/empty\":\"\",\"Policy\":\"e30=\",\"GPG Keyring\":\"AAAA\"}");
	autobuf out = BUF_SECRET(64), small = BUF_SECRET(4);
	struct kbs_uri u = named("kbs:///a/b/c"), d = named("kbs:///a/b/d");
	struct kbs_uri word = { .plugin = "resource", .path = "word" };
	struct kbs_uri other = named("kbs+plug:///a/b/c");
	struct kbc_env env;
	struct kbc kbc;

	works(open_guest(&g, &env, &kbc, &e), "open, with names of old");
	works(kbc_get_key(&kbc, &u, &out, &e), "key");
	works(kbc_get_key(&kbc, &word, &out, &e), "key under a free word");
	is_int(out.len, 64, "both appended");
	buf_reset(&out);
	works(kbc_get_resource(&kbc, &d, &out, &e), "resource");
	is_str(buf_str(&out), "hello", "its value");
	u = named("kbs:///a/b/slash");
	works(kbc_get_resource(&kbc, &u, &out, &e), "value with an escaped slash");
	is_str(buf_str(&out), "hello??\?", "its value");
	u = named("kbs:///a/b/empty");
	works(kbc_get_resource(&kbc, &u, &out, &e), "empty resource");
	fails(kbc_get_resource(&kbc, &d, &small, &e), ERR_LIMIT, "no room");
	is_int(small.len, 0, "nothing was written");
	u = named("kbs:///a/b/x");
	fails(kbc_get_key(&kbc, &u, &out, &e), ERR_KEY_NOTFOUND, "unknown key");
	is_str(e.msg, "offline_fs_kbc: no 'a/b/x' in aa-offline_fs_kbc-keys.json", "says where it looked");
	fails(kbc_get_resource(&kbc, &u, &out, &e), ERR_KEY_NOTFOUND, "unknown resource");
	fails(kbc_get_key(&kbc, &other, &out, &e), ERR_KEY_NOTFOUND, "another plugin");
	kbc_close(&kbc);
	is_int(secret_in_use() > 0, 1, "the answers are the caller's");
}

static void
test_missing(void)
{
	static const char *const key = "{\"a/b/c\":\"" KEY "\"}";
	struct kbs_uri u = named("kbs:///a/b/c");
	autobuf out = BUF_SECRET(64);
	struct guest g = guest(key, NULL);
	struct kbc_env env;
	struct kbc kbc;

	works(open_guest(&g, &env, &kbc, &e), "no resources");
	works(kbc_get_key(&kbc, &u, &out, &e), "keys work");
	fails(kbc_get_resource(&kbc, &u, &out, &e), ERR_KEY_NOTFOUND, "resources do not");
	is_str(e.msg, "offline_fs_kbc: no 'a/b/c': the guest has no file aa-offline_fs_kbc-resources.json", "why");
	kbc_close(&kbc);
	g = guest(NULL, key);
	works(open_guest(&g, &env, &kbc, &e), "no keys");
	works(kbc_get_resource(&kbc, &u, &out, &e), "resources work");
	fails(kbc_get_key(&kbc, &u, &out, &e), ERR_KEY_NOTFOUND, "keys do not");
	kbc_close(&kbc);
	g = guest(NULL, NULL);
	works(open_guest(&g, &env, &kbc, &e), "neither");
	kbc_close(&kbc);
	g.code = ERR_SYS;
	fails(open_guest(&g, &env, &kbc, &e), ERR_SYS, "not readable is not missing");
	is_str(e.msg, "offline_fs_kbc: aa-offline_fs_kbc-keys.json: cannot be read", "names the file");
}

/* Faults: the whole file is bad, and open fails. */
static const char *const bad_values[] = {
	"{\"hunter/2/x\":null}", "{\"hunter/2/x\":1}", "{\"hunter/2/x\":{\"hunter\":\"" KEY "\"}}",
	"{\"hunter/2/x\":[\"" KEY "\"]}", "{\"hunter/2/x\":\"hunter2\"}", "{\"hunter/2/x\":\"QQ=\"}",
	"{\"hunter/2/x\":\"QR==\"}", "{\"hunter/2/x\":\"QQ==\\u0000\"}", "{\"hunter/2/x\":\"QQ==\\n\"}",
	"{\"a/b/c\":\"" KEY "\",\"hunter/2/x\":\"-w==\"}",
};
static const char *const bad_files[] = {
	"", "{", "[]", "null", "\"hunter2\"", "{\"hunter2\":\"" KEY "\"} x", "{'hunter2':\"" KEY "\"}",
	"{\"hunter2\":\"" KEY "\",\"hunter2\":\"" KEY "\"}", "{\"hunter2\":\"" KEY "\",}", "{\"hunter2\":hunter2}",
	"\xef\xbb\xbf{}",
};
static const char *const bad_keys[] = {
	"{\"hunter2\":\"\"}", "{\"hunter2\":\"aHVudGVyMg==\"}", "{\"hunter2\":\"cGFzc3BocmFzZXdoaWNobmVlZHN0b2JlMzJieXRlcw==\"}",
	"{\"hunter2\":\"cGFzc3BocmFzZXdoaWNobmVlZHN0b2JlMzJieXRlcyEh\"}",
};

/* The message tells the file and the module, never a name or value of the file of keys. */
static void
refused(const char *keys, const char *resources)
{
	struct guest g = guest(keys, resources);
	struct kbc_env env;
	struct kbc kbc = { .uri = "untouched" };
	const char *file = keys != NULL ? "offline_fs_kbc: aa-offline_fs_kbc-keys.json: " :
	    "offline_fs_kbc: aa-offline_fs_kbc-resources.json: ";

	fails(open_guest(&g, &env, &kbc, &e), ERR_CONFIG, "%s", keys != NULL ? keys : resources);
	ok(strncmp(e.msg, file, strlen(file)) == 0, "names the file: %s", e.msg);
	ok(strstr(e.msg, "hunter2") == NULL && strstr(e.msg, KEY) == NULL, "no value is quoted");
	if (keys != NULL)
		ok(strstr(e.msg, "hunter") == NULL, "nor a name of a key");
	is_str(kbc.uri, "untouched", "output untouched");
	is_int(secret_in_use(), 0, "no secret is left");
}

static void
test_bad(void)
{
	for (size_t i = 0; i < ARRAY_LEN(bad_files); i++) {
		refused(bad_files[i], NULL);
		refused(NULL, bad_files[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad_values); i++) {
		refused(bad_values[i], NULL);
		refused(NULL, bad_values[i]);
		ok(strstr(e.msg, "the value of 'hunter/2/x' is not base64") != NULL, "the entry is named");
	}
	for (size_t i = 0; i < ARRAY_LEN(bad_keys); i++)
		refused(bad_keys[i], NULL);
}

static void
test_names(void)
{
	autobuf text = BUF(4096);

	works(buf_add_str(&text, "{\"", &e), "text");
	for (int i = 0; i < 300; i++)
		works(buf_add_str(&text, "long ", &e), "text");
	works(buf_add_str(&text, "\":\"?\"}", &e), "text");
	refused(NULL, buf_str(&text));
	ok(strstr(e.msg, "'(a long name)'") != NULL, "a long name is not shown");
	refused(NULL, "{\"a\\u001b[31m\":\"?\"}");
	ok(strstr(e.msg, "'a\\x1b[31m'") != NULL, "an odd one is escaped: %s", e.msg);
}

/* n bytes: one entry, then spaces. */
static int
open_sized(size_t n, bool keys)
{
	autobuf text = BUF(LIMIT_KEYS_FILE + 1);
	struct guest g;
	struct kbc_env env;
	struct kbc kbc;
	int rc;

	assert(buf_add_str(&text, "{\"a/b/c\":\"" KEY "\"}", &e) == 0);
	while (text.len < n)
		assert(buf_add_u8(&text, ' ', &e) == 0);
	g = guest(keys ? buf_str(&text) : NULL, keys ? NULL : buf_str(&text));
	rc = open_guest(&g, &env, &kbc, &e);
	if (rc == 0)
		kbc_close(&kbc);
	return rc;
}

static void
test_sizes(void)
{
	autobuf text = BUF(LIMIT_KEYS_FILE), out = BUF_SECRET(LIMIT_KEYS_FILE);
	struct kbs_uri u = named("kbs:///a/b/c");
	struct guest g;
	struct kbc_env env;
	struct kbc kbc;

	works(open_sized(LIMIT_KEYS_FILE, true), "keys as large as allowed");
	fails(open_sized(LIMIT_KEYS_FILE + 1, true), ERR_LIMIT, "one byte more");
	works(open_sized(LIMIT_KEYS_FILE, false), "resources as large as allowed");
	fails(open_sized(LIMIT_KEYS_FILE + 1, false), ERR_LIMIT, "one byte more");
	ok(strstr(e.msg, "aa-offline_fs_kbc-resources.json") != NULL, "the file is named: %s", e.msg);
	/* Both files full, and the answer as large as it can be: the arena takes it. */
	assert(buf_add_str(&text, "{\"a/b/c\":\"", &e) == 0);
	while (text.len < LIMIT_KEYS_FILE - 6)
		assert(buf_add_str(&text, "AAAA", &e) == 0);
	assert(buf_add_str(&text, "\"}", &e) == 0);
	g = guest("{\"a/b/c\":\"" KEY "\"}", buf_str(&text));
	works(open_guest(&g, &env, &kbc, &e), "one large resource");
	works(kbc_get_resource(&kbc, &u, &out, &e), "is given");
	ok(out.len > 196000, "%zu bytes", out.len);
	kbc_close(&kbc);
}

static void
try_mutant(struct span text, void *arg)
{
	struct guest g = { .code = 0 };
	struct kbc_env env;
	struct kbc kbc;
	int rc;

	g.files[*(size_t *)arg] = text;
	rc = open_guest(&g, &env, &kbc, &e);
	assert(rc == 0 || rc == -ERR_CONFIG);
	if (rc == 0)
		kbc_close(&kbc);
}

static int
run(maybe_unused void *arg, struct err *err)
{
	struct guest g = guest("{\"a/b/c\":\"" KEY "\"}", "{\"a/b/d\":\"aGVsbG8=\"}");
	struct kbs_uri u = named("kbs:///a/b/c");
	autobuf out = BUF_SECRET(64);
	struct kbc_env env;
	struct kbc kbc;
	int rc = open_guest(&g, &env, &kbc, err);

	if (rc < 0)
		return rc;
	rc = kbc_get_key(&kbc, &u, &out, err);
	kbc_close(&kbc);
	return rc;
}

int
main(void)
{
	static const char good[] = "{\"a/b/c\":\"" KEY "\",\"a/b/d\":\"" KEY "\"}";
	size_t n;

	test_vectors();
	test_lookup();
	test_missing();
	test_bad();
	test_names();
	test_sizes();
	for (n = 0; n < 2; n++)
		ok(mutate(SPAN_LIT(good), sizeof(good), try_mutant, &n) > 1000, "mutants of file %zu", n);
	ok(fault_each(FAULT_ALLOC, 0, false, run, NULL) > 4, "every allocation fails once");
	ok(fault_each(FAULT_IO, EIO, false, run, NULL) > 1, "no random numbers");
	is_int(fault_live_bytes(), 0, "nothing leaks");
	is_int(secret_in_use(), 0, "no secret is left");
	return tap_done();
}
