/*
 * config.h: what the agent is set to, from all places that may say so: our own file, the files that guest components
 * have (TOML and JSON, all versions), and the kernel's command line. One table of settings (config.c); each has one value, and
 * the value knows where it comes from and whether that place is measured. Pure: files are given as text.
 */
#ifndef AGENT_CONFIG_H
#define AGENT_CONFIG_H

#include "lib/buf.h"
#include "lib/limits.h"

#define CONFIG_FILE	"/etc/cacao/agent.toml"
#define CONFIG_FORMAT	1	/* "format = 1" is the first thing in our file */

enum setting {
	SET_CMDLINE_MEASURED,	/* the kernel's command line is part of what the TEE measures; first, as it decides about others */
	/* what is asked for keys and resources */
	SET_KBC,		/* NAME::URI */
	SET_KBC_CERT,		/* PEM, for an https broker */
	SET_KBC_CREDENTIALS,	/* list of "URI PATH": resources written to files at start; all that name some add up */
	SET_TOKEN_KBS_URL, SET_TOKEN_KBS_CERT, SET_TOKEN_KBS_KEY, SET_TOKEN_COCO_AS_URL,
	/* images */
	SET_IMAGE_POLICY,	/* absolute path or kbs:///…, as all places of files; file:///… is turned into its path */
	SET_IMAGE_POLICY_TEXT,	/* its text; SET_IMAGE_POLICY wins */
	SET_IMAGE_SIGSTORE, SET_IMAGE_SIGSTORE_TEXT,
	SET_IMAGE_AUTH,		/* path or kbs:///… of registry credentials */
	SET_IMAGE_REGISTRIES,	/* path or kbs:///… of a table of mirrors */
	SET_IMAGE_REGISTRIES_TEXT,	/* the same, as TOML (the hub's registry_config), and this one wins */
	SET_IMAGE_WORK_DIR, SET_IMAGE_STORE, SET_IMAGE_SNAPSHOT, SET_IMAGE_AT_ONCE, SET_IMAGE_WINDOW_LOG,
	SET_IMAGE_HTTPS_PROXY, SET_IMAGE_HTTP_PROXY, SET_IMAGE_NO_PROXY,
	SET_IMAGE_CA,		/* PEM certificates, one behind the other */
	SET_IMAGE_GPG,		/* the program */
	SET_IMAGE_MIXED, SET_IMAGE_CTR, SET_IMAGE_DEVICES,
	SET_REGISTRY_INSECURE,	/* list of HOST[:PORT] */
	SET_PULL_LINGER,	/* seconds */
	SET_PULL_BUNDLES,	/* list of directories: bundles are made below these only */
	/* evidence */
	SET_TEE,		/* its name; "": the first that shows itself */
	SET_EVIDENCE_CALLERS,	/* off, labelled, raw */
	SET_SAMPLE, SET_EVENTLOG, SET_EVENTLOG_PCR,
	SET_MEASURE_PULL,	/* off, on, required */
	/* trust */
	SET_STORAGE_TRUSTED,	/* DIR[:DIR…] */
	SET_VSOCK_HOST_METHODS,	/* list of pull, status, version */
	SET_KBS_ALLOW_HTTP, SET_EAA_UNAUTHENTICATED, SET_SECRET_UNSIGNED,
	/* the rest */
	SET_LOG_LEVEL,
	SET_HUB_SOCKET,		/* path where the hub listens, if not at its default */
	SET_KATA_CONFIG,	/* path of kata-agent's own file, which the command line names: its aa_kbc_params count */
	SET_COUNT
};

enum setting_kind {
	KIND_TEXT,		/* one line that can be seen */
	KIND_DOCUMENT,		/* text of many lines: PEM, JSON, YAML, TOML */
	KIND_BOOL,		/* "true", "false" */
	KIND_NUMBER,		/* decimal */
	KIND_SECONDS,		/* decimal; "20m" is turned into it */
	KIND_CHOICE,		/* one word of choices */
	KIND_PATH,		/* absolute */
	KIND_PLACE,		/* absolute path or kbs:///… */
	KIND_KBC,		/* NAME::URI */
	/* lists: lines */
	KIND_WORDS,		/* each is one of choices */
	KIND_PATHS, KIND_HOSTS,
	KIND_CREDENTIALS,	/* URI, blank, path */
	KIND_COUNT
};

