/*
 * test_toml.c: what is TOML and what is not, where tables may be opened, and that errors
 * name the line.
 */
#include "lib/base.h"

#include "lib/limits.h"
#include "lib/toml.h"
#include "tests/lib/fault.h"
#include "tests/lib/mutate.h"
#include "tests/lib/tap.h"

static struct err e;

/* A value in a short form: tables as {k=v;}, arrays as [v;]. */
static void
show(struct toml_val v, struct buf *out)
{
	struct toml_iter it = toml_iter(v);
	struct span s;
	int64_t n;
	bool b;
	int rc = 0;

	switch (toml_kind(v)) {
	case TOML_STRING:
		rc = toml_str(v, "v", &s, &e);
		if (rc == 0)
			rc = buf_addf(out, &e, "'%.*s'", (int)s.len, (const char *)s.p);
		break;
	case TOML_INTEGER:
		rc = toml_int(v, "v", INT64_MIN, INT64_MAX, &n, &e);
		if (rc == 0)
			rc = buf_addf(out, &e, "%" PRId64, n);
		break;
	case TOML_BOOLEAN:
		rc = toml_boolean(v, "v", &b, &e);
		if (rc == 0)
			rc = buf_add_str(out, b ? "true" : "false", &e);
		break;
	case TOML_ARRAY:
	case TOML_TABLE:
		rc = buf_add_str(out, toml_is(v, TOML_TABLE) ? "{" : "[", &e);
		while (toml_next(&it)) {
			if (toml_is(v, TOML_TABLE))
				rc |= buf_addf(out, &e, "%.*s=", (int)it.key.len,
				    (const char *)it.key.p);
			show(it.val, out);
			rc |= buf_add_str(out, ";", &e);
		}
		rc |= buf_add_str(out, toml_is(v, TOML_TABLE) ? "}" : "]", &e);
		break;
	}
	if (rc != 0)
		abort();
}

