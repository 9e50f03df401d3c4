/*
 * test_csv.c: Hygon CSV: a real report and one of each version with keys of our own; the device; JSON as a real
 * attester wrote it.
 */
#include "lib/base.h"

#include "evidence/evidence.h"

#include "evidence/bytes.h"
#include "evidence/csv_report.h"
#include "evidence/uapi.h"
#include "lib/codec.h"
#include "lib/crypto.h"
#include "lib/json.h"
#include "tests/lib/fault.h"
#include "tests/lib/tap.h"
#include "tests/lib/world.h"

static struct err e;

struct sample {
	struct buf	page;
	uint8_t		data[64], mnonce[CSV_MNONCE];
};

static void
load(struct sample *s, const char *name, const char *data, const char *mnonce)
{
	vector(name, &s->page);
	if (s->page.len < CSV_REPORT_SIZE && buf_reserve(&s->page, CSV_REPORT_SIZE - s->page.len, &e) < 0)
		abort();
	s->page.len = CSV_REPORT_SIZE;
	memset(s->data, 0, sizeof(s->data));
	if (strlen(data) == 128)
		ok(hex_decode(span_str(data), s->data, 64), "%s", name);
	else
		memcpy(s->data, data, strlen(data));
	ok(hex_decode(span_str(mnonce), s->mnonce, CSV_MNONCE), "%s", name);
}

static struct sample real, v1, v2;

static int
open_sample(const struct sample *s, struct buf *out)
{
	return csv_report_open(buf_span(&s->page), s->data, s->mnonce, out, &e);
}

static void
test_open(void)
{
	const struct { struct sample *s; int version; const char *chip; size_t tail; } cases[] = {
		{ &real, 1, "NZA9T14052605", 336 },
		{ &v1, 1, "SYNTH88146987", 336 },
		{ &v2, 2, "SYNTH88146987", 1168 },
	};
	static const uint8_t zero[32];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sample *s = cases[i].s;
		autobuf out = BUF(CSV_REPORT_SIZE);
		char chip[65];
		/* The first and last byte of data, nonce, PEK, chip id, random bytes and MAC. */
		const size_t at[] = { 64, 127, 128, 143, cases[i].tail, cases[i].tail + 2083, cases[i].tail + 2084,
		    cases[i].tail + 2147, cases[i].tail + 2148, cases[i].tail + 2179, cases[i].tail + 2180, cases[i].tail + 2211 };

		works(open_sample(s, &out), "report %zu", i);
		is_int(csv_report_version(buf_span(&out)), cases[i].version, "its version");
		works(csv_chip_id(buf_span(&out), chip, &e), "chip id");
		is_str(chip, cases[i].chip, "plain");
		ok(memcmp(out.data + cases[i].tail + 2148, zero, 32) == 0, "random bytes are zero");
		ok(memcmp(out.data, s->page.data, cases[i].tail) == 0, "what is signed stays as it is");
		buf_reset(&out);
		for (size_t k = 0; k < ARRAY_LEN(at); k++) {
			s->page.data[at[k]] ^= 1;
			fails(open_sample(s, &out), ERR_EVIDENCE, "byte %zu changed", at[k]);
			ok(strstr(e.msg, k < 2 ? "other data" : k < 4 ? "another nonce" : "wrong MAC") != NULL, "is told: %s", e.msg);
			s->page.data[at[k]] ^= 1;
		}
		s->data[0] ^= 1;
		fails(open_sample(s, &out), ERR_EVIDENCE, "asked for other data");
		ok(strstr(e.msg, "other data") != NULL, "is told");
		s->data[0] ^= 1;
		s->mnonce[15] ^= 1;
		fails(open_sample(s, &out), ERR_EVIDENCE, "asked with another nonce");
		ok(strstr(e.msg, "another nonce") != NULL, "is told");
		s->mnonce[15] ^= 1;
		s->page.len--;
		fails(open_sample(s, &out), ERR_EVIDENCE, "a byte less than a page");
		s->page.len++;
		is_int(out.len, 0, "nothing comes out");
	}
}

