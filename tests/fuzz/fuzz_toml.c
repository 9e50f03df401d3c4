/*
 * fuzz_toml.c: any text; what is accepted is walked through every getter, and each member
 * must be found again under its name.
 */
#include "lib/base.h"

#include "lib/limits.h"
#include "lib/toml.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
read_value(struct toml_val v)
{
	struct span s;
	struct err e;
	char small[8];
	int64_t n;
	bool b;

	if ((toml_str(v, "value", &s, &e) == 0) && !toml_is(v, TOML_STRING))
		abort();
	if (toml_cstr(v, "value", small, sizeof(small), &e) == 0 && strlen(small) != s.len)
		abort();
	if ((toml_int(v, "value", INT64_MIN, INT64_MAX, &n, &e) == 0) != toml_is(v, TOML_INTEGER) ||
	    (toml_boolean(v, "value", &b, &e) == 0) != toml_is(v, TOML_BOOLEAN) ||
	    toml_line(v) == 0)
		abort();
}

static void
read_members(struct toml_val v, unsigned depth)
{
	struct toml_iter it = toml_iter(v);
	size_t n = 0;

	if (depth > LIMIT_TOML_DEPTH)
		abort();
	for (; toml_next(&it); n++) {
		char name[64];

		read_value(it.val);
		if (toml_is(v, TOML_TABLE) && span_to_cstr(it.key, name, sizeof(name)) &&
		    toml_get(v, name).node != it.val.node)
			abort();
		read_members(it.val, depth + 1);
	}
	if (n != toml_count(v))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "a", "b", NULL };
	autotoml t = NULL;
	struct err e;

	if (toml_parse((struct span){ data, size }, &t, &e) < 0)
		return 0;
	read_members(toml_root(t), 0);
	(void)!toml_only(toml_root(t), "document", names, &e);
	return 0;
}