static const struct {
	const char *text, *shown;
} good[] = {
	{ "", "{}" },
	{ "# nothing\n\n \t\r\n", "{}" },
	{ "a=1", "{a=1;}" },
	{ "a = 1 # one\r\nb\t=\t2\n", "{a=1;b=2;}" },
	{ "A-b_9 = 1\n9 = 2\n\"a b\" = 3\n'c\\d' = 4\n\"\" = 5\n", "{A-b_9=1;9=2;a b=3;c\\d=4;=5;}" },
	{ "true = false\nfalse = true", "{true=false;false=true;}" },
	/* integers */
	{ "a=[0, +0, -0, +17, -17, 1_000, 5_3_4]", "{a=[0;0;0;17;-17;1000;534;];}" },
	{ "a=[9223372036854775807, -9223372036854775808]",
	  "{a=[9223372036854775807;-9223372036854775808;];}" },
	{ "a=[0xDEAD_beef, 0o755, 0b1101, 0x00, 0xe1, 0x7fffffffffffffff]",
	  "{a=[3735928559;493;13;0;225;9223372036854775807;];}" },
	/* strings */
	{ "a = \"\"\nb = ''", "{a='';b='';}" },
	{ "a = \"x\\b\\t\\n\\f\\r\\\"\\\\y\"", "{a='x\b\t\n\f\r\"\\y';}" },
	{ "a = \"\\u00e9\\U0001d11e\\u0041\"", "{a='\xc3\xa9\xf0\x9d\x84\x9e" "A';}" },
	{ "a = \"\xc3\xa9\ttab # no comment\"", "{a='\xc3\xa9\ttab # no comment';}" },
	{ "a = 'C:\\new \"q\"'", "{a='C:\\new \"q\"';}" },
	{ "a = \"\"\"\none\ntwo\r\n\"\"\"", "{a='one\ntwo\n';}" },
	{ "a = \"\"\"x \\\n\n   y \\  \r\n\tz\"\"\"\nb=1", "{a='x y z';b=1;}" },
	{ "a = \"\"\"\"\"\"", "{a='';}" },
	{ "a = \"\"\"\"q\"\"\"\"\"", "{a='\"q\"\"';}" },
	{ "a = \"\"\"a\"b\"\"c\\\"\"\"\"", "{a='a\"b\"\"c\"';}" },
	{ "a = '''\n\\n'' '''", "{a='\\n'' ';}" },
	{ "a = '''x'''''", "{a='x''';}" },
	/* arrays and inline tables */
	{ "a = []\nb = [ ]\nc = [[], [1], [\"x\", true]]", "{a=[];b=[];c=[[];[1;];['x';true;];];}" },
	{ "a = [ # first\n 1, # one\n\n 2\n , 3,\n]", "{a=[1;2;3;];}" },
	{ "a = {}\nb = { }\nc = {x=1, y = {z=[{w=2}]}}", "{a={};b={};c={x=1;y={z=[{w=2;};];};};}" },
	{ "a = {b.c = 1, b.d = {e.f = []}, g=2}", "{a={b={c=1;d={e={f=[];};};};g=2;};}" },
	{ "a = [{x=\"\"\"\n1\"\"\"}]", "{a=[{x='1';};];}" },
	/* dotted keys */
	{ "a.b.c = 1\na . b . \"d\" = 2\na.e = {}", "{a={b={c=1;d=2;};e={};};}" },
	{ "3.14 = 1", "{3={14=1;};}" },
	/* tables */
	{ "[a]\nx=1\n[b.c]\ny=2\n[b]\nz=3", "{a={x=1;};b={c={y=2;};z=3;};}" },
	{ "[ a . 'b' ] # there\n", "{a={b={};};}" },
	{ "[a.b.c]\n[a.b]\n[a]\n", "{a={b={c={};};};}" },
	{ "[a]\nb.c = 1\n[a.b.d]\nx=2\n[a.e]\n", "{a={b={c=1;d={x=2;};};e={};};}" },
	/* arrays of tables */
	{ "[[r]]\nx=1\n[[r]]\nx=2\n", "{r=[{x=1;};{x=2;};];}" },
	{ "[[r]]\n[[r.m]]\na=1\n[[r.m]]\na=2\n[[r]]\n[[r.m]]\na=3\n[r.t]\n",
	  "{r=[{m=[{a=1;};{a=2;};];};{m=[{a=3;};];t={};};];}" },
	{ "[[ r . s ]]\n[[r.s]]\n[r]\n", "{r={s=[{};{};];};}" },
};

