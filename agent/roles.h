/*
 * roles.h: who is who. One executable, many processes: each role is started by
 * the monitor (re-execution of the same image), gets its descriptors at fixed
 * numbers, enters its sandbox and serves one purpose. The invariant: who holds
 * keys parses no image bytes and owns no network socket; who parses compressed
 * or archived bytes holds no keys, has no network and can write one directory
 * only; one process has the network.
 *
 *   monitor ─┬─ net     DNS, TCP, TLS, HTTP; registry credentials
 *            │  or archive: tar, of a file that holds the image
 *            ├─ key     brokers, resources, unwrapping
 *            ├─ pull    manifests, configuration, policy; never a key
 *            │  or copy: manifests, for encrypt, decrypt and inspect; never a key
 *            ├─ rpc     frames of callers; their calls go to key, tee and monitor
 *            ├─ job     a pull of the daemon: a monitor itself, with net, key, pull … below it
 *            ├─ tee     evidence: asks the kernel, and the host by vsock
 *            ├─ config  one file of settings: TOML, JSON or the kernel's command line; one for each
 *            ├─ gpg     one OpenPGP signature, by the program gpg; one for each
 *            └─ a pair for each layer:
 *                 crypt   blob digest, MAC, cipher; one layer key
 *                 unpack  decompress, diff_id, untar; one directory
 *
 *   bulk bytes   net ─pipe→ crypt ─pipe→ unpack
 *   layer keys   key ─socket→ crypt
 *   messages     SOCK_SEQPACKET pairs (lib/msg.h); the types stand below
 */
#ifndef AGENT_ROLES_H
#define AGENT_ROLES_H

#include "lib/log.h"
#include "lib/msg.h"
#include "lib/sandbox.h"

enum role { ROLE_NET, ROLE_KEY, ROLE_PULL, ROLE_CRYPT, ROLE_UNPACK, ROLE_ARCHIVE, ROLE_COPY, ROLE_RPC, ROLE_GPG, ROLE_TEE, ROLE_CONFIG,
    ROLE_JOB, ROLE_COUNT };

/*
 * Numeric ids in root mode; no passwd entry is needed. They differ because processes
 * of one uid may signal each other. unpack stays root with a few capabilities, tee without any.
 */
enum { UID_NET = 64310, UID_KEY, UID_PULL, UID_CRYPT, UID_ARCHIVE, UID_RPC, UID_COPY, UID_GPG, UID_CONFIG };

/* Descriptors of every role: 0 and 1 lead nowhere (selftest: 1 is the table), 2 is the log. */
enum {
	FD_CONTROL = 3,				/* the monitor; of crypt and unpack: who gave the job */
	NET_FD_PULL = 4,
	KEY_FD_PULL = 4,
	KEY_FD_RPC,				/* calls of others; closed unless it serves them */
	KEY_FD_ASK,				/* the monitor opens key files and connections; closed unless needed */
	ARCHIVE_FD_PULL = 4, ARCHIVE_FD_FILE,
	PULL_FD_NET = 4, PULL_FD_KEY, PULL_FD_STAGING, PULL_FD_CONFIG,
	PULL_FD_LAYOUT,				/* the monitor opens files of a layout; closed unless the source is one */
	COPY_FD_SOURCE = 4,			/* net or archive */
	COPY_FD_KEY, COPY_FD_LAYOUT,		/* as pull has them */
	COPY_FD_DESTINATION,			/* takes M_STORE */
	COPY_FD_REPORT,				/* inspect: a file for what was found */
	RPC_FD_KEY = 4,
	RPC_FD_TEE,				/* closed in aa-keyprovider */
	TEE_FD_RPC = 4,				/* calls of others; closed unless it serves them */
	JOB_FD_IMAGE = 4,			/* this executable */
	GPG_FD_PULL = 4, GPG_FD_HOME, GPG_FD_PROGRAM,
	CRYPT_FD_OUT = 4, CRYPT_FD_KEY,
	UNPACK_FD_IN = 4, UNPACK_FD_ROOTFS, UNPACK_FD_OPAQUE,
};

#define ROLE_MAX_PATHS	16
#define ROLE_MAX_FILES	8	/* M_FILE */