static void
test_chip_id(void)
{
	autobuf out = BUF(CSV_REPORT_SIZE);
	char chip[65] = "";

	works(open_sample(&v2, &out), "report");
	out.data[1168 + 2084] = '/';
	fails(csv_chip_id(buf_span(&out), chip, &e), ERR_EVIDENCE, "a slash");
	out.data[1168 + 2084] = '\0';
	fails(csv_chip_id(buf_span(&out), chip, &e), ERR_EVIDENCE, "nothing");
	memset(out.data + 1168 + 2084, 'Z', 64);
	works(csv_chip_id(buf_span(&out), chip, &e), "64 characters");
	is_int(strlen(chip), 64, "all of them");
}

/* What a real attester wrote: its report out of the JSON, and JSON of that again. */
static void
test_json(void)
{
	struct buf want, certs;
	struct span text = vector("csv/csv_evidence.json", &want), hsk_cek = vector("csv/hsk_cek.cert", &certs);
	autobuf report = BUF(CSV_REPORT_SIZE), out = BUF(LIMIT_EVIDENCE), log = BUF(KIB(4)), base64 = BUF(KIB(4));
	autojson doc = NULL;
	autojson ours = NULL;
	struct json_val parts;
	struct json_iter it;

	works(json_parse(text, &doc, &e), "evidence");
	it = json_iter(json_get(json_get(json_root(doc), "attestation_report"), "data"));
	while (json_next(&it)) {
		uint64_t byte = 0;

		if (json_u64(it.val, "byte", 255, &byte, &e) < 0 || buf_add_u8(&report, (uint8_t)byte, &e) < 0)
			abort();
	}
	works(json_str(json_get(json_root(doc), "cc_eventlog"), "log", &base64, &e), "event log");
	works(base64_decode(buf_span(&base64), &log, &e), "event log");
	works(csv_json(buf_span(&report), (struct span){ NULL, 0 }, buf_span(&log), &out, &e), "as JSON");
	ok(span_eq(buf_span(&out), text), "byte by byte as its maker wrote it");
	buf_reset(&out);
	works(csv_json(buf_span(&report), hsk_cek, (struct span){ NULL, 0 }, &out, &e), "with HSK and CEK, without a log");
	works(json_parse(buf_span(&out), &ours, &e), "is JSON");
	parts = json_get(json_get(json_root(ours), "cert_chain"), "hsk_cek");
	ok(json_is(json_get(json_root(ours), "cc_eventlog"), JSON_NULL), "no log");
	is_int(json_count(json_get(json_get(json_get(parts, "hsk"), "body"), "user_id")), 254, "HSK");
	is_int(json_count(json_get(json_get(parts, "cek"), "sigs")), 2, "CEK");
	ok(span_eq_str(json_raw(json_get(json_get(json_get(json_get(json_get(parts, "hsk"), "body"), "preamble"), "data"),
	    "usage")), "19"), "usage of HSK");
	buf_free(&want);
	buf_free(&certs);
}

/* --- the device */

static struct {
	bool	registers, other_version, broken_mac, other_nonce;
	int	why;
	uint32_t error;		/* of registers */
	uint8_t	extended[36];
	size_t	len;		/* of the request */
} firmware;

static uint8_t *
pointer(const uint8_t *at)
{
	return (uint8_t *)(uintptr_t)le64(at);
}

/* The tail's MAC, made anew for this nonce. */
static void
remac(uint8_t *tail, const uint8_t *mnonce)
{
	uint8_t inner[64 + 2180], outer[64 + 32], mac[HASH_MAX];

	memset(inner, 0x36, 64);
	memset(outer, 0x5c, 64);
	for (size_t i = 0; i < CSV_MNONCE; i++) {
		inner[i] ^= mnonce[i];
		outer[i] ^= mnonce[i];
	}
	memcpy(inner + 64, tail, 2180);
	if (hash_once(HASH_SM3, (struct span){ inner, sizeof(inner) }, mac, &e) < 0)
		abort();
	memcpy(outer + 64, mac, 32);
	if (hash_once(HASH_SM3, (struct span){ outer, sizeof(outer) }, mac, &e) < 0)
		abort();
	memcpy(tail + 2180, mac, 32);
}

