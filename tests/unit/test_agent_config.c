/*
 * test_agent_config.c: settings: the table, what values may be, which of two holds, whose word counts, bytes and text.
 */
#include "lib/base.h"

#include "agent/config.h"
#include "lib/json.h"
#include "tests/lib/fault.h"
#include "tests/lib/mutate.h"
#include "tests/lib/settings.h"
#include "tests/lib/tap.h"

static struct err e;

/* A value for which the setting has another one than its default. */
static const char *
sample(enum setting s)
{
	switch (settings[s].kind) {
	case KIND_TEXT:
		return "https://a.test";
	case KIND_DOCUMENT:
		return "line\n\tline\n";
	case KIND_BOOL:
		return "true";
	case KIND_NUMBER:
		return "11";
	case KIND_SECONDS:
		return "90";
	case KIND_CHOICE:
		return settings[s].choices != NULL ? strrchr(settings[s].choices, ' ') + 1 : "";
	case KIND_PATH: case KIND_PLACE:
		return "/a/b";
	case KIND_KBC:
		return "cc_kbc::http://[::1]:8080";
	case KIND_WORDS:
		return "status\npull";
	case KIND_PATHS:
		return "/a\n/b";
	case KIND_HOSTS:
		return "a.test:5000\nb.test";
	case KIND_CREDENTIALS:
		return "kbs:///a/b/c /run/confidential-containers/cdh/kbs/x";
	case KIND_COUNT:
		break;
	}
	return "";
}

static int
set(struct config *c, enum setting s, const char *value, enum config_origin origin)
{
	return config_set(c, s, span_str(value), origin, 0, &e);
}

/* What a value becomes; "-" where it is refused. */
static const char *
kept(enum setting s, const char *value)
{
	static char text[256];
	autoconfig c;

	config_init(&c);
	if (set(&c, s, value, ORIGIN_FILE) < 0)
		return strncmp(e.msg, settings[s].name, strlen(settings[s].name)) == 0 && e.code == ERR_CONFIG ? "-" : e.msg;
	snprintf(text, sizeof(text), "%s", config_get(&c, s));
	return text;
}

static void
table(void)
{
	autoconfig c;
	bool good = true;

	config_init(&c);
	ok(SET_CMDLINE_MEASURED == 0, "what decides about others comes first");
	for (int s = 0; s < SET_COUNT; s++) {
		const struct setting_def *d = &settings[s];

		for (int other = 0; other < s; other++)
			good &= strcmp(d->name, settings[other].name) != 0;
		good &= strchr(d->name, '.') != NULL && d->help[0] != '\0' && strlen(d->name) < 40;
		good &= (d->kind == KIND_CHOICE || d->kind == KIND_WORDS) == (d->choices != NULL);
		if (d->fallback[0] != '\0')
			is_str(kept((enum setting)s, d->fallback), d->fallback, "%s: its default fits", d->name);
		is_str(kept((enum setting)s, sample((enum setting)s)), sample((enum setting)s), "%s: another one, too", d->name);
		is_str(config_get(&c, (enum setting)s), d->fallback, "%s: default", d->name);
		ok(config_measured(&c, (enum setting)s), "%s: a default is ours", d->name);
	}
	ok(good, "names differ and have a table, all have help, choices where they belong");
}

