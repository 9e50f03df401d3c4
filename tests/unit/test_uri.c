/*
 * test_uri.c: the public vectors, and every way a name was ever bent to lead
 * somewhere else.
 */
#include "lib/base.h"
#include "lib/uri.h"

#include <json-c/json.h>

#include "lib/limits.h"
#include "tests/lib/mutate.h"
#include "tests/lib/tap.h"

#define VECTORS "tests/vectors/kbc/annotation/"

static struct err e;

static const char *
member(struct json_object *o, const char *name)
{
	struct json_object *m = NULL;

	return json_object_object_get_ex(o, name, &m) && m != NULL ?
	    json_object_get_string(m) : "";
}

static void
check_vector(struct json_object *v)
{
	const char *text = member(v, "uri");
	struct kbs_uri u;
	int rc = kbs_uri_parse(span_str(text), &u, &e);

	if (strcmp(member(v, "ok"), "true") != 0) {
		fails(rc, ERR_PARSE, "vector refused: %s", text);
		return;
	}
	works(rc, "vector: %s", text);
	is_str(u.host, member(v, "host"), "its host");
	is_str(u.plugin, member(v, "plugin"), "its plugin");
	is_str(u.path, member(v, "path"), "its path");
	is_str(u.query, member(v, "query"), "its query");
}

static void
test_vectors(void)
{
	struct json_object *all =
	    json_object_from_file(VECTORS "resource-uris.json");

	is_int(all != NULL && json_object_array_length(all) >= 7, 1,
	    "the vectors are there");
	for (size_t i = 0; all != NULL && i < json_object_array_length(all);
	    i++)
		check_vector(json_object_array_get_idx(all, i));
	json_object_put(all);
}

static void
test_good(void)
{
	static const struct {
		const char *uri, *host, *plugin, *path, *query;
	} good[] = {
		{ "kbs:///a/b/c", "", "resource", "a/b/c", "" },
		{ "kbs+resource:///a/b/c", "", "resource", "a/b/c", "" },
		{ "kbs:///-a/_b/c..d-", "", "resource", "-a/_b/c..d-", "" },
		{ "kbs://h/A/9/z", "h", "resource", "A/9/z", "" },
		{ "kbs://kbs.example.com:65535/a/b/c", "kbs.example.com:65535",
		  "resource", "a/b/c", "" },
		{ "kbs://[::1]:8080/a/b/c", "[::1]:8080", "resource", "a/b/c",
		  "" },
		{ "kbs://[fe80::1.2.3.4]/a/b/c", "[fe80::1.2.3.4]", "resource",
		  "a/b/c", "" },
		{ "kbs+x:///a", "", "x", "a", "" },
		{ "kbs+x:///1/2/3/4/5/6/7/8", "", "x", "1/2/3/4/5/6/7/8", "" },
		{ "kbs+x:///a?b=c&d=%20/?", "", "x", "a", "b=c&d=%20/?" },
	};

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct kbs_uri u;

		works(kbs_uri_parse(span_str(good[i].uri), &u, &e), "%s",
		    good[i].uri);
		ok(strcmp(u.host, good[i].host) == 0 &&
		    strcmp(u.plugin, good[i].plugin) == 0 &&
		    strcmp(u.path, good[i].path) == 0 &&
		    strcmp(u.query, good[i].query) == 0, "its parts");
	}
}