struct role_ops {
	const char	*name;		/* argv[0] is "cacao: NAME" */
	uid_t		 uid;		/* root mode; 0: stays root */
	uint64_t	 keep_caps;	/* where it stays root, or is root of its user namespace */
	unsigned	 words;
	unsigned	 max_files;
	bool		 secrets;	/* locks its memory */
	bool		 monitor;	/* of roles of its own: no sandbox, and signals end it */
	/* Set-up with all rights (fetch algorithms, open what Landlock shall allow); fills paths, ended by fd -1. */
	int		(*prepare)(struct sandbox_path paths[ROLE_MAX_PATHS], struct err *);
	int		(*serve)(struct err *);	/* until its peer is gone */
};
extern const struct role_ops *const roles[ROLE_COUNT];
extern const struct role_ops role_net, role_key, role_pull, role_crypt, role_unpack, role_archive, role_rpc, role_copy, role_gpg,
    role_tee, role_config, role_job;

/* How the monitor starts a role: words on its command line, nothing secret. */
struct role_start {
	enum log_level	log;
	bool		root_mode;	/* own uids and capabilities; else the caller's uid */
	int		probe;		/* selftest: the probe to run instead of serving; -1: none */
	int		without;	/* selftest: word left out of the sandbox; -1: none */
};
#define ROLE_ARGS	6	/* argv entries, the NULL included */
void role_args(const struct role_ops *, const struct role_start *, char text[ROLE_ARGS][32], char *argv[ROLE_ARGS]);

bool role_is(const char *argv0);		/* is this the argv[0] of a role? */
int role_main(int argc, char *argv[]);		/* exit status */

/*
 * Message types. `err?` is a u8 0 for success, or 1 and an error (msg_put_err).
 */
