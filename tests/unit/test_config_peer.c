/*
 * test_config_peer.c: the files of guest components, TOML and JSON: each key of each version, what is refused, what is told of.
 */
#include "lib/base.h"

#include "agent/config.h"
#include "image/registries.h"
#include "tests/lib/fault.h"
#include "tests/lib/mutate.h"
#include "tests/lib/settings.h"
#include "tests/lib/tap.h"

#define CDH	"/run/confidential-containers/cdh/"

#define LONG	"01234567890123456789"

static struct err e;
static struct config c;
static bool image;

enum file { AGENT, HUB, KATA };

static int
read_as(enum file which, const char *text, enum config_origin origin)
{
	config_fini(&c);
	image = false;
	switch (which) {
	case AGENT:
		return config_read_agent(&c, span_str(text), origin, &e);
	case HUB:
		return config_read_hub(&c, span_str(text), origin, &image, &e);
	case KATA:
		break;
	}
	return config_read_kata(&c, span_str(text), &e);
}

/* The same thing in both languages. */
static void
keys(void)
{
	static const struct {
		enum file	 which;
		const char	*toml, *json;
		enum setting	 set;
		const char	*value;
	} cases[] = {
		{ AGENT, "[token_configs.kbs]\nurl = \"http://k:8080\"", "{\"token_configs\":{\"kbs\":{\"url\":\"http://k:8080\"}}}",
		    SET_TOKEN_KBS_URL, "http://k:8080" },
		{ AGENT, "token_configs.kbs.cert = \"A\\nB\"", "{\"token_configs\":{\"kbs\":{\"cert\":\"A\\nB\"}}}",
		    SET_TOKEN_KBS_CERT, "A\nB" },
		{ AGENT, "token_configs.kbs.tee_key_algorithm = \"RSA-OAEP-256\"",
		    "{\"token_configs\":{\"kbs\":{\"tee_key_algorithm\":\"RSA-OAEP-256\"}}}", SET_TOKEN_KBS_KEY, "RSA-OAEP-256" },
		{ AGENT, "[token_configs]\n[token_configs.coco_as]\nurl = \"http://as\"",
		    "{\"token_configs\":{\"coco_as\":{\"url\":\"http://as\"}}}", SET_TOKEN_COCO_AS_URL, "http://as" },
		{ AGENT, "[eventlog_config]\ninit_pcr = 8", "{\"eventlog_config\":{\"init_pcr\":8}}", SET_EVENTLOG_PCR, "8" },
		{ AGENT, "[eventlog_config]\ninit_pcr = \"8\"", "{\"eventlog_config\":{\"init_pcr\":\"8\"}}", SET_EVENTLOG_PCR, "8" },
		{ AGENT, "[eventlog_config]\nenable_eventlog = true", "{\"eventlog_config\":{\"enable_eventlog\":true}}",
		    SET_EVENTLOG, "true" },
		{ AGENT, "[eventlog_config]\nenable_eventlog = \"false\"", "{\"eventlog_config\":{\"enable_eventlog\":\"false\"}}",
		    SET_EVENTLOG, "false" },
		{ AGENT, "[log]\nlevel = \"debug\"", "{\"log\":{\"level\":\"debug\"}}", SET_LOG_LEVEL, "debug" },
		{ HUB, "[log]\nlevel = \"warn\"", "{\"log\":{\"level\":\"warn\"}}", SET_LOG_LEVEL, "warning" },
		{ HUB, "socket = \"unix:///run/x/cdh.sock\"", "{\"socket\":\"unix:///run/x/cdh.sock\"}", SET_HUB_SOCKET, "/run/x/cdh.sock" },
		{ HUB, "[kbc]\nname = \"cc_kbc\"\nurl = \"http://k\"", "{\"kbc\":{\"name\":\"cc_kbc\",\"url\":\"http://k\"}}",
		    SET_KBC, "cc_kbc::http://k" },
		{ HUB, "[kbc]\nname = \"offline_fs_kbc\"", "{\"kbc\":{\"name\":\"offline_fs_kbc\",\"url\":null}}", SET_KBC, "offline_fs_kbc::" },
		{ HUB, "[kbc]\nname = \"a\"\nkbs_cert = \"PEM\"", "{\"kbc\":{\"name\":\"a\",\"kbs_cert\":\"PEM\"}}", SET_KBC_CERT, "PEM" },
		{ HUB, "[[credentials]]\npath = \"" CDH "kbs/1\"\nresource_uri = \"kbs:///a/b/1\"\n[[credentials]]\n"
		    "path = \"" CDH "kbs/2\"\nresource_uri = \"kbs:///a/b/2\"",
		    "{\"credentials\":[{\"path\":\"" CDH "kbs/1\",\"resource_uri\":\"kbs:///a/b/1\"},"
		    "{\"path\":\"" CDH "kbs/2\",\"resource_uri\":\"kbs:///a/b/2\"}]}",
		    SET_KBC_CREDENTIALS, "kbs:///a/b/1 " CDH "kbs/1\nkbs:///a/b/2 " CDH "kbs/2" },
		{ HUB, "[image]\nwork_dir = \"/run/kata-containers/image/\"", "{\"image\":{\"work_dir\":\"/run/kata-containers/image/\"}}",
		    SET_IMAGE_STORE, "/run/kata-containers/image/cacao" },
		{ HUB, "[image]\nwork_dir = \"/x\"", "{\"image\":{\"work_dir\":\"/x\"}}", SET_IMAGE_STORE, "/x/cacao" },
		{ HUB, "[image]\nmax_concurrent_layer_downloads_per_image = 5",
		    "{\"image\":{\"max_concurrent_layer_downloads_per_image\":5}}", SET_IMAGE_AT_ONCE, "5" },
		{ HUB, "[image]\nimage_security_policy_uri = \"kbs:///default/security-policy/test\"",
		    "{\"image\":{\"image_security_policy_uri\":\"kbs:///default/security-policy/test\"}}",
		    SET_IMAGE_POLICY, "kbs:///default/security-policy/test" },
		{ HUB, "[image]\nimage_security_policy_uri = \"/etc/p.json\"", "{\"image\":{\"image_security_policy_uri\":\"/etc/p.json\"}}",
		    SET_IMAGE_POLICY, "/etc/p.json" },
		{ HUB, "[image]\nimage_security_policy = '''{\"default\":[]}'''",
		    "{\"image\":{\"image_security_policy\":\"{\\\"default\\\":[]}\"}}", SET_IMAGE_POLICY_TEXT, "{\"default\":[]}" },
		{ HUB, "[image]\nsigstore_config_uri = \"file:///etc/s.yaml\"", "{\"image\":{\"sigstore_config_uri\":\"file:///etc/s.yaml\"}}",
		    SET_IMAGE_SIGSTORE, "/etc/s.yaml" },
		{ HUB, "[image]\nsigstore_config = \"docker: {}\"", "{\"image\":{\"sigstore_config\":\"docker: {}\"}}",
		    SET_IMAGE_SIGSTORE_TEXT, "docker: {}" },
		{ HUB, "[image]\nauthenticated_registry_credentials_uri = \"kbs:///a/b/c\"",
		    "{\"image\":{\"authenticated_registry_credentials_uri\":\"kbs:///a/b/c\"}}", SET_IMAGE_AUTH, "kbs:///a/b/c" },
		{ HUB, "[image]\nregistry_configuration_uri = \"kbs:///a/b/c\"",
		    "{\"image\":{\"registry_configuration_uri\":\"kbs:///a/b/c\"}}", SET_IMAGE_REGISTRIES, "kbs:///a/b/c" },
		{ HUB, "[image.image_pull_proxy]\nhttps_proxy = \"http://p\"", "{\"image\":{\"image_pull_proxy\":{\"https_proxy\":\"http://p\"}}}",
		    SET_IMAGE_HTTPS_PROXY, "http://p" },
		{ HUB, "[image.image_pull_proxy]\nhttp_proxy = \"http://p\"", "{\"image\":{\"image_pull_proxy\":{\"http_proxy\":\"http://p\"}}}",
		    SET_IMAGE_HTTP_PROXY, "http://p" },
		{ HUB, "[image.image_pull_proxy]\nno_proxy = \"a,b\"", "{\"image\":{\"image_pull_proxy\":{\"no_proxy\":\"a,b\"}}}",
		    SET_IMAGE_NO_PROXY, "a,b" },
		{ HUB, "[image]\nimage_pull_proxy = \"http://p\"", "{\"image\":{\"image_pull_proxy\":\"http://p\"}}",
		    SET_IMAGE_HTTPS_PROXY, "http://p" },
		{ HUB, "[image]\nimage_pull_proxy = \"http://p\"", "{\"image\":{\"image_pull_proxy\":\"http://p\"}}",
		    SET_IMAGE_HTTP_PROXY, "http://p" },
		{ HUB, "[image]\nskip_proxy_ips = \"10.0.0.1\"", "{\"image\":{\"skip_proxy_ips\":\"10.0.0.1\"}}", SET_IMAGE_NO_PROXY, "10.0.0.1" },
		{ HUB, "[image]\nextra_root_certificates = [\"A\", \"B\"]", "{\"image\":{\"extra_root_certificates\":[\"A\",\"B\"]}}",
		    SET_IMAGE_CA, "A\nB\n" },
		{ KATA, "aa_kbc_params = \"cc_kbc::http://k\"\nother = 1", "{\"aa_kbc_params\":\"cc_kbc::http://k\",\"other\":1}",
		    SET_KBC, "cc_kbc::http://k" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		for (int json = 0; json < 2; json++) {
			const char *text = json ? cases[i].json : cases[i].toml;

			works(read_as(cases[i].which, text, ORIGIN_PEER), "%s: %s %zu", settings[cases[i].set].name,
			    json ? "JSON" : "TOML", i);
			is_str(config_get(&c, cases[i].set), cases[i].value, "its value");
			is_int(c.v[cases[i].set].origin, cases[i].which == KATA ? ORIGIN_CMDLINE : ORIGIN_PEER, "its origin");
			is_int(c.warnings.len, 0, "no warning");
			if (settings[cases[i].set].trust) {
				works(read_as(cases[i].which, text, ORIGIN_INITDATA), "by initdata");
				ok(c.v[cases[i].set].text == NULL && warned(&c, settings[cases[i].set].name), "it does not count");
			}
		}
}

static void
nothing_said(void)
{
	static const struct {
		enum file	 which;
		const char	*text;
	} cases[] = {
		{ AGENT, "" }, { AGENT, "{}" }, { AGENT, "[token_configs]\n[eventlog_config]\n[log]\n" },
		{ AGENT, "{\"token_configs\":null,\"eventlog_config\":{\"init_pcr\":null}}" },
		{ AGENT, "[token_configs.kbs]\nurl = \"\"\n" }, { AGENT, "[eventlog_config]\neventlog_algorithm = \"sha384\"\n" },
		{ AGENT, "[eventlog_config]\neventlog_algorithm = \"SHA-384\"\n" },
		{ AGENT, "[log]\nlevel = \"hyper=warn,attestation_agent=debug\"\n" }, { AGENT, "[log]\nlevel = \"\"\n" },
		{ HUB, "" }, { HUB, " \n{ }" }, { HUB, "[aa]\naa_socket = \"unix:///x\"\n" }, { HUB, "credentials = []\n" },
		{ HUB, "skip_sealed_secret_verification = false\n" }, { HUB, "[image]\nwork_dir = \"\"\nextra_root_certificates = []\n" },
		{ HUB, "socket = \"\"\n" }, { KATA, "" }, { KATA, "aa_kbc_params = \"\"\nx = { y = 1 }\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		bool empty = true;

		works(read_as(cases[i].which, cases[i].text, ORIGIN_PEER), "says nothing: %zu", i);
		for (int s = 0; s < SET_COUNT; s++)
			empty &= c.v[s].text == NULL;
		ok(empty && c.warnings.len == 0, "and nothing is set or told");
	}
}

static void
image_table(void)
{
	works(read_as(HUB, "[kbc]\nname = \"a\"\n", ORIGIN_PEER), "without [image]");
	ok(!image, "the command line speaks of images");
	works(read_as(HUB, "[log]\n", ORIGIN_PEER), "with another one");
	ok(!image, "neither");
	works(read_as(HUB, "[image]\n", ORIGIN_PEER), "with an empty one");
	ok(image, "it does not");
	works(read_as(HUB, "{\"image\":{}}", ORIGIN_PEER), "in JSON");
	ok(image, "neither");
	works(read_as(HUB, "[image.image_pull_proxy]\n", ORIGIN_PEER), "by a table in it");
	ok(image, "neither");
	works(read_as(HUB, "{\"image\":null}", ORIGIN_PEER), "null");
	ok(!image, "is none");
}

static void
levels(void)
{
	static const char *const cases[][2] = {
		{ "info", "info" }, { "debug,hyper=warn", "debug" }, { "hyper=trace,warn", "warning" }, { "TRACE", "debug" },
		{ "off", "error" }, { "error,", "error" }, { "Warning", "warning" },
	};
	char text[64];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		snprintf(text, sizeof(text), "log.level = \"%s\"\n", cases[i][0]);
		works(read_as(AGENT, text, ORIGIN_PEER), "%s", cases[i][0]);
		is_str(config_get(&c, SET_LOG_LEVEL), cases[i][1], "as one of ours");
	}
	works(read_as(AGENT, "log.level = \"loud\"\n", ORIGIN_PEER), "an unknown one");
	ok(c.v[SET_LOG_LEVEL].text == NULL && warned(&c, "log.level"), "is told of");
}

static void
told_of(void)
{
	static const struct {
		enum file	 which;
		const char	*text, *warning;
	} cases[] = {
		{ AGENT, "nonsense = 1\n", "nonsense is not known and does not count\n" },
		{ AGENT, "[token_configs.aks]\nurl = \"x\"\n[token_configs]\nx = 1\n",
		    "token_configs.aks is not known and does not count\ntoken_configs.x is not known and does not count\n" },
		{ AGENT, "{\"a\\u001b\":1}", "a\\x1b is not known and does not count\n" },
		{ AGENT, "{\"" LONG LONG LONG LONG "\":1}", "\"" LONG LONG "0123456789012345678… is not known and does not count\n" },
		{ AGENT, "[eventlog_config]\neventlog_algorithm = \"sha256\"\n",
		    "eventlog_config.eventlog_algorithm does not count: it is what the platform's registers take\n" },
		{ HUB, "skip_sealed_secret_verification = true\n", "skip_sealed_secret_verification does not count: set "
		    "secret.allow_unsigned = true in /etc/cacao/agent.toml\n" },
		{ HUB, "[kbc]\nname = \"a\"\nuri = \"b\"\n", "kbc.uri is not known and does not count\n" },
		{ HUB, "[[credentials]]\npath = \"" CDH "kbs/1\"\nresource_uri = \"kbs:///a/b/1\"\nmode = 1\n",
		    "credentials.mode is not known and does not count\n" },
		{ HUB, "[image]\nmax_concurrent_layer_downloads_per_image = 64\n",
		    "image.max_concurrent_layer_downloads_per_image: 16 is the most\n" },
		{ HUB, "[image.registry_config]\nshort-names = 1\n[[image.registry_config.registry]]\nlocation = \"a.test\"\nx = 1\n"
		    "[[image.registry_config.registry.mirror]]\nlocation = \"b.test\"\ny = 1\n",
		    "image.registry_config.registry.mirror.y is not known and does not count\n"
		    "image.registry_config.registry.x is not known and does not count\n"
		    "image.registry_config.short-names is not known and does not count\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		works(read_as(cases[i].which, cases[i].text, ORIGIN_PEER), "read: %zu", i);
		is_str(buf_str(&c.warnings), cases[i].warning, "told of");
	}
	works(read_as(HUB, "[image]\nmax_concurrent_layer_downloads_per_image = 64\n", ORIGIN_PEER), "more than the most");
	is_int(config_number(&c, SET_IMAGE_AT_ONCE), 16, "is the most");
}

static void
refused(void)
{
	static const struct {
		enum file	 which;
		const char	*text, *message;
	} cases[] = {
		{ AGENT, "token_configs = 1\n", "line 1: token_configs: must be a table" },
		{ AGENT, "\n[token_configs]\nkbs = \"x\"\n", "line 3: token_configs.kbs: must be a table" },
		{ AGENT, "{\"token_configs\":[]}", "token_configs: must be a table" },
		{ AGENT, "[token_configs.kbs]\nurl = [1]\n",
		    "line 2: token_configs.kbs.url: a string, a number, true or false is wanted" },
		{ AGENT, "[token_configs.kbs]\ntee_key_algorithm = \"x\"\n", NULL },
		{ AGENT, "[eventlog_config]\ninit_pcr = 24\n", "line 2: eventlog.pcr must be a number from 0 to 23" },
		{ AGENT, "{\"eventlog_config\":{\"init_pcr\":1.5}}",
		    "eventlog_config.init_pcr: eventlog.pcr must be a number from 0 to 23" },
		{ AGENT, "[eventlog_config]\nenable_eventlog = 1\n", "line 2: eventlog.enable must be true or false" },
		{ AGENT, "[log]\nlevel = 1.5\n", NULL }, { AGENT, "{\"log\":{\"level\":\"info\",\"level\":\"info\"}}", NULL },
		{ AGENT, "[log\n", NULL }, { AGENT, "{", NULL }, { AGENT, "\xff", NULL },
		{ HUB, "kbc = 1\n", "line 1: kbc: must be a table" }, { HUB, "[kbc]\nurl = \"http://k\"\n", "line 1: kbc: name is missing" },
		{ HUB, "{\"kbc\":{\"url\":\"http://k\"}}", "kbc: name is missing" },
		{ HUB, "[kbc]\nname = []\n", "line 1: kbc: name: a string, a number, true or false is wanted" },
		{ HUB, "[kbc]\nname = \"a b\"\n", NULL },
		{ HUB, "credentials = 1\n", "line 1: credentials: must be a list of tables" },
		{ HUB, "credentials = [1]\n", "line 1: credentials: must be a table" },
		{ HUB, "[[credentials]]\n", "line 1: credentials: each needs path and resource_uri" },
		{ HUB, "[[credentials]]\npath = \"" CDH "kbs/1\"\n", "line 1: credentials: each needs path and resource_uri" },
		{ HUB, "[[credentials]]\nresource_uri = \"kbs:///a/b/c\"\n", "line 1: credentials: each needs path and resource_uri" },
		{ HUB, "[[credentials]]\npath = \"/etc/x\"\nresource_uri = \"kbs:///a/b/c\"\n", NULL },
		{ HUB, "[[credentials]]\npath = \"" CDH "kbs/../x\"\nresource_uri = \"kbs:///a/b/c\"\n", NULL },
		{ HUB, "socket = \"127.0.0.1:50000\"\n", "line 1: socket: must be unix:///…" },
		{ HUB, "[image]\nwork_dir = \"x\"\n", "line 2: image.store must be an absolute path" },
		{ HUB, "[image]\nmax_concurrent_layer_downloads_per_image = 0\n",
		    "line 2: image.layers_at_once must be a number from 1 to 16" },
		{ HUB, "[image]\nextra_root_certificates = \"A\"\n",
		    "line 2: image.extra_root_certificates: must be a list of PEM certificates" },
		{ HUB, "[image]\nimage_pull_proxy = [1]\n",
		    "line 2: image.image_pull_proxy: a string, a number, true or false is wanted" },
		{ HUB, "[image]\nimage_pull_proxy = \"a\"\nskip_proxy_ips = []\n", NULL },
		{ HUB, "[image]\nregistry_config = 1\n", "line 2: image.registry_config: must be a table" },
		{ HUB, "[image.registry_config]\nregistry = 1\n", "line 1: image.registry_config: registry must be a list of tables" },
		{ HUB, "[image.registry_config]\nregistry = [1]\n", "line 1: image.registry_config: must be a table" },
		{ HUB, "[image.registry_config]\nunqualified-search-registries = \"a\"\n",
		    "line 1: image.registry_config: unqualified-search-registries must be a list" },
		{ HUB, "[[image.registry_config.registry]]\nlocation = \"a.test\"\nmirror = 1\n", NULL },
		{ HUB, "[[image.registry_config.registry]]\nlocation = \"a.test\"\nblocked = \"true\\n[[registry]]\\nlocation = 'b.test'\"\n",
		    NULL },
		{ HUB, "[[image.registry_config.registry]]\nlocation = \"a test\"\n", NULL },
		{ KATA, "aa_kbc_params = \"x\"\n", NULL },
		{ KATA, "aa_kbc_params = {}\n", "line 1: aa_kbc_params: a string, a number, true or false is wanted" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		fails(read_as(cases[i].which, cases[i].text, ORIGIN_PEER), ERR_CONFIG, "refused: %zu", i);
		if (cases[i].message != NULL)
			is_str(e.msg, cases[i].message, "with these words");
		ok(!image, "nothing is said of images");
	}
}

static void
too_large(void)
{
	static uint8_t text[LIMIT_TOML + 1];

	memset(text, '#', sizeof(text));
	config_fini(&c);
	works(config_read_agent(&c, (struct span){ text, sizeof(text) - 1 }, ORIGIN_PEER, &e), "a large file");
	fails(config_read_agent(&c, (struct span){ text, sizeof(text) }, ORIGIN_PEER, &e), ERR_CONFIG, "too large a file");
	memset(text, ' ', sizeof(text));
	text[0] = '{';
	text[LIMIT_TOML - 1] = '}';
	works(config_read_agent(&c, (struct span){ text, sizeof(text) - 1 }, ORIGIN_PEER, &e), "a large one of JSON");
	fails(config_read_agent(&c, (struct span){ text, sizeof(text) }, ORIGIN_PEER, &e), ERR_CONFIG, "too large a one");
}

static void
registries(void)
{
	static const char want[] =
	    "unqualified-search-registries = [\"docker.io\", \"a.test\"]\n"
	    "[[registry]]\nprefix = \"a.test\"\nlocation = \"b.test/x\"\ninsecure = false\nblocked = false\n"
	    "[[registry.mirror]]\nlocation = \"m1.test\"\n"
	    "[[registry.mirror]]\nlocation = \"m2.test\"\ninsecure = true\n"
	    "[[registry]]\nlocation = \"c.test\"\nblocked = true\n";
	static const char toml[] =
	    "[image.registry_config]\nunqualified-search-registries = [\"docker.io\", \"a.test\"]\n"
	    "[[image.registry_config.registry]]\nprefix = \"a.test\"\ninsecure = \"false\"\nblocked = false\nlocation = \"b.test/x\"\n"
	    "[[image.registry_config.registry.mirror]]\nlocation = \"m1.test\"\n"
	    "[[image.registry_config.registry.mirror]]\ninsecure = true\nlocation = \"m2.test\"\n"
	    "[[image.registry_config.registry]]\nlocation = \"c.test\"\nblocked = true\n";
	static const char json[] =
	    "{\"image\":{\"registry_config\":{\"registry\":[{\"location\":\"b.test/x\",\"prefix\":\"a.test\",\"insecure\":false,"
	    "\"blocked\":false,\"mirror\":[{\"location\":\"m1.test\",\"insecure\":null},{\"location\":\"m2.test\",\"insecure\":true}]},"
	    "{\"location\":\"c.test\",\"blocked\":true}],\"unqualified-search-registries\":[\"docker.io\",\"a.test\"]}}}";

	works(read_as(HUB, toml, ORIGIN_PEER), "a table of registries");
	is_str(config_get(&c, SET_IMAGE_REGISTRIES_TEXT), want, "written again");
	works(read_as(HUB, json, ORIGIN_PEER), "the same in JSON");
	is_str(config_get(&c, SET_IMAGE_REGISTRIES_TEXT), want, "is the same");
	works(read_as(HUB, "[image.registry_config]\n", ORIGIN_PEER), "an empty one");
	ok(c.v[SET_IMAGE_REGISTRIES_TEXT].text != NULL, "is one, too");
}

static const char full_hub[] =
    "socket = \"unix:///run/confidential-containers/cdh.sock\"\n"
    "credentials = [{ path = \"" CDH "kbs/1\", resource_uri = \"kbs:///a/b/1\" }]\nskip_sealed_secret_verification = true\n"
    "[aa]\naa_socket = \"unix:///x\"\n[kbc]\nname = \"cc_kbc\"\nurl = \"http://k\"\nkbs_cert = \"\"\n[log]\nlevel = \"info\"\n"
    "[image]\nwork_dir = \"/x\"\nmax_concurrent_layer_downloads_per_image = 3\nimage_security_policy_uri = \"kbs:///a/b/c\"\n"
    "extra_root_certificates = [\"A\"]\nskip_proxy_ips = \"a\"\n[image.image_pull_proxy]\nhttps_proxy = \"http://p\"\n"
    "[[image.registry_config.registry]]\nlocation = \"a.test\"\ninsecure = true\n"
    "[[image.registry_config.registry.mirror]]\nlocation = \"m.test\"\n";
static const char full_agent[] =
    "{\"token_configs\":{\"kbs\":{\"url\":\"http://k\",\"cert\":\"A\"},\"coco_as\":{\"url\":\"http://as\"}},"
    "\"eventlog_config\":{\"init_pcr\":17,\"enable_eventlog\":\"true\",\"eventlog_algorithm\":\"sha384\"},\"log\":{\"level\":\"info\"}}";

static void
read_mutant(struct span text, void *arg)
{
	struct err why = { 0 };
	autoconfig got;
	bool has_image;
	int rc;

	config_init(&got);
	rc = arg != NULL ? config_read_hub(&got, text, ORIGIN_INITDATA, &has_image, &why) :
	    config_read_agent(&got, text, ORIGIN_INITDATA, &why);
	if ((rc < 0 && why.code != ERR_CONFIG) || !host_sets_no_trust(&got))
		abort();
}

static int
read_both(maybe_unused void *arg, struct err *why)
{
	autoconfig got;
	bool has_image;
	int rc;

	config_init(&got);
	got.warnings.max = 0;	/* without warnings: these may be lost */
	rc = config_read_hub(&got, SPAN_LIT(full_hub), ORIGIN_PEER, &has_image, why);
	return rc < 0 ? rc : config_read_agent(&got, SPAN_LIT(full_agent), ORIGIN_PEER, why);
}

int
main(void)
{
	static char hub[] = "hub";

	config_init(&c);
	keys();
	nothing_said();
	image_table();
	levels();
	told_of();
	refused();
	too_large();
	registries();
	ok(mutate(SPAN_LIT(full_hub), sizeof(full_hub), read_mutant, hub) + mutate(SPAN_LIT(full_agent), sizeof(full_agent),
	    read_mutant, NULL) > 1000, "mutants set nothing that decides about protection");
	ok(fault_each(FAULT_ALLOC, 0, false, read_both, NULL) > 50, "each allocation fails once");
	config_fini(&c);
	return tap_done();
}