/* One reason each. */
static const char *const bad[] = {
	"", "kbs", "kbs:", "kbs:/", "kbs://", "kbs:///", "kbs://host",
	"kbs:/a/b/c", "kbs:a/b/c", "KBS:///a/b/c", " kbs:///a/b/c",
	"kbs:///a/b/c ", "kbs:///a/b/c\n", "kbsx:///a/b/c", "xkbs:///a/b/c",
	"http://a/b/c/d", "file:///a/b/c", "://a/b/c", "kbs+://a/b/c",
	"kbs+:///a/b/c", "kbs+-x:///a", "kbs+X:///a", "kbs+x_y:///a",
	"kbs+x.y:///a", "kbs+x+y:///a", "kbs+../x:///a", "kbs+x/y:///a",
	"kbs+aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:///a",
	/* Segments */
	"kbs:///a", "kbs:///a/b", "kbs:///a/b/c/d", "kbs:///a/b/c/",
	"kbs:////a/b/c", "kbs:///a//b/c", "kbs:///a//b", "kbs:///a/b/",
	"kbs:///a/b//", "kbs+x:///", "kbs+x:///a/", "kbs+x:///a//b",
	"kbs+x:///1/2/3/4/5/6/7/8/9", "kbs:///kbs:///default/key/1",
	/* Ways up */
	"kbs:///../../etc/shadow", "kbs:///a/../b", "kbs:///a/b/..",
	"kbs:///./a/b", "kbs:///a/b/.", "kbs:///a/b/.c", "kbs:///.../a/b",
	"kbs:///%2e%2e/a/b", "kbs:///a/%2e%2e/b", "kbs:///a/b/%2e",
	"kbs:///a%2fb/c/d", "kbs:///a/b/c%00", "kbs:///a\\b/c/d",
	"kbs+x:///..", "kbs+x:///a/../b",
	/* What must not follow a path */
	"kbs:///a/b/c?", "kbs:///a/b/c?x=", "kbs:///a/b/c?x=1",
	"kbs:///a/b/c#", "kbs:///a/b/c#f", "kbs:///a/b/c;x", "kbs:///a/b/c@d",
	"kbs:///a/b/c:1", "kbs+x:///a?", "kbs+x:///a?b#c", "kbs+x:///a?b c",
	"kbs+x:///a?b\nc", "kbs+x:///a?b\"c", "kbs+x:///?a", "kbs+x:///a?\xff",
	/* Letters */
	"kbs:///a b/c/d", "kbs:///a/b/c\x7f", "kbs:///\xc3\xa9/b/c",
	"kbs:///a/b/\xe2\x80\xae", "kbs:///\xef\xbc\x8e\xef\xbc\x8e/b/c",
	"kbs:///a/b/*", "kbs:///a/b/~", "kbs:///a/b/c+d", "kbs:///a/b/\x1b[m",
	/* Hosts */
	"kbs://u@h/a/b/c", "kbs://u:p@h/a/b/c", "kbs://h:/a/b/c",
	"kbs://h:0/a/b/c", "kbs://h:65536/a/b/c", "kbs://h:080/a/b/c",
	"kbs://h:80:80/a/b/c", "kbs://:80/a/b/c", "kbs://h h/a/b/c",
	"kbs://h%2f/a/b/c", "kbs://[::1/a/b/c", "kbs://::1]/a/b/c",
	"kbs://[]/a/b/c", "kbs://[::1]x/a/b/c", "kbs://[::1]:/a/b/c",
	"kbs://[::1]80/a/b/c", "kbs://[::1%25lo]/a/b/c", "kbs://h?x/a/b/c",
	"kbs://h\\@g/a/b/c", "kbs://h#/a/b/c",
};

static void
test_bad(void)
{
	struct kbs_uri u, was;
	bool legacy = true;

	memset(&u, 0x5a, sizeof(u));
	was = u;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		fails(kbs_uri_parse(span_str(bad[i]), &u, &e), ERR_PARSE,
		    "refused: %zu", i);
		ok(memcmp(&u, &was, sizeof(u)) == 0 && e.msg[0] != '\0',
		    "untouched: %zu", i);
	}
	fails(kbs_uri_parse(SPAN_LIT("kbs:///a/b/c\0"), &u, &e), ERR_PARSE,
	    "NUL at the end");
	fails(kbs_uri_parse(SPAN_LIT("kbs:///a\0/b/c"), &u, &e), ERR_PARSE,
	    "NUL in a segment");
	fails(kbs_uri_parse(SPAN_LIT("kbs+x:///a?\0"), &u, &e), ERR_PARSE,
	    "NUL in a query");
	fails(kbs_uri_parse(SPAN_LIT("kbs://h\0/a/b/c"), &u, &e), ERR_PARSE,
	    "NUL in a host");
	fails(kbs_uri_parse((struct span){ 0 }, &u, &e), ERR_PARSE, "nothing");
	fails(kbs_uri_parse_kid((struct span){ 0 }, &u, &legacy, &e),
	    ERR_PARSE, "no key id");
	ok(memcmp(&u, &was, sizeof(u)) == 0 && legacy, "untouched");
}

