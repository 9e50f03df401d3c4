/*
 * test_bundle.c: users from passwd and group files, the runtime configuration.
 */
#include "lib/base.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "image/bundle.h"
#include "lib/fs.h"
#include "tests/lib/fault.h"
#include "tests/lib/mutate.h"
#include "tests/lib/tap.h"

static struct err e;

/* --- users */

#define PASSWD \
	"# a comment\n" \
	"broken\n" \
	"nouid:x::0::/:\n" \
	"huge:x:4294967295:0::/:\n" \
	"root:x:0:7:root:/root:/bin/sh\n" \
	"app:x:1000:1001::/home/app:/bin/sh\n" \
	"app:x:2000:2001::/second:/bin/sh\n" \
	"short:x:1005:1005\n" \
	"relative:x:1006:1006::home:\n" \
	"1234:x:77:78::/number:\n" \
	"last:x:1009:1009::/l:"
#define GROUP \
	"root:x:0:root,app\n" \
	"bad:x::app\n" \
	"app:x:1001:app\n" \
	"wheel:x:10:root,app\n" \
	"wheel2:x:10:app\n" \
	"audio:x:29:xapp,appx\n" \
	"empty:x:30:\n" \
	"nolist:x:31\n" \
	"video:x:44:other,app"

static void
test_users(void)
{
	static const struct {
		const char *user;
		uint32_t uid, gid;
		const char *home, *groups;
	} cases[] = {
		{ "", 0, 0, "/root", "" },
		{ "0", 0, 7, "/root", "0 10" },
		{ "root", 0, 7, "/root", "0 10" },
		{ "app", 1000, 1001, "/home/app", "0 10 44" },
		{ "1000", 1000, 1001, "/home/app", "0 10 44" },
		{ "app:wheel", 1000, 10, "/home/app", "" },
		{ "app:app", 1000, 1001, "/home/app", "" },
		{ "app:5", 1000, 5, "/home/app", "" },
		{ "1000:5", 1000, 5, "/home/app", "" },
		{ "9:wheel", 9, 10, "", "" },
		{ "9", 9, 0, "", "" },
		{ "9:9", 9, 9, "", "" },
		{ "4294967294:4294967294", 4294967294u, 4294967294u, "", "" },
		{ "2000", 2000, 2001, "/second", "0 1001 10 44" },
		{ "short", 1005, 1005, "", "" },
		{ "relative", 1006, 1006, "", "" },
		{ "1234", 1234, 0, "", "" },
		{ "last", 1009, 1009, "/l", "" },
		{ "app:nolist", 1000, 31, "/home/app", "" },
		{ "app:video", 1000, 44, "/home/app", "" },
	};
	static const char *const bad[] = {
		":", ":wheel", ":5", "app:", "5:", "nobody", "app:nogroup", "5:nogroup", "app:wheel:x",
		"5:5:5", "broken", "nouid", "huge", "4294967295", "app:4294967295", "-1", "0x0", " app",
		"app ", "01", "# a comment", "app:bad",
	};
	struct bundle_user u, before;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char groups[64] = "";

		works(bundle_user_parse(span_str(cases[i].user), SPAN_LIT(PASSWD), SPAN_LIT(GROUP), &u,
		    &e), "user \"%s\"", cases[i].user);
		ok(u.uid == cases[i].uid && u.gid == cases[i].gid, "is %u:%u", u.uid, u.gid);
		is_str(u.home, cases[i].home, "home");
		for (size_t k = 0; k < u.ngroups; k++)
			snprintf(groups + strlen(groups), sizeof(groups) - strlen(groups), "%s%u",
			    k > 0 ? " " : "", u.groups[k]);
		is_str(groups, cases[i].groups, "groups");
	}
	memset(&u, 0x5a, sizeof(u));
	memcpy(&before, &u, sizeof(u));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		fails(bundle_user_parse(span_str(bad[i]), SPAN_LIT(PASSWD), SPAN_LIT(GROUP), &u, &e),
		    ERR_IMAGE, "refused: \"%s\"", bad[i]);
	ok(memcmp(&u, &before, sizeof(u)) == 0, "output as it was");
	works(bundle_user_parse(span_str("5:6"), span_str(""), span_str(""), &u, &e), "no files");
	ok(u.uid == 5 && u.gid == 6 && u.ngroups == 0, "numbers stand for themselves");
	fails(bundle_user_parse(span_str("root"), span_str(""), span_str(""), &u, &e), ERR_IMAGE,
	    "a name without files");
}