struct setting_def {
	const char		*name;		/* "image.policy": table and key in our file */
	enum setting_kind	 kind;
	const char		*fallback;	/* where nobody says anything; "" for none */
	const char		*choices;	/* KIND_CHOICE, KIND_WORDS: "off on required"; NULL */
	uint64_t		 min, max;	/* KIND_NUMBER, KIND_SECONDS */
	bool			 trust;		/* decides or weakens protection: never on the host's word (docs/config.md) */
	const char		*help;		/* one line, for `aa-cli config` and the manual */
};
extern const struct setting_def settings[SET_COUNT];

enum config_origin {
	ORIGIN_DEFAULT,
	ORIGIN_CMDLINE,		/* the host's word, unless SET_CMDLINE_MEASURED */
	ORIGIN_INITDATA,	/* a file below /run, as initdata's are: nothing has checked it against the TEE: the host's word */
	ORIGIN_PEER,		/* a file of guest components' form that the starter named, of the machine's own image */
	ORIGIN_FILE,		/* our own */
	ORIGIN_COUNT
};
const char *config_origin_name(enum config_origin);

struct config_value {
	char			*text;		/* NULL: the fallback holds */
	enum config_origin	 origin;
	uint32_t		 line;		/* in its file; 0: not known */
};
struct config {
	struct config_value	v[SET_COUNT];
	/* What was found and does not count, as sentences, one a line: unknown keys, host's words that are not trusted. */
	struct buf		warnings;
};
#define CONFIG_WARNINGS	KIB(16)

void config_init(struct config *);
void config_fini(struct config *);
void config_move(struct config *to, struct config *from);	/* frees to; from is as after config_init */
#define autoconfig cleanup(config_fini) struct config

const char *config_get(const struct config *, enum setting);	/* never NULL; "" for none */
bool config_true(const struct config *, enum setting);
uint64_t config_number(const struct config *, enum setting);
/* Lines of a list, none longer than 1023 bytes; *it is "" at first: while (config_next(config_get(c, s), &it, line, sizeof(line))) … */
bool config_next(const char *list, const char **it, char *line, size_t size);
/*
 * Is its origin measured, or a file of the machine's own image? Of SET_KBC: false says that the host chose the broker, which
 * proves nothing about itself; a policy, or a key that one names, must not be fetched from there: pulls refuse that.
 */
bool config_measured(const struct config *, enum setting);

/*
 * Gives a value; checks it against its definition. Of two places the higher origin holds, and the other one becomes a
 * warning where it says something else; of the same origin both must say the same, but of two log levels the one that
 * tells more holds. A trust setting on the host's word becomes a warning that tells what to do instead; the command line
 * is taken at its word when SET_CMDLINE_MEASURED is already there, which only ORIGIN_FILE can set.
 * -ERR_CONFIG names setting and line, never the value; -ERR_NOMEM.
 */
int config_set(struct config *, enum setting, struct span value, enum config_origin, uint32_t line, struct err *) must_check;
void config_forget(struct config *, enum setting);	/* its default holds again */
/* A sentence that is kept once; foreign words in it are escaped. One that finds no room is lost. */
void config_warn(struct config *, const char *fmt, ...) printf_like(2, 3);

/* Our file: format first; every key must be known. -ERR_CONFIG with the line, as all that follow. */
int config_read_own(struct config *, struct span text, struct err *) must_check;
/*
 * Files of guest components, TOML or (first byte "{") JSON: the attestation agent's and the hub's, all versions; unknown keys are
 * told of once. hub: *image tells whether there is an [image] table: then the command line says nothing about images.
 */
int config_read_agent(struct config *, struct span text, enum config_origin, struct err *) must_check;
int config_read_hub(struct config *, struct span text, enum config_origin, bool *image, struct err *) must_check;
/* kata-agent's own file (SET_KATA_CONFIG): only its aa_kbc_params count, as the command line's would. */
int config_read_kata(struct config *, struct span text, struct err *) must_check;
/* The kernel's command line (guest-components' and kata's parameters). images: also what is about images. */
int config_read_cmdline(struct config *, struct span line, bool images, struct err *) must_check;

/*
 * Takes over each value of from, by config_set, and its warnings. Of a place and a text of the same the higher origin holds, too.
 * -ERR_CONFIG: they contradict, and nothing has changed.
 */
int config_merge(struct config *, const struct config *from, struct err *) must_check;

/* For other processes of ours: length-framed. Reading checks each value, but believes where it is from. -ERR_PROTO. */
int config_format(const struct config *, struct buf *out, struct err *) must_check;
int config_parse(struct span, struct config *, struct err *) must_check;
#define CONFIG_FORMATTED	MIB(1)

/* For people and programs: each setting, its value, origin, and whether that is measured. A password in a URL is not shown. */
int config_print(const struct config *, bool json, struct buf *out, struct err *) must_check;

#endif