static int
csv_guest(maybe_unused struct world *w, unsigned long request, void *argument)
{
	uint8_t *call = argument, *page = pointer(call), hash[HASH_MAX], ask[132];
	bool extended;
	size_t tail;

	if (request == 0xc0184402) {
		if (!firmware.registers)
			return world_error(firmware.why != 0 ? firmware.why : ENODEV);
		put_le(call + 20, firmware.error, 4);
		if (le16(call + 16) == 4 && le64(call + 8) == sizeof(firmware.extended)) {
			memcpy(firmware.extended, page, sizeof(firmware.extended));
			return 0;
		}
		if (le16(call + 16) == 3 && le64(call + 8) == 36) {
			memset(page + 4, (int)le32(page), 32);	/* each register holds its bit of the map */
			return 0;
		}
		return le16(call + 16) == 1 && le64(call + 8) == 3 ? 0 : world_error(EINVAL);
	}
	if (request != 0xc0104401 || le32(call + 8) != 4096 || (uintptr_t)page % 4096 != 0)
		return world_error(EINVAL);
	if (firmware.why != 0)
		return world_error(firmware.why);
	memcpy(ask, page, sizeof(ask));
	if (hash_once(HASH_SM3, (struct span){ ask, 80 }, hash, &e) < 0 || memcmp(hash, ask + 80, 32) != 0)
		return world_error(EIO);
	extended = memcmp(ask + 112, "ATTESTATION_EXT", 16) == 0 && le32(ask + 128) == 1;
	if (extended != firmware.registers)
		return world_error(EINVAL);
	if (firmware.other_version)
		extended = !extended;
	memcpy(page, extended ? v2.page.data : v1.page.data, 4096);
	memcpy(page + 64, ask, 80);
	if (firmware.other_nonce)
		page[128] ^= 1;
	for (size_t i = 64; i < 144 && !extended; i++)
		page[i] ^= page[188 + i % 4];
	tail = extended ? 1168 : 336;
	remac(page + tail, ask + 64);
	if (firmware.broken_mac)
		page[tail] ^= 1;
	return 0;
}

static struct buf hsk_cek;

static int
ask(struct evidence *ev, size_t cert_size)
{
	const struct world_file files[] = {
		{ "/opt/csv/hsk_cek/SYNTH88146987/hsk_cek.cert", hsk_cek.data, cert_size }, { 0 },
	};
	struct world w = { .device = "/dev/csv-guest", .answer = csv_guest, .files = cert_size > 0 ? files : NULL };
	struct evidence_env env = world_env(&w);
	const struct attester_ops *tee = NULL;

	evidence_init(ev);
	works(evidence_select(&env, NULL, &tee, &e), "the device shows what this is");
	ok(tee == &attester_csv, "CSV");
	return evidence_collect(&env, tee, SPAN_LIT("data"), ev, &e);
}

static void
test_device(void)
{
	autobuf out = BUF(LIMIT_EVIDENCE);

	for (int i = 0; i < 4; i++) {
		autoevidence ev;

		firmware.registers = i % 2 == 1;
		firmware.other_version = i > 1;
		works(ask(&ev, 0), "a report, firmware %d", i);
		is_int(csv_report_version(buf_span(&ev.report)), (i % 2 == 1) != (i > 1) ? 2 : 1, "its version");
		buf_reset(&out);
		works(evidence_format(&ev, EVIDENCE_COCO, &out, &e), "as JSON");
		fails(evidence_format(&ev, EVIDENCE_RAW, &out, &e),
		    csv_report_version(buf_span(&ev.report)) == 2 ? ERR_UNSUPPORTED : ERR_EVIDENCE, "not for rats-tls");
	}
	memset(&firmware, 0, sizeof(firmware));
}

static void
test_certs(void)
{
	autobuf out = BUF(LIMIT_EVIDENCE);
	autoevidence ev, bad, none;

	works(ask(&ev, CSV_HSK_CEK_SIZE), "with HSK and CEK");
	works(evidence_format(&ev, EVIDENCE_RAW, &out, &e), "for rats-tls");
	is_int(out.len, 7016, "its size");
	ok(memcmp(out.data + 336, v1.page.data + 336, 2148) == 0, "PEK and chip id as the firmware gave them");
	ok(memcmp(out.data + 4096, hsk_cek.data, CSV_HSK_CEK_SIZE) == 0 && le32(out.data + 7012) == 2916, "HSK, CEK, length");
	fails(ask(&bad, CSV_HSK_CEK_SIZE - 1), ERR_EVIDENCE, "a file of another size");
	firmware.broken_mac = true;
	fails(ask(&none, 0), ERR_EVIDENCE, "a wrong MAC");
	ok(strstr(e.msg, "wrong MAC") != NULL, "is told");
	firmware.broken_mac = false;
	firmware.other_nonce = true;
	fails(ask(&none, 0), ERR_EVIDENCE, "another nonce");
	ok(strstr(e.msg, "another nonce") != NULL, "is told");
	firmware.other_nonce = false;
	firmware.why = EIO;
	fails(ask(&none, 0), ERR_EVIDENCE, "a device that fails");
	firmware.why = ETIMEDOUT;
	fails(ask(&none, 0), ERR_TIMEOUT, "a device that does not answer");
	memset(&firmware, 0, sizeof(firmware));
}