/* app in n groups */
static int
user_in(size_t n, struct bundle_user *u)
{
	autobuf group = BUF(KIB(16));
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = buf_addf(&group, &e, "g%zu:x:%zu:app\n", i, 100 + i);
	if (rc == 0)
		rc = bundle_user_parse(span_str("app"), SPAN_LIT(PASSWD), buf_span(&group), u, &e);
	return rc;
}

static void
test_user_limits(void)
{
	struct bundle_user u;
	char passwd[600];

	works(user_in(64, &u), "64 groups");
	is_int(u.ngroups, 64, "all of them");
	fails(user_in(65, &u), ERR_IMAGE, "65 groups");
	memset(passwd, 'h', sizeof(passwd));
	memcpy(passwd, "a:x:1:1::/", 10);
	passwd[9 + 256] = '\0';
	works(bundle_user_parse(span_str("a"), span_str(passwd), span_str(""), &u, &e), "long home");
	is_int(strlen(u.home), 0, "too long to be kept");
	passwd[9 + 255] = '\0';
	works(bundle_user_parse(span_str("a"), span_str(passwd), span_str(""), &u, &e), "long home");
	is_int(strlen(u.home), 255, "kept");
}

static void
user_mutant(struct span passwd, void *arg)
{
	struct bundle_user u;
	struct err ignored;

	(void)arg;
	if (bundle_user_parse(SPAN_LIT("app"), passwd, passwd, &u, &ignored) == 0)
		assert(u.ngroups <= ARRAY_LEN(u.groups));
}

/* --- bundles */

static char root_path[] = "/tmp/test_bundle.XXXXXX";
static int root;

static int
convert(const char *members, struct buf *out, struct err *err)
{
	static const struct platform want = { "linux", "amd64", "" };
	cleanup(image_config_fini) struct image_config c = { 0 };
	autobuf text = BUF(KIB(64));
	int rc = buf_addf(&text, err, "{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"type\":"
	    "\"layers\",\"diff_ids\":[]}%s}", members);

	if (rc == 0)
		rc = image_config_parse(buf_span(&text), "application/vnd.oci.image.config.v1+json", &want,
		    0, &c, err);
	return rc < 0 ? rc : bundle_config(&c, root, out, err);
}

/* A value of the result by its path of members, as it stands there without blanks. */
static void
has(const char *members, const char *const path[4], const char *want)
{
	autobuf out = BUF(MIB(1)), value = BUF(MIB(1));
	autojson doc = NULL;
	struct json_val v;
	struct span raw;

	works(convert(members, &out, &e), "converts: %s", members);
	works(json_parse(buf_span(&out), &doc, &e), "gives JSON");
	v = json_root(doc);
	for (size_t i = 0; i < 4 && path[i] != NULL; i++)
		v = json_get(v, path[i]);
	raw = json_ok(v) ? json_raw(v) : span_str("none");
	for (size_t i = 0; i < raw.len; i++)
		if (raw.p[i] != ' ' && raw.p[i] != '\n')
			if (buf_add_u8(&value, raw.p[i], &e) < 0)
				abort();
	is_str(buf_str(&value), want, "%s.%s", path[0], path[1] ? path[1] : "");
}

#define CONFIG(members) ",\"config\":{" members "}"
#define PATH_DEFAULT "\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\""
#define AT(...) ((const char *const[4]){ __VA_ARGS__ })
#define NOTE(name) AT("annotations", "org.opencontainers.image." name)