/* A URI whose part named is n letters long. */
static int
parse_long(const char *before, size_t n, const char *behind)
{
	autobuf text = BUF(20000);
	struct kbs_uri u;
	int rc = buf_add_str(&text, before, &e);

	for (size_t i = 0; i < n && rc == 0; i++)
		rc = buf_add_u8(&text, 'a', &e);
	if (rc == 0)
		rc = buf_add_str(&text, behind, &e);
	if (rc == 0)
		rc = kbs_uri_parse(buf_span(&text), &u, &e);
	return rc;
}

static void
test_lengths(void)
{
	works(parse_long("kbs:///", 507, "/b/c"), "a path of 511");
	fails(parse_long("kbs:///", 508, "/b/c"), ERR_PARSE, "a path of 512");
	works(parse_long("kbs://", 261, "/a/b/c"), "a host of 261");
	fails(parse_long("kbs://", 262, "/a/b/c"), ERR_PARSE, "a host of 262");
	works(parse_long("kbs+x:///a?", 255, ""), "a query of 255");
	fails(parse_long("kbs+x:///a?", 256, ""), ERR_PARSE, "a query of 256");
	works(parse_long("kbs+", 31, ":///a"), "a plugin of 31");
	fails(parse_long("kbs+", 32, ":///a"), ERR_PARSE, "a plugin of 32");
	fails(parse_long("kbs:///", 10240, "/b/c"), ERR_LIMIT, "10 KiB");
	fails(parse_long("kbs:///a/b/", LIMIT_URI - 11, ""), ERR_PARSE,
	    "up to the limit: read");
	fails(parse_long("kbs:///a/b/", LIMIT_URI - 10, ""), ERR_LIMIT,
	    "above the limit: not read");
}

static void
test_kid(void)
{
	static const struct {
		const char *kid, *host, *path;
		bool legacy;
	} good[] = {
		{ "kbs:///a/b/c", "", "a/b/c", false },
		{ "kbs://h:1/a/b/c", "h:1", "a/b/c", false },
		{ "/a/b/c", "", "a/b/c", true },
		{ "a/b/c", "", "a/b/c", true },
		{ "h/a/b/c", "h", "a/b/c", true },
		{ "127.0.0.1:8080/a/b/c", "127.0.0.1:8080", "a/b/c", true },
		{ "[::1]:8080/a/b/c", "[::1]:8080", "a/b/c", true },
		{ "kbs:///kbs:///default/key/1", "", "default/key/1", true },
	};
	static const char *const odd[] = {
		"84688df7-2c0c-40fa-956b-29d8e74d16c0", "a", "a/b", "/a/b",
		"//a/b/c", "/a/b/c/", "a/b/c/", "a//b", "a/b/", "h/a/b/c/d",
		"/a/b/c/d", "a/../b", "../../etc/shadow", "..//a/b", "a/b/.c",
		"h:x/a/b/c", "u@h/a/b/c", "a/b/c?x=", "a/b/c#", "%2e%2e/a/b",
		"http://a/b/c", "kbs:///kbs:///kbs:///a/b/c", "a/b/c\n",
		"kbs://h/kbs:///a/b/c", "kbs:///kbs:///../a/b", "///",
		"kbs:///http://a/b/c", "///c", "a/b/c ", "\xc3\xa9/b/c",
	};
	struct kbs_uri u;
	bool legacy;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		legacy = !good[i].legacy;
		works(kbs_uri_parse_kid(span_str(good[i].kid), &u, &legacy,
		    &e), "key id %s", good[i].kid);
		ok(strcmp(u.host, good[i].host) == 0 &&
		    strcmp(u.path, good[i].path) == 0 &&
		    strcmp(u.plugin, "resource") == 0 &&
		    legacy == good[i].legacy, "its parts");
	}
	for (size_t i = 0; i < ARRAY_LEN(odd); i++)
		fails(kbs_uri_parse_kid(span_str(odd[i]), &u, &legacy, &e),
		    ERR_PARSE, "no key id: %zu", i);
	works(kbs_uri_parse_kid(SPAN_LIT("kbs+x:///a?q"), &u, &legacy, &e),
	    "a key id may name a plugin");
	is_str(u.plugin, "x", "its name");
	fails(kbs_uri_parse_kid(SPAN_LIT("a/b/c\0"), &u, &legacy, &e),
	    ERR_PARSE, "NUL");
}

