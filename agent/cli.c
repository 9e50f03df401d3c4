/* cli.c: finding the verb, help, and how an error looks to a person. */
#include "lib/base.h"

#include "agent/cli.h"

#include <json-c/json.h>

#include "lib/log.h"

static const struct cli_verb *const verbs[] = {
	&verb_pull,
	&verb_unpack,
	&verb_get_resource,
	&verb_encrypt,
	&verb_decrypt,
	&verb_inspect,
	&verb_verify,
	&verb_policy,
	&verb_evidence,
	&verb_derive_key,
	&verb_config,
	&verb_token,
	&verb_status,
	&verb_version,
	&verb_selftest_sandbox,
};

static const struct cli_verb *
find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (strcmp(verbs[i]->name, name) == 0)
			return verbs[i];
	return NULL;
}

static void
print_overview(FILE *to)
{
	fprintf(to, "Usage: aa-cli [--log-level LEVEL] COMMAND [OPTIONS] …\n\nCommands:\n");
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		fprintf(to, "  %-18s %s\n", verbs[i]->name, verbs[i]->summary);
	fprintf(to, "  %-18s this text, or that of a command\n\n"
	    "LEVEL is error, warning (default), info or debug.\n"
	    "\"aa-cli COMMAND --help\" tells more, with examples.\n", "help");
}

static void
print_verb(const struct cli_verb *v, FILE *to)
{
	fprintf(to, "Usage: aa-cli %s%s %s\n\n%s.\n\n", v->name,
	    v->options->name != NULL ? " [OPTIONS]" : "", v->operands, v->summary);
	if (v->options->name != NULL) {
		fprintf(to, "Options:\n");
		options_print(v->options, to);
		fprintf(to, "\n");
	}
	fprintf(to, "%s", v->more);
}

static int
print_error(const char *verb, const struct err *e)
{
	const char *hint = err_hint(e->code);

	fprintf(stderr, "aa-cli: %s%s%s (%s)\n", verb, verb[0] ? ": " : "", e->msg,
	    err_name(e->code));
	if (e->code == ERR_USAGE && verb[0] != '\0')
		fprintf(stderr, "hint: see \"aa-cli %s --help\"\n", verb);
	else if (hint[0] != '\0')
		fprintf(stderr, "hint: %s\n", hint);
	return err_exit_status(e->code);
}

/* For programs that read our standard output. */
static void
print_json_error(const struct err *e)
{
	struct json_object *o = json_object_new_object();

	if (o == NULL)
		return;
	json_object_object_add(o, "event", json_object_new_string("error"));
	json_object_object_add(o, "code", json_object_new_string(err_name(e->code)));
	json_object_object_add(o, "exit", json_object_new_int(err_exit_status(e->code)));
	json_object_object_add(o, "message", json_object_new_string(e->msg));
	json_object_object_add(o, "hint", json_object_new_string(err_hint(e->code)));
	printf("%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	fflush(stdout);
	json_object_put(o);
}

static int
run_verb(const struct cli_verb *v, int argc, char *argv[])
{
	const char *operands[CLI_MAX_OPERANDS];
	struct err e = { 0 };
	bool help;
	int n;

	n = options_parse(v->options, argc, argv, operands, MIN(v->max, CLI_MAX_OPERANDS), &help, &e);
	if (n >= 0 && help) {
		print_verb(v, stdout);
		return 0;
	}
	if (n >= 0 && (size_t)n < v->min)
		n = err_set(&e, ERR_USAGE, "wants %s", v->operands);
	if (n >= 0)
		n = v->run(operands, (size_t)n, &e);
	if (n >= 0 && (fflush(stdout) != 0 || ferror(stdout)))
		n = err_set(&e, ERR_SYS, "standard output cannot be written");
	if (n < 0 && v->json != NULL && *v->json)
		print_json_error(&e);
	return n < 0 ? print_error(v->name, &e) : n;
}

static int
help(int argc, char *argv[])
{
	const struct cli_verb *v = argc > 0 ? find(argv[0]) : NULL;
	struct err e;

	if (argc > 0 && v == NULL) {
		err_set(&e, ERR_USAGE, "there is no command '%s'", argv[0]);
		return print_error("", &e);
	}
	if (v != NULL)
		print_verb(v, stdout);
	else
		print_overview(stdout);
	return 0;
}

/* --log-level LEVEL or =LEVEL before the command; returns how many arguments it took, or -err. */
static int
take_level(int argc, char *argv[], enum log_level *level, struct err *e)
{
	static const char name[] = "--log-level";
	const char *value;
	int took;

	if (argc < 1 || strncmp(argv[0], name, strlen(name)) != 0)
		return 0;
	value = argv[0] + strlen(name);
	took = *value == '=' ? 1 : 2;
	value = *value == '=' ? value + 1 : argc > 1 ? argv[1] : "";
	if (!log_level_parse(value, level))
		return err_set(e, ERR_USAGE, "--log-level is error, warning, info or debug");
	return took;
}

int
cli_main(int argc, char *argv[])
{
	enum log_level level = LOG_WARNING;
	const struct cli_verb *v;
	struct err e = { 0 };
	int took = take_level(argc - 1, argv + 1, &level, &e);

	if (took < 0)
		return print_error("", &e);
	log_init(2, "aa-cli", level, false);
	argc -= 1 + took;
	argv += 1 + took;
	if (argc == 0) {
		print_overview(stderr);
		return err_exit_status(ERR_USAGE);
	}
	if (strcmp(argv[0], "help") == 0 || strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)
		return help(argc - 1, argv + 1);
	v = find(strcmp(argv[0], "--version") == 0 ? "version" : argv[0]);
	if (v == NULL) {
		err_set(&e, ERR_USAGE, "there is no command '%s'", argv[0]);
		return print_error("", &e);
	}
	return run_verb(v, argc - 1, argv + 1);
}
