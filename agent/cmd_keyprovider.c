/*
 * cmd_keyprovider.c: aa-keyprovider. Opens its sockets first, then starts rpc, which takes callers' frames apart, and key,
 * which has the keys; then it only waits for the signal to end.
 */
#include "lib/base.h"

#include "agent/keyprovider.h"

#include <fcntl.h>

#include "agent/address.h"
#include "agent/callers.h"
#include "agent/key_source.h"
#include "agent/options.h"
#include "agent/ready.h"
#include "agent/services.h"
#include "lib/crypto.h"
#include "lib/sys.h"

#define NAME	"aa-keyprovider"

static struct {
	const char	*listen[OPTION_LIST], *socket, *keys, *kid, *kbc_params, *ready_fd, *log_level;
	bool		 cmd, make, sample, allow_ctr;
} opt;

static const struct option_def options[] = {
	{ "listen", "ADDRESS...", "grpc:127.0.0.1:50000, grpc:unix:///PATH, ttrpc:unix:///PATH", opt.listen, NULL },
	{ "socket", "HOST:PORT", "the same as --listen grpc:HOST:PORT", &opt.socket, NULL },
	{ "cmd", NULL, "serve one request on standard input and output", NULL, &opt.cmd },
	{ "keys", "PATH", "a file with one key, or a directory of keys", &opt.keys, NULL },
	{ "kid", "KEYID", "the name of the one key in a file", &opt.kid, NULL },
	{ "make-keys", NULL, "make a key that is asked for and not there (directory)", NULL, &opt.make },
	{ "aa-kbc-params", "NAME::URI", "the key broker that has the keys", &opt.kbc_params, NULL },
	{ "allow-sample", NULL, "the published sample key may be used: for tests only", NULL, &opt.sample },
	{ "allow-ctr-wrapped-keys", NULL, "unwrap keys that are not authenticated (A256CTR)", NULL, &opt.allow_ctr },
	{ "ready-fd", "N", "write a line to this descriptor once it listens", &opt.ready_fd, NULL },
	{ "log-level", "LEVEL", "error, warning (default), info or debug", &opt.log_level, NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};

static const char usage[] =
    "Usage: " NAME " [OPTIONS]\n\n"
    "wrap and unwrap the keys of encrypted layers, for skopeo and other users of ocicrypt.\n\n"
    "Options:\n";

static const char more[] = "\n"
    "It listens on loopback and unix sockets only: whoever reaches it may use its keys. Every user of this machine\n"
    "reaches a loopback address; a unix socket is for its owner alone. KEYID is kbs:///REPOSITORY/TYPE/TAG; in a\n"
    "directory the keys are the files REPOSITORY/TYPE/TAG, 32 bytes each. It ends at SIGTERM.\n\n"
    "Examples:\n"
    "  " NAME " --keys /etc/cacao/keys --listen grpc:127.0.0.1:50000\n"
    "  echo '{\"key-providers\":{\"attestation-agent\":{\"grpc\":\"127.0.0.1:50000\"}}}' >ocicrypt.conf\n"
    "  OCICRYPT_KEYPROVIDER_CONFIG=ocicrypt.conf skopeo copy \\\n"
    "      --encryption-key provider:attestation-agent:keyid=kbs:///default/key/app oci:plain oci:secret\n";

struct provider_job {
	struct monitor		 m;
	struct key_source	 source;
	struct address		 address[CALLERS_LISTENERS];
	int			 fd[CALLERS_LISTENERS];
	size_t			 n;
	int			 key, rpc;	/* their control sockets */
	int			 ready;		/* -1: nobody waits */
};

static int
open_listener(struct provider_job *j, const char *text, enum address_bare bare, struct err *e)
{
	struct address *a = &j->address[j->n];
	int rc;

	if (j->n == CALLERS_LISTENERS)
		return err_set(e, ERR_USAGE, "--listen: at most %d", CALLERS_LISTENERS);
	rc = address_parse(text, bare, a, e);
	if (rc == 0)
		rc = address_listen(a, e);
	if (rc < 0)
		return err_wrap(e, "--listen");
	j->fd[j->n++] = rc;
	return 0;
}

static int
open_listeners(struct provider_job *j, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; opt.listen[i] != NULL && rc == 0; i++)
		rc = open_listener(j, opt.listen[i], ADDRESS_NAMED, e);
	if (rc == 0 && opt.socket != NULL)
		rc = open_listener(j, opt.socket, ADDRESS_GRPC, e);
	return rc;
}

static void
close_listeners(struct provider_job *j)
{
	for (size_t i = 0; i < j->n; i++) {
		address_unlink(&j->address[i], j->fd[i]);
		close(j->fd[i]);
	}
	j->n = 0;
}

static int
check_options(struct provider_job *j, struct err *e)
{
	bool listens = opt.listen[0] != NULL || opt.socket != NULL;
	uint64_t n;

	if (listens == opt.cmd)
		return err_set(e, ERR_USAGE, "wants --listen ADDRESS, or --cmd");
	if (opt.keys == NULL && opt.kbc_params == NULL && !opt.sample)
		return err_set(e, ERR_USAGE, "wants --keys PATH or --aa-kbc-params NAME::URI");
	if (opt.ready_fd != NULL) {
		if (!span_decimal(span_str(opt.ready_fd), INT_MAX, &n) || fcntl((int)n, F_SETFD, FD_CLOEXEC) < 0)
			return err_set(e, ERR_USAGE, "--ready-fd %s: not an open descriptor", opt.ready_fd);
		j->ready = (int)n;
	}
	return 0;
}

