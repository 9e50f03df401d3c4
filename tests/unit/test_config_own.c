/*
 * test_config_own.c: our own file: what may stand in it, and that every mistake is named with its line.
 */
#include "lib/base.h"

#include "agent/config.h"
#include "tests/lib/fault.h"
#include "tests/lib/mutate.h"
#include "tests/lib/settings.h"
#include "tests/lib/tap.h"

static struct err e;

static const char full[] =
    "# all of it\n"
    "format = 1\n"
    "[kbc]\n"
    "params = \"cc_kbc::https://kbs.test:8080\"\n"
    "cert = '''\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'''\n"
    "credentials = [\"kbs:///a/b/c /run/confidential-containers/cdh/kbs/c\", \"kbs:///a/b/d /run/confidential-containers/cdh/kbs/d\"]\n"
    "[token]\n"
    "kbs_url = \"https://kbs.test:8080\"\n"
    "kbs_cert = \"PEM\"\n"
    "kbs_key = \"RSA-OAEP-256\"\n"
    "coco_as_url = \"http://as.test:50004\"\n"
    "[image]\n"
    "policy = \"file:///etc/cacao/policy.json\"\n"
    "policy_text = '{\"default\":[{\"type\":\"reject\"}]}'\n"
    "sigstore = \"/etc/containers/registries.d\"\n"
    "sigstore_text = \"docker: {}\"\n"
    "auth = \"kbs:///default/credential/test\"\n"
    "registries = \"/etc/cacao/registries.toml\"\n"
    "registries_text = \"\"\n"
    "work_dir = \"/run/work\"\n"
    "store = \"/run/store\"\n"
    "snapshot = \"overlay\"\n"
    "layers_at_once = 4\n"
    "zstd_window_log = 27\n"
    "https_proxy = \"http://proxy.test:3128\"\n"
    "http_proxy = \"http://proxy.test:3128\"\n"
    "no_proxy = \"localhost,.test,10.0.0.0/8\"\n"
    "ca = \"PEM\"\n"
    "gpg = \"/usr/bin/gpg\"\n"
    "allow_mixed_layers = true\n"
    "allow_ctr_wrapped_keys = true\n"
    "device_nodes = \"refuse\"\n"
    "[registry]\n"
    "insecure = [\"127.0.0.1:5000\", \"registry.test\"]\n"
    "[pull]\n"
    "linger = \"20m\"\n"
    "bundles = [\"/run/kata-containers\", \"/run/other\"]\n"
    "[evidence]\n"
    "tee = \"tdx\"\n"
    "for_callers = \"labelled\"\n"
    "[attester]\n"
    "allow_sample = true\n"
    "[eventlog]\n"
    "enable = true\n"
    "pcr = 16\n"
    "[measure]\n"
    "pull = \"required\"\n"
    "[storage]\n"
    "trusted = \"/a:/b\"\n"
    "[vsock]\n"
    "host_methods = [\"status\", \"version\"]\n"
    "[kbs]\n"
    "allow_http = true\n"
    "[eaa]\n"
    "allow_unauthenticated_server = true\n"
    "[secret]\n"
    "allow_unsigned = true\n"
    "[cmdline]\n"
    "measured = true\n"
    "[log]\n"
    "level = \"debug\"\n"
    "[hub]\n"
    "socket = \"/run/cdh.sock\"\n";

static void
good(void)
{
	autoconfig c;

	config_init(&c);
	works(config_read_own(&c, SPAN_LIT(full), &e), "the full file");
	for (int s = 0; s < SET_COUNT; s++)
		ok((c.v[s].text != NULL && c.v[s].origin == ORIGIN_FILE && c.v[s].line > 2) == (s != SET_KATA_CONFIG),
		    "%s: from this file, with its line", settings[s].name);
	is_int(c.v[SET_KBC].line, 4, "the line is right");
	is_int(c.warnings.len, 0, "no warning");
	is_str(config_get(&c, SET_KBC), "cc_kbc::https://kbs.test:8080", "a broker");
	is_str(config_get(&c, SET_KBC_CREDENTIALS), "kbs:///a/b/c /run/confidential-containers/cdh/kbs/c\n"
	    "kbs:///a/b/d /run/confidential-containers/cdh/kbs/d", "a list");
	is_str(config_get(&c, SET_IMAGE_POLICY), "/etc/cacao/policy.json", "a place");
	is_int(config_number(&c, SET_PULL_LINGER), 1200, "a time");
	is_str(config_get(&c, SET_KBC_CERT), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "a document");
	config_fini(&c);
	works(config_read_own(&c, SPAN_LIT("format = 1\n"), &e), "the shortest");
	works(config_read_own(&c, SPAN_LIT("format = 1\nvsock.host_methods = []\npull = { linger = 5 }\n"), &e), "other ways to write");
	ok(c.v[SET_VSOCK_HOST_METHODS].text != NULL && config_number(&c, SET_PULL_LINGER) == 5, "are the same");
}

