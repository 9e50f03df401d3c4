/*
 * test_json.c: what is JSON and what is not, one case a line; the getters; the
 * limits; the cost of large objects; and, for every text accepted, json-c in
 * strict mode (laxer than we are) reading the same values.
 */
#include "lib/base.h"
#include "lib/json.h"

#include <json-c/json.h>
#include <time.h>

#include "lib/limits.h"
#include "lib/sys.h"
#include "tests/lib/fault.h"
#include "tests/lib/mutate.h"
#include "tests/lib/tap.h"

static struct err e;

struct text {
	const char	*name;
	struct span	 span;
};
#define T(name, literal) { name, { (const uint8_t *)(literal), sizeof(literal) - 1 } }

static const struct text good[] = {
	T("empty object", "{}"), T("empty array", "[]"), T("spaces", " \t\r\n[ ] \t\r\n"),
	T("null", "null"), T("true", "true"), T("false", "false"),
	T("zero", "0"), T("minus zero", "-0"), T("integer", "1234567890"),
	T("negative", "-1"), T("fraction", "0.5"), T("fraction with zeros", "1.000"),
	T("exponent", "1e5"), T("exponent plus", "1E+5"), T("exponent minus", "1.5e-007"),
	T("exponent zero", "0e0"), T("large integer", "123456789012345678901234567890"),
	T("large exponent", "1e9999"), T("empty string", "\"\""),
	T("simple escapes", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
	T("unicode escape", "\"\\u00e9\\u20AC\""), T("pair", "\"\\ud834\\uDD1E\""),
	T("escaped NUL", "\"\\u0000\""), T("DEL", "\"\x7f\""),
	T("UTF-8 2", "\"\xc2\x80\xdf\xbf\""), T("UTF-8 3", "\"\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\""),
	T("UTF-8 4", "\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\""), T("noncharacter", "\"\xef\xbf\xbf\""),
	T("escaped noncharacter", "\"\\uFFFF\""), T("array", "[1,\"2\",null,true,false,[],{}]"),
	T("object", "{\"a\":1,\"b\":{\"a\":2},\"c\":[{\"a\":3},{\"a\":4}]}"),
	T("empty name", "{\"\":0}"), T("spaces around", "{ \"a\" : [ 1 , 2 ] , \"b\" : 3 }"),
	T("name with escapes", "{\"a\\u0062\":1,\"ac\":2}"), T("name with NUL", "{\"a\\u0000b\":1,\"a\":2}"),
	T("names by case", "{\"a\":1,\"A\":2}"), T("name as value", "{\"a\":\"a\",\"b\":\"a\"}"),
	T("slash or not", "\"\\/\""),
};

static const struct text bad[] = {
	T("nothing", ""), T("only spaces", "  \n"), T("NUL", "\0"), T("text behind", "{}x"),
	T("NUL behind", "{}\0"), T("two documents", "{}{}"), T("comma behind", "[],"),
	T("byte order mark", "\xef\xbb\xbf{}"), T("UTF-16", "{\0}\0"), T("form feed", "[\f]"),
	T("no-break space", "[\xc2\xa0]"), T("line comment", "[1] // no"),
	T("block comment", "[/* no */1]"), T("hash comment", "# no\n[]"),
	T("array open", "["), T("array open with value", "[1"), T("array with comma", "[1,"),
	T("trailing comma", "[1,]"), T("leading comma", "[,1]"), T("double comma", "[1,,2]"),
	T("only comma", "[,]"), T("no comma", "[1 2]"), T("array closed twice", "[]]"),
	T("wrong close", "[}"), T("wrong close of object", "{]"), T("unopened", "]"), T("unopened object", "}"),
	T("colon in array", "[\"a\":1]"), T("object open", "{"), T("name only", "{\"a\"}"),
	T("name and colon", "{\"a\":}"), T("name open", "{\"a"), T("object with comma", "{\"a\":1,"),
	T("object trailing comma", "{\"a\":1,}"), T("object leading comma", "{,\"a\":1}"),
	T("no comma in object", "{\"a\":1 \"b\":2}"), T("no colon", "{\"a\" 1}"), T("two colons", "{\"a\"::1}"),
	T("comma for colon", "{\"a\",1}"), T("number as name", "{1:1}"), T("word as name", "{a:1}"),
	T("null as name", "{null:1}"), T("single quotes", "{'a':1}"), T("single quoted value", "['a']"),
	T("duplicate", "{\"a\":1,\"a\":1}"), T("duplicate by escape", "{\"a\":1,\"\\u0061\":2}"),
	T("duplicate by escapes", "{\"\\u0061\\/\":1,\"a\\u002f\":2}"), T("duplicate empty", "{\"\":1,\"\":2}"),
	T("duplicate pair", "{\"\xf0\x9d\x84\x9e\":1,\"\\ud834\\udd1e\":2}"),
	T("duplicate with NUL", "{\"a\\u0000\":1,\"a\\u0000\":2}"),
	T("duplicate far inside", "[{},[{\"x\":{\"a\":[],\"b\":0,\"a\":{}}}]]"),
	T("duplicate after nesting", "{\"a\":{\"b\":1},\"a\":2}"),
	T("TRUE", "TRUE"), T("True", "True"), T("tru", "tru"), T("truex", "truex"), T("nul", "nul"),
	T("NULL", "NULL"), T("fals", "[fals]"), T("NaN", "NaN"), T("-NaN", "-NaN"), T("Infinity", "Infinity"),
	T("-Infinity", "-Infinity"), T("undefined", "undefined"), T("plus", "+1"), T("minus", "-"),
	T("two minus", "--1"), T("minus space", "- 1"), T("leading zero", "01"), T("minus leading zero", "-01"),
	T("zeros", "00"), T("point first", ".5"), T("minus point", "-.5"), T("point last", "1."),
	T("point exponent", "1.e1"), T("two points", "1.2.3"), T("exponent only", "e5"), T("exponent open", "1e"),
	T("exponent sign open", "1e+"), T("exponent point", "1e1.5"), T("two exponents", "1e1e1"),
	T("hexadecimal", "0x10"), T("underscore", "1_000"), T("letter behind", "1a"), T("Arabic digit", "\xd9\xa1"),
	T("string open", "\"a"), T("string open escaped", "\"a\\\""), T("escape at end", "\"\\"),
	T("escape a", "\"\\a\""), T("escape 0", "\"\\0\""), T("escape x", "\"\\x41\""), T("escape U", "\"\\U0041\""),
	T("escape quote", "\"\\'\""), T("escape NUL", "\"\\\0\""), T("escape newline", "\"\\\n\""),
	T("u short", "\"\\u004\""), T("u very short", "\"\\u\""), T("u not hex", "\"\\u00g0\""),
	T("u at sign", "\"\\u00@0\""), T("u back quote", "\"\\u00`0\""), T("u minus", "\"\\u-041\""),
	T("u cut", "\"\\u00"), T("lone high", "\"\\ud800\""), T("lone low", "\"\\udc00\""),
	T("high high", "\"\\ud800\\ud800\""), T("high and letter", "\"\\ud800\\u0041\""), T("high and text", "\"\\ud800abcdef\""),
	T("low low", "\"\\udc00\\udc00\""), T("low high", "\"\\udc00\\ud800\""), T("high cut", "\"\\ud800\\udc0"), T("high then newline", "\"\\ud800\\n\""),
	T("newline in string", "\"a\nb\""), T("tab in string", "\"a\tb\""), T("NUL in string", "\"a\0b\""),
	T("0x1f in string", "\"\x1f\""), T("lone continuation", "\"\x80\""), T("lone 0xbf", "\"\xbf\""),
	T("overlong 2", "\"\xc0\xaf\""), T("overlong c1", "\"\xc1\xbf\""), T("overlong 3", "\"\xe0\x80\xaf\""),
	T("overlong 3 high", "\"\xe0\x9f\xbf\""), T("overlong 4", "\"\xf0\x80\x80\xaf\""),
	T("overlong 4 high", "\"\xf0\x8f\xbf\xbf\""), T("surrogate", "\"\xed\xa0\x80\""),
	T("surrogate pair as UTF-8", "\"\xed\xa0\xb4\xed\xb4\x9e\""), T("too large", "\"\xf4\x90\x80\x80\""),
	T("f5", "\"\xf5\x80\x80\x80\""), T("ff", "\"\xff\""), T("fe", "\"\xfe\""), T("cut 2", "\"\xc3\""),
	T("cut 3", "\"\xe2\x82\""), T("cut 4", "\"\xf0\x9f\x98\""), T("cut at the very end", "\"\xe2\x82"),
	T("second not continuation", "\"\xc3\x28\""), T("third not continuation", "\"\xe2\x82\x28\""),
	T("fourth not continuation", "\"\xf0\x9f\x98\x28\""), T("bad UTF-8 in name", "{\"\xff\":1}"),
	T("latin1", "\"\xe9\""), T("star", "[*]"), T("backslash outside", "[\\n]"), T("angle", "[<a>]"),
};

static int
parse(struct span text, struct json **out)
{
	/* A copy without anything behind it lets the sanitizer see a byte too far. */
	uint8_t *copy = malloc(text.len > 0 ? text.len : 1);
	struct json *j = NULL;
	int rc;

	assert(copy != NULL);
	if (text.len > 0)
		memcpy(copy, text.p, text.len);
	rc = json_parse((struct span){ copy, text.len }, &j, &e);
	json_free(j);
	free(copy);
	return rc < 0 || out == NULL ? rc : json_parse(text, out, &e);
}

/*
 * json-c as the second opinion.
 */

static bool same(struct json_val, struct json_object *);

static bool
same_string(struct json_val v, const char *text, size_t len)
{
	autobuf b = BUF(1 << 20);
	struct err unread;

	if (json_str(v, "x", &b, &unread) < 0)	/* holds NUL */
		return memchr(text, 0, len) != NULL;
	if (strstr(text, "\xef\xbf\xbd") != NULL)	/* json-c mistakes some pairs, as U+1D91E */
		return true;
	return b.len == len && (len == 0 || memcmp(b.data, text, len) == 0);
}

/* json-c ends names at NUL, so that members may fall together. */
static bool
has_nul_name(struct json_val v)
{
	struct json_iter it = json_iter(v);

	while (json_next(&it)) {
		autobuf name = BUF(1 << 20);
		struct err unread;

		if (json_str(it.key, "x", &name, &unread) < 0)
			return true;
	}
	return false;
}

static bool
same_object(struct json_val v, struct json_object *o)
{
	struct json_iter it = json_iter(v);

	if (has_nul_name(v))
		return true;
	if (json_count(v) != (size_t)json_object_object_length(o))
		return false;
	while (json_next(&it)) {
		autobuf name = BUF(1 << 20);
		struct json_object *member;

		if (json_str(it.key, "x", &name, &e) < 0 ||
		    !json_object_object_get_ex(o, buf_str(&name), &member) ||
		    !same(it.val, member))
			return false;
	}
	return true;
}

static bool
same(struct json_val v, struct json_object *o)
{
	static const enum json_kind types[] = {
		[json_type_null] = JSON_NULL, [json_type_boolean] = JSON_BOOL,
		[json_type_double] = JSON_NUMBER, [json_type_int] = JSON_NUMBER,
		[json_type_string] = JSON_STRING, [json_type_array] = JSON_ARRAY,
		[json_type_object] = JSON_OBJECT,
	};
	uint64_t n;
	bool b;

	if (json_kind(v) != types[json_object_get_type(o)])
		return false;
	if (json_is(v, JSON_BOOL))
		return json_boolean(v, "x", &b, &e) == 0 && b == json_object_get_boolean(o);
	if (json_is(v, JSON_NUMBER) && json_u64(v, "x", INT64_MAX, &n, &e) == 0)
		return n == json_object_get_uint64(o);
	if (json_is(v, JSON_STRING))
		return same_string(v, json_object_get_string(o), (size_t)json_object_get_string_len(o));
	if (json_is(v, JSON_OBJECT))
		return same_object(v, o);
	if (json_is(v, JSON_ARRAY)) {
		struct json_iter it = json_iter(v);

		if (json_count(v) != json_object_array_length(o))
			return false;
		for (size_t i = 0; json_next(&it); i++)
			if (!same(it.val, json_object_array_get_idx(o, i)))
				return false;
	}
	return true;
}

static bool
json_c_agrees(const struct json *j, struct span text)
{
	struct json_tokener *tok = json_tokener_new_ex(LIMIT_JSON_DEPTH + 2);
	struct json_object *o;
	bool agrees;

	json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
	o = json_tokener_parse_ex(tok, (const char *)text.p, (int)text.len);
	if (json_tokener_get_error(tok) == json_tokener_continue)	/* a number: more may come */
		o = json_tokener_parse_ex(tok, "\0", 1);
	agrees = json_tokener_get_error(tok) == json_tokener_success && same(json_root(j), o);
	if (!agrees)
		printf("# json-c: %s\n", json_tokener_error_desc(json_tokener_get_error(tok)));
	json_object_put(o);
	json_tokener_free(tok);
	return agrees;
}

static void
test_grammar(void)
{
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		autojson j = NULL;

		works(parse(good[i].span, &j), "good: %s", good[i].name);
		if (j != NULL)
			ok(json_c_agrees(j, good[i].span), "json-c agrees: %s", good[i].name);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct json *j = (struct json *)&e;

		fails(parse(bad[i].span, &j), ERR_PARSE, "bad: %s", bad[i].name);
		ok(j == (struct json *)&e, "bad: %s: output untouched", bad[i].name);
		ok(strstr(e.msg, " at byte ") != NULL, "bad: %s: the place is named", bad[i].name);
	}
}

