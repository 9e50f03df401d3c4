/* cmd_status.c: aa-cli status: how the running agent is, for people or programs. It repeats what the agent says. */
#include "lib/base.h"

#include "agent/agent_call.h"
#include "agent/cli.h"
#include "lib/json.h"
#include "lib/log.h"

static struct {
	struct agent_options	 agent;
	bool			 json;
} opt;

static const struct option_def options[] = {
	AGENT_OPTIONS(opt.agent),
	{ "json", NULL, "as the agent gives it, one JSON object", NULL, &opt.json },
	{ NULL, NULL, NULL, NULL, NULL },
};

static const char more[] =
    "Tells which names have been started and where they are called, which processes there are, how often each has\n"
    "died lately, and which pulls are under way. The exit status is 0 only if the agent answers.\n\n"
    "Examples:\n"
    "  aa-cli status\n"
    "  aa-cli status --json | jq -r '.roles[] | select(.down) | .name'\n";

/* A value in one line, whatever it is. */
static int
print_value(struct json_val v, struct err *e)
{
	autobuf text = BUF(KIB(4));
	struct span s = json_raw(v);
	char safe[KIB(2)];
	int rc;

	if (json_is(v, JSON_STRING)) {
		rc = json_str(v, "the agent's answer", &text, e);
		if (rc < 0)
			return rc;
		s = buf_span(&text);
	}
	printf("%s", log_escape(s.p, s.len, safe, sizeof(safe)));
	return 0;
}

static int
print_list(struct json_val list, struct err *e)
{
	struct json_iter it = json_iter(list);
	int rc = 0;

	if (json_count(list) == 0)
		printf("none");
	for (bool first = true; rc == 0 && json_next(&it); first = false) {
		printf("%s", first ? "" : " ");
		rc = print_value(it.val, e);
	}
	return rc;
}

/* "    rpc  pid 12  deaths 0": the first member is its name. */
static int
print_row(struct json_val row, struct err *e)
{
	struct json_iter it = json_iter(row);
	int rc = 0;

	if (!json_is(row, JSON_OBJECT))
		return print_value(row, e);
	for (bool first = true; rc == 0 && json_next(&it); first = false) {
		if (!first) {
			printf("  ");
			rc = print_value(it.key, e);
			printf(" ");
		}
		if (rc == 0)
			rc = json_is(it.val, JSON_ARRAY) ? print_list(it.val, e) : print_value(it.val, e);
	}
	return rc;
}

static int
print_rows(struct json_val list, struct err *e)
{
	struct json_iter it = json_iter(list);
	int rc = 0;

	printf("%s\n", json_count(list) > 0 ? "" : " none");
	while (rc == 0 && json_next(&it)) {
		printf("    ");
		rc = print_row(it.val, e);
		printf("\n");
	}
	return rc;
}

static int
print_status(struct json_val status, struct err *e)
{
	struct json_iter it = json_iter(status);
	int rc = 0;

	while (rc == 0 && json_next(&it)) {
		rc = print_value(it.key, e);
		printf(":");
		if (rc == 0 && json_is(it.val, JSON_ARRAY)) {
			rc = print_rows(it.val, e);
		} else if (rc == 0) {
			printf(" ");
			rc = print_value(it.val, e);
			printf("\n");
		}
	}
	return rc;
}

static int
run(maybe_unused const char **operands, maybe_unused size_t n, struct err *e)
{
	autobuf text = BUF(LIMIT_PROVIDER_JSON);
	autojson doc = NULL;
	int rc = agent_status(&opt.agent, &text, e);

	if (rc < 0)
		return rc;
	rc = json_parse(buf_span(&text), &doc, e);
	if (rc == 0 && !json_is(json_root(doc), JSON_OBJECT))
		rc = err_set(e, ERR_PARSE, "not an object");
	if (rc < 0)
		return err_wrap(e, "the agent's answer");
	if (!opt.json)
		return print_status(json_root(doc), e);
	printf("%s\n", buf_str(&text));
	return 0;
}

const struct cli_verb verb_status = {
	.name = "status",
	.operands = "",
	.summary = "how the running agent is",
	.more = more,
	.options = options,
	.min = 0,
	.max = 0,
	.json = &opt.json,
	.run = run,
};
