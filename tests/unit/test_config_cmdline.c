/*
 * test_config_cmdline.c: the kernel's command line: each parameter, what is not the host's to say, what nobody may say there.
 */
#include "lib/base.h"

#include "agent/config.h"
#include "tests/lib/fault.h"
#include "tests/lib/mutate.h"
#include "tests/lib/settings.h"
#include "tests/lib/tap.h"

#define CDH	"/run/confidential-containers/cdh/"

static struct err e;
static struct config c;

static int
read_line(const char *line, bool measured, bool images)
{
	config_fini(&c);
	if (measured && config_set(&c, SET_CMDLINE_MEASURED, SPAN_LIT("true"), ORIGIN_FILE, 0, &e) < 0)
		abort();
	return config_read_cmdline(&c, span_str(line), images, &e);
}

static void
parameters(void)
{
	static const struct {
		const char	*line;
		enum setting	 set;
		const char	*value;
		bool		 trust, image;
	} cases[] = {
		{ "agent.aa_kbc_params=cc_kbc::http://[::1]:8080", SET_KBC, "cc_kbc::http://[::1]:8080", false, false },
		{ "agent.aa_kbc_params=offline_fs_kbc::null", SET_KBC, "offline_fs_kbc::null", false, false },
		{ "agent.aa_kbc_params=eaa_kbc::10.0.0.1:50000", SET_KBC, "eaa_kbc::10.0.0.1:50000", false, false },
		{ "cdh.kbs_resources=kbs:///a/b/c::" CDH "kbs/1,kbs:///a/b/d::" CDH "kbs/2", SET_KBC_CREDENTIALS,
		    "kbs:///a/b/c " CDH "kbs/1\nkbs:///a/b/d " CDH "kbs/2", false, false },
		{ "cdh.kbs_resources=kbs://[::1]:8080/a/b/c::" CDH "kbs/1", SET_KBC_CREDENTIALS,
		    "kbs://[::1]:8080/a/b/c " CDH "kbs/1", false, false },
		{ "agent.config_file=/etc/agent-config.toml", SET_KATA_CONFIG, "/etc/agent-config.toml", false, false },
		{ "agent.https_proxy=http://p.test:8080", SET_IMAGE_HTTPS_PROXY, "http://p.test:8080", false, true },
		{ "agent.http_proxy=http://p.test:8080", SET_IMAGE_HTTP_PROXY, "http://p.test:8080", false, true },
		{ "agent.no_proxy=127.0.0.1,.test", SET_IMAGE_NO_PROXY, "127.0.0.1,.test", false, true },
		{ "agent.image_registry_auth=kbs:///default/credential/test", SET_IMAGE_AUTH,
		    "kbs:///default/credential/test", false, true },
		{ "agent.image_registry_auth=file:///etc/auth.json", SET_IMAGE_AUTH, "/etc/auth.json", false, true },
		{ "agent.simple_signing_sigstore_config=kbs:///default/sigstore-config/test", SET_IMAGE_SIGSTORE,
		    "kbs:///default/sigstore-config/test", false, true },
		{ "agent.image_policy_file=kbs:///default/policy/test", SET_IMAGE_POLICY, "kbs:///default/policy/test", true, true },
		{ "agent.image_policy=file:///etc/p.json", SET_IMAGE_POLICY, "/etc/p.json", true, true },
		{ "agent.container_policy_file=/etc/p.json", SET_IMAGE_POLICY, "/etc/p.json", true, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct config_value *v = &c.v[cases[i].set];

		works(read_line(cases[i].line, false, true), "%s", cases[i].line);
		ok((v->text != NULL) == !cases[i].trust && warned(&c, "cmdline.measured") == cases[i].trust, "counts or not");
		works(read_line(cases[i].line, true, true), "measured");
		is_str(config_get(&c, cases[i].set), cases[i].value, "its value");
		is_int(v->origin, ORIGIN_CMDLINE, "its place");
		works(read_line(cases[i].line, true, false), "where a file speaks of images");
		ok((v->text == NULL) == cases[i].image, "counts or not");
	}
}

static void
words(void)
{
	static const char odd[] = "BOOT_IMAGE=/vmlinuz\tagent.https_proxy=http://a.test\r\n\v agent.no_proxy=a=b\f quiet "
	    "agent.http_proxy= =x xagent.https_proxy=no agent.https_proxyx=no agent.log=debug\n";

	works(read_line(odd, false, true), "odd blanks");
	is_str(config_get(&c, SET_IMAGE_HTTPS_PROXY), "http://a.test", "between them");
	is_str(config_get(&c, SET_IMAGE_NO_PROXY), "a=b", "the first = counts");
	ok(c.v[SET_IMAGE_HTTP_PROXY].text == NULL, "nothing is no value");
	is_int(c.warnings.len, 0, "of others nothing is said");
	works(read_line("", false, true), "nothing at all");
	works(read_line(" \n", false, true), "blanks");
	works(read_line("agent.no_proxy=a agent.no_proxy=a", false, true), "the same twice");
	fails(read_line("agent.no_proxy=a agent.no_proxy=b", false, true), ERR_CONFIG, "two values");
	fails(read_line("agent.image_policy=/a agent.image_policy_file=/b", true, true), ERR_CONFIG, "by two names");
	works(read_line("agent.image_policy=/a agent.image_policy_file=/b", false, true), "but the host's word is not weighed");
}

static void
verification(void)
{
	works(read_line("agent.enable_signature_verification=false", true, true), "switching checks off");
	ok(warned(&c, "agent.enable_signature_verification does not count"), "is told of");
	works(read_line("agent.enable_signature_verification=true", true, true), "switching them on");
	is_int(c.warnings.len, 0, "is nothing new");
	works(read_line("agent.enable_signature_verification=1", true, true), "in other words");
	is_int(c.warnings.len, 0, "neither");
}

static void
bad(void)
{
	static const char *const lines[] = {
		"agent.aa_kbc_params=cc_kbc", "agent.aa_kbc_params=::", "agent.config_file=agent.toml",
		"cdh.kbs_resources=kbs:///a/b/c", "cdh.kbs_resources=kbs:///a/b/c::/etc/passwd",
		"cdh.kbs_resources=kbs:///a/b/c::" CDH "kbs/../../x", "cdh.kbs_resources=::",
		"cdh.kbs_resources=kbs:///a/b/c::" CDH "sealed-secret/k", "agent.https_proxy=\x01",
		"agent.image_registry_auth=kbs:///x", "agent.simple_signing_sigstore_config=sigstore.yaml",
	};

	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		fails(read_line(lines[i], false, true), ERR_CONFIG, "refused: %s", lines[i]);
}

static void
secrets(void)
{
	static const char *const lines[] = {
		"agent.registry_password=HUNTER", "cdh.Secret=HUNTER", "aa.kbs_token=HUNTER", "cacao.private_key=HUNTER",
		"agent.https_proxy=http://u:HUNTER@p.test", "agent.http_proxy=http://u:HUNTER@p.test",
		"agent.aa_kbc_params=cc_kbc::http://u:HUNTER@k.test", "agent.image_registry_auth=HUNTER",
		"agent.image_registry_auth={\"auths\":HUNTER}", "agent.apiKey=HUNTER", "agent.passphrase=HUNTER",
	};

	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		bool empty = true;

		works(read_line(lines[i], false, true), "%s", lines[i]);
		for (int s = 0; s < SET_COUNT; s++)
			empty &= c.v[s].text == NULL;
		ok(empty && warned(&c, "looks like a secret") && !warned(&c, "HUNTER"), "is refused, told of, and not repeated");
	}
	works(read_line("systemd.password=x other.token=y agent.x@y=1", false, true), "what is not ours");
	is_int(c.warnings.len, 0, "is not our business");
}

