/* face.c: see face.h. */
#include "lib/base.h"

#include "agent/face.h"

#include <fcntl.h>

#include "agent/options.h"
#include "lib/fs.h"
#include "lib/sys.h"
#include "lib/version.h"

#define CC		"unix:///run/confidential-containers/"
#define ATTESTATION	CC "attestation-agent/attestation-agent.sock"
#define HUB		CC "cdh.sock"
#define WORDS_MAX	64

static struct {
	const char	*attestation, *keyprovider, *getresource, *hub, *config, *initdata, *digest, *toml,
			*bind, *features, *cdh_addr, *aa_addr, *own, *run_dir, *cmdline, *ready, *log;
	bool		 version;
} opt;

void
face_forget(void)
{
	memset(&opt, 0, sizeof(opt));
}

#define OUR_OPTIONS \
	{ "own-config", "FILE", "cacao's own settings (default /etc/cacao/agent.toml, where it is there)", &opt.own, NULL }, \
	{ "run-dir", "DIR", "where the names find each other (default " RUN_DIR ")", &opt.run_dir, NULL }, \
	{ "cmdline", "FILE", "the kernel's command line (default /proc/cmdline)", &opt.cmdline, NULL }, \
	{ "ready-fd", "N", "write a line to this descriptor once it can be called", &opt.ready, NULL }, \
	{ "log-level", "LEVEL", "error, warning, info (default) or debug", &opt.log, NULL }, \
	{ "version", NULL, "print the version (-V)", NULL, &opt.version }, \
	{ NULL, NULL, NULL, NULL, NULL }

static const struct option_def attestation_options[] = {
	{ "attestation-sock", "ADDRESS", "attestation service (-a; default " ATTESTATION ")", &opt.attestation, NULL },
	{ "keyprovider-sock", "ADDRESS", "key provider of the old agent (-k)", &opt.keyprovider, NULL },
	{ "getresource-sock", "ADDRESS", "resource service of the old agent (-g)", &opt.getresource, NULL },
	{ "config-file", "FILE", "the attestation agent's settings, TOML or JSON (-c)", &opt.config, NULL },
	{ "initdata", "BASE64", "digest of initdata (-i); what came with it is taken as the host's word", &opt.initdata, NULL },
	{ "initdata-digest", "BASE64", "the same", &opt.digest, NULL },
	{ "initdata-toml", "FILE", "initdata (-t); what came with it is taken as the host's word", &opt.toml, NULL },
	OUR_OPTIONS,
};

static const struct option_def hub_options[] = {
	{ "socket", "ADDRESS", "where the hub is called (-s; default " HUB ")", &opt.hub, NULL },
	{ "config", "FILE", "the hub's settings, TOML or JSON (-c)", &opt.config, NULL },
	OUR_OPTIONS,
};

static const struct option_def rest_options[] = {
	{ "bind", "IP:PORT", "where the REST service would be (-b); it is not part of this version", &opt.bind, NULL },
	{ "features", "WHAT", "resource, attestation or all (-f)", &opt.features, NULL },
	{ "cdh-addr", "ADDRESS", "taken for the sake of callers (-c)", &opt.cdh_addr, NULL },
	{ "aa-addr", "ADDRESS", "taken for the sake of callers (-a)", &opt.aa_addr, NULL },
	OUR_OPTIONS,
};

static const struct {
	const char			*name, *summary;
	const struct option_def		*options;
	const char			*letters[8];	/* "c" "config-file": what -c means */
} programs[PROGRAM_COUNT] = {
	[PROGRAM_ATTESTATION] = {
		"attestation-agent", "evidence for, keys and resources of a confidential guest.", attestation_options,
		{ "aattestation-sock", "kkeyprovider-sock", "ggetresource-sock", "cconfig-file", "iinitdata", "tinitdata-toml" },
	},
	[PROGRAM_HUB] = {
		"confidential-data-hub", "images, secrets and resources for kata-agent.", hub_options,
		{ "ssocket", "cconfig" },
	},
	[PROGRAM_REST] = {
		"api-server-rest", "started by kata-agent beside the other two; REST is not part of this version.", rest_options,
		{ "bbind", "ffeatures", "ccdh-addr", "aaa-addr" },
	},
};

const char *
program_name(enum program p)
{
	return programs[p].name;
}

static void
print_help(enum program p)
{
	printf("Usage: %s [OPTIONS]\n\n%s\n\nOptions:\n", programs[p].name, programs[p].summary);
	options_print(programs[p].options, stdout);
	printf("\nADDRESS is unix:///PATH or vsock://CID:PORT (ttrpc), or HOST:PORT on loopback (gRPC). It runs until SIGTERM.\n"
	    "The first of the three names becomes the agent; the others hand it their sockets. Settings: docs/config.md.\n");
}

/* One word as options_parse has it: "-c" is a name, "_" in names is "-". false: there is no such letter. */
static bool
spell(enum program p, const char *arg, char *out, size_t size)
{
	size_t name = strcspn(arg, "=");

	if (arg[0] == '-' && arg[1] != '\0' && arg[1] != '-') {
		if (arg[1] == 'h' || arg[1] == 'V') {
			snprintf(out, size, "%s", arg[1] == 'h' ? "--help" : "--version");
			return arg[2] == '\0';
		}
		for (const char *const *l = programs[p].letters; *l != NULL; l++) {
			if ((*l)[0] != arg[1])
				continue;
			snprintf(out, size, "--%s%s%s", *l + 1, arg[2] != '\0' && arg[2] != '=' ? "=" : "", arg + 2);
			return true;
		}
		return false;
	}
	snprintf(out, size, "%s", arg);
	for (size_t i = 0; arg[0] == '-' && i < name && i < size && out[i] != '\0'; i++)
		if (out[i] == '_')
			out[i] = '-';
	return true;
}

