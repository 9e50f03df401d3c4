/*
 * measure.c: write ahead, extend, log, forget. What is written ahead is what a register will hold and the event's text, so
 * that the register itself tells afterwards whether it was extended: the log follows from that, in whatever step a crash came.
 */
#include "lib/base.h"

#include "evidence/measure.h"

#include <fcntl.h>
#include <sys/file.h>

#include "evidence/eventlog.h"
#include "lib/crypto.h"
#include "lib/fs.h"
#include "lib/sys.h"

#define AHEAD_NAME	".wal_event_entry"
#define AHEAD		EVENTLOG_DIR "/" AHEAD_NAME
#define LOCK_TRIES	900	/* of 100 ms: longer than a report may take */
#define RECORD_MAX	(EVENTLOG_TEXT + 128)

/* A PCR for each register that there is. */
static const unsigned registers[] = { MEASURE_PCR, 1, 2, 8 };

struct place {
	const struct evidence_env	*env;
	const struct attester_ops	*tee;
	int				 dir;	/* EVENTLOG_DIR, locked */
};

/* The write-ahead file: offset, 8 bytes, big-endian; expected, as long as a digest; text. */
struct ahead {
	uint64_t	offset;			/* of the record in the log */
	uint8_t		expected[HASH_MAX];	/* what the register holds then; zeros: it could not be read before */
	struct span	text;
};

static size_t
digest_size(const struct place *p)
{
	return hash_size((enum hash_alg)p->tee->extend_alg);
}

static bool
is_known(const struct place *p, const uint8_t *value)
{
	static const uint8_t zeros[HASH_MAX];

	return memcmp(value, zeros, digest_size(p)) != 0;
}

static int
contradiction(struct err *e)
{
	return err_set(e, ERR_EVIDENCE, "event log: %s does not fit what the registers hold: one of them was tampered with", AHEAD);
}

/* --- registers */

/* 1: value holds it; 0: this kernel does not show it. */
static int
look(const struct place *p, unsigned pcr, uint8_t value[HASH_MAX], struct err *e)
{
	struct err why = { 0 };
	int rc = p->tee->read_register != NULL ? p->tee->read_register(p->env, pcr, value, &why) : -ERR_UNSUPPORTED;

	if (rc == 0)
		return 1;
	if (rc != -ERR_UNSUPPORTED)
		*e = why;
	return rc == -ERR_UNSUPPORTED ? 0 : rc;
}

/* What a register of this value holds when it has been extended. */
static int
value_after(const struct place *p, const uint8_t *value, const uint8_t *digest, uint8_t out[HASH_MAX], struct err *e)
{
	uint8_t both[2 * HASH_MAX];
	size_t size = digest_size(p);

	memcpy(both, value, size);
	memcpy(both + size, digest, size);
	return hash_once((enum hash_alg)p->tee->extend_alg, (struct span){ both, 2 * size }, out, e);
}

/* Which register the file speaks of: *done, if one holds the expected value; else how many would hold it after extension. */
static int
find_register(const struct place *p, const struct ahead *a, const uint8_t *digest, unsigned *pcr, bool *done, struct err *e)
{
	int fit = 0;

	*done = false;
	for (size_t i = 0; i < ARRAY_LEN(registers); i++) {
		uint8_t value[HASH_MAX], next[HASH_MAX];
		int rc = look(p, registers[i], value, e);

		if (rc == 0)
			continue;
		if (rc > 0)
			rc = value_after(p, value, digest, next, e);
		if (rc < 0)
			return rc;
		*done = memcmp(value, a->expected, digest_size(p)) == 0;
		if (*done || memcmp(next, a->expected, digest_size(p)) == 0) {
			*pcr = registers[i];
			fit++;
		}
		if (*done)
			return 1;
	}
	return fit;
}

/* --- files */

/* 1: out holds it; 0: there is none. */
static int
read_ahead(const struct place *p, struct buf *out, struct err *e)
{
	autoclose int fd = p->env->open(p->env->arg, AHEAD, O_RDONLY);
	int rc;

	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys_as(e, ERR_STORAGE, "event log: %s", AHEAD);
	rc = fs_read_fd(fd, AHEAD, out, e);
	return rc < 0 ? rc : 1;
}

static int
write_ahead(const struct place *p, const struct ahead *a, struct err *e)
{
	autobuf bytes = BUF(RECORD_MAX);
	int rc = buf_add_be64(&bytes, a->offset, e);

	if (rc == 0)
		rc = buf_add(&bytes, a->expected, digest_size(p), e);
	if (rc == 0)
		rc = buf_add_span(&bytes, a->text, e);
	return rc < 0 ? rc : fs_write_atomic(p->dir, AHEAD_NAME, buf_span(&bytes), 0600, e);
}