static void
test_process(void)
{
	has("", AT("process", "args"), "[\"sh\"]");
	has(CONFIG("\"Entrypoint\":null,\"Cmd\":[]"), AT("process", "args"), "[\"sh\"]");
	has(CONFIG("\"Entrypoint\":[\"/e\",\"1\"],\"Cmd\":[\"c\",\"\"]"), AT("process", "args"),
	    "[\"/e\",\"1\",\"c\",\"\"]");
	has(CONFIG("\"Cmd\":[\"c\\u00e4\\n\"]"), AT("process", "args"), "[\"c\xc3\xa4\\n\"]");
	has("", AT("process", "env"), "[" PATH_DEFAULT ",\"HOME=/root\"]");
	has(CONFIG("\"Env\":[\"B=2\",\"A=1\",\"A=1\"]"), AT("process", "env"),
	    "[\"B=2\",\"A=1\",\"A=1\"," PATH_DEFAULT ",\"HOME=/root\"]");
	has(CONFIG("\"Env\":[\"\\u0050ATH=/x\",\"HOME=\"]"), AT("process", "env"),
	    "[\"PATH=/x\",\"HOME=\"]");
	has(CONFIG("\"Env\":[\"PATHS=/x\"],\"User\":\"9\""), AT("process", "env"),
	    "[\"PATHS=/x\"," PATH_DEFAULT "]");
	has("", AT("process", "cwd"), "\"/\"");
	has(CONFIG("\"WorkingDir\":\"\""), AT("process", "cwd"), "\"/\"");
	has(CONFIG("\"WorkingDir\":\"/srv/x\""), AT("process", "cwd"), "\"/srv/x\"");
	has(CONFIG("\"WorkingDir\":\"srv\""), AT("process", "cwd"), "\"/srv\"");
	has("", AT("process", "user"), "{\"uid\":0,\"gid\":0,\"additionalGids\":[]}");
	has(CONFIG("\"User\":\"app\""), AT("process", "user"),
	    "{\"uid\":1000,\"gid\":1001,\"additionalGids\":[0,10,44]}");
	has(CONFIG("\"User\":\"4294967294:5\""), AT("process", "user"),
	    "{\"uid\":4294967294,\"gid\":5,\"additionalGids\":[]}");
	has(CONFIG("\"Healthcheck\":{\"Test\":[]},\"Shell\":[],\"OnBuild\":null,\"ArgsEscaped\":true"),
	    AT("process", "terminal"), "false");
	has("", AT("ociVersion"), "\"1.0.2\"");
	has("", AT("root"), "{\"path\":\"rootfs\",\"readonly\":false}");
	has("", AT("linux", "namespaces"), "[{\"type\":\"pid\"},{\"type\":\"network\"},"
	    "{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"mount\"}]");
}

static void
test_annotations(void)
{
	has("", NOTE("os"), "\"linux\"");
	has("", NOTE("architecture"), "\"amd64\"");
	has("", NOTE("variant"), "none");
	has(",\"variant\":\"v3\"", NOTE("variant"), "\"v3\"");
	has(",\"author\":\"A\",\"created\":\"2026\",\"os.version\":\"1\"", NOTE("author"), "\"A\"");
	has(",\"author\":null,\"created\":\"2026\"", NOTE("created"), "\"2026\"");
	has(",\"os.version\":\"1\"", NOTE("os.version"), "\"1\"");
	has(",\"os.features\":[\"a\",\"b\"]", NOTE("os.features"), "\"[\\\"a\\\",\\\"b\\\"]\"");
	has(CONFIG("\"StopSignal\":\"SIGINT\""), NOTE("stopSignal"), "\"SIGINT\"");
	has(CONFIG("\"ExposedPorts\":{\"80/tcp\":{},\"443\":{}}"), NOTE("exposedPorts"),
	    "\"80/tcp,443\"");
	has(CONFIG("\"ExposedPorts\":null"), NOTE("exposedPorts"), "none");
	has(CONFIG("\"Labels\":{\"x\":\"y\",\"org.opencontainers.image.os\":\"mine\"}"), NOTE("os"),
	    "\"mine\"");
	has(CONFIG("\"Labels\":{\"org.opencontainers.image.exposedPorts\":\"m\"},\"ExposedPorts\":"
	    "{\"80\":{}}"), NOTE("exposedPorts"), "\"m\"");
	has(CONFIG("\"Labels\":{\"x\":\"\"}"), AT("annotations", "x"), "\"\"");
}