static const struct {
	const char *text, *message;	/* with the line */
} bad[] = {
	{ "a", "line 1: no = behind a key" },
	{ "\n\na =", "line 3: no value: a string in quotes, an integer of 64 bits, true, false, [ or {" },
	{ "= 1", "line 1: no key where one must be" },
	{ "a.=1", "line 1: no key where one must be" },
	{ ".a=1", "line 1: no key where one must be" },
	{ "a b = 1", "line 1: no = behind a key" },
	{ "a = 1 b = 2", "line 1: more text behind a value or a header" },
	{ "\xc3\xa9 = 1", "line 1: no key where one must be" },
	{ "\xef\xbb\xbf" "a=1", "line 1: no key where one must be" },
	{ "\"\"\"a\"\"\" = 1", "line 1: a key of many lines" },
	{ "'''a''' = 1", "line 1: a key of many lines" },
	{ "a\n= 1", "line 1: no = behind a key" },
	{ "a = \n1", "line 1: no value" },
	{ "a=1\rb=2", "line 1: more text" },
	{ "# \x01", "line 1: a control character" },
	{ "# a\rb", "line 1: a control character" },
	{ "# \x7f", "line 1: a control character" },
	{ "# \xff", "line 1: invalid UTF-8" },
	/* values */
	{ "a = tru", "line 1: no value" },
	{ "a = True", "line 1: no value" },
	{ "a = truex", "line 1: no value" },
	{ "a = nil", "line 1: no value" },
	{ "a = 01", "line 1: no value" },
	{ "a = -01", "line 1: no value" },
	{ "a = +", "line 1: no value" },
	{ "a = --1", "line 1: no value" },
	{ "a = _1", "line 1: no value" },
	{ "a = 1_", "line 1: no value" },
	{ "a = 1__0", "line 1: no value" },
	{ "a = 0_1", "line 1: no value" },
	{ "a = 0x", "line 1: no value" },
	{ "a = 0x_1", "line 1: no value" },
	{ "a = 0xg", "line 1: no value" },
	{ "a = 0X1", "line 1: no value" },
	{ "a = +0x1", "line 1: no value" },
	{ "a = 0b2", "line 1: no value" },
	{ "a = 0o8", "line 1: no value" },
	{ "a = 1a", "line 1: no value" },
	{ "a = 9223372036854775808", "line 1: no value" },
	{ "a = -9223372036854775809", "line 1: no value" },
	{ "a = 99999999999999999999999", "line 1: no value" },
	{ "a = 0x8000000000000000", "line 1: no value" },
	/* strings */
	{ "a = \"x", "line 1: a string without end" },
	{ "a = 'x", "line 1: a string without end" },
	{ "a = \"x\ny\"", "line 1: a string without end on its line" },
	{ "a = 'x\r\n'", "line 1: a string without end on its line" },
	{ "a = \"\"\"x\n\"\"", "line 2: a string without end" },
	{ "a = '''x\n''", "line 2: a string without end" },
	{ "a = \"\"\"x\"\"\"\"\"\"", "line 1: too many quotes" },
	{ "a = \"\"\"\\", "line 1: an unknown escape" },
	{ "a = \"\\q\"", "line 1: an unknown escape" },
	{ "a = \"\\x41\"", "line 1: an unknown escape" },
	{ "a = \"\\\n\"", "line 1: an unknown escape" },
	{ "a = \"\"\"\\ x\"\"\"", "line 1: an unknown escape" },
	{ "a = \"\\u12\"", "line 1: an escape that is no character" },
	{ "a = \"\\u12G4\"", "line 1: an escape that is no character" },
	{ "a = \"\\ud800\"", "line 1: an escape that is no character" },
	{ "a = \"\\U00110000\"", "line 1: an escape that is no character" },
	{ "a = \"\\UFFFFFFFF\"", "line 1: an escape that is no character" },
	{ "a = \"\x01\"", "line 1: a control character" },
	{ "a = '\x7f'", "line 1: a control character" },
	{ "a = \"\"\"x\ry\"\"\"", "line 1: a control character" },
	{ "a = \"\xed\xa0\x80\"", "line 1: invalid UTF-8" },
	{ "a = \"\xc0\xaf\"", "line 1: invalid UTF-8" },
	{ "a = \"\xf4\x90\x80\x80\"", "line 1: invalid UTF-8" },
	{ "a = \"\xe2\x82\"", "line 1: invalid UTF-8" },
	/* arrays and inline tables */
	{ "a = [1 2]", "line 1: no comma and no end in an array" },
	{ "a = [1,\n,2]", "line 2: no value" },
	{ "a = [", "line 1: an array without end" },
	{ "a = [1,\n", "line 2: an array without end" },
	{ "a = [1}", "line 1: no comma and no end in an array" },
	{ "a = [# \x01\n]", "line 1: a control character" },
	{ "a = {x=1,}", "line 1: no key where one must be" },
	{ "a = {x=1\n}", "line 1: no comma and no end in an inline table" },
	{ "a = {\nx=1}", "line 1: no key where one must be" },
	{ "a = {x=1 y=2}", "line 1: no comma and no end in an inline table" },
	{ "a = {x=1", "line 1: no comma and no end in an inline table" },
	{ "a = {x=1]", "line 1: no comma and no end in an inline table" },
	{ "a = {x}", "line 1: no = behind a key" },
	{ "a = {,}", "line 1: no key where one must be" },
	{ "a = {x=1, x=2}", "line 1: a key that was there before" },
	{ "a = {x={y=1}, x.z=2}", "line 1: a table that was defined before" },
	{ "a = {x.y=1, x=2}", "line 1: a key that was there before" },
	/* keys and tables twice */
	{ "a=1\na=2", "line 2: a key that was there before" },
	{ "a=1\n'a'=2", "line 2: a key that was there before" },
	{ "a=1\n\"\\u0061\"=2", "line 2: a key that was there before" },
	{ "a=1\na.b=2", "line 2: a key that names something other than a table" },
	{ "a.b=1\na=2", "line 2: a key that was there before" },
	{ "a.b=1\na.b.c=2", "line 2: a key that names something other than a table" },
	{ "a={}\na.b=2", "line 2: a table that was defined before" },
	{ "[a]\n[a]", "line 2: a table that was defined before" },
	{ "[a]\n[b]\n[a]", "line 3: a table that was defined before" },
	{ "a=1\n[a]", "line 2: a table that was defined before" },
	{ "a={}\n[a]", "line 2: a table that was defined before" },
	{ "a={}\n[a.b]", "line 2: a key that names something other than a table" },
	{ "a=[{}]\n[a.b]", "line 2: a key that names something other than a table" },
	{ "a=1\n[a.b]", "line 2: a key that names something other than a table" },
	{ "a.b=1\n[a]", "line 2: a table that was defined before" },
	{ "[a]\nb.c=1\n[a.b]", "line 3: a table that was defined before" },
	{ "[a.b.c]\nz=9\n[a]\nb.c.t=1", "line 4: a table that was defined before" },
	{ "[a.b.c.d]\nz=9\n[a]\nb.c.t=1", "line 4: a table that was defined before" },
	{ "[a]\nb=1\n[a.b]", "line 3: a table that was defined before" },
	{ "[[a]]\n[a]", "line 2: a table that was defined before" },
	{ "[a]\n[[a]]", "line 2: a table that was defined before" },
	{ "[a.b]\n[[a]]", "line 2: a table that was defined before" },
	{ "a=[]\n[[a]]", "line 2: a table that was defined before" },
	{ "a=[{}]\n[[a]]", "line 2: a table that was defined before" },
	{ "[[a.b]]\n[a]\nb.c=1", "line 3: a key that names something other than a table" },
	{ "[[a]]\n[a.b]\n[a.b]", "line 3: a table that was defined before" },
	/* headers */
	{ "[a", "line 1: a header without end" },
	{ "[a]]", "line 1: more text behind a value or a header" },
	{ "[[a]", "line 1: a header without end" },
	{ "[[a] ]", "line 1: a header without end" },
	{ "[ [a]]", "line 1: no key where one must be" },
	{ "[]", "line 1: no key where one must be" },
	{ "[a..b]", "line 1: no key where one must be" },
	{ "[a.]", "line 1: no key where one must be" },
	{ "[a\n]", "line 1: a header without end" },
	{ "[a] b=1", "line 1: more text behind a value or a header" },
	{ "[a b]", "line 1: a header without end" },
};

