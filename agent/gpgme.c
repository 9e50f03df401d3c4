/*
 * gpgme.c: see gpgme.h. The home is new for each message, so that no key is there but those of its rings.
 */
#include "lib/base.h"
#include "agent/gpgme.h"

#include <fcntl.h>
#include <gpgme.h>

#include "agent/gpgframe.h"
#include "lib/fs.h"
#include "lib/sys.h"

/* Nothing is asked of anybody, nothing is kept, no key is trusted less than another. */
static const char gpg_conf[] =
    "no-autostart\n"
    "disable-dirmngr\n"
    "no-auto-key-retrieve\n"
    "no-auto-key-import\n"
    "no-auto-check-trustdb\n"
    "trust-model always\n"
    "no-random-seed-file\n"
    "lock-never\n";

static void
ctx_freep(gpgme_ctx_t *ctx)
{
	if (*ctx != NULL)
		gpgme_release(*ctx);
	*ctx = NULL;
}

static void
data_freep(gpgme_data_t *data)
{
	if (*data != NULL)
		gpgme_data_release(*data);
	*data = NULL;
}

static void
key_freep(gpgme_key_t *key)
{
	if (*key != NULL)
		gpgme_key_unref(*key);
	*key = NULL;
}
#define autogpgdata	cleanup(data_freep) gpgme_data_t
#define autogpgkey	cleanup(key_freep) gpgme_key_t

static int
failed(gpgme_error_t code, const char *what, struct err *e)
{
	char text[128];

	if (gpgme_err_code(code) == GPG_ERR_ENOMEM)
		return err_set(e, ERR_NOMEM, "%s", what);
	gpgme_strerror_r(code, text, sizeof(text));
	return err_set(e, ERR_CONFIG, "%s: %s", what, text);
}