enum {
	M_FILE = 1,	/* monitor → net, key, pull: u8 which; fd: a file the operator named */
	M_NET_SETUP,	/* monitor → net: str hosts with plain http, "," between, u32 seconds for all (0: no
			 * limit), str http proxy, str https proxy, str no proxy for */
	M_NET_PUSH,	/* monitor → net: str image: it will be pushed; NET_FD_PULL takes M_STORE instead of M_GET */
	M_KEY_SETUP,	/* monitor → key: str aa_kbc_params ("" for none), u8 A256CTR packets allowed */
	M_KEY_PASSWORD,	/* monitor → key: fd: holds the password of the key that follows */
	M_KEY_FILE,	/* monitor → key: str name; fd: a private key or certificate */
	M_KEY_RESOURCE,	/* monitor → key: str uri; fd: where the bytes go */
	M_KEY_WRAP,	/* monitor → key: u32 layer, str digest of the plain blob: makes a layer key, wrapped for every
			 * recipient */
	M_KEY_LINK,	/* monitor → key: u32 layer; fd: socket of its crypt process, gets M_LAYER_KEY */
	M_KEY_DONE,	/* key → monitor: err?, of M_KEY_WRAP bytes wrapped keys by each ocicrypt_scheme, as in M_UNWRAP */
	M_KEY_SOURCE,	/* monitor → key: u8 flags (enum key_source_flag), str path of the key file or directory */
	M_KEY_ONE,	/* monitor → key: str kid; fd: holds the one key there is */
	M_KEY_RECIPIENT,/* monitor → key: str parameters of a key provider: every layer key is wrapped for it */
	M_KEY_RECIPIENT_FILE,	/* monitor → key: u8 ocicrypt_scheme, str name; fd: public key or certificate of one */
	M_KEY_OPEN,	/* key → monitor, KEY_FD_ASK: str REPOSITORY/TYPE/TAG, u8 make one if there is none; answered
			 * by M_OPENED or M_OPEN_FAILED */
	M_KEY_CONNECT,	/* key → monitor, KEY_FD_ASK: a connection for one call to the other key provider; answered by
			 * M_KEY_PROVIDER or M_OPEN_FAILED */
	M_KEY_PROVIDER,	/* monitor → key: u8 enum provider_transport, str authority; fd: connected stream */
	M_RPC_LISTEN,	/* monitor → rpc: u8 PROVIDER_GRPC or PROVIDER_TTRPC, u8 enum face bits (agent/services.h), u32
			 * owner; fd: listening socket, non-blocking */
	M_RPC_PIPE,	/* monitor → rpc: fds: where one request comes from, to its end, and where the answer goes */
	M_RPC_DONE,	/* rpc → monitor: err?: of each of these two, of M_RPC_SETUP and M_RPC_CLOSE */
	M_PUMP,		/* monitor → net: str HOST:PORT; fd: one end of a stream: carries bytes between the two */
	M_PUMP_DONE,	/* net → monitor: err?: it is connected */
	M_RPC_SETUP,	/* monitor → rpc, of the daemon: str what the host may call by vsock (vsock.host_methods, one a line), u8
			 * log every call; from then on callers that are idle stay, and new ones are turned away */
	M_RPC_CLOSE,	/* monitor → rpc: u32 owner: its sockets and their callers go */
	M_RPC_LOST,	/* monitor → rpc: u8 enum backend: it died, and with it the calls it had (those that it never read, too) */
	M_RPC_STUCK,	/* rpc → monitor: u8 enum backend: it has not answered 5 s after the most time that its call may take */
	M_CALL,		/* rpc → key, tee or monitor: u8 enum call (agent/services.h), and what belongs to it */
	M_CALL_PIPE,	/* the same; fd: a pipe for a large answer, which is there whole before M_CALL_DONE comes */
	M_CALL_DONE,	/* back, with the same id: err?, and what belongs to it */
	M_CALL_LEFT,	/* rpc → monitor, id of its call: u8 1 the caller's connection is gone, 0 its time is over:
			 * nobody waits for the answer; it does not come */
	M_FACE_LISTEN,	/* starter → monitor: u8 transport, u8 enum face, str address, u64 inode and
			 * u64 ns of its file; fd: it listens there (agent/handover.h) */
	M_FACE_START,	/* starter → monitor: u8 enum program, str path of its settings ("": none), u8 they came with initdata */
	M_FACE_DONE,	/* monitor → starter: err?: all of its sockets are served */
	M_JOB_CONFIG,	/* monitor → job: fd: settings (config_format) */
	M_JOB_PULL,	/* monitor → job: str image, str bundle */
	M_JOB_SWEEP,	/* monitor → job, instead: str bundle: removes what a killed job has left */
	M_JOB_CREDENTIALS,	/* monitor → job, instead: writes the files of kbc.credentials */
	M_JOB_DONE,	/* job → monitor: err?, str manifest digest */
	M_TEE_SETUP,	/* monitor → tee: str platform ("": the first there is), u8 sample allowed, u8 evidence for callers
			 * (evidence.for_callers: 0 off, 1 labelled, 2 raw), u8 event log, u32 its pcr: for TEE_FD_RPC */
	M_PULL_SETUP,	/* monitor → pull: see puller.c */
	M_PLAN,		/* pull → monitor: u32 layers, u8 flat after all, and of each: bytes store name, u64 size, u8 encrypted */
	M_PLAN_DONE,	/* monitor → pull: u8 overlay, u32 at once, bytes one u8 a layer: is it in the store? */
	M_LAYER,	/* pull → monitor: u32 layer: start crypt and unpack */
	M_LAYER_FDS,	/* monitor → pull: fds: control of crypt, control of unpack */
	M_LAYER_WAIT,	/* monitor → pull, instead: u8 0: another pull makes it, ask again; 1: it is in the store */
	M_LAYER_END,	/* pull → monitor: u32 layer, u8 flags (agent/store.h): every check has passed */
	M_LAYER_KEPT,	/* monitor → pull: the layer has its name */
	M_ROOTFS,	/* pull → monitor: all layers are there */
	M_ROOTFS_FD,	/* monitor → pull: fd: the root file system, complete */
	M_OPAQUE,	/* unpack → monitor: fd: a directory of the layer that hides what is below it */
	M_PROGRESS,	/* pull → monitor: u32 layer, u8 stage, u64 bytes */
	M_PULL_DONE,	/* pull → monitor: err?, str manifest digest */
	M_POLICY_NOTE,	/* pull → monitor, when it only verifies: u8 enum policy_about, u32 number, u8 good, str name,
			 * str why */
	M_OPEN,		/* pull → monitor, PULL_FD_LAYOUT: str digest of a blob, or "" for index.json */
	M_OPENED,	/* monitor → pull: fd: the file */
	M_OPEN_FAILED,	/* monitor → pull: err? */

