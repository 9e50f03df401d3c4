/*
 * test_measure.c: register and log stay together: whatever fails, and wherever a crash comes, what is replayed from the log after
 * the next start is what the registers hold. The platform is four registers in memory, the world a folder.
 */
#include "lib/base.h"

#include "evidence/measure.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "evidence/bytes.h"
#include "evidence/eventlog.h"
#include "lib/crypto.h"
#include "lib/fs.h"
#include "lib/sys.h"
#include "tests/lib/fault.h"
#include "tests/lib/mutate.h"
#include "tests/lib/tap.h"

enum { SIZE = 48, REGISTERS = 4 };
#define AHEAD	".wal_event_entry"

static struct err e;
static char folder[64];
static int folder_fd = -1;
static unsigned pauses;

/* --- the platform */

static uint8_t held[REGISTERS][SIZE];
static unsigned extended;
static enum { EXTENDS, REFUSES, LIES, SPOILS, CANNOT } manner;	/* LIES: extends and says it did not; SPOILS: something else */
static enum { SHOWN, HIDDEN, BROKEN } shown;

/* --- a crash: from some call on nothing works any more */

static long calls_left = -1;	/* -1: it never comes */

static bool
alive(void)
{
	if (calls_left == 0)
		errno = EIO;
	return calls_left < 0 || (calls_left > 0 && calls_left-- > 0);
}

static int
dying_openat(int dir, const char *name, int flags, mode_t mode)
{
	return alive() ? sys_real.openat(dir, name, flags, mode) : -1;
}

static ssize_t
dying_read(int fd, void *out, size_t size)
{
	return alive() ? sys_real.read(fd, out, size) : -1;
}

/* The last one is cut short. */
static ssize_t
dying_write(int fd, const void *bytes, size_t size)
{
	if (calls_left == 1)
		size /= 2;
	return alive() ? sys_real.write(fd, bytes, size) : -1;
}

static int
dying_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
	return alive() ? sys_real.renameat2(from_dir, from, to_dir, to, flags) : -1;
}

static struct sys_ops dying;

static int
extend(maybe_unused const struct evidence_env *env, unsigned pcr, struct span digest, struct err *err)
{
	uint8_t both[2 * SIZE], next[HASH_MAX];
	unsigned at = eventlog_register(pcr) - 1;

	if (manner == CANNOT)
		return err_set(err, ERR_UNSUPPORTED, "this kernel has no way");
	if (!alive() || manner == REFUSES || digest.len != SIZE)
		return err_set(err, ERR_EVIDENCE, "refused");
	memcpy(both, held[at], SIZE);
	memcpy(both + SIZE, digest.p, SIZE);
	if (hash_once(HASH_SHA384, (struct span){ both, sizeof(both) }, next, err) < 0)
		abort();
	memcpy(held[at], next, SIZE);
	extended++;
	if (manner == SPOILS)
		held[at][0] ^= 1;
	return manner == EXTENDS ? 0 : err_set(err, ERR_EVIDENCE, "says it did not");
}

static int
read_register(maybe_unused const struct evidence_env *env, unsigned pcr, uint8_t value[64], struct err *err)
{
	if (shown == HIDDEN)
		return err_set(err, ERR_UNSUPPORTED, "not shown");
	if (shown == BROKEN || !alive())
		return err_set(err, ERR_EVIDENCE, "cannot be read");
	memcpy(value, held[eventlog_register(pcr) - 1], SIZE);
	return 0;
}

static const struct attester_ops platform = {
	.name = "tested", .extend = extend, .read_register = read_register, .extend_alg = HASH_SHA384,
};
static const struct attester_ops without = { .name = "without", .extend_alg = HASH_SHA384 };

/* --- the world */

static const char *
name_of(const char *path)
{
	return strcmp(path, EVENTLOG_DIR) == 0 ? "." : path + strlen(EVENTLOG_DIR "/");
}

static bool no_folder;

static int
env_open(maybe_unused void *arg, const char *path, int flags)
{
	if (no_folder) {
		errno = ENOENT;
		return -1;
	}
	return sys_openat(folder_fd, name_of(path), flags | O_CLOEXEC, 0600);
}

