/* cmd_version.c: aa-cli version: what this is and what it was built from. */
#include "lib/base.h"

#include <json-c/json.h>

#include "agent/cli.h"
#include "lib/version.h"
#include "versions.h"

static bool json;

static const struct option_def options[] = {
	{ "json", NULL, "as one JSON object", NULL, &json },
	{ NULL, NULL, NULL, NULL, NULL },
};

static const char more[] =
    "Names the version, the date of its sources and the libraries that are linked in.\n\n"
    "Examples:\n"
    "  aa-cli version\n"
    "  aa-cli version --json | jq .libraries\n";

static const struct {
	const char *name, *version;
} libraries[] = {
#define LIBRARY(name, version) { name, version },
	CACAO_SOURCES(LIBRARY)
#undef LIBRARY
};

static int
print_json(struct err *e)
{
	struct json_object *o = json_object_new_object(), *libs = json_object_new_object();
	const char *text;

	if (o == NULL || libs == NULL)
		return err_set(e, ERR_NOMEM, "version");
	json_object_object_add(o, "name", json_object_new_string("cacao"));
	json_object_object_add(o, "version", json_object_new_string(version_text));
	json_object_object_add(o, "source_date", json_object_new_int64(version_source_date));
	for (size_t i = 0; i < ARRAY_LEN(libraries); i++)
		json_object_object_add(libs, libraries[i].name,
		    json_object_new_string(libraries[i].version));
	json_object_object_add(o, "compiler", json_object_new_string(CACAO_COMPILER));
	json_object_object_add(o, "sources_locked", json_object_new_boolean(CACAO_SOURCES_LOCKED));
	json_object_object_add(o, "libraries", libs);
	text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
	printf("%s\n", text);
	json_object_put(o);
	return 0;
}

static int
run(maybe_unused const char **operands, maybe_unused size_t n, struct err *e)
{
	if (json)
		return print_json(e);
	printf("cacao %s\n", version_text);
	for (size_t i = 0; i < ARRAY_LEN(libraries); i++)
		printf("  %s %s\n", libraries[i].name, libraries[i].version);
	return 0;
}

const struct cli_verb verb_version = {
	.name = "version",
	.operands = "",
	.summary = "print the version",
	.more = more,
	.options = options,
	.min = 0,
	.max = 0,
	.run = run,
};