	/*
	 * What a policy needs from the machine. pull reads policies, so it alone knows what they name; the monitor opens any
	 * absolute path that it asks for, with its own rights, but read-only, only regular files of at most 4 MiB that
	 * everybody may read, no link as the last part, and nothing below /proc, /sys and /dev; and of a key broker
	 * only resources of public kinds (policy_setup.c). So a pull role gone bad learns nothing secret.
	 */
	M_POLICY_OPEN,	/* pull → monitor: str absolute path or kbs:///…; answered by M_OPENED or M_OPEN_FAILED */
	M_GPG_START,	/* pull → monitor: a gpg process, for one message; answered by M_GPG_FD or M_OPEN_FAILED */
	M_GPG_FD,	/* monitor → pull: fd: what the gpg process is asked on */
	M_GPG_SETUP,	/* monitor → gpg: str program, str home */
	M_GPG_INPUT,	/* pull → gpg: u8 0 a key ring, 1 the message, which is the last; fd: it is read from there to its end */
	M_GPG_VERDICT,	/* gpg → pull: err?, u32 keys, u32 signatures, u8 enum gpg_status, u8 wrong key usage, u32 hash,
			 * u32 key algorithm, u32 key bits, str fingerprint, str primary, bytes payload */
	M_ARCHIVE_SETUP,/* monitor → archive: str image, as pull gets it */
	M_GET,		/* pull → net or archive: u8 enum get_what, str reference, str tag, digest or URL, u64 max,
			 * u64 size (all ones: not known); fd: where the body goes */
	M_GET_HEAD,	/* net → pull: str content type, str docker content digest */
	M_GET_PROGRESS,	/* net → pull: u64 bytes so far */
	M_GET_DONE,	/* net → pull: err? */
	M_UNWRAP,	/* pull → key: u32 layer, bytes wrapped keys by each ocicrypt_scheme; the key waits there for
			 * M_KEY_LINK */
	M_UNWRAP_DONE,	/* key → pull: err?, bytes fingerprint (32: of key and nonce) */
	M_LAYER_KEY,	/* key → crypt: bytes key, bytes nonce */
	M_CRYPT_JOB,	/* → crypt: u8 CRYPT_ENCRYPTED | CRYPT_TELL, str digest, u64 size, bytes hmac; fd: the blob */
	M_CRYPT_MAKE,	/* → crypt: str digest, u64 size; fd: the blob: encrypt it to CRYPT_FD_OUT */
	M_CRYPT_DONE,	/* crypt →: err?, and after M_CRYPT_MAKE or where it was to be told, of what came out: str
			 * digest, u64 size, bytes hmac */
	M_UNPACK_JOB,	/* → unpack: u8 compression, str diff_id, u8 first layer, u8 overlay, u8 owners, u8 devices,
			 * u8 zstd window (log) */
	M_UNPACK_DONE,	/* unpack →: err?, str diff_id, u64 unpacked, u64 entries, u64 skipped devices,
			 * u64 skipped xattrs, u64 implied directories, u8 root entry, u8 sniffed */

	M_TEE_GET,	/* monitor → tee: str platform ("": the first there is), u8 sample allowed, u8 enum
			 * evidence_form, bytes report data; fd: where the evidence goes */
	M_TEE_MEASURE,	/* monitor → tee: str platform, u32 pcr, u8 once, str domain, str operation, str content: into a
			 * register and the log */
	M_TEE_SECRET,	/* monitor → tee: str GUID of an injected secret; fd: where it goes, which the monitor does not read */
	M_TEE_KEY,	/* monitor → tee: u64 fields, u64 tcb, u32 svn, u32 vmpl, u8 migrates (struct snp_key_question); fd:
			 * where the key goes */
	M_TEE_DONE,	/* tee → monitor: err?, str platform */

	M_CONFIG_READ,	/* monitor → config: u8 enum config_what, u8 enum config_origin (agent/config.h), u8 enum
			 * config_flag; fds: the file, and where its settings go (config_format) */
	M_CONFIG_DONE,	/* config → monitor: err?, u8 the hub's file has an [image] table */

	/* Encrypt, decrypt, inspect. */
	M_COPY_SETUP,	/* monitor → copy: see copier.c */
	M_COPY_PLAN,	/* copy → monitor: u32 layers, and of each: u64 size */
	M_COPY_LAYER,	/* copy → monitor: u32 layer, u8 enum copy_how, str digest of the blob; fd: where its
			 * crypt process shall write */
	M_COPY_LAYER_FD,/* monitor → copy: bytes wrapped keys by each ocicrypt_scheme (COPY_ENCRYPT); fd: control of
			 * crypt */
	M_COPY_FAILED,	/* monitor → copy, instead: err? */
	M_COPY_DONE,	/* copy → monitor: err?, str manifest digest, u32 layers, u32 encrypted ones among them */