static void
test_volumes(void)
{
	autobuf out = BUF(MIB(1)), again = BUF(MIB(1));
	autojson doc = NULL;
	struct json_val mounts;
	struct json_iter it;

	works(convert(CONFIG("\"Volumes\":{\"/b\":{},\"/a\":{}}"), &out, &e), "volumes");
	works(json_parse(buf_span(&out), &doc, &e), "gives JSON");
	mounts = json_get(json_root(doc), "mounts");
	is_int(json_count(mounts), 9, "seven mounts and two");
	it = json_iter(mounts);
	for (size_t i = 0; i < 8; i++)
		ok(json_next(&it), "mount %zu", i);
	ok(json_str_eq(json_get(it.val, "destination"), "/b") &&
	    json_str_eq(json_get(it.val, "type"), "tmpfs") &&
	    json_count(json_get(it.val, "options")) == 5, "in the order of the image");
	works(convert(CONFIG("\"Volumes\":{\"/b\":{},\"/a\":{}}"), &again, &e), "once more");
	ok(span_eq(buf_span(&out), buf_span(&again)), "gives the same bytes");
	ok(out.data[out.len - 1] == '\n', "and ends with a new line");
}

static void
test_bad(void)
{
	static const char *const bad[] = {
		CONFIG("\"Entrypoint\":\"x\""), CONFIG("\"Entrypoint\":[7]"), CONFIG("\"Cmd\":{}"),
		CONFIG("\"Cmd\":[null]"), CONFIG("\"Cmd\":[\"a\\u0000b\"]"), CONFIG("\"Env\":\"A=1\""),
		CONFIG("\"Env\":[[]]"), CONFIG("\"User\":7"), CONFIG("\"User\":\"nobody\""),
		CONFIG("\"User\":\":5\""), CONFIG("\"WorkingDir\":[]"), CONFIG("\"Volumes\":[]"),
		CONFIG("\"Volumes\":{\"rel\":{}}"), CONFIG("\"Volumes\":{\"\":{}}"),
		CONFIG("\"ExposedPorts\":[\"80\"]"), CONFIG("\"StopSignal\":9"), CONFIG("\"Labels\":[]"),
		CONFIG("\"Labels\":{\"a\":7}"), CONFIG("\"Labels\":{\"\":\"x\"}"), ",\"author\":7",
		",\"created\":[]", ",\"os.features\":{}",
	};
	autobuf out = BUF(MIB(1)), small = BUF(100);

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		fails(convert(bad[i], &out, &e), ERR_IMAGE, "refused: %s", bad[i]);
	is_int(out.len, 0, "output as it was");
	fails(convert("", &small, &e), ERR_LIMIT, "no room");
	is_int(small.len, 0, "output as it was");
}

static void
put_file(const char *name, const char *text)
{
	autoclose int fd = openat(root, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	ok(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text), "%s is written", name);
}

