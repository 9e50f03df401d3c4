/* recipients.c: see recipients.h. */
#include "lib/base.h"

#include "agent/recipients.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "agent/roles.h"
#include "lib/sys.h"

#define OPTION		"--recipient"
#define PROVIDER	"provider:"
#define OURS		PROVIDER "attestation-agent"
#define JWE		"jwe:"

/* What ocicrypt has besides. */
static const struct {
	const char	*prefix, *why;
} others[] = {
	{ "pkcs7:", "is read here, but not written: give the certificate's key as jwe:CERTIFICATE" },
	{ "pgp:", "needs a GnuPG key ring; give a key as jwe:FILE" },
	{ "pkcs11:", "needs a token and its module; export its public key and give it as jwe:FILE" },
	{ PROVIDER, "has only the name attestation-agent here (" OURS ":KEYID)" },
};

static int
add_provider(struct recipient *r, const char *params, struct err *e)
{
	if (strlen(params) >= LIMIT_URI)
		return err_set(e, ERR_LIMIT, OPTION " " OURS ": longer than %d bytes", LIMIT_URI - 1);
	*r = (struct recipient){ .scheme = SCHEME_PROVIDER, .text = params, .fd = -1 };
	return 0;
}

static int
add_file(struct recipient *r, enum ocicrypt_scheme scheme, const char *path, struct err *e)
{
	struct stat st;
	int fd;

	if (*path == '\0')
		return err_set(e, ERR_USAGE, OPTION " " JWE " wants a file");
	/* Not to wait for whoever writes to a FIFO. */
	fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0);
	if (fd < 0)
		return err_sys_as(e, ERR_CONFIG, OPTION " " JWE "%s", path);
	if (fstat(fd, &st) < 0 || S_ISDIR(st.st_mode)) {
		base_close(&fd);
		return err_set(e, ERR_CONFIG, OPTION " " JWE "%s: not a file", path);
	}
	*r = (struct recipient){ .scheme = scheme, .text = path, .fd = fd };
	return 0;
}

static int
add(struct recipients *rs, const char *text, struct err *e)
{
	struct recipient *r = &rs->one[rs->n];
	int rc;

	if (rs->n == RECIPIENTS_MAX)
		return err_set(e, ERR_USAGE, OPTION ": at most %d", RECIPIENTS_MAX);
	if (strncmp(text, JWE, strlen(JWE)) == 0) {
		rc = add_file(r, SCHEME_JWE, text + strlen(JWE), e);
	} else if (strncmp(text, OURS ":", strlen(OURS ":")) == 0) {
		rc = add_provider(r, text + strlen(OURS ":"), e);
	} else if (strcmp(text, OURS) == 0) {
		rc = add_provider(r, "", e);
	} else {
		for (size_t i = 0; i < ARRAY_LEN(others); i++)
			if (strncmp(text, others[i].prefix, strlen(others[i].prefix)) == 0)
				return err_set(e, ERR_UNSUPPORTED, OPTION " %s %s", text, others[i].why);
		return err_set(e, ERR_USAGE, OPTION " %s: wants " OURS ":KEYID or " JWE "FILE", text);
	}
	rs->n += rc == 0;
	return rc;
}

int
recipients_open(const char *const texts[], struct recipients *out, struct err *e)
{
	struct recipients rs = { .n = 0 };
	int rc = 0;

	for (; *texts != NULL && rc == 0; texts++)
		rc = add(&rs, *texts, e);
	if (rc < 0)
		recipients_close(&rs);
	else
		*out = rs;
	return rc;
}

void
recipients_close(struct recipients *rs)
{
	for (size_t i = 0; i < rs->n; i++)
		base_close(&rs->one[i].fd);
	rs->n = 0;
}

bool
recipients_need_keys(const struct recipients *rs)
{
	for (size_t i = 0; i < rs->n; i++)
		if (rs->one[i].scheme == SCHEME_PROVIDER)
			return true;
	return false;
}

static int
send_one(const struct recipient *r, int key, struct err *e)
{
	char name[256];
	automsg m;
	int rc = 0;

	if (r->scheme == SCHEME_PROVIDER) {
		msg_init(&m, M_KEY_RECIPIENT, 0);
		rc = msg_put_str(&m, r->text, e);
	} else {
		msg_init(&m, M_KEY_RECIPIENT_FILE, 0);
		snprintf(name, sizeof(name), "%s", r->text);
		rc = msg_put_u8(&m, (uint8_t)r->scheme, e);
		if (rc == 0)
			rc = msg_put_str(&m, name, e);
		msg_put_fd(&m, r->fd);
	}
	return rc < 0 ? rc : msg_send(key, &m, -1, e);
}

int
recipients_send(const struct recipients *rs, int key, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < rs->n && rc == 0; i++)
		rc = send_one(&rs->one[i], key, e);
	return rc;
}