static void
test_extend(void)
{
	struct world w = { .device = "/dev/csv-guest", .answer = csv_guest };
	struct evidence_env env = world_env(&w);
	uint8_t digest[32] = { 1, [31] = 2 };
	const struct span good = { digest, sizeof(digest) };
	const struct { unsigned pcr; uint8_t index; } registers[] = { { 8, 3 }, { 15, 3 }, { 16, 4 }, { 17, 4 }, { 23, 4 } };

	is_int(attester_csv.extend_alg, HASH_SM3, "digests are SM3");
	firmware.registers = true;
	for (size_t i = 0; i < ARRAY_LEN(registers); i++) {
		const uint8_t head[4] = { registers[i].index, 0, 32, 0 };

		works(attester_csv.extend(&env, registers[i].pcr, good, &e), "PCR %u", registers[i].pcr);
		ok(memcmp(firmware.extended, head, 4) == 0 && memcmp(firmware.extended + 4, digest, 32) == 0, "its register");
	}
	w.calls = 0;
	fails(attester_csv.extend(&env, 7, good, &e), ERR_UNSUPPORTED, "PCR 7: register 1 is the firmware's");
	fails(attester_csv.extend(&env, 4, good, &e), ERR_UNSUPPORTED, "PCR 4: register 2, too");
	fails(attester_csv.extend(&env, 17, (struct span){ digest, 31 }, &e), ERR_BUG, "31 bytes");
	is_int(w.calls, 0, "none of these is asked for");
	firmware.error = 5;
	fails(attester_csv.extend(&env, 17, good, &e), ERR_EVIDENCE, "the firmware refuses");
	ok(strstr(e.msg, "0x5") != NULL, "its error is told");
	memset(&firmware, 0, sizeof(firmware));
	fails(attester_csv.extend(&env, 17, good, &e), ERR_UNSUPPORTED, "firmware without registers");
	firmware.why = ENOTTY;
	fails(attester_csv.extend(&env, 17, good, &e), ERR_UNSUPPORTED, "a guest without them");
	firmware.why = EIO;
	fails(attester_csv.extend(&env, 17, good, &e), ERR_EVIDENCE, "a device that fails");
	memset(&firmware, 0, sizeof(firmware));
	w.device = NULL;
	fails(attester_csv.extend(&env, 17, good, &e), ERR_NO_TEE, "no device");
}

static void
test_read_register(void)
{
	struct world w = { .device = "/dev/csv-guest", .answer = csv_guest };
	struct evidence_env env = world_env(&w);
	uint8_t value[64] = { 0 };

	firmware.registers = true;
	works(attester_csv.read_register(&env, 17, value, &e), "read PCR 17");
	ok(value[0] == 1 << 4 && value[31] == 1 << 4 && value[32] == 0, "register 4");
	works(attester_csv.read_register(&env, 1, value, &e), "read PCR 1");
	ok(value[0] == 1 << 1, "register 1");
	firmware.error = 5;
	fails(attester_csv.read_register(&env, 17, value, &e), ERR_EVIDENCE, "the firmware refuses");
	memset(&firmware, 0, sizeof(firmware));
	fails(attester_csv.read_register(&env, 17, value, &e), ERR_UNSUPPORTED, "firmware without registers");
	firmware.why = EIO;
	fails(attester_csv.read_register(&env, 17, value, &e), ERR_EVIDENCE, "a device that fails");
	memset(&firmware, 0, sizeof(firmware));
	w.device = NULL;
	fails(attester_csv.read_register(&env, 17, value, &e), ERR_NO_TEE, "no device");
	ok(value[0] == 1 << 1, "what fails leaves the value");
}

/* --- without a device */

static int hypercall_errno;	/* of the call; -1: there is none */

static int
hypercall(maybe_unused void *arg, uint8_t *page)
{
	uint8_t call[16] = { 0 };

	if (hypercall_errno == -1)
		return world_error(ENOSYS);
	if (page == NULL)
		return 0;
	if (hypercall_errno != 0)
		return world_error(hypercall_errno);
	put_le(call, uapi_address(page), 8);
	put_le(call + 8, 4096, 4);
	return csv_guest(NULL, 0xc0104401, call);
}