/* The key ids of the packets in the vectors. */
static void
test_kid_vectors(void)
{
	static const char *const files[] = {
		VECTORS "public-cdh-v1.json",
		VECTORS "public-keyprovider-readme.json",
	};

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct json_object *packet = json_object_from_file(files[i]);
		struct kbs_uri u;
		bool legacy = false;

		works(kbs_uri_parse_kid(span_str(member(packet, "kid")), &u,
		    &legacy, &e), "%s", files[i]);
		ok(strncmp(u.path, "default/key/", 12) == 0 &&
		    legacy == (i == 0), "its path");
		json_object_put(packet);
	}
}

static void
test_params(void)
{
	static const struct {
		const char *text, *name, *uri;
	} good[] = {
		{ "offline_fs_kbc::null", "offline_fs_kbc", "null" },
		{ "offline_fs_kbc::", "offline_fs_kbc", "" },
		{ "cc_kbc::http://[::1]:8080", "cc_kbc", "http://[::1]:8080" },
		{ "eaa_kbc::127.0.0.1:50000", "eaa_kbc", "127.0.0.1:50000" },
		{ "a:::b", "a", ":b" }, { "a::::", "a", "::" },
		{ "x-1::a::b", "x-1", "a::b" },
	};
	static const char *const wrong[] = {
		"", ":", "::", "::x", "a", "a:", "a:b", "a:b::c", " a::b",
		"a b::c", "a/b::c", "a::b c", "a::b\n", "a::\x7f", "a.b::c",
		"a::\xc3\xa9", "\xc3\xa9::x", "a\n::b",
	};
	struct kbc_params k = { "as it", "was" };
	char text[600];

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		fails(kbc_params_parse(span_str(wrong[i]), &k, &e), ERR_CONFIG,
		    "refused: %zu", i);
	fails(kbc_params_parse(SPAN_LIT("a::b\0"), &k, &e), ERR_CONFIG, "NUL");
	fails(kbc_params_parse((struct span){ 0 }, &k, &e), ERR_CONFIG,
	    "nothing");
	memset(text, 'a', sizeof(text));
	memcpy(text + 64, "::", 2);
	fails(kbc_params_parse((struct span){ (uint8_t *)text, 66 }, &k, &e),
	    ERR_CONFIG, "a name of 64");
	memset(text, 'a', sizeof(text));
	memcpy(text, "n::", 3);
	fails(kbc_params_parse((struct span){ (uint8_t *)text, 515 }, &k, &e),
	    ERR_CONFIG, "an address of 512");
	ok(strcmp(k.name, "as it") == 0 && strcmp(k.uri, "was") == 0,
	    "untouched");
	works(kbc_params_parse((struct span){ (uint8_t *)text, 514 }, &k, &e),
	    "an address of 511");
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		works(kbc_params_parse(span_str(good[i].text), &k, &e), "%s",
		    good[i].text);
		ok(strcmp(k.name, good[i].name) == 0 &&
		    strcmp(k.uri, good[i].uri) == 0, "its parts");
	}
}

/* What passes is the sum of its parts, and none of them can lead up. */
static void
check_mutant(struct span s, void *arg)
{
	char again[1200];
	struct kbs_uri u;
	struct kbc_params k;
	bool legacy, *good = arg;

	if (kbs_uri_parse(s, &u, &e) == 0) {
		snprintf(again, sizeof(again), "kbs%s%s://%s/%s%s%s",
		    strcmp(u.plugin, "resource") ? "+" : "",
		    strcmp(u.plugin, "resource") ? u.plugin : "", u.host,
		    u.path, u.query[0] ? "?" : "", u.query);
		*good &= span_eq_str(s, again) && strstr(u.path, "..") == NULL;
	}
	(void)!kbs_uri_parse_kid(s, &u, &legacy, &e);
	(void)!kbc_params_parse(s, &k, &e);
}

static void
test_mutants(void)
{
	static const char *const seeds[] = {
		"kbs://127.0.0.1:8081/alice/cosign-key/213",
		"kbs+nebula-ca:///credential?ip[]=10.9.8.7",
		"kbs:///kbs:///default/key/1", "cc_kbc::http://[::1]:8080",
	};
	bool good = true;
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(seeds); i++)
		n += mutate(span_str(seeds[i]), 100, check_mutant, &good);
	ok(good && n > 1000, "%zu mutants", n);
}

int
main(void)
{
	test_vectors();
	test_good();
	test_bad();
	test_lengths();
	test_kid();
	test_kid_vectors();
	test_params();
	test_mutants();
	return tap_done();
}