static const char all[] =
    "agent.aa_kbc_params=cc_kbc::http://[::1]:8080 cdh.kbs_resources=kbs:///a/b/c::" CDH "kbs/1 agent.https_proxy=http://p:1 "
    "agent.image_registry_auth=kbs:///a/b/c agent.image_policy_file=kbs:///a/b/c agent.enable_signature_verification=false "
    "agent.secret=1 agent.config_file=/etc/x";

static void
read_mutant(struct span line, maybe_unused void *arg)
{
	struct err why = { 0 };
	autoconfig got;

	config_init(&got);
	if (config_read_cmdline(&got, line, true, &why) < 0 && why.code != ERR_CONFIG)
		abort();
	if (!host_sets_no_trust(&got))
		abort();
}

static int
read_all(maybe_unused void *arg, struct err *why)
{
	autoconfig got;

	config_init(&got);
	got.warnings.max = 0;	/* without warnings: these may be lost */
	return config_read_cmdline(&got, SPAN_LIT(all), true, why);
}

int
main(void)
{
	config_init(&c);
	parameters();
	words();
	verification();
	bad();
	secrets();
	ok(mutate(SPAN_LIT(all), sizeof(all), read_mutant, NULL) > 1000, "mutants set nothing that decides about protection");
	ok(fault_each(FAULT_ALLOC, 0, false, read_all, NULL) > 5, "each allocation fails once");
	config_fini(&c);
	return tap_done();
}