static int
forget(const struct place *p, struct err *e)
{
	return p->env->remove_file(p->env->arg, AHEAD) == 0 ? 0 : err_sys_as(e, ERR_STORAGE, "event log: remove %s", AHEAD);
}

/* Does the log end at this place, or with the beginning of this record there? */
static int
check_place(const struct place *p, uint64_t offset, struct span record, struct err *e)
{
	autobuf begun = BUF(record.len);
	autoclose int fd = p->env->open(p->env->arg, EVENTLOG_AAEL, O_RDONLY);
	off_t end = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	int rc = 0;

	if ((fd < 0 && errno != ENOENT) || end < 0)
		return err_sys_as(e, ERR_STORAGE, "event log: %s", EVENTLOG_AAEL);
	if ((uint64_t)end < offset || (uint64_t)end - offset > record.len)
		return contradiction(e);
	if ((uint64_t)end > offset && lseek(fd, (off_t)offset, SEEK_SET) < 0)
		return err_sys_as(e, ERR_STORAGE, "event log: %s", EVENTLOG_AAEL);
	if ((uint64_t)end > offset)
		rc = fs_read_fd(fd, EVENTLOG_AAEL, &begun, e);
	if (rc < 0)
		return rc;
	record.len = begun.len;
	return span_eq(buf_span(&begun), record) ? 0 : contradiction(e);
}

/* Then the event is complete. */
static int
put_record(const struct place *p, uint64_t offset, struct span record, struct err *e)
{
	autoclose int fd = p->env->open(p->env->arg, EVENTLOG_AAEL, O_WRONLY | O_CREAT);

	if (fd < 0 || lseek(fd, (off_t)offset, SEEK_SET) < 0 || sys_write_all(fd, record.p, record.len) < 0 || fsync(fd) < 0)
		return err_sys_as(e, ERR_STORAGE, "event log: %s", EVENTLOG_AAEL);
	return forget(p, e);
}

static int
record_for(const struct place *p, unsigned pcr, struct span text, struct buf *record, uint8_t digest[HASH_MAX], struct err *e)
{
	return eventlog_record(eventlog_register(pcr), p->tee->extend_alg, text, record, digest, e);
}

/* --- after a crash */

static bool
parse_ahead(const struct place *p, struct span in, struct ahead *out)
{
	struct span expected;

	if (!span_be64(&in, &out->offset) || !span_take(&in, digest_size(p), &expected) || in.len == 0 ||
	    in.len > EVENTLOG_TEXT || out->offset > MEASURE_LOG)
		return false;
	memcpy(out->expected, expected.p, expected.len);
	out->text = in;
	return true;
}

/*
 * Extended already: only the log is completed. Not yet: that is made up for; but where registers hold the same, nothing tells
 * which was meant, and since nobody has been told that the event is in, it is dropped.
 */
static int
complete(const struct place *p, const struct ahead *a, struct err *e)
{
	autobuf record = BUF(RECORD_MAX);
	uint8_t digest[HASH_MAX];
	unsigned pcr = MEASURE_PCR;
	bool done;
	int rc = record_for(p, pcr, a->text, &record, digest, e);
	int fit = rc < 0 ? rc : find_register(p, a, digest, &pcr, &done, e);

	if (fit < 0)
		return fit;
	if (fit == 0)
		return contradiction(e);
	if (fit > 1)
		return forget(p, e);
	buf_reset(&record);
	rc = record_for(p, pcr, a->text, &record, digest, e);
	if (rc == 0)
		rc = check_place(p, a->offset, buf_span(&record), e);
	if (rc == 0 && !done)
		rc = p->tee->extend(p->env, pcr, (struct span){ digest, digest_size(p) }, e);
	return rc < 0 ? rc : put_record(p, a->offset, buf_span(&record), e);
}

static int
recover(const struct place *p, struct err *e)
{
	autobuf bytes = BUF(RECORD_MAX);
	struct ahead a;
	int rc = read_ahead(p, &bytes, e);

	if (rc <= 0 && rc != -ERR_LIMIT)
		return rc;
	if (rc < 0 || !parse_ahead(p, buf_span(&bytes), &a))
		return err_set(e, ERR_EVIDENCE, "event log: %s cannot be read: it was tampered with", AHEAD);
	if (!is_known(p, a.expected))
		return err_set(e, ERR_EVIDENCE, "event log: %s: an event was interrupted, and this kernel does not show whether its "
		    "register was extended", AHEAD);
	return complete(p, &a, e);
}

/* --- the two ways in */

