/*
 * fuzz_measure.c: any bytes as a write-ahead file and, from a marked place on, as our log, after a crash. The first byte makes what
 * no fuzzer can guess: a register that holds what the file expects, or a file that expects what a register will hold. What is
 * settled leaves no file; a log that was well-formed stays so, and grows by one record at most.
 */
#include "lib/base.h"

#include "evidence/measure.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "evidence/eventlog.h"
#include "lib/crypto.h"
#include "lib/fs.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

enum { SIZE = 48, HEAD = 8 + SIZE, REGISTERS = 4 };

static uint8_t held[REGISTERS][SIZE];
static int log_fd;
static struct buf ahead = BUF(KIB(64));
static bool there;
static unsigned extended;

static int
give(struct span bytes)
{
	int fd = memfd_create("guest", MFD_CLOEXEC);

	if (fd < 0 || (bytes.len > 0 && pwrite(fd, bytes.p, bytes.len, 0) != (ssize_t)bytes.len))
		abort();
	return fd;
}

static int
guest_open(maybe_unused void *arg, const char *path, maybe_unused int flags)
{
	if (strcmp(path, EVENTLOG_AAEL) == 0)
		return fcntl(log_fd, F_DUPFD_CLOEXEC, 3);
	if (strcmp(path, EVENTLOG_DIR) == 0)
		return give((struct span){ NULL, 0 });
	return give(buf_span(&ahead));
}

static int
guest_remove(maybe_unused void *arg, maybe_unused const char *path)
{
	there = false;
	return 0;
}

static void
guest_pause(maybe_unused void *arg, maybe_unused unsigned ms)
{
}

static int
extend(maybe_unused const struct evidence_env *env, maybe_unused unsigned pcr, struct span digest, maybe_unused struct err *e)
{
	if (digest.len != SIZE)
		abort();
	extended++;
	return 0;
}

static int
read_register(maybe_unused const struct evidence_env *env, unsigned pcr, uint8_t value[64], maybe_unused struct err *e)
{
	memcpy(value, held[eventlog_register(pcr) - 1], SIZE);
	return 0;
}

static const struct attester_ops guest = {
	.name = "guest", .extend = extend, .read_register = read_register, .extend_alg = HASH_SHA384,
};

/* The file expects what this register will hold. */
static void
expect(const uint8_t value[SIZE], struct err *e)
{
	autobuf record = BUF(KIB(64));
	uint8_t digest[64], both[2 * SIZE], next[HASH_MAX];

	if (eventlog_record(1, HASH_SHA384, (struct span){ ahead.data + HEAD, ahead.len - HEAD }, &record, digest, e) < 0)
		return;
	memcpy(both, value, SIZE);
	memcpy(both + SIZE, digest, SIZE);
	if (hash_once(HASH_SHA384, (struct span){ both, sizeof(both) }, next, e) < 0)
		abort();
	memcpy(ahead.data + 8, next, SIZE);
}

static void
set_up(uint8_t how, struct span file, struct err *e)
{
	for (int i = 0; i < REGISTERS; i++)
		memset(held[i], how & 8 ? 1 : i + 1, SIZE);
	buf_reset(&ahead);
	if (buf_add_span(&ahead, file, e) < 0 || ahead.len < HEAD)
		return;
	if ((how & 3) == 1)
		memcpy(held[how >> 4 & 3], ahead.data + 8, SIZE);
	if ((how & 3) == 2)
		expect(held[how >> 4 & 3], e);
}

static void
settle(bool whole, size_t before, struct err *e)
{
	static const struct evidence_env env = { .open = guest_open, .remove_file = guest_remove, .pause = guest_pause };
	autobuf after = BUF(LIMIT_EVENT_LOG);
	autoclose int lock = -1;

	there = true;
	extended = 0;
	if (measure_settle(&env, &guest, &lock, e) < 0)
		return;
	if (there || extended > 1 || lseek(log_fd, 0, SEEK_SET) < 0 || fs_read_fd(log_fd, "log", &after, e) < 0)
		abort();
	if (after.len > before + EVENTLOG_TEXT + 128 || (whole && eventlog_check(buf_span(&after), e) < 0))
		abort();
}

/* Records, also as far as the place that the file names: within one there could be anything. */
static bool
is_whole(struct span file, struct span log, struct err *e)
{
	uint64_t offset;

	return eventlog_check(log, e) == 0 && span_be64(&file, &offset) &&
	    (offset >= log.len || eventlog_check((struct span){ log.p, (size_t)offset }, e) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static const char mark[] = "--LOG--";
	const uint8_t *at = memmem(bytes, n, mark, sizeof(mark) - 1);
	struct span file = { bytes, at != NULL ? (size_t)(at - bytes) : n }, log = { NULL, 0 };
	struct err e;
	uint8_t how;

	if (at != NULL)
		log = (struct span){ at + sizeof(mark) - 1, n - file.len - (sizeof(mark) - 1) };
	if (crypto_init(&e) < 0 || !span_u8(&file, &how))
		return 0;
	set_up(how, file, &e);
	log_fd = give(log);
	settle(is_whole(file, log, &e), log.len, &e);
	base_close(&log_fd);
	return 0;
}