/* Every bad text stays bad deep inside, unless it is bad for what is around it. */
static void
test_nested_bad(void)
{
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		autobuf text = BUF(4096);
		int rc;

		works(buf_add_str(&text, "[{\"k\":[0,", &e), "around");
		works(buf_add_span(&text, bad[i].span, &e), "text");
		works(buf_add_str(&text, "]}]", &e), "around");
		rc = parse(buf_span(&text), NULL);
		ok(rc == -ERR_PARSE, "nested bad: %s", bad[i].name);
	}
}

static void
test_offsets(void)
{
	static const struct { const char *text; const char *where; } cases[] = {
		{ "{\"a\":1,\"bc\":2,\"a\":3}", "byte 14" }, { "[1,2,x]", "byte 5" }, { "  ", "byte 2" },
		{ "{} x", "byte 3" }, { "[\"ab\\q\"]", "byte 4" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		fails(parse(span_str(cases[i].text), NULL), ERR_PARSE, "%s", cases[i].text);
		ok(strstr(e.msg, cases[i].where) != NULL, "%s names %s", e.msg, cases[i].where);
	}
	fails(parse(span_str("{\"hunter2\":\"hunter2\",\"hunter2\":hunter2}"), NULL), ERR_PARSE, "secret");
	ok(strstr(e.msg, "hunter2") == NULL, "no text in the message");
	fails(parse(span_str("{\"a\":hunter2}"), NULL), ERR_PARSE, "secret word");
	ok(strstr(e.msg, "hunter2") == NULL, "no text in the message");
}

/* n containers, one in the other. */
static int
parse_depth(size_t n, const char *open, const char *middle, const char *close)
{
	autobuf text = BUF(MIB(1));

	for (size_t i = 0; i < n; i++)
		assert(buf_add_str(&text, open, &e) == 0);
	assert(buf_add_str(&text, middle, &e) == 0);
	for (size_t i = 0; i < n; i++)
		assert(buf_add_str(&text, close, &e) == 0);
	return parse(buf_span(&text), NULL);
}

static void
test_limits(void)
{
	autobuf text = BUF(MIB(4));

	works(parse_depth(LIMIT_JSON_DEPTH, "[", "", "]"), "as deep as allowed");
	works(parse_depth(LIMIT_JSON_DEPTH, "{\"a\":", "0", "}"), "objects as deep as allowed");
	fails(parse_depth(LIMIT_JSON_DEPTH + 1, "[", "", "]"), ERR_LIMIT, "one deeper");
	fails(parse_depth(LIMIT_JSON_DEPTH + 1, "{\"a\":", "0", "}"), ERR_LIMIT, "objects one deeper");
	fails(parse_depth(100000, "[", "", "]"), ERR_LIMIT, "very deep");
	assert(buf_add_str(&text, "[0", &e) == 0);
	for (int i = 0; i < 999998; i++)
		assert(buf_add_str(&text, ",0", &e) == 0);
	assert(buf_add_str(&text, "]", &e) == 0);
	works(parse(buf_span(&text), NULL), "a million values");
	text.len--;
	assert(buf_add_str(&text, ",0]", &e) == 0);
	fails(parse(buf_span(&text), NULL), ERR_LIMIT, "one more");
	fails(json_parse((struct span){ (const uint8_t *)"x", (size_t)UINT32_MAX },
	    &(struct json *){ NULL }, &e), ERR_LIMIT, "text of 4 GiB, not looked at");
}

/* Of this process: others do not count. */
static int64_t
cpu_ms(void)
{
	return (int64_t)clock() / (CLOCKS_PER_SEC / 1000);
}

static void
test_large_object(void)
{
	autobuf text = BUF(MIB(8));
	autojson j = NULL;
	int64_t start, took;
	char name[16];
	size_t found = 0;

	assert(buf_add_str(&text, "{\"\":0", &e) == 0);
	for (int i = 0; i < 300000; i++)
		assert(buf_addf(&text, &e, ",\"%06x\":%d", i, i % 10) == 0);
	assert(buf_add_str(&text, "}", &e) == 0);
	start = cpu_ms();
	works(json_parse(buf_span(&text), &j, &e), "300,000 members");
	took = cpu_ms() - start;
	/* Tens of milliseconds; minutes if it were quadratic. */
	ok(took < 5000, "in %" PRId64 " ms", took);
	for (int i = 0; i < 300000; i++) {
		uint64_t n;

		snprintf(name, sizeof(name), "%06x", (unsigned)i);
		if (json_u64(json_get(json_root(j), name), name, 9, &n, &e) == 0 && n == (uint64_t)i % 10)
			found++;
	}
	is_int(found, 300000, "all are found");
	text.len--;
	assert(buf_add_str(&text, ",\"0003e7\":1}", &e) == 0);
	fails(parse(buf_span(&text), NULL), ERR_PARSE, "a duplicate far away");
}

/* The same name in many objects is as cheap, and each finds its own. */
static void
test_many_objects(void)
{
	autobuf text = BUF(MIB(8));
	autojson j = NULL;
	struct json_iter it;
	int64_t start, took;
	size_t found = 0;
	uint64_t n;

	assert(buf_add_str(&text, "[{\"a\":0}", &e) == 0);
	for (int i = 1; i < 200000; i++)
		assert(buf_addf(&text, &e, ",{\"a\":%d}", i) == 0);
	assert(buf_add_str(&text, "]", &e) == 0);
	start = cpu_ms();
	works(json_parse(buf_span(&text), &j, &e), "200,000 objects");
	it = json_iter(json_root(j));
	for (uint64_t i = 0; json_next(&it); i++)
		found += json_u64(json_get(it.val, "a"), "a", UINT64_MAX, &n, &e) == 0 && n == i;
	took = cpu_ms() - start;
	is_int(found, 200000, "each has its own value");
	ok(took < 5000, "in %" PRId64 " ms", took);
}

/*
 * Getters.
 */

static const char document[] =
    "{\"s\":\"a\\u00e9\\n\\ud834\\udd1e/\",\"n\":42,\"z\":0,\"neg\":-1,\"frac\":1.0,\"exp\":1e2,"
    "\"big\":18446744073709551615,\"over\":18446744073709551616,\"t\":true,\"f\":false,"
    "\"nil\":null,\"a\":[1,[2,3],{\"s\":\"inner\"}],\"o\":{\"s\":\"in o\"},\"nul\":\"a\\u0000b\","
    "\"es\\u0063\":\"e\",\"nn\":{\"a\\u0000b\":1},\"empty\":\"\"}";

static void
test_get(struct json_val root)
{
	struct json_val none = json_get(root, "missing");

	is_int(json_count(root), 17, "members");
	ok(json_ok(json_get(root, "esc")), "name behind an escape");
	ok(!json_ok(none) && !json_ok(json_get(none, "s")), "absent, and of absent");
	ok(!json_ok(json_get(json_get(root, "s"), "s")), "member of a string");
	ok(!json_ok(json_get(json_get(root, "a"), "s")), "member of an array");
	ok(!json_ok(json_get(json_root(root.doc), "in o")), "a value is no name");
	ok(json_str_eq(json_get(json_get(root, "o"), "s"), "in o"), "the same name elsewhere");
	ok(!json_ok(json_get(root, "es\\u0063")) && !json_ok(json_get(root, "")), "raw or empty name");
	ok(!json_ok(json_get(json_get(root, "nn"), "a")), "name with NUL is not its beginning");
	ok(json_is(json_get(root, "nil"), JSON_NULL), "null is there");
	ok(!json_is(none, JSON_NULL), "absent is not null");
	is_int(json_count(none), 0, "absent counts nothing");
	is_int(json_count(json_get(root, "s")), 0, "a string counts nothing");
	ok(span_eq_str(json_raw(json_get(root, "neg")), "-1"), "raw");
	ok(span_eq_str(json_raw(json_get(root, "empty")), "\"\""), "raw string has its quotes");
	ok(span_eq_str(json_raw(json_get(root, "o")), "{\"s\":\"in o\"}"), "raw object");
	is_int(json_raw(none).len, 0, "raw of absent");
}

static void
test_strings(struct json_val root)
{
	autobuf b = BUF(32), small = BUF(8), exact = BUF(9);
	char text[10], nine[9];

	works(buf_add_str(&b, "x", &e), "something there");
	works(json_str(json_get(root, "s"), "s", &b, &e), "decoded");
	is_str(buf_str(&b), "xa\xc3\xa9\n\xf0\x9d\x84\x9e/", "and appended");
	works(json_str(json_get(root, "empty"), "empty", &b, &e), "empty string");
	is_int(b.len, 10, "adds nothing");
	fails(json_str(json_get(root, "s"), "s", &small, &e), ERR_LIMIT, "too long");
	is_int(small.len, 0, "nothing was added");
	works(json_str(json_get(root, "s"), "s", &exact, &e), "fits exactly");
	fails(json_str(json_get(root, "nul"), "nul", &b, &e), ERR_PARSE, "NUL is refused");
	fails(json_str(json_get(root, "n"), "n", &b, &e), ERR_PARSE, "a number is no string");
	is_str(e.msg, "n must be a string", "which the message says");
	fails(json_str(json_get(root, "no"), "no", &b, &e), ERR_PARSE, "absent");
	is_str(e.msg, "no is missing", "which the message says");
	is_int(b.len, 10, "failures added nothing");
	works(json_cstr(json_get(root, "s"), "s", text, sizeof(text), &e), "into an array");
	is_str(text, "a\xc3\xa9\n\xf0\x9d\x84\x9e/", "the same");
	snprintf(nine, sizeof(nine), "before");
	fails(json_cstr(json_get(root, "s"), "s", nine, sizeof(nine), &e), ERR_LIMIT, "no room for the NUL");
	is_str(nine, "before", "array untouched");
	fails(json_cstr(json_get(root, "nul"), "nul", text, sizeof(text), &e), ERR_PARSE, "NUL is refused");
	fails(json_cstr(json_get(root, "t"), "t", text, sizeof(text), &e), ERR_PARSE, "no string");
	ok(json_str_eq(json_get(root, "s"), "a\xc3\xa9\n\xf0\x9d\x84\x9e/"), "equal");
	ok(!json_str_eq(json_get(root, "s"), "a") && !json_str_eq(json_get(root, "empty"), "a"), "not equal");
	ok(!json_str_eq(json_get(root, "nul"), "a"), "does not end at a NUL");
	ok(!json_str_eq(json_get(root, "n"), "42") && !json_str_eq(json_get(root, "no"), ""), "other types");
}

static void
test_numbers(struct json_val root)
{
	static const char *const no_integers[] = { "neg", "frac", "exp", "over", "s", "t", "nil", "no" };
	uint64_t n = 7;
	bool b = false;

	for (size_t i = 0; i < ARRAY_LEN(no_integers); i++)
		fails(json_u64(json_get(root, no_integers[i]), no_integers[i], UINT64_MAX, &n, &e),
		    ERR_PARSE, "%s is no integer", no_integers[i]);
	is_int(n, 7, "output untouched");
	works(json_u64(json_get(root, "big"), "big", UINT64_MAX, &n, &e), "largest");
	ok(n == UINT64_MAX, "value");
	works(json_u64(json_get(root, "z"), "z", 0, &n, &e), "zero");
	works(json_u64(json_get(root, "n"), "n", 42, &n, &e), "at the limit");
	fails(json_u64(json_get(root, "n"), "n", 41, &n, &e), ERR_PARSE, "over the limit");
	works(json_boolean(json_get(root, "t"), "t", &b, &e), "true");
	ok(b, "is true");
	works(json_boolean(json_get(root, "f"), "f", &b, &e), "false");
	ok(!b, "is false");
	fails(json_boolean(json_get(root, "n"), "n", &b, &e), ERR_PARSE, "a number is no boolean");
	fails(json_boolean(json_get(root, "nil"), "nil", &b, &e), ERR_PARSE, "null is no boolean");
}

static void
test_iteration(struct json_val root)
{
	static const char *const all[] = { "s", NULL };
	static const char *const none[] = { NULL };
	struct json_iter it = json_iter(json_get(root, "a"));
	uint64_t n;

	ok(json_next(&it) && it.key.doc == NULL && json_u64(it.val, "0", 9, &n, &e) == 0 && n == 1, "first");
	ok(json_next(&it) && json_count(it.val) == 2, "second, with two inside");
	ok(json_next(&it) && json_is(it.val, JSON_OBJECT), "third, after all that is inside the second");
	ok(!json_next(&it) && !json_next(&it), "no more");
	it = json_iter(root);
	ok(json_next(&it) && json_str_eq(it.key, "s") && json_is(it.val, JSON_STRING), "first member");
	for (n = 1; json_next(&it); n++)
		;
	is_int(n, 17, "all members");
	ok(json_str_eq(it.key, "empty"), "in the order of the text");
	it = json_iter(json_get(root, "n"));
	ok(!json_next(&it), "nothing inside a number");
	it = json_iter(json_get(root, "no"));
	ok(!json_next(&it), "nothing inside what is not there");
	works(json_only(json_get(root, "o"), "o", all, &e), "only what is listed");
	fails(json_only(json_get(root, "o"), "o", none, &e), ERR_PARSE, "not listed");
	is_str(e.msg, "o: unknown member \"s\"", "which is named");
	fails(json_only(json_get(root, "a"), "a", none, &e), ERR_PARSE, "no object");
	fails(json_only(json_get(root, "no"), "no", none, &e), ERR_PARSE, "absent");
}

static void
try_mutant(struct span text, maybe_unused void *arg)
{
	autojson j = NULL;
	int rc = json_parse(text, &j, &e);

	assert((rc == 0) == (j != NULL) && rc <= 0);
	if (j != NULL && !json_c_agrees(j, text))
		ok(false, "json-c disagrees about a mutant: %.*s", (int)text.len, (const char *)text.p);
}

static int
parse_and_read(maybe_unused void *arg, struct err *err)
{
	autojson j = NULL;
	autobuf b = BUF(64);
	int rc = json_parse(SPAN_LIT(document), &j, err);

	return rc < 0 ? rc : json_str(json_get(json_root(j), "s"), "s", &b, err);
}

static int
no_random(maybe_unused void *p, maybe_unused size_t n)
{
	errno = EIO;
	return -1;
}

static void
test_failures(void)
{
	struct sys_ops without = sys_real;
	struct json *j = NULL;

	without.random = no_random;
	sys = &without;
	fails(json_parse(SPAN_LIT("{}"), &j, &e), ERR_SYS, "no random numbers: no document");
	sys = &sys_real;
	ok(fault_each(FAULT_ALLOC, 0, false, parse_and_read, NULL) > 3, "every allocation fails once");
	is_int(fault_live_bytes(), 0, "nothing leaks");
}

int
main(void)
{
	autojson j = NULL;

	test_grammar();
	test_nested_bad();
	test_offsets();
	test_limits();
	test_large_object();
	test_many_objects();
	works(json_parse(SPAN_LIT(document), &j, &e), "document");
	test_get(json_root(j));
	test_strings(json_root(j));
	test_numbers(json_root(j));
	test_iteration(json_root(j));
	ok(mutate(SPAN_LIT(document), sizeof(document), try_mutant, NULL) > 1000, "mutants");
	test_failures();
	json_free(NULL);
	return tap_done();
}