static int
start_roles(struct provider_job *j, struct err *e)
{
	autoclose int ours = -1, theirs = -1;
	int pair[2], rc = msg_pair(pair, e);

	if (rc < 0)
		return rc;
	ours = pair[0];
	theirs = pair[1];
	rc = key_source_start(&j->source, &j->m, -1, theirs, &j->key, e);
	if (rc == 0)
		rc = monitor_set_up_key(j->key, opt.kbc_params, opt.allow_ctr, e);
	return rc < 0 ? rc : monitor_start(&j->m, ROLE_RPC, &ours, 1, &j->rpc, NULL, e);
}

/* Sends a request to rpc and waits for its M_RPC_DONE. */
static int
ask_rpc(struct provider_job *j, const struct msg *ask, struct err *e)
{
	static const struct msg_rule rules[] = {
		{ .type = M_RPC_DONE, .max_len = KIB(1) }, { 0 },
	};
	struct msg_reader r;
	automsg answer;
	int rc = msg_send(j->rpc, ask, -1, e);

	msg_init(&answer, 0, 0);
	if (rc == 0)
		rc = monitor_answer(&j->m, j->rpc, "rpc", rules, &answer, &r, e);
	return rc == 0 && !msg_get_end(&r) ? err_set(e, ERR_PROTO, "answer that cannot be read") : rc;
}

static int
serve_pipe(struct provider_job *j, struct err *e)
{
	automsg m;

	msg_init(&m, M_RPC_PIPE, 0);
	msg_put_fd(&m, STDIN_FILENO);
	msg_put_fd(&m, STDOUT_FILENO);
	return ask_rpc(j, &m, e);
}

static int
give_listeners(struct provider_job *j, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < j->n && rc == 0; i++) {
		automsg m;

		msg_init(&m, M_RPC_LISTEN, 0);
		rc = msg_put_u8(&m, (uint8_t)j->address[i].transport, e);
		if (rc == 0)
			rc = msg_put_u8(&m, FACE_KEYPROVIDER, e);
		if (rc == 0)
			rc = msg_put_u32(&m, 0, e);
		msg_put_fd(&m, j->fd[i]);
		if (rc == 0)
			rc = ask_rpc(j, &m, e);
	}
	return rc;
}

/* Until a signal, which is the ordinary end; all that rpc says of itself is that key does not answer. */
static int
wait_for_end(struct provider_job *j, struct err *e)
{
	static const struct msg_rule rules[] = {
		{ .type = M_RPC_STUCK, .max_len = 1 }, { 0 },
	};
	automsg m;
	int rc = monitor_await(&j->m, j->rpc, rules, &m, e);

	if (rc == -ERR_CANCELLED)
		return 0;
	if (rc > 0)
		return err_set(e, ERR_TIMEOUT, "the key process does not answer");
	return rc == 0 ? monitor_died(&j->m, "a process ended", e) : -(int)e->code;
}

static int
serve(struct provider_job *j, struct err *e)
{
	int rc = start_roles(j, e);

	if (rc == 0 && opt.cmd)
		return serve_pipe(j, e);
	if (rc == 0)
		rc = give_listeners(j, e);
	if (rc == 0)
		rc = ready_tell(&j->ready, e);
	if (rc == 0)
		fprintf(stderr, NAME ": listening\n");
	return rc < 0 ? rc : wait_for_end(j, e);
}

static int
run(struct err *e)
{
	const struct key_source_options keys = {
		.keys = opt.keys, .kid = opt.kid, .make = opt.make, .sample = opt.sample,
	};
	struct provider_job j = { .key = -1, .rpc = -1, .ready = -1 };
	int rc = check_options(&j, e);

	if (rc == 0)
		rc = key_source_open(&keys, &j.source, e);
	if (rc < 0)
		return rc;
	rc = crypto_init(e);
	if (rc == 0)
		rc = open_listeners(&j, e);
	if (rc == 0) {
		rc = monitor_open(&j.m, false, e);
		if (rc == 0)
			rc = serve(&j, e);
		close_listeners(&j);
		monitor_close(&j.m);
	}
	close_listeners(&j);
	key_source_close(&j.source);
	base_close(&j.key);
	base_close(&j.rpc);
	base_close(&j.ready);
	return rc;
}

static int
print_error(const struct err *e)
{
	const char *hint = err_hint(e->code);

	fprintf(stderr, NAME ": %s (%s)\n", e->msg, err_name(e->code));
	if (e->code == ERR_USAGE)
		fprintf(stderr, "hint: see \"" NAME " --help\"\n");
	else if (hint[0] != '\0')
		fprintf(stderr, "hint: %s\n", hint);
	return err_exit_status(e->code);
}

int
keyprovider_main(int argc, char *argv[])
{
	enum log_level level = LOG_WARNING;
	struct err e = { 0 };
	bool help;
	int rc;

	rc = options_parse(options, argc - 1, argv + 1, NULL, 0, &help, &e);
	if (rc >= 0 && help) {
		printf("%s", usage);
		options_print(options, stdout);
		printf("%s", more);
		return 0;
	}
	if (rc >= 0 && opt.log_level != NULL && !log_level_parse(opt.log_level, &level))
		rc = err_set(&e, ERR_USAGE, "--log-level is error, warning, info or debug");
	log_init(2, NAME, level, false);
	if (rc >= 0)
		rc = run(&e);
	return rc < 0 ? print_error(&e) : 0;
}
