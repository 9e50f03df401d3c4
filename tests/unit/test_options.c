/* test_options.c: command lines as skopeo spells them. */
#include "lib/base.h"

#include "agent/options.h"

#include "tests/lib/tap.h"

static struct err e;
static const char *file;
static const char *list[OPTION_LIST];
static bool flag;
static const char *operands[2];
static bool help;

static const struct option_def table[] = {
	{ "file", "FILE", "a file", &file, NULL },
	{ "key", "KEY...", "keys", list, NULL },
	{ "tls-verify", NULL, "a flag", NULL, &flag },
	{ NULL, NULL, NULL, NULL, NULL },
};

#define PARSE(...) parse((char *[]){ __VA_ARGS__, NULL })

static int
parse(char *argv[])
{
	int n = 0;

	while (argv[n] != NULL)
		n++;
	file = NULL;
	memset(list, 0, sizeof(list));
	flag = true;
	return options_parse(table, n, argv, operands, 2, &help, &e);
}

static void
test_list(void)
{
	static char one[] = "--key=k";
	char *argv[OPTION_LIST + 1] = { NULL };

	is_int(PARSE("--key", "a", "--file", "x", "--key=b", "c"), 1, "an option repeated");
	is_str(list[0], "a", "first");
	is_str(list[1], "b", "second");
	ok(list[2] == NULL, "no third");
	fails(PARSE("--key", "a", "--key="), ERR_USAGE, "an empty one");
	for (int i = 0; i < OPTION_LIST - 1; i++)
		argv[i] = one;
	is_int(parse(argv), 0, "as many as there is room for");
	ok(list[OPTION_LIST - 2] != NULL && list[OPTION_LIST - 1] == NULL, "and a NULL behind");
	argv[OPTION_LIST - 1] = one;
	fails(parse(argv), ERR_USAGE, "one more");
}

static void
test_other(void)
{
	static const char *const none[] = { NULL }, *const some[] = { "key", "file", NULL };

	is_int(PARSE("a"), 1, "no option");
	ok(options_other(table, none) == NULL, "then there is no other");
	is_int(PARSE("--key=a", "--file", "x"), 0, "two options");
	ok(options_other(table, some) == NULL, "both of the list");
	is_str(options_other(table, none), "file", "the first that is not");
	is_int(PARSE("--key=a", "--tls-verify=true"), 0, "a flag, with the value that it has anyway");
	is_str(options_other(table, some), "tls-verify", "is one that was given");
}

int
main(void)
{
	test_list();
	is_int(PARSE("--file", "x", "a"), 1, "--name value");
	is_str(file, "x", "value");
	is_int(PARSE("a", "--file=x=y", "b"), 2, "--name=value between operands");
	is_str(file, "x=y", "only the first = counts");
	is_str(operands[1], "b", "operands in order");
	is_int(PARSE("--tls-verify=false"), 0, "--flag=false");
	ok(!flag, "is false");
	is_int(PARSE("--tls-verify=true"), 0, "--flag=true");
	is_int(PARSE("--tls-verify", "false"), 1, "a flag takes no separate value");
	ok(flag, "is true");
	fails(PARSE("--tls-verify=no"), ERR_USAGE, "a flag is true or false");
	fails(PARSE("--file"), ERR_USAGE, "value missing");
	fails(PARSE("--file="), ERR_USAGE, "value empty");
	fails(PARSE("--fil", "x"), ERR_USAGE, "no abbreviations");
	fails(PARSE("--filex", "x"), ERR_USAGE, "nor longer names");
	fails(PARSE("-f", "x"), ERR_USAGE, "no short options");
	fails(PARSE("a", "b", "c"), ERR_USAGE, "too many operands");
	is_int(PARSE("--", "--file"), 1, "-- ends the options");
	is_str(operands[0], "--file", "what follows is an operand");
	is_int(PARSE("-"), 1, "- is an operand");
	is_int(PARSE("a", "--help", "--nonsense"), 0, "--help wins over what follows");
	ok(help, "and is told");
	test_other();
	return tap_done();
}
