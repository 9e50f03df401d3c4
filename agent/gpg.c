/*
 * gpg.c: the role that has one OpenPGP message verified by the program gpg, and ends. It may start that one program, has an
 * empty directory of its own and no network; what gpg said goes to pull, which judges.
 */
#include "lib/base.h"

#include "agent/roles.h"

#include <fcntl.h>
#include <sys/resource.h>

#include "agent/gpgme.h"
#include "lib/fs.h"

#define CPU_SECONDS	20	/* ten thousand times what a signature takes */

struct inputs {
	struct buf	rings[GPGME_MAX_RINGS];
	size_t		nrings;
	struct buf	message;
};

/* Of a gpg that is linked dynamically the loader and the libraries; a guest has none of these. */
static const char *const libraries[] = { "/lib", "/lib64", "/usr/lib" };

static int
prepare(struct sandbox_path paths[ROLE_MAX_PATHS], struct err *e)
{
	const struct rlimit cpu = { CPU_SECONDS, CPU_SECONDS };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), n = 0;

	if (null < 0)
		return err_sys_as(e, ERR_CONFIG, "gpg needs /dev/null");
	if (setrlimit(RLIMIT_CPU, &cpu) < 0)
		return err_sys_as(e, ERR_SANDBOX, "limit of time");
	paths[n++] = (struct sandbox_path){ .fd = GPG_FD_HOME, .write = true };
	paths[n++] = (struct sandbox_path){ .fd = GPG_FD_PROGRAM, .exec = true };
	paths[n++] = (struct sandbox_path){ .fd = null, .write = true, .only_rule = true };
	for (size_t i = 0; i < ARRAY_LEN(libraries); i++) {
		int fd = open(libraries[i], O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (fd >= 0)
			paths[n++] = (struct sandbox_path){ .fd = fd, .exec = true, .only_rule = true };
	}
	paths[n].fd = -1;
	return 0;
}

static int
take_setup(char program[PATH_MAX], char home[PATH_MAX], struct err *e)
{
	static const struct msg_rule rules[] = { { .type = M_GPG_SETUP, .max_len = 2 * PATH_MAX + 8 }, { 0 } };
	struct msg_reader r;
	automsg m;
	int rc = msg_recv(FD_CONTROL, rules, -1, &m, e);

	if (rc <= 0)
		return rc < 0 ? rc : err_set(e, ERR_CRASH, "no set-up");
	r = msg_reader(&m);
	msg_get_str(&r, program, PATH_MAX);
	msg_get_str(&r, home, PATH_MAX);
	return msg_get_end(&r) ? 0 : err_set(e, ERR_PROTO, "set-up");
}

/* One after the other, each to its end, since pull writes them so. 1: there are more. */
static int
take_input(struct inputs *in, struct err *e)
{
	static const struct msg_rule rules[] = { { .type = M_GPG_INPUT, .max_len = 1, .fds = 1 }, { 0 } };
	struct msg_reader r;
	uint8_t last;
	automsg m;
	int rc = msg_recv(GPG_FD_PULL, rules, -1, &m, e);

	if (rc <= 0)
		return rc < 0 ? rc : err_set(e, ERR_CRASH, "pull is gone");
	r = msg_reader(&m);
	last = msg_get_u8(&r);
	if (!msg_get_end(&r) || (last == 0 && in->nrings == GPGME_MAX_RINGS))
		return err_set(e, ERR_PROTO, "input");
	rc = last ? fs_read_fd(m.fds[0], "signature", &in->message, e) :
	    fs_read_fd(m.fds[0], "key ring", &in->rings[in->nrings++], e);
	return rc < 0 ? rc : !last;
}

static int
put_verdict(struct msg *m, const struct gpg_verdict *v, struct span payload, struct err *e)
{
	const uint32_t numbers[] = { v->hash_algo, v->key_algo, v->key_bits };
	int rc = msg_put_u8(m, 0, e);

	if (rc == 0)
		rc = msg_put_u32(m, v->keys, e);
	if (rc == 0)
		rc = msg_put_u32(m, v->signatures, e);
	if (rc == 0)
		rc = msg_put_u8(m, (uint8_t)v->status, e);
	if (rc == 0)
		rc = msg_put_u8(m, v->wrong_key_usage, e);
	for (size_t i = 0; i < ARRAY_LEN(numbers) && rc == 0; i++)
		rc = msg_put_u32(m, numbers[i], e);
	if (rc == 0)
		rc = msg_put_str(m, v->fingerprint, e);
	if (rc == 0)
		rc = msg_put_str(m, v->primary, e);
	return rc < 0 ? rc : msg_put_bytes(m, payload, e);
}

static int
verify(const struct inputs *in, const char *program, const char *home, struct err *e)
{
	struct gpgme_job job = { .program = program, .home = home, .nrings = in->nrings,
	    .message = buf_span(&in->message) };
	autobuf payload = BUF(GPGME_MAX_PAYLOAD);
	struct err failed = { 0 };
	struct gpg_verdict v;
	automsg m;
	int rc;

	for (size_t i = 0; i < in->nrings; i++)
		job.rings[i] = buf_span(&in->rings[i]);
	if (gpgme_verify(&job, &v, &payload, &failed) < 0)
		return role_answer(GPG_FD_PULL, M_GPG_VERDICT, 0, &failed, e);
	msg_init(&m, M_GPG_VERDICT, 0);
	rc = put_verdict(&m, &v, buf_span(&payload), e);
	return rc < 0 ? rc : msg_send(GPG_FD_PULL, &m, -1, e);
}

static int
serve(struct err *e)
{
	struct inputs in = { .message = BUF(LIMIT_SIGNATURE) };
	char program[PATH_MAX], home[PATH_MAX];
	int rc = take_setup(program, home, e);

	for (size_t i = 0; i < GPGME_MAX_RINGS; i++)
		in.rings[i] = (struct buf)BUF(LIMIT_POLICY_KEY);
	if (rc == 0)
		do
			rc = take_input(&in, e);
		while (rc == 1);
	if (rc == 0)
		rc = verify(&in, program, home, e);
	for (size_t i = 0; i < GPGME_MAX_RINGS; i++)
		buf_free(&in.rings[i]);
	buf_free(&in.message);
	return rc;
}

const struct role_ops role_gpg = {
	.name = "gpg",
	.uid = UID_GPG,
	.words = WORD(STDIO) | WORD(FDPASS) | WORD(TREE_WRITE) | WORD(EXEC),
	.max_files = 64,
	.prepare = prepare,
	.serve = serve,
};