/* Words of the language that are not read here. */
static const char *const foreign[] = {
	"1.5", "-0.0", "1e5", "1E+5", "6.6e-34", "inf", "-inf", "+nan", "1979-05-27",
	"1979-05-27T07:32:00Z", "1979-05-27 07:32:00", "07:32:00",
};

static void
good_documents(void)
{
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		autobuf got = BUF(1 << 16);
		autotoml t = NULL;
		int rc = toml_parse(span_str(good[i].text), &t, &e);

		works(rc, "good %zu", i);
		if (rc == 0) {
			show(toml_root(t), &got);
			is_str(buf_str(&got), good[i].shown, "good %zu: what it says", i);
		}
	}
}

static void
bad_documents(void)
{
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct toml *t = NULL;
		int rc = toml_parse(span_str(bad[i].text), &t, &e);

		if (!ok(rc == -ERR_PARSE && t == NULL &&
		    strncmp(e.msg, bad[i].message, strlen(bad[i].message)) == 0,
		    "refused: %zu", i))
			printf("# %zu: %d %s\n", i, rc, e.msg);
		toml_free(t);
	}
	for (size_t i = 0; i < ARRAY_LEN(foreign); i++) {
		autobuf text = BUF(100);
		struct toml *t = NULL;

		works(buf_addf(&text, &e, "\na = %s", foreign[i]), "text");
		fails(toml_parse(buf_span(&text), &t, &e), ERR_UNSUPPORTED, "%s", foreign[i]);
		ok(strstr(e.msg, i < 8 ? "line 2: floating-point" : "line 2: dates and times"),
		    "it is called what it is");
	}
	fails(toml_parse(SPAN_LIT("a = \"\0\""), &(struct toml *){ NULL }, &e), ERR_PARSE, "NUL");
	fails(toml_parse(SPAN_LIT("a = \"\\\0\""), &(struct toml *){ NULL }, &e), ERR_PARSE,
	    "NUL behind a backslash");
}

