/* key_setup.c: see key_setup.h. The files are opened here and read in the key role. */
#include "lib/base.h"

#include "agent/key_setup.h"

#include <fcntl.h>

#include "agent/monitor.h"

#define OPTION		"--decryption-key"
#define PROVIDER	"provider:"
#define OURS		PROVIDER "attestation-agent:"

static int
add_provider(struct key_setup *s, const char *text, struct err *e)
{
	if (strncmp(text, OURS, strlen(OURS)) != 0)
		return err_set(e, ERR_UNSUPPORTED, OPTION ": the only key provider is " OURS "NAME::URI");
	if (s->kbc_params != NULL)
		return err_set(e, ERR_USAGE, "two key brokers: give one, by --aa-kbc-params or " OPTION);
	s->kbc_params = text + strlen(OURS);
	return 0;
}

/* What stands behind the colon is not shown: it may be the password. */
static int
open_password(const char *name, size_t len, const char *how, int *out, struct err *e)
{
	uint64_t n;

	if (strncmp(how, "file=", 5) == 0) {
		*out = open(how + 5, O_RDONLY | O_CLOEXEC);
		return *out < 0 ? err_sys_as(e, ERR_CONFIG, OPTION " %.*s: file with its password", (int)len, name) : 0;
	}
	if (strncmp(how, "fd=", 3) == 0 && span_decimal(span_str(how + 3), INT_MAX, &n)) {
		*out = fcntl((int)n, F_DUPFD_CLOEXEC, 3);
		return *out < 0 ? err_sys_as(e, ERR_CONFIG, OPTION " %.*s: fd=%d", (int)len, name, (int)n) : 0;
	}
	return err_set(e, ERR_USAGE, OPTION " %.*s: only :file=PATH or :fd=N may follow; a password on the "
	    "command line could be read by everybody on this machine", (int)len, name);
}

static int
add_file(struct key_setup *s, const char *text, struct err *e)
{
	struct key_setup_file *f;
	size_t len = strcspn(text, ":");
	char path[PATH_MAX];
	int rc = 0;

	if (s->n == LIMIT_KEY_FILES)
		return err_set(e, ERR_USAGE, OPTION ": at most %d files", LIMIT_KEY_FILES);
	if (len == 0 || len >= sizeof(path))
		return err_set(e, ERR_USAGE, OPTION " wants FILE, FILE:file=PATH or FILE:fd=N");
	snprintf(path, sizeof(path), "%.*s", (int)len, text);
	f = &s->file[s->n++];
	*f = (struct key_setup_file){ .name = text, .key = -1, .password = -1 };
	if (text[len] == ':')
		rc = open_password(text, len, text + len + 1, &f->password, e);
	if (rc < 0)
		return rc;
	f->key = open(path, O_RDONLY | O_CLOEXEC);
	return f->key < 0 ? err_sys_as(e, ERR_CONFIG, OPTION " %s", path) : 0;
}

int
key_setup_open(const char *const keys[], const char *kbc_params, struct key_setup *out, struct err *e)
{
	struct key_setup s = { .kbc_params = kbc_params };
	int rc = 0;

	for (; *keys != NULL && rc == 0; keys++)
		rc = strncmp(*keys, PROVIDER, strlen(PROVIDER)) == 0 ?
		    add_provider(&s, *keys, e) : add_file(&s, *keys, e);
	if (rc < 0)
		key_setup_close(&s);
	else
		*out = s;
	return rc;
}

void
key_setup_close(struct key_setup *s)
{
	for (size_t i = 0; i < s->n; i++) {
		base_close(&s->file[i].key);
		base_close(&s->file[i].password);
	}
	s->n = 0;
}

/* A password goes before the key it is for. */
static int
send_file(int key, const struct key_setup_file *f, struct err *e)
{
	char name[256];
	automsg password, file;
	int rc = 0;

	msg_init(&password, M_KEY_PASSWORD, 0);
	msg_init(&file, M_KEY_FILE, 0);
	if (f->password >= 0) {
		msg_put_fd(&password, f->password);
		rc = msg_send(key, &password, -1, e);
	}
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(f->name, ":"), f->name);
	if (rc == 0)
		rc = msg_put_str(&file, name, e);
	if (rc < 0)
		return rc;
	msg_put_fd(&file, f->key);
	return msg_send(key, &file, -1, e);
}

int
key_setup_send(const struct key_setup *s, int key, bool allow_ctr, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < s->n && rc == 0; i++)
		rc = send_file(key, &s->file[i], e);
	return rc < 0 ? rc : monitor_set_up_key(key, s->kbc_params, allow_ctr, e);
}
