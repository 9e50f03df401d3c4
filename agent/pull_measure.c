/* pull_measure.c: see pull_measure.h. Verifiers know this event from the CoCo guest components, blank and all. */
#include "lib/base.h"

#include "agent/pull_measure.h"

#include <json-c/json.h>

#include "agent/teejob.h"
#include "lib/utf8.h"

int
measure_mode_parse(const char *text, enum measure_mode *out, struct err *e)
{
	static const char *const names[] = {
		[MEASURE_OFF] = "off", [MEASURE_ON] = "on", [MEASURE_REQUIRED] = "required",
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(text != NULL ? text : "off", names[i]) != 0)
			continue;
		*out = (enum measure_mode)i;
		return 0;
	}
	return err_set(e, ERR_USAGE, "measuring is off, on or required, not '%s'", text);
}

static bool
is_utf8(struct span s)
{
	size_t n = 0;
	uint32_t c;

	for (; s.len > 0; s.p += n, s.len -= n) {
		n = utf8_decode(s, &c);
		if (n == 0)
			return false;
	}
	return true;
}

int
pull_measure_content(const char *image, const char *digest, struct buf *out, struct err *e)
{
	json_object *name;
	int rc;

	if (!is_utf8(span_str(image)))
		return err_set(e, ERR_USAGE, "measure: the image's name is not UTF-8");
	name = json_object_new_string(image);
	if (name == NULL)
		return err_set(e, ERR_NOMEM, "measure");
	rc = buf_addf(out, e, "{\"image\":%s, \"digest\":\"%s\"}",
	    json_object_to_json_string_ext(name, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE), digest);
	json_object_put(name);
	return rc;
}

static int
measure(struct monitor *m, const char *platform, const char *image, const char *digest, struct err *e)
{
	autobuf content = BUF(LIMIT_MSG);
	autoclose int control = -1;
	struct measure_event event = {
		.pcr = MEASURE_PCR,
		.domain = "github.com/confidential-containers",
		.operation = "PullImage",
		.once = true,
	};
	int rc = pull_measure_content(image, digest, &content, e);

	if (rc == 0)
		rc = teejob_start(m, true, &control, e);
	if (rc < 0)
		return rc;
	event.content = buf_str(&content);
	return teejob_measure(m, control, platform, &event, e);
}

int
pull_measure(struct monitor *m, enum measure_mode mode, const char *platform, const char *image, const char *digest,
    struct err *e)
{
	struct err why = { 0 };

	if (mode == MEASURE_OFF || measure(m, platform, image, digest, &why) == 0)
		return 0;
	if (mode == MEASURE_ON && why.code != ERR_CANCELLED) {
		log_warning("the image is not measured: %s (%s)", why.msg, err_name(why.code));
		return 0;
	}
	*e = why;
	return err_wrap(e, "measure");
}
