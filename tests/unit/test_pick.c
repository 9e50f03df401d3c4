/* test_pick.c: which layers a list means. */
#include "lib/base.h"

#include "image/pick.h"

#include "lib/limits.h"
#include "tests/lib/tap.h"

static struct err e;

/* "x..x" for the layers that are picked, or the name of the error. */
static const char *
picked(const char *list, size_t n)
{
	static char text[LIMIT_LAYERS + 1];
	bool is[LIMIT_LAYERS];

	e = (struct err){ 0 };
	if (layers_pick(span_str(list), n, is, &e) < 0)
		return err_name(e.code);
	for (size_t i = 0; i < n; i++)
		text[i] = is[i] ? 'x' : '.';
	text[n] = '\0';
	return text;
}

int
main(void)
{
	bool untouched[4] = { true, false, true, false };

	is_str(picked("", 4), "xxxx", "no list: all");
	is_str(picked("0", 4), "x...", "the lowest");
	is_str(picked("3", 4), "...x", "the highest");
	is_str(picked("-1", 4), "...x", "from the end");
	is_str(picked("-4", 4), "x...", "from the end to the lowest");
	is_str(picked("0,2,-1", 4), "x.xx", "several");
	is_str(picked("2,0", 4), "x.x.", "in any order");
	is_str(picked("4", 4), "USAGE", "one too many");
	ok(strstr(e.msg, "layer 4: the image has 4 layers, numbers 0 to 3") != NULL, "what there is: %s", e.msg);
	is_str(picked("-5", 4), "USAGE", "one too many from the end");
	ok(strstr(e.msg, "layer -5") != NULL, "named as it was: %s", e.msg);
	is_str(picked("4294967295", 4), "USAGE", "a large number");
	is_str(picked("4294967296", 4), "USAGE", "a larger one");
	is_str(picked("-18446744073709551616", 4), "USAGE", "the largest");
	is_str(picked("-0", 4), "USAGE", "minus nothing");
	is_str(picked("1,-3", 4), "USAGE", "the same layer by two names");
	is_str(picked("1,1", 4), "USAGE", "twice");
	for (size_t i = 0; i < 10; i++) {
		static const char *const bad[] = { "x", "1x", "+1", " 1", "1 ", "1,", ",1", "1,,2", "--1", "-" };

		is_str(picked(bad[i], 4), "USAGE", "'%s'", bad[i]);
	}
	is_str(picked("", 0), "USAGE", "an image without layers");
	is_str(picked("", LIMIT_LAYERS + 1), "USAGE", "more layers than can be");
	fails(layers_pick(span_str("1,7"), 4, untouched, &e), ERR_USAGE, "half a good list");
	ok(untouched[0] && !untouched[1] && untouched[2] && !untouched[3], "leaves the result as it was");
	is_int(strlen(picked("", LIMIT_LAYERS)), LIMIT_LAYERS, "as many as can be");
	return tap_done();
}
