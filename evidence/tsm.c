/*
 * tsm.c: the directory protocol of configfs-tsm. The kernel applies inblob when it is closed and tells no error then;
 * the generation, which counts what was written, tells whether it was, and that nobody else wrote.
 */
#include "lib/base.h"

#include "evidence/tsm.h"

#include <fcntl.h>

#include "lib/fs.h"
#include "lib/sys.h"

#define BUSY_MS		60000	/* the kernel itself waits for a quote up to 30 s */
#define AGAIN_MS	200
#define ATTRIBUTE	64	/* bytes of one that is text */
#define LEVEL_MAX	3

struct entry {
	const struct evidence_env	*env;
	char				 path[sizeof(TSM_DIR) + 32];
};

static int
make_entry(const struct evidence_env *env, struct entry *out, struct err *e)
{
	char name[17];
	int rc = fs_random_name(name, 8, e);

	if (rc < 0)
		return rc;
	out->env = env;
	snprintf(out->path, sizeof(out->path), "%s/cacao-%s", TSM_DIR, name);
	if (env->make_dir(env->arg, out->path) == 0)
		return 0;
	return err_sys_as(e, errno == ENOENT || errno == ENXIO ? ERR_NO_TEE : ERR_EVIDENCE, "%s: new entry", TSM_DIR);
}

/* The attributes go with it. A directory that stays costs a little memory of the kernel, and nothing else. */
static void
remove_entry(const struct entry *t)
{
	(void)t->env->remove_dir(t->env->arg, t->path);
}

static int
open_attribute(const struct entry *t, const char *name, int flags, int *fd, struct err *e)
{
	char path[sizeof(t->path) + 32];

	snprintf(path, sizeof(path), "%s/%s", t->path, name);
	*fd = t->env->open(t->env->arg, path, flags);
	return *fd < 0 ? err_sys_as(e, ERR_EVIDENCE, "configfs-tsm: %s", name) : 0;
}

static int
read_attribute(const struct entry *t, const char *name, struct buf *out, struct err *e)
{
	struct err why = { 0 };
	autoclose int fd = -1;
	int rc = open_attribute(t, name, O_RDONLY, &fd, e);

	if (rc < 0)
		return rc;
	rc = fs_read_fd(fd, name, out, &why);
	if (rc == 0)
		return 0;
	*e = why;
	if (why.code != ERR_SYS)
		return err_wrap(e, "configfs-tsm");
	errno = why.sys;
	return err_sys_as(e, why.sys == ETIMEDOUT ? ERR_TIMEOUT : ERR_EVIDENCE, "configfs-tsm: %s", name);
}

/* In one write, as the kernel wants it. */
static int
write_attribute(const struct entry *t, const char *name, struct span value, struct err *e)
{
	autoclose int fd = -1;
	ssize_t n;
	int rc = open_attribute(t, name, O_WRONLY, &fd, e);

	if (rc < 0)
		return rc;
	n = sys_write(fd, value.p, value.len);
	if (n < 0)
		return err_sys_as(e, ERR_EVIDENCE, "configfs-tsm: %s", name);
	if ((size_t)n != value.len)
		return err_set(e, ERR_EVIDENCE, "configfs-tsm: %s: written in part", name);
	return 0;
}

static int
read_number(const struct entry *t, const char *name, uint64_t max, uint64_t *out, struct err *e)
{
	autobuf text = BUF(ATTRIBUTE);
	struct span line;
	int rc = read_attribute(t, name, &text, e);

	if (rc < 0)
		return rc;
	line = buf_span(&text);
	if (line.len > 0 && line.p[line.len - 1] == '\n')
		line.len--;
	if (!span_decimal(line, max, out))
		return err_set(e, ERR_EVIDENCE, "configfs-tsm: %s: not a number up to %" PRIu64, name, max);
	return 0;
}

static int
check_provider(const struct entry *t, const char *wanted, struct err *e)
{
	autobuf text = BUF(ATTRIBUTE);
	struct span name;
	int rc = read_attribute(t, "provider", &text, e);

	if (rc < 0)
		return rc;
	name = buf_span(&text);
	if (name.len > 0 && name.p[name.len - 1] == '\n')
		name.len--;
	if (span_eq_str(name, wanted))
		return 0;
	return err_set(e, ERR_NO_TEE, "configfs-tsm: the provider is \"%s\", not %s", buf_str(&text), wanted);
}

static int
check_generation(const struct entry *t, uint64_t wanted, struct err *e)
{
	uint64_t seen;
	int rc = read_number(t, "generation", UINT32_MAX, &seen, e);

	if (rc == 0 && seen != wanted)
		rc = err_set(e, ERR_EVIDENCE, "configfs-tsm: generation %" PRIu64 " instead of %" PRIu64
		    ": the request was not taken, or somebody else changed it", seen, wanted);
	return rc;
}

static int
write_level(const struct entry *t, struct err *e)
{
	char text[8];
	uint64_t lowest;
	int rc = read_number(t, "privlevel_floor", LEVEL_MAX, &lowest, e);

	if (rc < 0)
		return rc;
	snprintf(text, sizeof(text), "%u", (unsigned)lowest);
	return write_attribute(t, "privlevel", span_str(text), e);
}

static int
ask(const struct entry *t, const char *provider, bool levels, const uint8_t data[EVIDENCE_DATA], struct buf *report,
    struct buf *aux, struct err *e)
{
	const uint64_t written = levels ? 2 : 1;
	int rc = check_provider(t, provider, e);

	if (rc == 0 && levels)
		rc = write_level(t, e);
	if (rc == 0)
		rc = write_attribute(t, "inblob", (struct span){ data, EVIDENCE_DATA }, e);
	if (rc == 0)
		rc = check_generation(t, written, e);
	if (rc == 0)
		rc = read_attribute(t, "outblob", report, e);
	if (rc == 0 && report->len == 0)
		rc = err_set(e, ERR_EVIDENCE, "configfs-tsm: an empty report: the host could not make one");
	if (rc == 0 && aux != NULL)
		rc = read_attribute(t, "auxblob", aux, e);
	return rc < 0 ? rc : check_generation(t, written, e);
}

bool
tsm_provided_by(const struct evidence_env *env, const char *provider)
{
	struct err e = { 0 };
	struct entry t;
	bool yes;

	if (make_entry(env, &t, &e) < 0)
		return false;
	yes = check_provider(&t, provider, &e) == 0;
	remove_entry(&t);
	return yes;
}

int
tsm_report(const struct evidence_env *env, const char *provider, bool levels, const uint8_t data[EVIDENCE_DATA],
    struct buf *report, struct buf *aux, struct err *e)
{
	const int64_t deadline = sys_now_ms() + BUSY_MS;
	struct err why = { 0 };
	struct entry t;
	int rc;

	for (;;) {
		rc = make_entry(env, &t, e);
		if (rc < 0)
			return rc;
		rc = ask(&t, provider, levels, data, report, aux, &why);
		remove_entry(&t);
		if (rc == 0)
			return 0;
		buf_reset(report);
		if (aux != NULL)
			buf_reset(aux);
		if (why.sys != EBUSY || sys_now_ms() >= deadline) {
			*e = why;
			return rc;
		}
		env->pause(env->arg, AGAIN_MS);
	}
}