static int
env_remove(maybe_unused void *arg, const char *path)
{
	return alive() ? unlinkat(folder_fd, name_of(path), 0) : -1;
}

static void
env_pause(maybe_unused void *arg, maybe_unused unsigned ms)
{
	pauses++;
}

static const struct evidence_env env = { .open = env_open, .remove_file = env_remove, .pause = env_pause };

static void
reset(void)
{
	(void)unlinkat(folder_fd, AHEAD, 0);
	(void)unlinkat(folder_fd, "eventlog", 0);
	memset(held, 0, sizeof(held));
	for (int i = 0; i < REGISTERS; i++)
		held[i][0] = (uint8_t)(i + 1);
	extended = 0;
	manner = EXTENDS;
	shown = SHOWN;
}

static bool
there(const char *name)
{
	return faccessat(folder_fd, name, F_OK, 0) == 0;
}

static struct span
file(const char *name, struct buf *into)
{
	buf_reset(into);
	if (there(name) && fs_read_file(folder_fd, name, into, &e) < 0)
		abort();
	return buf_span(into);
}

static void
put_file(const char *name, struct span bytes)
{
	if (fs_write_atomic(folder_fd, name, bytes, 0600, &e) < 0)
		abort();
}

/* Do the records of the log, and nothing else, lead to what the registers hold? */
static bool
replays(void)
{
	autobuf log = BUF(LIMIT_EVENT_LOG);
	uint8_t want[REGISTERS][SIZE] = { 0 }, next[HASH_MAX], both[2 * SIZE];
	struct span in = file("eventlog", &log), head, digest, rest;

	for (int i = 0; i < REGISTERS; i++)
		want[i][0] = (uint8_t)(i + 1);
	if (eventlog_check(in, &e) < 0)
		return false;
	while (in.len > 0) {
		if (!span_take(&in, 14, &head) || !span_take(&in, SIZE, &digest) || le32(head.p) - 1 >= REGISTERS ||
		    in.len < 4 || !span_take(&in, 4 + (size_t)le32(in.p), &rest))
			return false;
		memcpy(both, want[le32(head.p) - 1], SIZE);
		memcpy(both + SIZE, digest.p, SIZE);
		if (hash_once(HASH_SHA384, (struct span){ both, sizeof(both) }, next, &e) < 0)
			abort();
		memcpy(want[le32(head.p) - 1], next, SIZE);
	}
	return memcmp(want, held, sizeof(held)) == 0;
}

static int
measure(unsigned pcr, const char *content)
{
	const struct measure_event event = { pcr, "domain", "operation", content, false };

	return measure_event(&env, &platform, &event, &e);
}

static int
settle(void)
{
	autoclose int lock = -1;

	return measure_settle(&env, &platform, &lock, &e);
}

/* --- the tests */

static void
test_plain(void)
{
	autobuf log = BUF(LIMIT_EVENT_LOG);
	struct stat st;

	reset();
	works(measure(MEASURE_PCR, "one"), "an event");
	ok(extended == 1 && replays(), "is in register and log");
	ok(!there(AHEAD), "nothing is left to do");
	ok(fstatat(folder_fd, "eventlog", &st, 0) == 0 && (st.st_mode & 0777) == 0600, "the log is nobody else's");
	works(measure(1, "two"), "PCR 1");
	works(measure(5, "three"), "PCR 5");
	works(measure(8, "four"), "PCR 8");
	works(measure(0, ""), "PCR 0, no content");
	ok(extended == 5 && replays(), "the entry names the register of the PCR asked for");
	ok(held[0][0] != 1 && held[1][0] != 2 && held[2][0] != 3 && held[3][0] != 4, "all four were extended");
	is_int(file("eventlog", &log).p[14 + SIZE + 4 + 8 + 20 + 0], 0x01, "a second record follows the first");
}