	/*
	 * A destination takes an image from copy: the monitor for files, net for a registry. One blob at a time: M_STORE,
	 * its bytes, M_STORE_END. When copy goes without M_STORE_COMMIT, nothing of the image may be left.
	 */
	M_STORE,	/* copy → destination: u8 enum store_what, str digest ("": not known before its end), u64 size */
	M_STORE_FD,	/* destination → copy: fd: where the bytes go; closed by the writer at their end */
	M_STORE_THERE,	/* destination → copy, instead: it has this blob already */
	M_STORE_END,	/* copy → destination: str digest, u64 size: of what was written */
	M_STORE_COMMIT,	/* copy → destination: str media type, str digest, u64 size: of the manifest, which was stored
			 * last: give the image its name */
	M_STORE_DONE,	/* destination → copy: err?: how M_STORE_END or M_STORE_COMMIT went, or why M_STORE cannot be */
};

/* M_CRYPT_JOB. A second digest costs time, so it is made for who wants it. */
enum { CRYPT_ENCRYPTED = 1, CRYPT_TELL = 2 };

/* What the copy role is for (M_COPY_SETUP). */
enum copy_action { ACTION_ENCRYPT, ACTION_DECRYPT, ACTION_INSPECT, ACTION_COUNT };

/* What becomes of a layer (M_COPY_LAYER). */
enum copy_how { COPY_AS_IT_IS, COPY_ENCRYPT, COPY_DECRYPT, COPY_HOW_COUNT };

/* What is fetched (M_GET). */
enum get_what {
	GET_MANIFEST,
	GET_BLOB,
	GET_REFERRERS,	/* of a manifest: an index */
	GET_URL,	/* of any server, without credentials */
	GET_COUNT
};

/* What a destination is given (M_STORE). */
enum store_what { STORE_BLOB, STORE_MANIFEST, STORE_WHAT_COUNT };

/* Files by number in M_FILE (of key: the position in kbc_ops.files). */
enum { NET_FILE_CA, NET_FILE_AUTH, NET_FILE_REGISTRIES };	/* the first two: may come several times */
enum { PULL_FILE_POLICY, PULL_FILE_SIGSTORE };	/* the latter may come several times */

/* What a file of settings is (M_CONFIG_READ). */
enum config_what { CONFIG_OWN, CONFIG_AGENT, CONFIG_HUB, CONFIG_KATA, CONFIG_CMDLINE, CONFIG_WHAT_COUNT };
enum config_flag {
	CONFIG_IMAGES	= 1,	/* the command line speaks of images, too */
	CONFIG_TRUSTED	= 2,	/* the command line is measured */
};

/* Where wrapping keys come from, if not from a broker (M_KEY_SOURCE). */
enum key_source_flag {
	KEY_SOURCE_DIRECTORY	= 1,	/* files to be asked for (M_KEY_OPEN) */
	KEY_SOURCE_MAKE		= 2,	/* and made where there are none */
	KEY_SOURCE_SAMPLE	= 4,	/* the published sample key may be used, too */
	KEY_SOURCE_PROVIDER	= 8,	/* another key provider wraps and unwraps (M_KEY_CONNECT) */
};

/* What is spoken on the stream of M_KEY_PROVIDER; of a command's one, a request and its end, and the same back. */
enum provider_transport { PROVIDER_GRPC, PROVIDER_TTRPC, PROVIDER_CMD, PROVIDER_TRANSPORT_COUNT };

/* Where a layer is, for people and programs that watch (M_PROGRESS). */
enum stage {
	STAGE_ELSEWHERE,	/* another pull is making it */
	STAGE_FETCH,		/* bytes are coming */
	STAGE_UNPACK,		/* all bytes have come, not all are unpacked */
	STAGE_REUSED,		/* it was in the store */
	STAGE_DONE,
	STAGE_COUNT
};

#define KEY_SOURCE_PATH	512	/* str path in M_KEY_SOURCE */
#define NET_PROXY_MAX	KIB(2)	/* each text about proxies in M_NET_SETUP */
#define NET_PLAIN_HTTP_MAX	(KIB(4) - 1)	/* the hosts there */

/* A message that only says how it went: err?. failed NULL: well. */
int role_answer(int fd, uint16_t type, uint32_t id, const struct err *failed, struct err *) must_check;
/* Reads err? from the front: 0, or the other side's error in *e as its negative code. */
int role_verdict(struct msg_reader *, struct err *e) must_check;

#endif