static void
values(void)
{
	static const struct {
		enum setting	 set;
		const char	*value, *kept;
	} cases[] = {
		{ SET_IMAGE_MIXED, "yes", "-" }, { SET_IMAGE_MIXED, "", "-" }, { SET_IMAGE_MIXED, "True", "-" },
		{ SET_IMAGE_MIXED, "1", "-" },
		{ SET_IMAGE_AT_ONCE, "0", "-" }, { SET_IMAGE_AT_ONCE, "17", "-" }, { SET_IMAGE_AT_ONCE, "16", "16" },
		{ SET_IMAGE_AT_ONCE, "03", "-" }, { SET_IMAGE_AT_ONCE, "-1", "-" }, { SET_IMAGE_AT_ONCE, "", "-" },
		{ SET_IMAGE_AT_ONCE, "99999999999999999999999", "-" }, { SET_EVENTLOG_PCR, "0", "0" },
		{ SET_PULL_LINGER, "20m", "1200" }, { SET_PULL_LINGER, "24h", "86400" }, { SET_PULL_LINGER, "25h", "-" },
		{ SET_PULL_LINGER, "7s", "7" }, { SET_PULL_LINGER, "0", "0" }, { SET_PULL_LINGER, "m", "-" },
		{ SET_PULL_LINGER, "86401", "-" }, { SET_PULL_LINGER, "1d", "-" }, { SET_PULL_LINGER, "", "-" },
		{ SET_PULL_LINGER, "1mm", "-" },
		{ SET_MEASURE_PULL, "required", "required" }, { SET_MEASURE_PULL, "of", "-" },
		{ SET_MEASURE_PULL, "off on", "-" }, { SET_MEASURE_PULL, "", "-" },
		{ SET_IMAGE_GPG, "gpg", "-" }, { SET_IMAGE_GPG, "/a\nb", "-" }, { SET_IMAGE_GPG, "", "" },
		{ SET_IMAGE_POLICY, "file:///etc/policy.json", "/etc/policy.json" },
		{ SET_IMAGE_POLICY, "file://etc/policy.json", "-" }, { SET_IMAGE_POLICY, "file:///a%20b", "-" },
		{ SET_IMAGE_POLICY, "kbs:///a/b/c", "kbs:///a/b/c" }, { SET_IMAGE_POLICY, "kbs:///a/b", "-" },
		{ SET_IMAGE_POLICY, "http://a.test/x", "-" }, { SET_IMAGE_POLICY, "policy.json", "-" },
		{ SET_IMAGE_POLICY, "", "" },
		{ SET_KBC, "cc_kbc", "-" }, { SET_KBC, "::x", "-" }, { SET_KBC, "a b::x", "-" },
		{ SET_KBC, "offline_fs_kbc::", "offline_fs_kbc::" }, { SET_KBC, "eaa_kbc::[::1]:50000", "eaa_kbc::[::1]:50000" },
		{ SET_LOG_LEVEL, "trace", "-" },
		{ SET_VSOCK_HOST_METHODS, "pull", "pull" }, { SET_VSOCK_HOST_METHODS, "get-resource", "-" },
		{ SET_VSOCK_HOST_METHODS, "pull\nexec", "-" }, { SET_VSOCK_HOST_METHODS, "pull status", "-" },
		{ SET_VSOCK_HOST_METHODS, "pull\n\nstatus", "-" }, { SET_VSOCK_HOST_METHODS, "", "" },
		{ SET_VSOCK_HOST_METHODS, "pull\n", "pull" },
		{ SET_PULL_BUNDLES, "/a/../b", "-" }, { SET_PULL_BUNDLES, "/a/./b", "-" }, { SET_PULL_BUNDLES, "/a//b", "-" },
		{ SET_PULL_BUNDLES, "/a/", "-" }, { SET_PULL_BUNDLES, "a", "-" }, { SET_PULL_BUNDLES, "/", "-" },
		{ SET_PULL_BUNDLES, "/a/..b", "/a/..b" },
		{ SET_REGISTRY_INSECURE, "a.test:0", "-" }, { SET_REGISTRY_INSECURE, "a.test/x", "-" },
		{ SET_REGISTRY_INSECURE, "a.test,b.test", "-" }, { SET_REGISTRY_INSECURE, "10.0.0.1:5000", "10.0.0.1:5000" },
		{ SET_IMAGE_NO_PROXY, "a\nb", "-" }, { SET_IMAGE_NO_PROXY, "a\x7f", "-" }, { SET_IMAGE_NO_PROXY, "\xff", "-" },
		{ SET_IMAGE_NO_PROXY, "\xc2\x85", "-" }, { SET_IMAGE_NO_PROXY, "ä", "ä" },
		{ SET_IMAGE_CA, "a\x01", "-" }, { SET_IMAGE_CA, "a\r\n\tb", "a\r\n\tb" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		is_str(kept(cases[i].set, cases[i].value), cases[i].kept, "%s: case %zu", settings[cases[i].set].name, i);
}

#define CDH	"/run/confidential-containers/cdh/"

static void
credentials(void)
{
	static const char *const bad[] = {
		"kbs:///a/b/c", "kbs:///a/b/c ", "kbs:///a/b/c /etc/passwd", "kbs:///a/b/c " CDH, "x " CDH "kbs/x",
		"kbs:///a/b/c " CDH "../x", "kbs:///a/b/c " CDH "kbs/./x", "kbs:///a/b/c " CDH "kbs/x/",
		"kbs:///a/b/c " CDH "sealed-secret/k", "kbs:///a/b/c " CDH "sealed-secret", "kbs:///a/b/c " CDH "luks-headers/h",
		"kbs:///a/b/c /run/confidential-containers/cdhx/y", "kbs:///a/b/c\t" CDH "kbs/x",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		is_str(kept(SET_KBC_CREDENTIALS, bad[i]), "-", "credentials refused: %zu", i);
	is_str(kept(SET_KBC_CREDENTIALS, "kbs:///a/b/c " CDH "old"), "kbs:///a/b/c " CDH "old", "the older place");
	is_str(kept(SET_KBC_CREDENTIALS, "kbs:///a/b/c " CDH "sealed-secrets"), "kbs:///a/b/c " CDH "sealed-secrets", "not that one");
}

static void
limits(void)
{
	autoconfig c;
	char line[1026], path[LIMIT_PATH + 2];

	config_init(&c);
	memset(line, 'a', sizeof(line));
	memset(path, 'a', sizeof(path));
	path[0] = line[0] = '/';
	fails(config_set(&c, SET_IMAGE_GPG, (struct span){ (uint8_t *)path, LIMIT_PATH + 1 }, ORIGIN_FILE, 0, &e), ERR_CONFIG,
	    "a long path");
	works(config_set(&c, SET_IMAGE_GPG, (struct span){ (uint8_t *)path, LIMIT_PATH }, ORIGIN_FILE, 0, &e), "the longest");
	fails(config_set(&c, SET_PULL_BUNDLES, (struct span){ (uint8_t *)line, 1024 }, ORIGIN_FILE, 0, &e), ERR_CONFIG,
	    "a long line of a list");
	works(config_set(&c, SET_PULL_BUNDLES, (struct span){ (uint8_t *)line, 1023 }, ORIGIN_FILE, 0, &e), "the longest");
	fails(config_set(&c, SET_TOKEN_KBS_URL, (struct span){ (uint8_t *)line, 1024 }, ORIGIN_FILE, 3, &e), ERR_CONFIG, "a long line");
	is_str(e.msg, "line 3: token.kbs_url must be one line of at most 1023 bytes", "says which and where");
	works(config_set(&c, SET_TOKEN_KBS_URL, (struct span){ (uint8_t *)line, 1023 }, ORIGIN_FILE, 3, &e), "the longest");
	fails(config_set(&c, SET_IMAGE_CA, SPAN_LIT("a\0b"), ORIGIN_FILE, 0, &e), ERR_CONFIG, "a NUL in a document");
	fails(config_set(&c, SET_IMAGE_GPG, SPAN_LIT("/a\0b"), ORIGIN_FILE, 0, &e), ERR_CONFIG, "a NUL in a path");
	fails(set(&c, SET_KBC, "x::y", ORIGIN_DEFAULT), ERR_BUG, "a default is not given");
	fails(set(&c, SET_KBC, "x::y", ORIGIN_COUNT), ERR_BUG, "there is no such place");
	fails(set(&c, SET_KBC, "secretvalue", ORIGIN_FILE), ERR_CONFIG, "a bad value");
	ok(strstr(e.msg, "secretvalue") == NULL, "which is not told");
	is_str(config_origin_name(ORIGIN_COUNT), "", "no name for no place");
}

static void
lists(void)
{
	const char *it = "";
	char line[32], all[128] = "";
	autoconfig c;
	size_t len = 0;

	config_init(&c);
	ok(!config_next("", &it, line, sizeof(line)), "nothing in an empty list");
	it = "";
	while (config_next("one\ntwo\nthree", &it, line, sizeof(line)))
		len += (size_t)snprintf(all + len, sizeof(all) - len, "%s,", line);
	is_str(all, "one,two,three,", "each line");
	it = "";
	ok(!config_next("longer", &it, line, 4), "one that has no room");
	works(set(&c, SET_IMAGE_AT_ONCE, "7", ORIGIN_FILE), "a number");
	is_int(config_number(&c, SET_IMAGE_AT_ONCE), 7, "as a number");
	is_int(config_number(&c, SET_PULL_LINGER), 1200, "a default as a number");
	ok(!config_true(&c, SET_IMAGE_MIXED), "a flag");
	works(set(&c, SET_IMAGE_MIXED, "true", ORIGIN_FILE), "it is set");
	ok(config_true(&c, SET_IMAGE_MIXED), "and true");
	config_forget(&c, SET_IMAGE_MIXED);
	ok(!config_true(&c, SET_IMAGE_MIXED), "and forgotten");
}

/* Each setting from each place, with and without a measured command line. */
static void
trust(void)
{
	for (int measured = 0; measured < 2; measured++)
		for (int s = 0; s < SET_COUNT; s++)
			for (int o = ORIGIN_CMDLINE; o < ORIGIN_COUNT; o++) {
				bool holds = measured && s == SET_CMDLINE_MEASURED;	/* already */
				bool counts = !settings[s].trust || o >= ORIGIN_PEER || (o == ORIGIN_CMDLINE && measured);
				autoconfig c;

				config_init(&c);
				if (measured && set(&c, SET_CMDLINE_MEASURED, "true", ORIGIN_FILE) < 0)
					abort();
				if (s == SET_CMDLINE_MEASURED)
					counts = o == ORIGIN_FILE;
				if (!ok(set(&c, (enum setting)s, sample((enum setting)s), (enum config_origin)o) == 0 &&
				    (c.v[s].text != NULL && c.v[s].origin == (enum config_origin)o) == counts &&
				    warned(&c, settings[s].name) == (!counts && !holds) && host_sets_no_trust(&c), "%s from %s%s",
				    settings[s].name, config_origin_name((enum config_origin)o), measured ? ", measured" : ""))
					continue;
				is_int(config_measured(&c, (enum setting)s), !counts || o >= ORIGIN_PEER ||
				    (o == ORIGIN_CMDLINE && measured), "and whether that is measured");
			}
}

/* The host's word about protection is not even looked at. */
static void
trust_names(void)
{
	static const enum setting wanted[] = {
		SET_IMAGE_POLICY, SET_IMAGE_POLICY_TEXT, SET_IMAGE_REGISTRIES, SET_IMAGE_REGISTRIES_TEXT, SET_IMAGE_CA,
		SET_IMAGE_GPG, SET_IMAGE_MIXED, SET_IMAGE_CTR, SET_IMAGE_DEVICES, SET_REGISTRY_INSECURE, SET_PULL_BUNDLES,
		SET_EVIDENCE_CALLERS, SET_SAMPLE, SET_MEASURE_PULL, SET_STORAGE_TRUSTED, SET_VSOCK_HOST_METHODS,
		SET_KBS_ALLOW_HTTP, SET_EAA_UNAUTHENTICATED, SET_SECRET_UNSIGNED, SET_CMDLINE_MEASURED, SET_HUB_SOCKET,
	};
	size_t n = 0;
	autoconfig c;

	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		ok(settings[wanted[i]].trust, "%s decides about protection", settings[wanted[i]].name);
	for (int s = 0; s < SET_COUNT; s++)
		n += settings[s].trust;
	is_int(n, ARRAY_LEN(wanted), "and no other does");
	config_init(&c);
	works(set(&c, SET_IMAGE_MIXED, "nonsense", ORIGIN_CMDLINE), "nonsense of the host");
	ok(warned(&c, "command line") && warned(&c, "cmdline.measured = true"), "what to do instead");
	works(set(&c, SET_IMAGE_MIXED, "nonsense", ORIGIN_INITDATA), "nonsense of initdata");
	ok(warned(&c, "initdata") && lines_of(&c.warnings) == 2, "the same there");
	works(set(&c, SET_IMAGE_MIXED, "true", ORIGIN_INITDATA), "again");
	is_int(lines_of(&c.warnings), 2, "which is told of once");
	works(set(&c, SET_HUB_SOCKET, "/run/confidential-containers/cdh.sock", ORIGIN_INITDATA), "what holds anyway");
	ok(lines_of(&c.warnings) == 2 && c.v[SET_HUB_SOCKET].text == NULL, "is neither taken over nor told of");
}

static void
precedence(void)
{
	autoconfig c;

	config_init(&c);
	works(set(&c, SET_KBC, "a::1", ORIGIN_CMDLINE), "the command line");
	works(set(&c, SET_KBC, "a::1", ORIGIN_CMDLINE), "the same again");
	fails(set(&c, SET_KBC, "a::2", ORIGIN_CMDLINE), ERR_CONFIG, "something else");
	is_str(e.msg, "kbc.params is given twice by the command line, and differs", "says so");
	works(set(&c, SET_KBC, "a::1", ORIGIN_PEER), "a file says the same");
	ok(c.warnings.len == 0 && c.v[SET_KBC].origin == ORIGIN_PEER, "without a word");
	works(set(&c, SET_KBC, "a::2", ORIGIN_FILE), "our file says something else");
	is_str(config_get(&c, SET_KBC), "a::2", "it holds");
	is_int(lines_of(&c.warnings), 1, "and the other is told of");
	works(set(&c, SET_KBC, "a::1", ORIGIN_INITDATA), "a lower one comes later");
	is_str(config_get(&c, SET_KBC), "a::2", "and does not hold");
	ok(warned(&c, "what the initdata says does not count, as the file says"), "which is told");
	works(config_set(&c, SET_IMAGE_AT_ONCE, SPAN_LIT("1"), ORIGIN_PEER, 4, &e), "line 4");
	fails(config_set(&c, SET_IMAGE_AT_ONCE, SPAN_LIT("2"), ORIGIN_PEER, 9, &e), ERR_CONFIG, "line 9");
	is_str(e.msg, "line 9: image.layers_at_once contradicts what line 4 of the guest components' file says", "both lines");
	works(set(&c, SET_LOG_LEVEL, "warning", ORIGIN_PEER), "one level");
	works(set(&c, SET_LOG_LEVEL, "debug", ORIGIN_PEER), "one that tells more");
	works(set(&c, SET_LOG_LEVEL, "error", ORIGIN_PEER), "one that tells less");
	is_str(config_get(&c, SET_LOG_LEVEL), "debug", "most is told");
	works(set(&c, SET_LOG_LEVEL, "error", ORIGIN_FILE), "our file");
	is_str(config_get(&c, SET_LOG_LEVEL), "error", "holds there, too");
	works(set(&c, SET_KBC_CREDENTIALS, "kbs:///a/b/c " CDH "1", ORIGIN_FILE), "one resource");
	works(set(&c, SET_KBC_CREDENTIALS, "kbs:///a/b/c " CDH "1\nkbs:///a/b/c " CDH "2", ORIGIN_CMDLINE), "and more");
	is_str(config_get(&c, SET_KBC_CREDENTIALS), "kbs:///a/b/c " CDH "1\nkbs:///a/b/c " CDH "2", "add up");
	for (int n = 3; n <= 256; n++) {
		char one[96];

		snprintf(one, sizeof(one), "kbs:///a/b/c " CDH "%d", n);
		if (set(&c, SET_KBC_CREDENTIALS, one, ORIGIN_FILE) < 0)
			abort();
	}
	fails(set(&c, SET_KBC_CREDENTIALS, "kbs:///a/b/c " CDH "257", ORIGIN_FILE), ERR_CONFIG, "but not without end");
	ok(!config_measured(&c, SET_KBC_CREDENTIALS), "and are no better than the least of them");
}

static void
warnings(void)
{
	autoconfig c;
	size_t n;

	config_init(&c);
	config_warn(&c, "a %s", "b\n\x1b[0m");
	is_str(buf_str(&c.warnings), "a b\\x0a\\x1b[0m\n", "foreign words are escaped");
	for (int i = 0; i < 10000; i++)
		config_warn(&c, "warning number %d", i);
	n = c.warnings.len;
	ok(n <= CONFIG_WARNINGS && n > CONFIG_WARNINGS - 64 && c.warnings.data[n - 1] == '\n', "bounded, whole lines");
}

static void
merging(void)
{
	autoconfig a, b;

	config_init(&a);
	config_init(&b);
	works(set(&a, SET_KBC, "a::1", ORIGIN_PEER), "first");
	works(set(&b, SET_KBC, "a::1", ORIGIN_PEER), "second");
	works(set(&b, SET_IMAGE_AT_ONCE, "2", ORIGIN_PEER), "and more");
	config_warn(&b, "w");
	works(config_merge(&a, &b, &e), "they agree");
	ok(warned(&a, "w\n") && config_number(&a, SET_IMAGE_AT_ONCE) == 2, "values and warnings are taken over");
	config_forget(&b, SET_IMAGE_AT_ONCE);
	works(set(&b, SET_IMAGE_AT_ONCE, "3", ORIGIN_PEER), "something else");
	works(set(&b, SET_IMAGE_MIXED, "true", ORIGIN_PEER), "and what comes behind it in the table");
	fails(config_merge(&a, &b, &e), ERR_CONFIG, "they contradict");
	ok(config_number(&a, SET_IMAGE_AT_ONCE) == 2 && !config_true(&a, SET_IMAGE_MIXED), "nothing has changed");
	config_fini(&b);
	b.v[SET_IMAGE_MIXED] = (struct config_value){ strdup("true"), ORIGIN_INITDATA, 0 };
	works(config_merge(&a, &b, &e), "the host's word in what is merged");
	ok(!config_true(&a, SET_IMAGE_MIXED) && warned(&a, "image.allow_mixed_layers"), "does not count");
}

static void
merging_policy(void)
{
	autoconfig a, b;

	config_init(&a);
	config_init(&b);
	works(set(&a, SET_IMAGE_POLICY, "kbs:///a/b/c", ORIGIN_FILE), "a policy from a broker");
	works(config_merge(&a, &b, &e), "which is not named");
	ok(a.v[SET_IMAGE_POLICY].text != NULL, "it stays");
	works(set(&b, SET_KBC, "cc_kbc::http://a.test", ORIGIN_CMDLINE), "the host names one");
	works(config_merge(&a, &b, &e), "both");
	ok(a.v[SET_IMAGE_POLICY].text != NULL && warned(&a, "so no image is accepted"), "it is told of, and none is in its place");
	ok(!config_measured(&a, SET_KBC), "and pulls can know");
	buf_reset(&a.warnings);
	works(set(&a, SET_KBC, "cc_kbc::http://a.test", ORIGIN_FILE), "we name it");
	works(config_merge(&a, &b, &e), "both");
	ok(a.warnings.len == 0 && config_measured(&a, SET_KBC), "that is as good as our file");
	config_forget(&a, SET_KBC);
	works(set(&a, SET_CMDLINE_MEASURED, "true", ORIGIN_FILE), "or the command line is measured");
	works(config_merge(&a, &b, &e), "both");
	ok(a.warnings.len == 0 && a.v[SET_KBC].origin == ORIGIN_CMDLINE, "then it may name it");
	config_fini(&a);
	config_fini(&b);
	works(set(&a, SET_IMAGE_POLICY_TEXT, "{}", ORIGIN_FILE), "our text");
	works(set(&b, SET_IMAGE_POLICY, "/other", ORIGIN_PEER), "another's place");
	works(config_merge(&a, &b, &e), "both");
	ok(a.v[SET_IMAGE_POLICY].text == NULL && a.v[SET_IMAGE_POLICY_TEXT].text != NULL, "ours holds");
	works(set(&a, SET_IMAGE_POLICY, "/mine", ORIGIN_FILE), "our place");
	works(config_merge(&a, &b, &e), "both");
	ok(strcmp(config_get(&a, SET_IMAGE_POLICY), "/mine") == 0 && a.v[SET_IMAGE_POLICY_TEXT].text != NULL, "both are ours");
	config_forget(&a, SET_IMAGE_POLICY_TEXT);
	works(set(&b, SET_IMAGE_POLICY_TEXT, "{}", ORIGIN_PEER), "another's text");
	works(config_merge(&a, &b, &e), "both");
	ok(a.v[SET_IMAGE_POLICY_TEXT].text == NULL, "ours holds, the other way round");
}

static void
fill(struct config *c)
{
	config_init(c);
	for (int s = 0; s < SET_COUNT; s++)
		if (config_set(c, (enum setting)s, span_str(sample((enum setting)s)), ORIGIN_FILE, (uint32_t)s + 1, &e) < 0)
			abort();
	config_warn(c, "first");
	config_warn(c, "second: ä \\x0a");
}

static void
parse_mutant(struct span bytes, void *arg)
{
	size_t *good = arg;
	autoconfig c;
	struct err why = { 0 };

	config_init(&c);
	if (config_parse(bytes, &c, &why) == 0)
		++*good;
	else if (why.code != ERR_PROTO)
		abort();
}

static void
bytes(void)
{
	autobuf out = BUF(CONFIG_FORMATTED), again = BUF(CONFIG_FORMATTED), small = BUF(64);
	autoconfig a, b, none;
	size_t tried, good = 0;

	fill(&a);
	config_init(&b);
	config_init(&none);
	works(config_format(&none, &out, &e), "of nothing");
	works(config_parse(buf_span(&out), &b, &e), "and read");
	ok(same_settings(&none, &b), "is nothing");
	buf_reset(&out);
	works(config_format(&a, &out, &e), "of everything");
	works(config_parse(buf_span(&out), &b, &e), "and read");
	ok(same_settings(&a, &b), "is everything");
	works(config_format(&b, &again, &e), "written again");
	ok(span_eq(buf_span(&out), buf_span(&again)), "are the same bytes");
	fails(config_format(&a, &small, &e), ERR_LIMIT, "no room");
	is_int(small.len, 0, "then nothing is written");
	tried = mutate(buf_span(&out), out.len, parse_mutant, &good);
	ok(tried > 1000 && good < tried / 2, "%zu mutants", tried);
}

/* The form: setting, origin, line, length, text; 0xff, length, warnings. */
static void
bad_bytes(void)
{
#define V(s, o, len, text)	s o "\0\0\0\0" "\0\0\0" len text
#define END			"\xff" "\0\0\0\0"
	static const struct {
		const char	*name;
		struct span	 bytes;
	} cases[] = {
		{ "empty", { 0 } },
		{ "no end", SPAN_LIT(V("\0", "\x04", "\x04", "true")) },
		{ "twice", SPAN_LIT(V("\0", "\x04", "\x04", "true") V("\0", "\x04", "\x04", "true") END) },
		{ "an unknown one", SPAN_LIT(V("\xfe", "\x04", "\x04", "true") END) },
		{ "a default", SPAN_LIT(V("\0", "\0", "\x04", "true") END) },
		{ "an unknown place", SPAN_LIT(V("\0", "\x05", "\x04", "true") END) },
		{ "a bad value", SPAN_LIT(V("\0", "\x04", "\x03", "yes") END) },
		{ "longer than it is", SPAN_LIT(V("\0", "\x04", "\x7f", "true") END) },
		{ "something behind", SPAN_LIT(END "x") },
		{ "no warnings", SPAN_LIT("\xff\0\0") },
	};
	static uint8_t many[CONFIG_WARNINGS + 6] = { 0xff, 0, 0, 0x40, 1 };
	autoconfig c;

	config_init(&c);
	works(config_parse(SPAN_LIT(V("\0", "\x04", "\x04", "true") END), &c, &e), "a good one");
	ok(config_true(&c, SET_CMDLINE_MEASURED), "is read");
	works(config_parse(SPAN_LIT(END), &c, &e), "none");
	ok(!config_true(&c, SET_CMDLINE_MEASURED), "what was there before is gone");
	works(set(&c, SET_CMDLINE_MEASURED, "true", ORIGIN_FILE), "there is one");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		fails(config_parse(cases[i].bytes, &c, &e), ERR_PROTO, "%s", cases[i].name);
	memset(many + 5, 'x', CONFIG_WARNINGS + 1);
	fails(config_parse((struct span){ many, sizeof(many) }, &c, &e), ERR_PROTO, "too many warnings");
	ok(config_true(&c, SET_CMDLINE_MEASURED), "failures have changed nothing");
}

static void
printing(void)
{
	autobuf text = BUF(MIB(1)), json = BUF(MIB(1));
	autojson doc = NULL;
	autoconfig c;
	struct json_val list;

	fill(&c);
	config_forget(&c, SET_IMAGE_HTTPS_PROXY);
	config_forget(&c, SET_IMAGE_SIGSTORE_TEXT);
	works(set(&c, SET_IMAGE_SIGSTORE_TEXT, "url: https://a@b.test/\n", ORIGIN_FILE), "a document with something like a user");
	works(set(&c, SET_IMAGE_HTTPS_PROXY, "http://me:pass@p.test/x", ORIGIN_CMDLINE), "a proxy with a password");
	works(config_print(&c, false, &text, &e), "for people");
	ok(strstr(buf_str(&text), "image.https_proxy                  http://***@p.test/x  [command line]\n") != NULL, "a line");
	ok(strstr(buf_str(&text), "image.ca                           (11 bytes)  [file, line ") != NULL, "a document");
	ok(strstr(buf_str(&text), "vsock.host_methods                 status, pull  [file") != NULL, "a list");
	ok(strstr(buf_str(&text), "warning: first\n") != NULL, "warnings");
	config_forget(&c, SET_CMDLINE_MEASURED);
	config_forget(&c, SET_TEE);
	buf_reset(&text);
	works(config_print(&c, false, &text, &e), "for people");
	ok(strstr(buf_str(&text), "p.test/x  [command line, not measured]\n") != NULL, "not measured");
	ok(strstr(buf_str(&text), "evidence.tee                       -  [default]\n") != NULL, "none");
	works(config_print(&c, true, &json, &e), "for programs");
	ok(strstr(buf_str(&json), "me:pass") == NULL, "no password");
	works(json_parse(buf_span(&json), &doc, &e), "is JSON");
	ok(strstr(buf_str(&json), "\"url: https://a@b.test/\\u000a\"") != NULL, "documents are whole");
	list = json_get(json_root(doc), "settings");
	is_int(json_count(list), SET_COUNT, "all settings");
	is_int(json_count(json_get(json_root(doc), "warnings")), 2, "all warnings");
}

static int
everything(void *arg, struct err *why)
{
	const struct config *full = arg;
	autobuf out = BUF(CONFIG_FORMATTED), text = BUF(MIB(1));
	autoconfig a, b;
	int rc;

	config_init(&a);
	config_init(&b);
	rc = config_merge(&a, full, why);
	if (rc == 0)
		rc = config_format(&a, &out, why);
	if (rc == 0)
		rc = config_parse(buf_span(&out), &b, why);
	if (rc == 0)
		rc = config_merge(&b, full, why);
	return rc < 0 ? rc : config_print(&b, true, &text, why);
}

int
main(void)
{
	autoconfig full;

	table();
	values();
	credentials();
	limits();
	lists();
	trust();
	trust_names();
	precedence();
	warnings();
	merging();
	merging_policy();
	bytes();
	bad_bytes();
	printing();
	fill(&full);
	buf_free(&full.warnings);	/* a warning that finds no room is lost, and nothing fails */
	full.warnings = (struct buf)BUF(CONFIG_WARNINGS);
	ok(fault_each(FAULT_ALLOC, 0, false, everything, &full) > 100, "each allocation fails once");
	return tap_done();
}