static void
test_refused(void)
{
	const struct measure_event event = { MEASURE_PCR, "domain", "operation", "content", false };
	const struct measure_event bad = { MEASURE_PCR, "do main", "operation", "content", false };

	reset();
	fails(measure_event(&env, &without, &event, &e), ERR_UNSUPPORTED, "a platform without registers");
	fails(measure_event(&env, &platform, &bad, &e), ERR_USAGE, "a blank in the domain");
	fails(measure(MEASURE_PCRS, "x"), ERR_USAGE, "PCR 24");
	no_folder = true;
	fails(measure(MEASURE_PCR, "x"), ERR_STORAGE, "no folder for the log");
	works(settle(), "where there is nothing to settle");
	no_folder = false;
	manner = CANNOT;
	fails(measure(MEASURE_PCR, "x"), ERR_UNSUPPORTED, "a kernel that extends nothing");
	manner = REFUSES;
	fails(measure(MEASURE_PCR, "x"), ERR_EVIDENCE, "a register that cannot be extended");
	ok(!there(AHEAD) && !there("eventlog") && extended == 0, "leaves nothing");
	shown = HIDDEN;
	fails(measure(MEASURE_PCR, "x"), ERR_EVIDENCE, "nor where it is not shown");
	ok(!there(AHEAD) && !there("eventlog"), "leaves nothing");
	shown = BROKEN;
	manner = EXTENDS;
	fails(measure(MEASURE_PCR, "x"), ERR_EVIDENCE, "a register that should be shown and is not");
	ok(extended == 0 && !there(AHEAD), "is not extended");
	shown = SHOWN;
	manner = LIES;
	works(measure(MEASURE_PCR, "x"), "one that was extended all the same");
	ok(!there(AHEAD) && extended == 1 && replays(), "is logged");
	manner = SPOILS;
	fails(measure(MEASURE_PCR, "x"), ERR_EVIDENCE, "one that now holds something else");
	ok(there(AHEAD), "is not forgotten");
	manner = EXTENDS;
	fails(measure(MEASURE_PCR, "x"), ERR_EVIDENCE, "nothing goes on from there");
	ok(strstr(e.msg, "tampered") != NULL, "as the log can no longer be trusted");
	is_int(extended, 2, "nothing more was extended");
}

static void
test_hidden(void)
{
	autobuf ahead = BUF(KIB(8));

	reset();
	shown = HIDDEN;
	works(measure(MEASURE_PCR, "one"), "a register that is not shown");
	ok(replays() && !there(AHEAD), "is in register and log");
	works(buf_add(&ahead, "\0\0\0\0\0\0\0\0", 8, &e), "a crash there");
	works(buf_reserve(&ahead, SIZE, &e), "leaves zeros");
	ahead.len += SIZE;
	works(buf_add_str(&ahead, "domain operation two", &e), "and the text");
	put_file(AHEAD, buf_span(&ahead));
	fails(settle(), ERR_EVIDENCE, "nobody can tell what happened");
	ok(strstr(e.msg, "does not show") != NULL, "and that is told");
	ok(replays() && there(AHEAD), "nothing is guessed");
}

static void
test_once(void)
{
	struct measure_event event = { MEASURE_PCR, "domain", "operation", "content", true };

	reset();
	works(measure_event(&env, &platform, &event, &e), "an event that shall be there once");
	works(measure_event(&env, &platform, &event, &e), "again");
	is_int(extended, 1, "is there once");
	event.content = "conten";
	works(measure_event(&env, &platform, &event, &e), "another one");
	event.pcr = 8;
	works(measure_event(&env, &platform, &event, &e), "or for another register");
	ok(extended == 3 && replays(), "is there, too");
	event.once = false;
	works(measure_event(&env, &platform, &event, &e), "and twice, if that was asked for");
	ok(extended == 4 && replays(), "twice");
}

/* The write-ahead file of an event on the register that this PCR belongs to, as it is now. */
static void
make_ahead(unsigned pcr, uint64_t offset, const char *text, struct buf *out)
{
	autobuf record = BUF(KIB(8));
	uint8_t digest[64], both[2 * SIZE], next[HASH_MAX];

	buf_reset(out);
	if (eventlog_record(4, HASH_SHA384, span_str(text), &record, digest, &e) < 0)
		abort();
	memcpy(both, held[eventlog_register(pcr) - 1], SIZE);
	memcpy(both + SIZE, digest, SIZE);
	if (hash_once(HASH_SHA384, (struct span){ both, sizeof(both) }, next, &e) < 0 || buf_add_be64(out, offset, &e) < 0 ||
	    buf_add(out, next, SIZE, &e) < 0 || buf_add_str(out, text, &e) < 0)
		abort();
}