/* What stands in the place of the file of accounts. */
static void
test_files(void)
{
	autobuf out = BUF(MIB(1)), big = BUF(MIB(2));

	ok(unlinkat(root, "etc/group", 0) == 0, "no group file");
	has(CONFIG("\"User\":\"app\""), AT("process", "user"),
	    "{\"uid\":1000,\"gid\":1001,\"additionalGids\":[]}");
	buf_reset(&out);
	fails(convert(CONFIG("\"User\":\"5:wheel\""), &out, &e), ERR_IMAGE, "a group by name");
	ok(mkfifoat(root, "etc/group", 0644) == 0, "a pipe");
	fails(convert("", &out, &e), ERR_IMAGE, "is refused, and does not block");
	ok(unlinkat(root, "etc/group", 0) == 0 && mkdirat(root, "etc/group", 0755) == 0, "a folder");
	fails(convert("", &out, &e), ERR_IMAGE, "is refused");
	ok(unlinkat(root, "etc/group", AT_REMOVEDIR) == 0 &&
	    symlinkat("/etc/group", root, "etc/group") == 0, "a link to itself");
	fails(convert("", &out, &e), ERR_IMAGE, "is refused");

	/* /etc/hostname exists outside; in the image it does not, whichever way the link goes. */
	ok(unlinkat(root, "etc/group", 0) == 0 &&
	    symlinkat("../../../../etc/hostname", root, "etc/group") == 0, "a link that climbs");
	works(convert("", &out, &e), "leads to nothing");
	put_file("groups", "inside:x:99:app\n");
	ok(unlinkat(root, "etc/group", 0) == 0 &&
	    symlinkat("/groups", root, "etc/group") == 0, "an absolute link");
	has(CONFIG("\"User\":\"5:inside\""), AT("process", "user", "gid"), "99");

	buf_reset(&out);
	works(buf_reserve(&big, MIB(1) + 1, &e), "room");
	memset(big.data, '\n', MIB(1) + 1);
	big.len = MIB(1) + 1;
	big.data[big.len] = '\0';
	put_file("groups", buf_str(&big));
	fails(convert("", &out, &e), ERR_LIMIT, "a file of more than 1 MiB");
	ok(unlinkat(root, "etc/group", 0) == 0 && unlinkat(root, "etc/passwd", 0) == 0, "no files");
	has(CONFIG("\"User\":\"5\""), AT("process", "user"),
	    "{\"uid\":5,\"gid\":0,\"additionalGids\":[]}");
	ok(unlinkat(root, "etc", AT_REMOVEDIR) == 0, "no /etc");
	has(CONFIG("\"User\":\"5:6\""), AT("process", "user", "gid"), "6");
	buf_reset(&out);
	fails(convert(CONFIG("\"User\":\"app\""), &out, &e), ERR_IMAGE, "a name");
	put_file("etc", "a file");
	works(convert("", &out, &e), "/etc is a file");
}

static int
convert_once(void *arg, struct err *err)
{
	autobuf out = BUF(MIB(1));

	return convert(arg, &out, err);
}

int
main(void)
{
	static char members[] = CONFIG("\"User\":\"app\",\"Cmd\":[\"x\"],\"Env\":[\"A=1\"],"
	    "\"Volumes\":{\"/v\":{}},\"ExposedPorts\":{\"1\":{},\"2\":{}},\"Labels\":{\"a\":\"b\"},"
	    "\"StopSignal\":\"9\",\"WorkingDir\":\"/x\"");

	test_users();
	test_user_limits();
	ok(mutate(SPAN_LIT(PASSWD "\n" GROUP), 500, user_mutant, NULL) > 1000, "mutants");

	if (!ok(mkdtemp(root_path) != NULL, "a root file system"))
		return tap_done();
	root = open(root_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ok(root >= 0 && mkdirat(root, "etc", 0755) == 0, "with /etc");
	put_file("etc/passwd", PASSWD);
	put_file("etc/group", GROUP);
	test_process();
	test_annotations();
	test_volumes();
	test_bad();
	ok(fault_each(FAULT_ALLOC, 0, false, convert_once, members) > 0, "out of memory");
	ok(fault_each(FAULT_IO, EIO, false, convert_once, members) > 0, "files that cannot be read");
	is_int(fault_live_bytes(), 0, "nothing is left behind");
	test_files();
	works(fs_empty_dir(root, &e), "emptied");
	close(root);
	ok(rmdir(root_path) == 0, "cleaned up");
	return tap_done();
}
