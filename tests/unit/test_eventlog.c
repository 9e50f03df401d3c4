/* test_eventlog.c: where real logs end; what is joined; records of ours, against one that another agent made. */
#include "lib/base.h"

#include "evidence/eventlog.h"

#include "lib/codec.h"
#include "lib/crypto.h"
#include "tests/lib/fault.h"
#include "tests/lib/mutate.h"
#include "tests/lib/tap.h"
#include "tests/lib/world.h"

static struct err e;

/* Both steps. */
static int
event(unsigned pcr, int alg, const char *domain, const char *operation, const char *content, struct buf *record,
    uint8_t digest[64])
{
	autobuf text = BUF(KIB(8));
	int rc = eventlog_text(domain, operation, content, &text, &e);

	return rc < 0 ? rc : eventlog_record(eventlog_register(pcr), alg, buf_span(&text), record, digest, &e);
}

static void
test_real(void)
{
	static const struct { const char *name; size_t end; } logs[] = {
		{ "ccel/cos-113-ccel_data.dat", 18101 }, { "ccel/CCEL_data_ovmf", 2120 }, { "ccel/CCEL_data_csv", 9565 },
		{ "ccel/CCEL_AAEL_alibabacloud", 11707 },
	};

	for (size_t i = 0; i < ARRAY_LEN(logs); i++) {
		struct buf b;
		struct span log = vector(logs[i].name, &b);
		autobuf out = BUF(LIMIT_EVENT_LOG);
		size_t end = 0;

		works(eventlog_end(log, &end, &e), "%s", logs[i].name);
		is_int(end, logs[i].end, "its end");
		works(eventlog_end((struct span){ log.p, logs[i].end }, &end, &e), "without an end mark");
		is_int(end, logs[i].end, "the same end");
		fails(eventlog_end((struct span){ log.p, logs[i].end - 1 }, &end, &e), ERR_EVIDENCE, "cut off");
		works(eventlog_join(log, (struct span){ NULL, 0 }, &out, &e), "joined with nothing");
		is_int(out.len, logs[i].end + 8, "cut, and an end mark");
		buf_free(&b);
	}
}

static void
test_join(void)
{
	autobuf out = BUF(LIMIT_EVENT_LOG), record = BUF(KIB(4));
	uint8_t digest[64], empty[64];
	struct span none = { NULL, 0 };
	char hex[256];

	works(eventlog_join(none, none, &out, &e), "no log at all");
	is_int(out.len, 0, "is none");
	memset(empty, 0xff, sizeof(empty));
	works(eventlog_join((struct span){ empty, 64 }, none, &out, &e), "an area that was never used");
	is_int(out.len, 0, "is none");
	works(event(17, HASH_SHA384, "domain", "operation", "content", &record, digest), "an event of ours");
	works(eventlog_join((struct span){ empty, 64 }, buf_span(&record), &out, &e), "without the firmware's");
	hex_encode(out.data, 69, hex);
	is_str(hex, "000000000300000000000000000000000000000000000000000000002500000000000000000000000000000000000000"
	    "00000000000000000200" "00000c00300012002000" "00", "stands behind a header");
	is_int(out.len, 69 + record.len + 8, "and nothing else");
	fails(eventlog_join(none, (struct span){ record.data, record.len - 1 }, &out, &e), ERR_EVIDENCE, "half a record");
	empty[0] = 0;
	fails(eventlog_join((struct span){ empty, 64 }, none, &out, &e), ERR_EVIDENCE, "what is no log");
}