static int
lock(const struct evidence_env *env, int dir, struct err *e)
{
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (flock(dir, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_sys_as(e, ERR_STORAGE, "event log: lock %s", EVENTLOG_DIR);
		env->pause(env->arg, 100);
	}
	return err_set(e, ERR_TIMEOUT, "event log: another process holds %s", EVENTLOG_DIR);
}

int
measure_settle(const struct evidence_env *env, const struct attester_ops *tee, int *held, struct err *e)
{
	autoclose int dir = -1;
	struct place p;
	int rc;

	*held = -1;
	if (tee->extend == NULL)
		return 0;
	dir = env->open(env->arg, EVENTLOG_DIR, O_RDONLY | O_DIRECTORY);
	if (dir < 0)
		return errno == ENOENT ? 0 : err_sys_as(e, ERR_STORAGE, "event log: %s", EVENTLOG_DIR);
	p = (struct place){ env, tee, dir };
	rc = lock(env, dir, e);
	if (rc == 0)
		rc = recover(&p, e);
	if (rc == 0)
		*held = fd_steal(&dir);
	return rc;
}

/* Where the record goes; *there: with once, if the log has it. */
static int
find_place(const struct place *p, bool once, struct span record, uint64_t *offset, bool *there, struct err *e)
{
	autobuf log = BUF(LIMIT_EVENT_LOG);
	autoclose int fd = p->env->open(p->env->arg, EVENTLOG_AAEL, O_RDONLY);
	off_t end;
	int rc;

	*offset = 0;
	*there = false;
	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys_as(e, ERR_STORAGE, "event log: %s", EVENTLOG_AAEL);
	if (once) {
		rc = fs_read_fd(fd, EVENTLOG_AAEL, &log, e);
		if (rc < 0)
			return rc;
		*there = log.len > 0 && memmem(log.data, log.len, record.p, record.len) != NULL;
	}
	end = lseek(fd, 0, SEEK_END);
	if (end < 0)
		return err_sys_as(e, ERR_STORAGE, "event log: %s", EVENTLOG_AAEL);
	*offset = (uint64_t)end;
	if (!*there && *offset + record.len > MEASURE_LOG)
		return err_set(e, ERR_LIMIT, "event log: %s is full", EVENTLOG_AAEL);
	return 0;
}

/* One that failed may have happened all the same: if the register cannot be told to be as before, the file stays. */
static int
extend(const struct place *p, unsigned pcr, const struct ahead *a, const uint8_t *before, const uint8_t *digest, struct err *e)
{
	struct err unimportant = { 0 };
	uint8_t now[HASH_MAX];
	int rc = p->tee->extend(p->env, pcr, (struct span){ digest, digest_size(p) }, e), seen;

	if (rc == 0)
		return 0;
	seen = look(p, pcr, now, &unimportant);
	if (seen > 0 && memcmp(now, a->expected, digest_size(p)) == 0)
		return 0;
	if (seen == 0 || (seen > 0 && memcmp(now, before, digest_size(p)) == 0))
		(void)(forget(p, &unimportant) < 0);
	return rc;
}

static int
measure(const struct place *p, unsigned pcr, bool once, struct span text, struct err *e)
{
	autobuf record = BUF(RECORD_MAX);
	struct ahead a = { .text = text };
	uint8_t digest[HASH_MAX], before[HASH_MAX];
	bool there = false;
	int rc = record_for(p, pcr, text, &record, digest, e);

	if (rc == 0)
		rc = find_place(p, once, buf_span(&record), &a.offset, &there, e);
	if (rc < 0 || there)
		return rc;
	rc = look(p, pcr, before, e);
	if (rc > 0)
		rc = value_after(p, before, digest, a.expected, e);
	if (rc == 0)
		rc = write_ahead(p, &a, e);
	if (rc == 0)
		rc = extend(p, pcr, &a, before, digest, e);
	return rc < 0 ? rc : put_record(p, a.offset, buf_span(&record), e);
}

int
measure_event(const struct evidence_env *env, const struct attester_ops *tee, const struct measure_event *event, struct err *e)
{
	autobuf text = BUF(EVENTLOG_TEXT);
	struct place p = { env, tee, -1 };
	autoclose int held = -1;
	int rc;

	if (tee->extend == NULL)
		return err_set(e, ERR_UNSUPPORTED, "%s: this platform has no registers to extend", tee->name);
	if (event->pcr >= MEASURE_PCRS)
		return err_set(e, ERR_USAGE, "event: PCR %u: there are %d", event->pcr, MEASURE_PCRS);
	rc = eventlog_text(event->domain, event->operation, event->content, &text, e);
	if (rc == 0)
		rc = measure_settle(env, tee, &held, e);
	if (rc < 0)
		return rc;
	if (held < 0)
		return err_set(e, ERR_STORAGE, "event log: there is no %s", EVENTLOG_DIR);
	p.dir = held;
	return measure(&p, event->pcr, event->once, buf_span(&text), e);
}
