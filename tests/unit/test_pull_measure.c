/* test_pull_measure.c: when images are measured, and the event's text. */
#include "lib/base.h"

#include "agent/pull_measure.h"

#include "tests/lib/fault.h"
#include "tests/lib/tap.h"

static struct err e;

static bool
content_is(const char *image, const char *want)
{
	autobuf out = BUF(KIB(4));

	return pull_measure_content(image, "sha256:00", &out, &e) == 0 && strcmp(buf_str(&out), want) == 0;
}

static int
run_once(maybe_unused void *arg, struct err *err)
{
	autobuf out = BUF(KIB(4));

	return pull_measure_content("a", "b", &out, err);
}

int
main(void)
{
	enum measure_mode mode = MEASURE_REQUIRED;
	struct monitor none = { .image = -1 };
	autobuf out = BUF(20);

	ok(measure_mode_parse(NULL, &mode, &e) == 0 && mode == MEASURE_OFF, "off unless asked");
	ok(measure_mode_parse("on", &mode, &e) == 0 && mode == MEASURE_ON, "on");
	ok(measure_mode_parse("required", &mode, &e) == 0 && mode == MEASURE_REQUIRED, "required");
	ok(measure_mode_parse("off", &mode, &e) == 0 && mode == MEASURE_OFF, "off");
	fails(measure_mode_parse("yes", &mode, &e), ERR_USAGE, "nothing else");

	ok(content_is("registry.example/a/b:v1", "{\"image\":\"registry.example/a/b:v1\", \"digest\":\"sha256:00\"}"),
	    "the text that verifiers know, one blank in it");
	ok(content_is("a\"b\\c\nd", "{\"image\":\"a\\\"b\\\\c\\nd\", \"digest\":\"sha256:00\"}"), "a name is escaped, and stays on one line");
	ok(content_is("\303\244", "{\"image\":\"\303\244\", \"digest\":\"sha256:00\"}"), "UTF-8 stays");
	fails(pull_measure_content("\303", "sha256:00", &out, &e), ERR_USAGE, "what is not UTF-8");
	fails(pull_measure_content("a", "sha256:00", &out, &e), ERR_LIMIT, "no room");
	is_int(out.len, 0, "nothing is written");
	works(pull_measure(&none, MEASURE_OFF, NULL, "\303", "", &e), "off: nothing is done");
	works(pull_measure(&none, MEASURE_ON, NULL, "\303", "", &e), "on: what cannot be measured passes");
	fails(pull_measure(&none, MEASURE_REQUIRED, NULL, "\303", "", &e), ERR_USAGE, "required: it does not");
	ok(fault_each(FAULT_ALLOC, 0, false, run_once, NULL) > 0, "every allocation fails once");
	return tap_done();
}
