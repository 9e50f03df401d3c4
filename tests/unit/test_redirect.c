/*
 * test_redirect.c: where a Location leads.
 */
#include "lib/base.h"

#include "agent/redirect.h"

#include "lib/limits.h"
#include "tests/lib/tap.h"

static struct err e;

static void
test_good(void)
{
	static const struct {
		const char	*from, *location, *want;
		bool		 same;
	} cases[] = {
		{ "https://a.test/v2/x", "https://b.test/y?z=1", "https://b.test/y?z=1", false },
		{ "https://a.test/v2/x", "/y", "https://a.test/y", true },
		{ "https://a.test/v2/x", "y", "https://a.test/v2/y", true },
		{ "https://a.test/v2/x", "../y", "https://a.test/y", true },
		{ "https://a.test/v2/x", "//b.test/y", "https://b.test/y", false },
		{ "https://a.test/v2/x", "https://A.TEST:443/y", "https://A.TEST:443/y", true },
		{ "https://a.test/v2/x", "https://a.test:444/y", "https://a.test:444/y", false },
		{ "http://a.test/v2/x", "https://a.test/y", "https://a.test/y", false },
		{ "http://a.test/v2/x", "http://b.test/y", "http://b.test/y", false },
		{ "http://a.test:80/v2/x", "http://a.test/y", "http://a.test/y", true },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		autobuf to = BUF(LIMIT_URL);
		bool same = !cases[i].same;

		works(redirect_resolve(cases[i].from, cases[i].location, &to, &same, &e), "%s", cases[i].location);
		is_str(buf_str(&to), cases[i].want, "the URL");
		ok(same == cases[i].same, "%s place", same ? "the same" : "another");
	}
}

static void
test_bad(void)
{
	static const char *const bad[] = {
		"", "http://a.test/y", "file:///etc/passwd", "ftp://a.test/", "unix:/x", "https://u:p@a.test/",
		"https://u@a.test/", "https://a.test:99999/",
	};
	autobuf to = BUF(LIMIT_URL), tiny = BUF(5);
	bool same = true;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		fails(redirect_resolve("https://a.test/v2/x", bad[i], &to, &same, &e), ERR_REGISTRY,
		    "refused: '%s'", bad[i]);
	fails(redirect_resolve("http://a.test/x", "gopher://a.test/", &to, &same, &e), ERR_REGISTRY, "not http");
	fails(redirect_resolve("https://a.test/x", "/y", &tiny, &same, &e), ERR_LIMIT, "too long");
	ok(to.len == 0 && tiny.len == 0 && same, "output as it was");
}

int
main(void)
{
	test_good();
	test_bad();
	return tap_done();
}