static int
write_conf(const char *home, struct err *e)
{
	autoclose int dir = sys_openat(AT_FDCWD, home, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	autoclose int fd = -1;

	if (dir >= 0)
		fd = sys_openat(dir, "gpg.conf", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || sys_write_all(fd, gpg_conf, sizeof(gpg_conf) - 1) < 0)
		return err_sys_as(e, ERR_STORAGE, "home of gpg");
	return 0;
}

/*
 * The whole environment of this process, which gpg inherits: without HOME it would ask the system for one, by modules
 * that a static program must not load.
 */
static void
set_environment(const char *home)
{
	static char variable[PATH_MAX + sizeof("HOME=")];
	static char *only[] = { variable, NULL };

	snprintf(variable, sizeof(variable), "HOME=%s", home);
	environ = only;
}

/* No gpgconf is asked where things are, and no other program than this one is looked for. */
static int
open_ctx(const struct gpgme_job *job, gpgme_ctx_t *out, struct err *e)
{
	cleanup(ctx_freep) gpgme_ctx_t ctx = NULL;
	gpgme_error_t rc;

	set_environment(job->home);
	if (gpgme_set_global_flag("disable-gpgconf", "1") != 0 || gpgme_check_version("1.18.0") == NULL)
		return err_set(e, ERR_BUG, "gpgme does not start");
	rc = gpgme_set_engine_info(GPGME_PROTOCOL_OpenPGP, job->program, job->home);
	if (rc == 0)
		rc = gpgme_engine_check_version(GPGME_PROTOCOL_OpenPGP);
	if (rc == 0)
		rc = gpgme_new(&ctx);
	if (rc == 0)
		rc = gpgme_set_protocol(ctx, GPGME_PROTOCOL_OpenPGP);
	if (rc != 0)
		return failed(rc, job->program, e);
	gpgme_set_offline(ctx, 1);
	*out = ctx;
	ctx = NULL;
	return 0;
}

/* The home was empty before: what is there afterwards is what the rings held. */
static int
import_ring(gpgme_ctx_t ctx, struct span ring, uint32_t *keys, struct err *e)
{
	autogpgdata data = NULL;
	gpgme_import_result_t result;
	gpgme_error_t rc = gpgme_data_new_from_mem(&data, (const char *)ring.p, ring.len, 0);

	if (rc == 0)
		rc = gpgme_op_import(ctx, data);
	result = rc == 0 ? gpgme_op_import_result(ctx) : NULL;
	if (gpgme_err_code(rc) == GPG_ERR_ENOMEM)
		return failed(rc, "key ring", e);
	if (result == NULL || result->considered == 0)
		return err_set(e, ERR_CONFIG, "key ring: no OpenPGP key in it");
	*keys += (uint32_t)(result->imported + result->unchanged);
	return 0;
}

struct sink {
	struct buf	*out;
	bool		 full;
};

static ssize_t
sink_write(void *arg, const void *p, size_t n)
{
	struct sink *s = arg;
	struct err ignored;

	if (buf_add(s->out, p, n, &ignored) == 0)
		return (ssize_t)n;
	s->full = true;
	errno = EFBIG;
	return -1;
}

static enum gpg_status
status_of(const struct _gpgme_signature *sig)
{
	static const struct {
		gpg_err_code_t	code;
		enum gpg_status	status;
	} known[] = {
		{ GPG_ERR_BAD_SIGNATURE, GPG_BAD_SIGNATURE },
		{ GPG_ERR_NO_PUBKEY, GPG_NO_KEY },
		{ GPG_ERR_SIG_EXPIRED, GPG_SIG_EXPIRED },
		{ GPG_ERR_KEY_EXPIRED, GPG_KEY_EXPIRED },
		{ GPG_ERR_CERT_REVOKED, GPG_KEY_REVOKED },
	};
	const unsigned red = GPGME_SIGSUM_RED | GPGME_SIGSUM_KEY_REVOKED | GPGME_SIGSUM_KEY_EXPIRED |
	    GPGME_SIGSUM_SIG_EXPIRED | GPGME_SIGSUM_KEY_MISSING | GPGME_SIGSUM_SYS_ERROR;

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (gpgme_err_code(sig->status) == known[i].code)
			return known[i].status;
	return sig->status == 0 && ((unsigned)sig->summary & red) == 0 ? GPG_GOOD : GPG_OTHER_FAULT;
}

/* gpgme has numbers of its own for elliptic curves. */
static uint32_t
rfc_algorithm(gpgme_pubkey_algo_t algo)
{
	static const struct {
		gpgme_pubkey_algo_t	gpgme;
		uint32_t		rfc;
	} others[] = {
		{ GPGME_PK_ECDH, 18 }, { GPGME_PK_ECDSA, 19 }, { GPGME_PK_EDDSA, 22 },
	};

	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (algo == others[i].gpgme)
			return others[i].rfc;
	return (uint32_t)algo;
}

/* Facts of the key that signed, from the ring and not from the signature. */
static int
describe_key(gpgme_ctx_t ctx, struct gpg_verdict *v, struct err *e)
{
	autogpgkey key = NULL;
	gpgme_error_t rc = gpgme_get_key(ctx, v->fingerprint, &key, 0);

	if (gpgme_err_code(rc) == GPG_ERR_ENOMEM)
		return failed(rc, "key", e);
	if (rc != 0)
		return 0;	/* not of these rings */
	for (gpgme_subkey_t sub = key->subkeys; sub != NULL; sub = sub->next) {
		if (sub->fpr == NULL || strcmp(sub->fpr, v->fingerprint) != 0)
			continue;
		v->key_algo = rfc_algorithm(sub->pubkey_algo);
		v->key_bits = sub->length;
		if (key->subkeys->fpr != NULL)
			snprintf(v->primary, sizeof(v->primary), "%s", key->subkeys->fpr);
	}
	return 0;
}

static void
describe_signature(const struct _gpgme_signature *sig, struct gpg_verdict *v)
{
	v->status = status_of(sig);
	v->wrong_key_usage = sig->wrong_key_usage;
	v->hash_algo = (uint32_t)sig->hash_algo;
	v->key_algo = rfc_algorithm(sig->pubkey_algo);
	snprintf(v->fingerprint, sizeof(v->fingerprint), "%s", sig->fpr != NULL ? sig->fpr : "");
}

/* gpg may find one signature good and the message as a whole bad: then it is bad. */
static int
verify_message(gpgme_ctx_t ctx, struct span message, struct gpg_verdict *v, struct buf *payload, struct err *e)
{
	struct sink sink = { .out = payload };
	struct gpgme_data_cbs cbs = { .write = sink_write };
	autogpgdata in = NULL, out = NULL;
	gpgme_verify_result_t result;
	gpgme_error_t rc = gpgme_data_new_from_mem(&in, (const char *)message.p, message.len, 0);

	if (rc == 0)
		rc = gpgme_data_new_from_cbs(&out, &cbs, &sink);
	if (rc != 0)
		return failed(rc, "gpg", e);
	rc = gpgme_op_verify(ctx, in, NULL, out);
	if (gpgme_err_code(rc) == GPG_ERR_ENOMEM)
		return failed(rc, "gpg", e);
	result = gpgme_op_verify_result(ctx);
	for (gpgme_signature_t s = result != NULL ? result->signatures : NULL; s != NULL; s = s->next)
		if (v->signatures++ == 0)
			describe_signature(s, v);
	if ((rc != 0 || sink.full) && v->status == GPG_GOOD)
		v->status = GPG_OTHER_FAULT;
	return 0;
}

int
gpgme_verify(const struct gpgme_job *job, struct gpg_verdict *out, struct buf *payload, struct err *e)
{
	cleanup(ctx_freep) gpgme_ctx_t ctx = NULL;
	autobuf plain = BUF(payload->max);
	struct gpg_verdict v = { 0 };
	int rc = gpgframe_check(job->message, e);

	if (rc == 0)
		rc = write_conf(job->home, e);
	if (rc == 0)
		rc = open_ctx(job, &ctx, e);
	for (size_t i = 0; i < job->nrings && rc == 0; i++)
		rc = import_ring(ctx, job->rings[i], &v.keys, e);
	if (rc == 0)
		rc = verify_message(ctx, job->message, &v, &plain, e);
	if (rc == 0 && v.signatures > 0)
		rc = describe_key(ctx, &v, e);
	if (rc < 0)
		return rc;
	*out = v;
	buf_move(payload, &plain);
	return 0;
}