static void
test_restart(void)
{
	autobuf ahead = BUF(KIB(8)), log = BUF(LIMIT_EVENT_LOG);
	struct span before;

	reset();
	works(settle(), "nothing to complete");
	make_ahead(8, 0, "a b c", &ahead);
	put_file(AHEAD, buf_span(&ahead));
	works(settle(), "not yet extended");
	ok(extended == 1 && replays() && !there(AHEAD), "is extended and logged");
	put_file(AHEAD, buf_span(&ahead));
	works(settle(), "extended and logged, not forgotten");
	ok(extended == 1 && replays() && !there(AHEAD), "nothing happens twice");
	before = file("eventlog", &log);
	put_file("eventlog", (struct span){ before.p, before.len - 3 });
	put_file(AHEAD, buf_span(&ahead));
	works(settle(), "extended, logged in part");
	ok(extended == 1 && replays() && !there(AHEAD), "is logged");
	(void)unlinkat(folder_fd, "eventlog", 0);
	put_file(AHEAD, buf_span(&ahead));
	works(settle(), "extended, not logged");
	ok(extended == 1 && replays() && !there(AHEAD), "is logged");

	works(measure(17, "d"), "life goes on");
	put_file(AHEAD, buf_span(&ahead));
	fails(settle(), ERR_EVIDENCE, "an offset that is not at the end");
	held[2][5] ^= 1;
	fails(settle(), ERR_EVIDENCE, "a register that holds something else");
	ok(there(AHEAD), "stays refused");
	held[2][5] ^= 1;
	make_ahead(1, 9999, "a b c", &ahead);
	put_file(AHEAD, buf_span(&ahead));
	fails(settle(), ERR_EVIDENCE, "an offset past the end");

	reset();
	works(measure(17, "d"), "an event");
	make_ahead(17, 0, "domain operation e", &ahead);
	put_file(AHEAD, buf_span(&ahead));
	fails(settle(), ERR_EVIDENCE, "the place of another record of the same size");
	ok(extended == 1 && there(AHEAD), "nothing is extended");

	reset();
	memset(held, 0, sizeof(held));
	make_ahead(17, 0, "a b c", &ahead);
	put_file(AHEAD, buf_span(&ahead));
	works(settle(), "not yet extended, and registers that are alike");
	ok(extended == 0 && !there(AHEAD) && !there("eventlog"), "is dropped");
	shown = BROKEN;
	put_file(AHEAD, buf_span(&ahead));
	fails(settle(), ERR_EVIDENCE, "registers that cannot be read");
	ok(there(AHEAD), "are no reason to forget");
}

static void
test_unreadable(void)
{
	static const size_t sizes[] = { 0, 7, 8, 8 + SIZE, 8 + SIZE + EVENTLOG_TEXT + 1, KIB(20) };
	static uint8_t bytes[KIB(20)];

	memset(bytes, 'x', sizeof(bytes));
	memset(bytes, 0, 8);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		reset();
		put_file(AHEAD, (struct span){ bytes, sizes[i] });
		fails(measure(17, "x"), ERR_EVIDENCE, "a write-ahead file of %zu bytes", sizes[i]);
		ok(extended == 0 && there(AHEAD) && strstr(e.msg, "cannot be read") != NULL, "nothing happens, and that is told");
	}
	bytes[0] = 1;
	put_file(AHEAD, (struct span){ bytes, 8 + SIZE + 5 });
	fails(settle(), ERR_EVIDENCE, "an offset without measure");
	ok(strstr(e.msg, "cannot be read") != NULL, "is no offset");
}