/* "text" n times between two others. */
static int
parse_repeated(const char *before, const char *text, size_t n, const char *after)
{
	autobuf all = BUF(1 << 20);
	autotoml t = NULL;
	int rc = buf_add_str(&all, before, &e);

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = buf_add_str(&all, text, &e);
	if (rc == 0)
		rc = buf_add_str(&all, after, &e);
	return rc < 0 ? rc : toml_parse(buf_span(&all), &t, &e);
}

static void
limits(void)
{
	size_t depth = LIMIT_TOML_DEPTH;

	works(parse_repeated("a=[", "1,", LIMIT_TOML_VALUES - 2, "]"), "as many values as may be");
	fails(parse_repeated("a=[", "1,", LIMIT_TOML_VALUES - 1, "]"), ERR_LIMIT, "one more");
	works(parse_repeated("", "\n", LIMIT_TOML, ""), "as long as may be");
	fails(parse_repeated("", "\n", LIMIT_TOML + 1, ""), ERR_LIMIT, "one byte more");
	works(parse_repeated("", "a.", depth - 1, "a=1"), "as deep as may be, by keys");
	fails(parse_repeated("", "a.", depth, "a=1"), ERR_LIMIT, "deeper, by keys");
	works(parse_repeated("[", "a.", depth - 1, "a]"), "as deep as may be, by a header");
	fails(parse_repeated("[", "a.", depth, "a]"), ERR_LIMIT, "deeper, by a header");
	fails(parse_repeated("a=", "[", depth + 1, ""), ERR_LIMIT, "deeper, by arrays");
	fails(parse_repeated("a=", "{a=", depth + 1, ""), ERR_LIMIT, "deeper, by tables");
	fails(parse_repeated("", "[[a]]\n", LIMIT_TOML_VALUES, ""), ERR_LIMIT, "too many elements");
}

