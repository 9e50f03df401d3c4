/*
 * config_table.c: every setting there is: its name, its default, who may say it. docs/config.md shows the same table, and the
 * tests compare the two.
 */
#include "lib/base.h"

#include "agent/config.h"

#define TEXT(n, h)		.name = (n), .kind = KIND_TEXT, .fallback = "", .help = (h)
#define DOCUMENT(n, h)		.name = (n), .kind = KIND_DOCUMENT, .fallback = "", .help = (h)
#define FLAG(n, f, h)		.name = (n), .kind = KIND_BOOL, .fallback = (f), .help = (h)
#define NUMBER(n, f, a, b, h)	.name = (n), .kind = KIND_NUMBER, .fallback = (f), .min = (a), .max = (b), .help = (h)
#define CHOICE(n, f, c, h)	.name = (n), .kind = KIND_CHOICE, .fallback = (f), .choices = (c), .help = (h)
#define PLACE(n, h)		.name = (n), .kind = KIND_PLACE, .fallback = "", .help = (h)
#define PATH(n, f, h)		.name = (n), .kind = KIND_PATH, .fallback = (f), .help = (h)
#define LIST(n, k, f, h)	.name = (n), .kind = (k), .fallback = (f), .help = (h)

const struct setting_def settings[SET_COUNT] = {
	[SET_KBC] = { .name = "kbc.params", .kind = KIND_KBC, .fallback = "",
	    .help = "key broker, as NAME::URI" },
	[SET_KBC_CERT] = { DOCUMENT("kbc.cert", "PEM certificates that vouch for an https broker") },
	[SET_KBC_CREDENTIALS] = { LIST("kbc.credentials", KIND_CREDENTIALS, "",
	    "resources that are written to files at the start: \"kbs:///… /run/confidential-containers/cdh/…\"") },
	[SET_TOKEN_KBS_URL] = { TEXT("token.kbs_url", "KBS that gives tokens") },
	[SET_TOKEN_KBS_CERT] = { DOCUMENT("token.kbs_cert", "PEM certificates that vouch for it") },
	[SET_TOKEN_KBS_KEY] = { CHOICE("token.kbs_key", "ECDH-ES+A256KW-P256",
	    "ECDH-ES+A256KW-P256 ECDH-ES+A256KW-P521 RSA-OAEP-256", "the guest's key that tokens are bound to") },
	[SET_TOKEN_COCO_AS_URL] = { TEXT("token.coco_as_url", "attestation service that gives tokens") },

	[SET_IMAGE_POLICY] = { PLACE("image.policy",
	    "which images are accepted; where nothing says: /etc/cacao/policy.json, if it is there, else none"), .trust = true },
	[SET_IMAGE_POLICY_TEXT] = { DOCUMENT("image.policy_text", "the same, its JSON; image.policy wins"), .trust = true },
	[SET_IMAGE_SIGSTORE] = { PLACE("image.sigstore",
	    "where signatures are, as registries.d; where nothing says: /etc/containers/registries.d, if it is there") },
	[SET_IMAGE_SIGSTORE_TEXT] = { DOCUMENT("image.sigstore_text", "the same, its YAML; image.sigstore wins") },
	[SET_IMAGE_AUTH] = { PLACE("image.auth", "registry credentials, as auth.json") },
	[SET_IMAGE_REGISTRIES] = { PLACE("image.registries",
	    "mirrors and blocked places; where nothing says: /etc/cacao/registries.toml, if it is there"), .trust = true },
	[SET_IMAGE_REGISTRIES_TEXT] = { DOCUMENT("image.registries_text",
	    "the same, its TOML; wins over image.registries"), .trust = true },
	[SET_IMAGE_WORK_DIR] = { PATH("image.work_dir", "",
	    "where a root is made before it gets its name; on the bundles' file system; none: beside the bundle") },
	[SET_IMAGE_STORE] = { PATH("image.store", "/run/kata-containers/image/cacao", "where layers for overlays are kept") },
	[SET_IMAGE_SNAPSHOT] = { CHOICE("image.snapshot", "auto", "auto overlay flat", "what a root file system is") },
	[SET_IMAGE_AT_ONCE] = { NUMBER("image.layers_at_once", "3", 1, 16, "layers of one image that are worked on at a time") },
	[SET_IMAGE_WINDOW_LOG] = { NUMBER("image.zstd_window_log", "23", 10, 27, "memory for a zstd layer: 2^N bytes") },
	[SET_IMAGE_HTTPS_PROXY] = { TEXT("image.https_proxy", "proxy for https registries, a URL") },
	[SET_IMAGE_HTTP_PROXY] = { TEXT("image.http_proxy", "proxy for http registries, a URL") },
	[SET_IMAGE_NO_PROXY] = { TEXT("image.no_proxy", "who is asked without: host, .suffix, address, net/bits, *") },
	[SET_IMAGE_CA] = { DOCUMENT("image.ca", "PEM certificates that vouch for registries, besides the system's"), .trust = true },
	[SET_IMAGE_GPG] = { PATH("image.gpg", "/usr/bin/gpg", "the program that checks GPG signatures"), .trust = true },
	[SET_IMAGE_MIXED] = { FLAG("image.allow_mixed_layers", "false", "accept plain layers among encrypted ones"),
	    .trust = true },
	[SET_IMAGE_CTR] = { FLAG("image.allow_ctr_wrapped_keys", "false", "accept layer keys wrapped with A256CTR (old images)"),
	    .trust = true },
	[SET_IMAGE_DEVICES] = { CHOICE("image.device_nodes", "create", "create refuse skip", "what becomes of device nodes"),
	    .trust = true },
	[SET_REGISTRY_INSECURE] = { LIST("registry.insecure", KIND_HOSTS, "", "HOST[:PORT] that may be asked by plain http"),
	    .trust = true },
	[SET_PULL_LINGER] = { .name = "pull.linger", .kind = KIND_SECONDS, .fallback = "1200", .max = 86400,
	    .help = "how long a pull goes on after its caller's time is over; \"20m\"" },
	[SET_PULL_BUNDLES] = { LIST("pull.bundles", KIND_PATHS, "/run/kata-containers",
	    "directories below which callers may have bundles made"), .trust = true },

	[SET_TEE] = { CHOICE("evidence.tee", "", "tdx snp csv cca sample", "the platform; none: the first that shows itself") },
	[SET_EVIDENCE_CALLERS] = { CHOICE("evidence.for_callers", "off", "off labelled raw",
	    "evidence for callers: labelled: over a hash that says it is a caller's; raw: over just what they give"),
	    .trust = true },
	[SET_SAMPLE] = { FLAG("attester.allow_sample", "false", "let there be sample evidence, which proves nothing"),
	    .trust = true },
	[SET_EVENTLOG] = { FLAG("eventlog.enable", "false", "callers' events go into the platform's registers and a log") },
	[SET_EVENTLOG_PCR] = { NUMBER("eventlog.pcr", "17", 0, 23, "register for callers who name none") },
	[SET_MEASURE_PULL] = { CHOICE("measure.pull", "off", "off on required", "measure each image before it can run"),
	    .trust = true },

	[SET_STORAGE_TRUSTED] = { TEXT("storage.trusted",
	    "DIR[:DIR…] that may hold content in the clear though its host or server can read it"), .trust = true },
	[SET_VSOCK_HOST_METHODS] = { .name = "vsock.host_methods", .kind = KIND_WORDS, .fallback = "",
	    .choices = "pull status version", .trust = true, .help = "methods that the host may call by vsock" },
	[SET_KBS_ALLOW_HTTP] = { FLAG("kbs.allow_http", "false", "ask a KBS by plain http"), .trust = true },
	[SET_EAA_UNAUTHENTICATED] = { FLAG("eaa.allow_unauthenticated_server", "false",
	    "a rats-tls broker with neither a pin nor evidence"), .trust = true },
	[SET_SECRET_UNSIGNED] = { FLAG("secret.allow_unsigned", "false", "sealed secrets without a valid signature"),
	    .trust = true },
	[SET_CMDLINE_MEASURED] = { FLAG("cmdline.measured", "false",
	    "the platform measures the kernel's command line, and who relies on this guest checks that"), .trust = true },

	[SET_LOG_LEVEL] = { CHOICE("log.level", "info", "error warning info debug", "how much is logged; what is logged is public") },
	[SET_HUB_SOCKET] = { PATH("hub.socket", "/run/confidential-containers/cdh.sock", "where the hub listens"), .trust = true },
	[SET_KATA_CONFIG] = { PATH("cmdline.config_file", "", "kata-agent's own file, which the command line names") },
};
