/* options.c: see options.h. */
#include "lib/base.h"

#include "agent/options.h"

#define OPTIONS_MAX	64

static uint64_t given;	/* of the table, by place, what the last command line said */

static const struct option_def *
find(const struct option_def *t, const char *arg, size_t len)
{
	for (; t->name != NULL; t++)
		if (strlen(t->name) == len && memcmp(t->name, arg, len) == 0)
			return t;
	return NULL;
}

static int
set_flag(const struct option_def *o, const char *value, struct err *e)
{
	if (value == NULL || strcmp(value, "true") == 0)
		*o->flag = true;
	else if (strcmp(value, "false") == 0)
		*o->flag = false;
	else
		return err_set(e, ERR_USAGE, "--%s is true or false, not '%s'", o->name, value);
	return 0;
}

/* Where the next value goes; NULL: there were enough. */
static const char **
place(const struct option_def *o)
{
	size_t len = strlen(o->value), n = 0;

	if (len < 3 || strcmp(o->value + len - 3, "...") != 0)
		return o->text;
	while (n < OPTION_LIST - 1 && o->text[n] != NULL)
		n++;
	return n < OPTION_LIST - 1 ? &o->text[n] : NULL;
}

/* One "--name[=value]"; returns how many arguments it took. */
static int
take(const struct option_def *table, int left, char *const argv[], struct err *e)
{
	const char *arg = argv[0] + 2, *equals = strchr(arg, '=');
	size_t len = equals != NULL ? (size_t)(equals - arg) : strlen(arg);
	const struct option_def *o = find(table, arg, len);
	const char *value = equals != NULL ? equals + 1 : NULL;
	const char **text;

	if (o != NULL && o - table < OPTIONS_MAX)
		given |= UINT64_C(1) << (o - table);
	if (o == NULL)
		return err_set(e, ERR_USAGE, "unknown option --%.*s", (int)MIN(len, 64), arg);
	if (o->value == NULL) {
		int rc = set_flag(o, value, e);

		return rc < 0 ? rc : 1;
	}
	if (value == NULL && left < 2)
		return err_set(e, ERR_USAGE, "--%s wants %s", o->name, o->value);
	text = place(o);
	if (text == NULL)
		return err_set(e, ERR_USAGE, "--%s: at most %d times", o->name, OPTION_LIST - 1);
	*text = value != NULL ? value : argv[1];
	if ((*text)[0] == '\0')
		return err_set(e, ERR_USAGE, "--%s wants %s, not nothing", o->name, o->value);
	return value != NULL ? 1 : 2;
}

int
options_parse(const struct option_def *table, int argc, char *const argv[],
    const char **operands, size_t max, bool *help, struct err *e)
{
	bool only_operands = false;
	size_t n = 0;

	*help = false;
	given = 0;
	for (int i = 0; i < argc;) {
		const char *arg = argv[i];
		int rc = 1;

		if (!only_operands && strcmp(arg, "--") == 0) {
			only_operands = true;
		} else if (!only_operands && (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0)) {
			*help = true;
			return 0;
		} else if (!only_operands && strncmp(arg, "--", 2) == 0) {
			rc = take(table, argc - i, argv + i, e);
		} else if (!only_operands && arg[0] == '-' && arg[1] != '\0') {
			rc = err_set(e, ERR_USAGE, "unknown option %s", arg);
		} else if (n == max) {
			rc = err_set(e, ERR_USAGE, "one argument too many: %s", arg);
		} else {
			operands[n++] = arg;
		}
		if (rc < 0)
			return rc;
		i += rc;
	}
	return (int)n;
}

static bool
is_one_of(const char *name, const char *const names[])
{
	for (; *names != NULL; names++)
		if (strcmp(*names, name) == 0)
			return true;
	return false;
}

const char *
options_other(const struct option_def *t, const char *const names[])
{
	for (int i = 0; i < OPTIONS_MAX && t[i].name != NULL; i++)
		if ((given >> i & 1) != 0 && !is_one_of(t[i].name, names))
			return t[i].name;
	return NULL;
}

void
options_print(const struct option_def *t, FILE *to)
{
	for (; t->name != NULL; t++) {
		char left[64];

		snprintf(left, sizeof(left), "--%s%s%s", t->name, t->value ? " " : "",
		    t->value ? t->value : "");
		fprintf(to, "  %-34s %s\n", left, t->help);
	}
}