static void
getters(void)
{
	static const char *const names[] = { "s", "n", "b", "list", "t", NULL };
	static const char text[] = "s = \"text\"\nn = -5\nb = true\nlist = [1]\n[t]\nnul = \"a\\u0000b\"\n";
	struct toml_val root, absent = { NULL, 0 };
	struct toml_iter it = toml_iter(absent);
	struct span s = { NULL, 77 };
	int64_t n = 77;
	bool b = false;
	char word[8] = "old";
	autotoml t = NULL;

	works(toml_parse(SPAN_LIT(text), &t, &e), "a document");
	root = toml_root(t);
	ok(!toml_ok(toml_get(root, "x")) && !toml_ok(toml_get(root, "S")), "not there");
	ok(!toml_ok(toml_get(absent, "s")) && !toml_ok(toml_get(toml_get(root, "s"), "s")) &&
	    !toml_ok(toml_get(toml_get(root, "list"), "")), "in what is no table nothing is there");
	is_int(toml_count(root), 5, "members");
	is_int(toml_count(toml_get(root, "list")), 1, "elements");
	is_int(toml_count(toml_get(root, "s")) + toml_count(absent), 0, "no container");
	ok(!toml_next(&it), "nothing to go through");
	is_int(toml_line(toml_get(root, "b")), 3, "line of a value");
	is_int(toml_line(toml_get(root, "t")), 5, "line of a table");
	is_int(toml_line(absent), 0, "line of nothing");
	ok(toml_is(root, TOML_TABLE) && !toml_is(absent, TOML_TABLE), "kinds");

	fails(toml_str(toml_get(root, "n"), "n", &s, &e), ERR_PARSE, "no string");
	is_str(e.msg, "line 2: n must be a string", "says so");
	fails(toml_str(absent, "x", &s, &e), ERR_PARSE, "no string at all");
	is_str(e.msg, "x is missing", "says so");
	fails(toml_str(toml_get(toml_get(root, "t"), "nul"), "t.nul", &s, &e), ERR_PARSE,
	    "a string with a NUL");
	is_int(s.len, 77, "outputs are untouched");
	works(toml_cstr(toml_get(root, "s"), "s", word, 5, &e), "fits just");
	is_str(word, "text", "a string");
	fails(toml_cstr(toml_get(root, "s"), "s", word, 4, &e), ERR_LIMIT, "does not fit");
	fails(toml_cstr(toml_get(root, "b"), "b", word, 8, &e), ERR_PARSE, "no string");
	works(toml_int(toml_get(root, "n"), "n", -5, -5, &n, &e), "in its range");
	is_int(n, -5, "an integer");
	fails(toml_int(toml_get(root, "n"), "n", -4, 9, &n, &e), ERR_PARSE, "too small");
	is_str(e.msg, "line 2: n must be from -4 to 9", "says so");
	fails(toml_int(toml_get(root, "n"), "n", -9, -6, &n, &e), ERR_PARSE, "too large");
	fails(toml_int(toml_get(root, "s"), "s", -9, 9, &n, &e), ERR_PARSE, "no integer");
	works(toml_boolean(toml_get(root, "b"), "b", &b, &e), "a boolean");
	ok(b, "it is true");
	fails(toml_boolean(toml_get(root, "n"), "n", &b, &e), ERR_PARSE, "no boolean");

	works(toml_only(root, "root", names, &e), "only known keys");
	fails(toml_only(root, "root", names + 1, &e), ERR_PARSE, "an unknown key");
	is_str(e.msg, "line 1: root: unknown key \"s\"", "is named");
	fails(toml_only(toml_get(root, "n"), "n", names, &e), ERR_PARSE, "no table");
	toml_free(NULL);
}

static const char sample[] = "a.b = [1, {c = \"\\u00e9\"}] # x\n[[r]]\n'k' = '''\nl'''\n[r.s]\nd=0x1f\n";

static int
parse_sample(void *arg, struct err *err)
{
	autotoml t = NULL;

	(void)arg;
	return toml_parse(SPAN_LIT(sample), &t, err);
}

static void
parse_mutant(struct span text, void *arg)
{
	autotoml t = NULL;
	int rc = toml_parse(text, &t, &e);

	if (rc > 0 || (rc == 0) != (t != NULL))
		*(size_t *)arg += 1;
}

static void
hardship(void)
{
	size_t wrong = 0;

	ok(fault_each(FAULT_ALLOC, ENOMEM, false, parse_sample, NULL) > 2, "no memory at each place");
	ok(mutate(SPAN_LIT(sample), SIZE_MAX, parse_mutant, &wrong) > 500, "mutants are tried");
	is_int(wrong, 0, "each is a document or an error");
}

int
main(void)
{
	good_documents();
	bad_documents();
	limits();
	getters();
	hardship();
	return tap_done();
}