static void
bad(void)
{
	static const struct {
		const char	*text, *message;
	} cases[] = {
		{ "", "line 1: the first setting must be format = 1" },
		{ "[image]\n", "line 1: the first setting must be format = 1" },
		{ "[log]\nlevel = \"info\"\n[x]\nformat = 1\n", "line 1: the first setting must be format = 1" },
		{ "format = 2\n", "line 1: format must be from 1 to 1" },
		{ "format = \"1\"\n", "line 1: format must be an integer" },
		{ "format = 1\n\n[image]\npolcy = \"/a\"\n", "line 4: there is no setting image.polcy; is it image.policy?" },
		{ "format = 1\n[imag]\npolicy = \"/a\"\n", "line 3: there is no setting imag.policy; is it image.policy?" },
		{ "format = 1\n[image]\nlayers-at-once = 2\n",
		    "line 3: there is no setting image.layers-at-once; is it image.layers_at_once?" },
		{ "format = 1\n[xyz]\n\"\" = 2\n", "line 3: there is no setting xyz." },
		{ "format = 1\n[zzzzzzzzzzzzzzzzzz]\nqqqqqqqqqqqqqq = 2\n",
		    "line 3: there is no setting zzzzzzzzzzzzzzzzzz.qqqqqqqqqqqqqq" },
		{ "format = 1\n[cmdline]\nconfig_file = \"/a\"\n", "line 3: there is no setting cmdline.config_file" },
		{ "format = 1\n[vsock]\nhost_methods = [\"exec\"]\n", "line 3: vsock.host_methods must list only these: pull status version" },
		{ "format = 1\n[aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]\nbbb = 2\n",
		    "line 3: there is no setting of such a long name" },
		{ "format = 1\nlog = \"info\"\n", "line 2: settings stand in tables: [image], [kbc], …" },
		{ "format = 1\n[log.level]\nx = 1\n", "line 2: log.level must be a string" },
		{ "format = 1\n[image]\nallow_mixed_layers = \"true\"\n", "line 3: image.allow_mixed_layers must be true or false" },
		{ "format = 1\n[image]\nallow_mixed_layers = 1\n", "line 3: image.allow_mixed_layers must be true or false" },
		{ "format = 1\n[image]\nlayers_at_once = \"3\"\n", "line 3: image.layers_at_once must be a number" },
		{ "format = 1\n[image]\nlayers_at_once = 17\n", "line 3: image.layers_at_once must be a number from 1 to 16" },
		{ "format = 1\n[image]\nlayers_at_once = -3\n", "line 3: image.layers_at_once must be a number from 1 to 16" },
		{ "format = 1\n[pull]\nlinger = true\n",
		    "line 3: pull.linger must be a number of seconds, or a string such as \"20m\"" },
		{ "format = 1\n[pull]\nlinger = \"a day\"\n",
		    "line 3: pull.linger must be a time from 0 to 86400 seconds, such as 90 or \"20m\"" },
		{ "format = 1\n[pull]\nbundles = \"/run\"\n", "line 3: pull.bundles must be a list of strings" },
		{ "format = 1\n[pull]\nbundles = [1]\n", "line 3: pull.bundles must be a string" },
		{ "format = 1\n[pull]\nbundles = [\"/a\\n/b\"]\n", "line 3: pull.bundles has an element that is not one line" },
		{ "format = 1\n[pull]\nbundles = [\"\"]\n", "line 3: pull.bundles has an element that is not one line" },
		{ "format = 1\n[pull]\nbundles = [\"a\"]\n", "line 3: pull.bundles must list absolute paths without . and .." },
		{ "format = 1\n[image]\npolicy = [\"/a\"]\n", "line 3: image.policy must be a string" },
		{ "format = 1\n[image]\ngpg = \"a\\u0000b\"\n", "line 3: image.gpg holds a NUL character" },
		{ "format = 1\n[log]\nlevel = \"info\"\nlevel = \"info\"\n", NULL },
		{ "format = 1\n[log]\nlevel = 1.5\n", NULL },
		{ "format = 1\n[log\n", NULL },
		{ "format = 1\n\xff\n", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		autoconfig c;

		config_init(&c);
		fails(config_read_own(&c, span_str(cases[i].text), &e), ERR_CONFIG, "refused: %zu", i);
		if (cases[i].message != NULL)
			is_str(e.msg, cases[i].message, "with these words");
		else
			ok(strncmp(e.msg, "line ", 5) == 0, "with the line");
	}
}

static void
read_mutant(struct span text, void *arg)
{
	size_t *refused = arg;
	struct err why = { 0 };
	autoconfig c;

	config_init(&c);
	if (config_read_own(&c, text, &why) == 0)
		return;
	++*refused;
	if (why.code != ERR_CONFIG)
		abort();
}

static int
read_all(maybe_unused void *arg, struct err *why)
{
	autoconfig c;

	config_init(&c);
	return config_read_own(&c, SPAN_LIT(full), why);
}

int
main(void)
{
	size_t refused = 0, tried;

	good();
	bad();
	tried = mutate(SPAN_LIT(full), 400, read_mutant, &refused);
	ok(refused > tried / 2, "%zu of %zu mutants are refused, all as a fault of the configuration", refused, tried);
	ok(fault_each(FAULT_ALLOC, 0, false, read_all, NULL) > 50, "each allocation fails once");
	return tap_done();
}