static int
ask_without(const char *device, int open_errno, struct evidence *ev)
{
	struct world w = { .device = device, .answer = csv_guest, .device_errno = open_errno };
	struct evidence_env env = world_env(&w);
	const struct attester_ops *tee = NULL;
	int rc;

	evidence_init(ev);
	env.hypercall = hypercall;
	rc = evidence_select(&env, "csv", &tee, &e);
	return rc < 0 ? rc : evidence_collect(&env, tee, SPAN_LIT("data"), ev, &e);
}

static void
test_hypercall(void)
{
	struct world w = { .device = NULL };
	struct evidence_env env = world_env(&w);
	const uint8_t digest[32] = { 0 };
	autoevidence ev, other, none;

	works(ask_without(NULL, 0, &ev), "a report by the hypercall");
	is_int(csv_report_version(buf_span(&ev.report)), 1, "of version 1: there is nobody to ask for more");
	hypercall_errno = EIO;
	works(ask_without("/dev/csv-guest", 0, &other), "the device comes first");
	fails(ask_without(NULL, 0, &none), ERR_EVIDENCE, "the hypervisor refuses");
	ok(strstr(e.msg, "hypercall") != NULL, "which is told");
	fails(ask_without("/dev/csv-guest", EACCES, &none), ERR_NO_TEE, "nor is it the way around a device that may not be opened");
	ok(strstr(e.msg, "/dev/csv-guest") != NULL, "which is told, too");
	hypercall_errno = -1;
	fails(ask_without(NULL, 0, &none), ERR_NO_TEE, "neither device nor hypercall");
	ok(strstr(e.msg, "/dev/csv-guest or its hypercall") != NULL, "both are told");
	env.hypercall = hypercall;
	fails(attester_csv.extend(&env, 17, (struct span){ digest, sizeof(digest) }, &e), ERR_NO_TEE, "nor anything to extend");
	hypercall_errno = 0;
	fails(attester_csv.extend(&env, 17, (struct span){ digest, sizeof(digest) }, &e), ERR_UNSUPPORTED, "nor by the hypercall");
	hypercall_errno = 0;
	firmware.other_nonce = true;
	fails(ask_without(NULL, 0, &none), ERR_EVIDENCE, "another nonce");
	memset(&firmware, 0, sizeof(firmware));
}

static int
run_once(void *arg, struct err *err)
{
	const struct sys_ops *injecting = sys;
	struct world *w = arg;
	struct evidence_env env = world_env(w);
	autobuf out = BUF(LIMIT_EVIDENCE);
	autoevidence ev;
	int rc;

	sys = injecting;
	evidence_init(&ev);
	rc = evidence_collect(&env, &attester_csv, SPAN_LIT("x"), &ev, err);
	return rc < 0 ? rc : evidence_format(&ev, EVIDENCE_COMPOSITE, &out, err);
}

int
main(void)
{
	static const char data[] = "c70a8f309eb88de339ee96fffaae175553ce151e9a52b51486af9750913e80dd"
	    "4c7411266393f43db6970dbbb32cfebf43e9580c6e9d3a830017f8b562469ed4";
	struct world w = { .device = "/dev/csv-guest", .answer = csv_guest };

	works(crypto_init(&e), "crypto");
	load(&real, "csv/report_v1.bin", "user data", "67c6697351ff4aec29cdbaabf2fbe346");
	load(&v1, "csv-synthetic/report_v1.bin", data, "7724640d0cf88e49310c3ae0d59674f8");
	load(&v2, "csv-synthetic/report_v2.bin", data, "7724640d0cf88e49310c3ae0d59674f8");
	vector("csv/hsk_cek.cert", &hsk_cek);
	test_open();
	test_chip_id();
	test_json();
	test_device();
	test_certs();
	test_extend();
	test_read_register();
	test_hypercall();
	ok(fault_each(FAULT_ALLOC, 0, false, run_once, &w) > 0, "every allocation fails once");
	ok(fault_each(FAULT_IO, EIO, false, run_once, &w) > 0, "every call fails once");
	buf_free(&real.page);
	buf_free(&v1.page);
	buf_free(&v2.page);
	buf_free(&hsk_cek);
	return tap_done();
}