/* One after the other is killed until one gets through: after each the next start puts things right. */
static void
test_crashes(void)
{
	unsigned runs = 0, kept = 0, bad = 0;
	int rc = -1;

	dying = sys_real;
	dying.openat = dying_openat;
	dying.read = dying_read;
	dying.write = dying_write;
	dying.renameat2 = dying_renameat2;
	reset();
	works(measure(17, "before"), "an event");
	for (long n = 0; rc < 0 && n < 1000; n++, runs++) {
		unsigned done = extended;

		sys = &dying;
		calls_left = n;
		rc = measure(8, "content");
		sys = &sys_real;
		calls_left = -1;
		if (settle() < 0 || !replays() || there(AHEAD) || extended > done + 1 || (rc == 0 && extended != done + 1)) {
			printf("# crash at call %ld: %s\n", n, e.msg);
			bad++;
		}
		kept += extended - done;
	}
	ok(runs > 8 && rc == 0, "a crash at each of %u calls", runs - 1);
	is_int(bad, 0, "register and log agree after each");
	ok(kept >= 1 && kept < runs, "some came too late to matter, some did not");
}

static void
test_many(void)
{
	char content[64];
	unsigned wrong = 0;
	static uint8_t full[MEASURE_LOG - 98];

	reset();
	for (unsigned i = 0; i < 10000; i++) {
		snprintf(content, sizeof(content), "event %u", i);
		wrong += measure(i % MEASURE_PCRS, content) < 0;
	}
	ok(wrong == 0 && extended == 10000 && replays(), "10,000 events");
	reset();
	put_file("eventlog", (struct span){ full, sizeof(full) });
	fails(measure(17, "one more"), ERR_LIMIT, "a log that is full");
	ok(extended == 0 && !there(AHEAD), "nothing is extended");
}

static void
test_two(void)
{
	autoclose int other = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), lock = -1;

	reset();
	pauses = 0;
	ok(other >= 0 && flock(other, LOCK_EX) == 0, "another process has the log");
	fails(measure(17, "x"), ERR_TIMEOUT, "is waited for");
	ok(pauses > 100 && extended == 0, "not for ever");
	(void)flock(other, LOCK_UN);
	works(measure_settle(&env, &platform, &lock, &e), "it is ours");
	ok(lock >= 0 && flock(other, LOCK_EX | LOCK_NB) < 0, "as long as we want");
	base_close(&lock);
	works(measure_settle(&env, &without, &lock, &e), "without registers");
	is_int(lock, -1, "there is nothing to hold");
}

static void
try_ahead(struct span bytes, maybe_unused void *arg)
{
	reset();
	put_file(AHEAD, bytes);
	if (settle() == 0 && (!replays() || there(AHEAD)))
		abort();
}

static int
run_once(maybe_unused void *arg, struct err *err)
{
	const struct measure_event event = { 17, "a", "b", "c", true };
	const struct sys_ops *injecting = sys;
	int rc;

	sys = &sys_real;
	reset();
	sys = injecting;
	rc = measure_event(&env, &platform, &event, err);
	return rc < 0 ? rc : measure_event(&env, &platform, &event, err);
}

int
main(void)
{
	autobuf ahead = BUF(KIB(8));

	works(crypto_init(&e), "crypto");
	/* In memory, as the real one: tens of thousands of syncs. */
	snprintf(folder, sizeof(folder), "%s/cacao-measure.XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	fails(settle(), ERR_STORAGE, "a folder that cannot be opened");
	if (mkdtemp(folder) == NULL || (folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
		abort();
	test_plain();
	test_refused();
	test_hidden();
	test_once();
	test_restart();
	test_unreadable();
	test_crashes();
	test_many();
	test_two();
	reset();
	make_ahead(17, 0, "a b c", &ahead);
	ok(mutate(buf_span(&ahead), 60, try_ahead, NULL) > 0, "mutants of the write-ahead file");
	ok(fault_each(FAULT_ALLOC, 0, false, run_once, NULL) > 0, "every allocation fails once");
	ok(fault_each(FAULT_IO, EIO, true, run_once, NULL) > 0, "every call fails once");
	reset();
	(void)rmdir(folder);
	return tap_done();
}