/* The last record of a log that another agent has joined. */
static void
test_record(void)
{
	static const char want_head[] = "04000000" "06000000" "01000000" "0c00";
	autobuf record = BUF(KIB(5)), small = BUF(20);
	uint8_t digest[64], again[HASH_MAX];
	char hex[64], longest[5000];

	works(event(17, HASH_SHA384, "a", "b", "c d", &record, digest), "record");
	hex_encode(record.data, 14, hex);
	is_str(hex, want_head, "register, type, one digest, SHA-384");
	is_int(record.len, 14 + 48 + 4 + 8 + 7, "its size");
	ok(memcmp(record.data + 62, "\x0f\0\0\0\x4c\x45\x41\x41\7\0\0\0a b c d", 19) == 0, "tag, length, text");
	works(hash_once(HASH_SHA384, (struct span){ record.data + 66, 15 }, again, &e), "digest");
	ok(memcmp(digest, again, 48) == 0 && memcmp(record.data + 14, digest, 48) == 0, "over the whole event");
	buf_reset(&record);
	works(event(8, HASH_SM3, "a", "b", "", &record, digest), "by SM3");
	ok(record.data[0] == 3 && record.data[12] == 0x12 && record.len == 14 + 32 + 4 + 8 + 4, "another register");
	works(eventlog_check(buf_span(&record), &e), "is a record");
	fails(event(17, HASH_SM3, "a b", "c", "d", &record, digest), ERR_USAGE, "a blank in the domain");
	fails(event(17, HASH_SM3, "a", "c\n", "d", &record, digest), ERR_USAGE, "a line end in the operation");
	fails(event(17, HASH_SM3, "a", "c", "d\n", &record, digest), ERR_USAGE, "a line end in the content");
	fails(event(17, HASH_SM3, "a\tb", "c", "d", &record, digest), ERR_USAGE, "a tab in the domain");
	fails(event(17, HASH_SM3, "", "c", "d", &record, digest), ERR_USAGE, "no domain");
	fails(event(17, HASH_SM3, "a", "", "d", &record, digest), ERR_USAGE, "no operation");
	memset(longest, 'x', sizeof(longest));
	longest[EVENTLOG_TEXT - 4] = '\0';
	buf_reset(&record);
	works(event(17, HASH_SM3, "a", "c", longest, &record, digest), "the longest content");
	longest[EVENTLOG_TEXT - 4] = 'x';
	longest[EVENTLOG_TEXT - 3] = '\0';
	fails(event(17, HASH_SM3, "a", "c", longest, &record, digest), ERR_LIMIT, "a long content");
	fails(event(17, HASH_SM3, "a", "c", "d", &small, digest), ERR_LIMIT, "no room");
	is_int(small.len, 0, "nothing is written");
}

static void
test_registers(void)
{
	static const unsigned want[24] = { 4, 1, 2, 2, 2, 2, 2, 1, 3, 3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4 };
	bool same = true;

	for (unsigned pcr = 0; pcr < ARRAY_LEN(want); pcr++)
		same &= eventlog_register(pcr) == want[pcr];
	ok(same, "registers of all PCRs");
}

static void
test_files(void)
{
	struct buf ovmf;
	struct span log = vector("ccel/CCEL_data_ovmf", &ovmf);
	autobuf out = BUF(LIMIT_EVENT_LOG), record = BUF(KIB(4));
	struct world_file files[3] = { { EVENTLOG_CCEL, log.p, log.len } };
	struct world w = { .files = files };
	struct evidence_env env = world_env(&w);
	uint8_t digest[64];

	works(event(17, HASH_SHA384, "a", "b", "c", &record, digest), "record");
	works(eventlog_read(&env, &out, &e), "the firmware's file");
	is_int(out.len, 2128, "its records");
	files[1] = (struct world_file){ EVENTLOG_AAEL, record.data, record.len };
	buf_reset(&out);
	works(eventlog_read(&env, &out, &e), "and ours");
	is_int(out.len, 2128 + record.len, "behind them");
	files[0].path = "/";
	files[1].path = NULL;
	buf_reset(&out);
	works(eventlog_read(&env, &out, &e), "no file");
	is_int(out.len, 0, "no log");
	buf_free(&ovmf);
}

static void
try_log(struct span log, maybe_unused void *arg)
{
	size_t end = 0;

	if (eventlog_end(log, &end, &e) == 0 && end > log.len)
		abort();
}

int
main(void)
{
	struct buf log;

	works(crypto_init(&e), "crypto");
	test_real();
	test_join();
	test_record();
	test_registers();
	test_files();
	vector("ccel/CCEL_data_ovmf", &log);
	ok(mutate(buf_span(&log), 400, try_log, NULL) > 0, "mutants");
	buf_free(&log);
	return tap_done();
}
