/*
 * test_policy_lint.c: the mistakes of printed examples, each with its corrected line; what is corrected is valid.
 */
#include "lib/base.h"

#include "image/policy_lint.h"

#include "image/policy.h"
#include "tests/lib/fault.h"
#include "tests/lib/mutate.h"
#include "tests/lib/tap.h"

static struct err e;
static char found[8192];

static void
tell(maybe_unused void *arg, const struct lint_finding *f)
{
	size_t len = strlen(found);

	snprintf(found + len, sizeof(found) - len, "%zu %s %s [%.*s]\n", f->line,
	    f->level == LINT_ERROR ? "error" : "warning", f->what, (int)f->corrected.len, f->corrected.p);
}

/* Number of errors. */
static size_t
lint(const char *text)
{
	size_t errors = SIZE_MAX;

	found[0] = '\0';
	works(policy_lint(span_str(text), tell, NULL, &errors, &e), "linted");
	return errors;
}

static void
one(const char *text, const char *line, const char *word)
{
	is_int(lint(text), 1, "one error: %s", text);
	ok(strncmp(found, line, strlen(line)) == 0 && strstr(found, word) != NULL, "%s in: %s", word, found);
}

#define YES "[{\"type\":\"insecureAcceptAnything\"}]"
#define WHITEBOOK \
	"{\n" \
	"  \"default\": [{\"type\": \" insecureAcceptAnything\"}],\n" \
	"  \"transports\": {\n" \
	"    \"docker\": {\n" \
	"      \"docker.io/test/\": [\n" \
	"        {\"type\": \"signedBy\", \"keyType\": \"GPGKeys\", \"keyPath\": \"/run/pubkey.gpg\",},\n" \
	"      ]\n" \
	"    },\n" \
	"  }\n" \
	"}\n"

static void
test_whitebook(void)
{
	is_int(lint(WHITEBOOK), 5, "five errors");
	is_str(found,
	    "2 error a type with a space in it is unknown [  \"default\": [{\"type\": \"insecureAcceptAnything\"}],]\n"
	    "5 error a scope that ends in / matches nothing, and its images fall to a broader one "
	    "[      \"docker.io/test\": []\n"
	    "6 error a comma too many: nothing follows it [        {\"type\": \"signedBy\", \"keyType\": \"GPGKeys\", "
	    "\"keyPath\": \"/run/pubkey.gpg\"}]\n"
	    "6 error a comma too many: nothing follows it [        {\"type\": \"signedBy\", \"keyType\": \"GPGKeys\", "
	    "\"keyPath\": \"/run/pubkey.gpg\"}]\n"
	    "8 error a comma too many: nothing follows it [    }]\n", "in order, with the lines as they should be");
}

static void
test_single(void)
{
	is_int(lint("{\"default\":" YES "}"), 0, "a good one");
	is_str(found, "", "nothing is told");
	one("", "0 error", "empty");
	one("{", "0 error", "JSON");
	one("{\"default\":[]}", "0 error", "no requirement");
	one("{\"default\":" YES ",}", "1 error", "[{\"default\":" YES "}]");
	one("{\"default\":" YES ",\n}", "1 error", "comma");
	one("{\"default\":[{\"type\":\"reject \"}]}", "1 error", "[{\"default\":[{\"type\":\"reject\"}]}]");
	one("{\"default\":" YES ",\"transports\":{\"docker\":{\"a.test//\":" YES "}}}", "1 error", "\"a.test\":");
	one("{\"default\":" YES ",\"transports\":{\"docker\":{\"a.test\\/\":" YES "}}}", "1 error", "\"a.test\":");
	one("{\"default\":" YES ",\"transports\":{\"oci\":{\"/srv/\":" YES "}}}", "1 error", "\"/srv\":");
	one("{\"default\":" YES ",\"transports\":{\"oci\":{\"/\":" YES "}}}", "0 error", "write \"\"");
	one("{\"default\":" YES ",\"transports\":{\"docker\":{\"busybox\":" YES "}}}", "0 error", "short");
	is_int(lint("{\"default\":" YES ",\"transports\":{\"new\":{\"any/\":" YES "}}}"), 0, "a scope of another transport");
	/* a comma, or an end of a list, inside of a string is none */
	is_int(lint("{\"default\":[{\"type\":\"signedBy\",\"keyType\":\"GPGKeys\",\"keyPath\":\"/a,]\\\",}\"}]}"), 0,
	    "commas in strings");
	is_int(lint("{\"default\":" YES ",\"transports\":{\"docker\":[]}}"), 1, "scopes in a list");
	is_int(lint("{\"default\":7,\"transports\":7}"), 1, "numbers");
	is_int(lint("[\"default\"]"), 1, "a list");
	is_int(lint(","), 1, "a comma");
}

static void
test_warnings(void)
{
	is_int(lint("{\"default\":[{\"type\":\"signedBy\",\"keyType\":\"GPGKeys\",\"keyPath\":\"pubkey.gpg\"}]}"), 0, "warning 1");
	ok(strstr(found, "1 warning a key is named by a path") != NULL, "%s", found);
	is_int(lint("{\"default\":[{\"type\":\"signedBy\",\"keyType\":\"GPGKeys\",\"keyPaths\":[\"/a\",\"kbs:///a/b/c\","
	    "\"file:///x\"]}]}"), 0, "warning 2");
	is_str(found, "", "no warning");
	is_int(lint("{\"default\":[{\"type\":\"sigstoreSigned\",\"keyPath\":\"/a\"}]}"), 0, "warning 3");
	ok(strstr(found, "matchRepository") != NULL, "%s", found);
	is_int(lint("{\"default\":[{\"type\":\"sigstoreSigned\",\"fulcio\":{},\"signedIdentity\":"
	    "{\"type\":\"matchExact\"}}]}"), 0, "warning 4");
	ok(strstr(found, "not supported") != NULL, "%s", found);
}

static void
lint_mutant(struct span text, maybe_unused void *arg)
{
	cleanup(policy_freep) struct policy *p = NULL;
	size_t errors = 0;
	struct err ignored;

	found[0] = '\0';
	if (policy_lint(text, tell, NULL, &errors, &ignored) < 0)
		abort();
	if ((errors == 0) != (policy_parse(text, &p, &ignored) == 0))
		++*(size_t *)arg;
}

static int
lint_once(void *arg, struct err *err)
{
	size_t errors;

	found[0] = '\0';
	return policy_lint(span_str(arg), tell, NULL, &errors, err);
}

int
main(void)
{
	static char whitebook[] = WHITEBOOK;
	size_t differ = 0;

	test_whitebook();
	test_single();
	test_warnings();
	ok(mutate(SPAN_LIT(WHITEBOOK), 400, lint_mutant, &differ) > 1000, "mutants");
	ok(mutate(SPAN_LIT("{\"default\":" YES ",\"transports\":{\"docker\":{\"a.test\":" YES "}}}"), 400, lint_mutant,
	    &differ) > 1000, "mutants of a good one");
	is_int(differ, 0, "no error exactly where the parser takes it");
	ok(fault_each(FAULT_ALLOC, 0, false, lint_once, whitebook) > 0, "out of memory");
	is_int(fault_live_bytes(), 0, "nothing is left behind");
	return tap_done();
}
