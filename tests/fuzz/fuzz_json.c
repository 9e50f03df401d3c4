/*
 * fuzz_json.c: any text; what is accepted is walked through every getter, and
 * each member must be found again under its name.
 */
#include "lib/base.h"
#include "lib/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
read_value(struct json_val v)
{
	autobuf text = BUF(1 << 20);
	struct err e;
	char small[8];
	uint64_t n;
	bool b;

	if (json_str(v, "value", &text, &e) == 0 && !json_str_eq(v, buf_str(&text)))
		abort();
	if (json_cstr(v, "value", small, sizeof(small), &e) == 0 && strcmp(small, buf_str(&text)) != 0)
		abort();
	(void)!json_u64(v, "value", UINT64_MAX, &n, &e);
	(void)!json_boolean(v, "value", &b, &e);
	if (json_raw(v).len == 0)
		abort();
}

static void
read_members(struct json_val v, unsigned depth)
{
	struct json_iter it = json_iter(v);
	size_t n = 0;

	for (; json_next(&it); n++) {
		autobuf name = BUF(1 << 20);
		struct err e;

		read_value(it.val);
		if (it.key.doc != NULL && json_str(it.key, "name", &name, &e) == 0 &&
		    json_get(v, buf_str(&name)).tok != it.val.tok)
			abort();
		if (depth < 40)
			read_members(it.val, depth + 1);
	}
	if (n != json_count(v))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "a", "b", NULL };
	autojson j = NULL;
	struct err e;

	if (json_parse((struct span){ data, size }, &j, &e) < 0)
		return 0;
	read_value(json_root(j));
	read_members(json_root(j), 0);
	(void)!json_only(json_root(j), "document", names, &e);
	return 0;
}
