/*
 * test_token.c: tokens are found for their repository only, until they end.
 */
#include "lib/base.h"

#include "agent/token.h"

#include "lib/secret.h"
#include "lib/sys.h"
#include "tests/lib/fault.h"
#include "tests/lib/tap.h"

static struct err e;
static int64_t now = 1000000;

static int64_t
fake_now(void)
{
	return now;
}

static struct image_ref
ref(const char *name)
{
	struct image_ref r;

	works(image_ref_parse(span_str(name), &r, &e), "%s", name);
	return r;
}

static int
keep(struct tokens *t, const struct image_ref *r, const char *url, const char *value, uint64_t seconds)
{
	autobuf text = BUF_SECRET(100);

	works(buf_add_str(&text, value, &e), "a value");
	return tokens_keep(t, r, url, &text, seconds, &e);
}

static const char *
found(const struct tokens *t, const struct image_ref *r, const char *url)
{
	const struct buf *b = tokens_find(t, r, url);

	return b != NULL ? buf_str(b) : "none";
}

static void
test_use(void)
{
	struct tokens t = { 0 };
	struct image_ref a = ref("a.test/x/y"), b = ref("a.test/x/y/z"), c = ref("a.test:5000/x/y"), d = ref("a.test/x/y:v2");
	autobuf one = BUF_SECRET(100);

	is_str(found(&t, &a, NULL), "none", "nothing yet");
	works(keep(&t, &a, "u1", "one", 60), "one");
	is_str(found(&t, &a, NULL), "one", "for its repository");
	is_str(found(&t, &d, NULL), "one", "whatever the tag");
	is_str(found(&t, &b, NULL), "none", "not for one below");
	is_str(found(&t, &c, NULL), "none", "not for another port");
	is_str(found(&t, &a, "u1"), "one", "by where it came from");
	is_str(found(&t, &a, "u2"), "none", "not from elsewhere");
	works(keep(&t, &a, "u2", "two", 300), "another scope");
	is_str(found(&t, &a, NULL), "two", "the one that ends last");
	is_str(found(&t, &a, "u1"), "one", "both are there");
	now += 55000;
	is_str(found(&t, &a, "u1"), "none", "five seconds before its end it is not used");
	works(keep(&t, &a, "u1", "new", 60), "a new one");
	is_str(found(&t, &a, "u1"), "new", "takes its place");
	works(buf_add_str(&one, "two", &e), "one that was refused");
	tokens_forget(&t, &one);
	is_str(found(&t, &a, "u2"), "none", "is forgotten");
	is_str(found(&t, &a, NULL), "new", "others are not");
	tokens_free(&t);
}

static void
test_limit(void)
{
	struct tokens t = { 0 };
	struct image_ref a = ref("a.test/x");
	char url[16];
	int n = 0;

	for (int i = 0; i <= TOKENS_MAX; i++) {
		snprintf(url, sizeof(url), "u%d", i);
		works(keep(&t, &a, url, "x", 100 + (uint64_t)i), "one more");
	}
	is_str(found(&t, &a, "u0"), "none", "the one that ends first has made room");
	for (int i = 1; i <= TOKENS_MAX; i++) {
		snprintf(url, sizeof(url), "u%d", i);
		n += tokens_find(&t, &a, url) != NULL;
	}
	is_int(n, TOKENS_MAX, "all others are there");
	tokens_free(&t);
}

static int
keep_once(void *arg, struct err *err)
{
	struct tokens t = { 0 };
	autobuf text = BUF(100);	/* memory that can run out */
	int rc = buf_add_str(&text, "x", err);

	if (rc == 0)
		rc = tokens_keep(&t, arg, "u", &text, 60, err);
	ok((rc == 0) == (tokens_find(&t, arg, NULL) != NULL), "it is there or not");
	tokens_free(&t);
	return rc;
}

int
main(void)
{
	struct sys_ops ops = sys_real;
	struct image_ref a;

	ops.now_ms = fake_now;
	sys = &ops;
	test_use();
	test_limit();
	a = ref("a.test/x");
	sys = &sys_real;
	ok(fault_each(FAULT_ALLOC, 0, false, keep_once, &a) > 0, "out of memory");
	is_int(fault_live_bytes(), 0, "nothing is left behind");
	is_int(secret_in_use(), 0, "no secret is left behind");
	return tap_done();
}