static int
parse_words(enum program p, int argc, char *argv[], bool *help, struct err *e)
{
	static char words[WORDS_MAX][KIB(4)];
	char *list[WORDS_MAX];
	bool is_value = false;

	if (argc > WORDS_MAX)
		return err_set(e, ERR_USAGE, "more than %d arguments", WORDS_MAX);
	for (int i = 0; i < argc; i++) {
		if (strlen(argv[i]) >= sizeof(words[i]) - 32)
			return err_set(e, ERR_USAGE, "an argument of more than 4 KiB");
		list[i] = words[i];
		if (is_value)
			snprintf(words[i], sizeof(words[i]), "%s", argv[i]);
		else if (!spell(p, argv[i], words[i], sizeof(words[i])))
			return err_set(e, ERR_USAGE, "unknown option %s", argv[i]);
		/* No option of these programs but --version and --help stands alone. */
		is_value = !is_value && strncmp(words[i], "--", 2) == 0 && strchr(words[i], '=') == NULL &&
		    strcmp(words[i], "--version") != 0;
	}
	return options_parse(programs[p].options, argc, list, NULL, 0, help, e);
}

static int
add_listen(struct face_start *f, const char *text, const char *fallback, enum face face, struct err *e)
{
	struct face_listen *l = &f->listen[f->n];
	int rc;

	if (text == NULL)
		text = fallback;
	if (text == NULL)
		return 0;
	rc = address_parse(text, ADDRESS_PEERS, &l->address, e);
	if (rc == 0 && l->address.transport == PROVIDER_CMD)
		rc = err_set(e, ERR_USAGE, "%s: nobody can listen there", text);
	if (rc < 0)
		return rc;
	if (!span_to_cstr(span_str(text), l->text, sizeof(l->text)))
		return err_set(e, ERR_USAGE, "an address of more than 255 characters");
	l->face = face;
	f->n++;
	return 0;
}

/* The old agent is started with its two sockets, and wants no third. */
static int
listen_attestation(struct face_start *f, struct err *e)
{
	bool old = opt.keyprovider != NULL || opt.getresource != NULL;
	int rc = add_listen(f, opt.attestation, old ? NULL : ATTESTATION, FACE_ATTESTATION, e);

	if (rc == 0)
		rc = add_listen(f, opt.keyprovider, NULL, FACE_KEYPROVIDER, e);
	return rc < 0 ? rc : add_listen(f, opt.getresource, NULL, FACE_GETRESOURCE, e);
}

static int
check_rest(struct err *e)
{
	static const char *const features[] = { "resource", "attestation", "all" };

	for (size_t i = 0; opt.features != NULL && i < ARRAY_LEN(features); i++)
		if (strcmp(opt.features, features[i]) == 0)
			return 0;
	return opt.features == NULL ? 0 : err_set(e, ERR_USAGE, "--features is resource, attestation or all");
}

static int
take_common(struct face_start *f, struct err *e)
{
	uint64_t n;

	f->config = opt.config;
	f->own_config = opt.own;
	f->run_dir = opt.run_dir != NULL ? opt.run_dir : RUN_DIR;
	f->cmdline = opt.cmdline;
	f->log_named = opt.log != NULL;
	f->initdata = opt.initdata != NULL || opt.digest != NULL || opt.toml != NULL ||
	    (opt.config != NULL && strncmp(opt.config, INITDATA_DIR "/", strlen(INITDATA_DIR "/")) == 0);
	if (opt.log != NULL && !log_level_parse(opt.log, &f->log))
		return err_set(e, ERR_USAGE, "--log-level is error, warning, info or debug");
	if (opt.ready == NULL)
		return 0;
	if (!span_decimal(span_str(opt.ready), INT_MAX, &n) || fcntl((int)n, F_SETFD, FD_CLOEXEC) < 0)
		return err_set(e, ERR_USAGE, "--ready-fd %s: not an open descriptor", opt.ready);
	f->ready = (int)n;
	return 0;
}

int
face_parse(enum program p, int argc, char *argv[], struct face_start *out, struct err *e)
{
	struct face_start f = { .program = p, .ready = -1, .log = LOG_INFO };
	bool help;
	int rc = parse_words(p, argc, argv, &help, e);

	if (rc >= 0 && (help || opt.version)) {
		if (help)
			print_help(p);
		else
			printf("%s %s\n", programs[p].name, version_text);
		out->done = true;
		return 0;
	}
	if (rc >= 0)
		rc = take_common(&f, e);
	if (rc == 0 && p == PROGRAM_ATTESTATION)
		rc = listen_attestation(&f, e);
	if (rc == 0 && p == PROGRAM_HUB)
		rc = add_listen(&f, opt.hub, HUB, FACE_HUB, e);
	if (rc == 0 && p == PROGRAM_REST)
		rc = check_rest(e);
	if (rc == 0)
		*out = f;
	return rc;
}

/* kata-agent connects as soon as it sees the file: it is listened on from the first moment. */
int
face_open(const struct face_listen *l, struct err *e)
{
	char dir[sizeof(l->address.path)];
	const char *slash = strrchr(l->address.path, '/');
	int fd;

	if (l->address.path[0] != '\0' && slash != l->address.path) {
		snprintf(dir, sizeof(dir), "%.*s", (int)(slash - l->address.path), l->address.path);
		fd = fs_make_dirs(dir, 0755, e);
		if (fd < 0)
			return fd;
		close(fd);
	}
	return address_listen(&l->address, e);
}
