/* test_snp.c: SEV-SNP: reports and certificates as JSON, on real ones; /dev/sev-guest and what hosts answer. */
#include "lib/base.h"

#include "evidence/snp.h"

#include "evidence/bytes.h"
#include "evidence/snp_report.h"
#include "evidence/uapi.h"
#include "lib/json.h"
#include "tests/lib/mutate.h"
#include "tests/lib/tap.h"
#include "tests/lib/world.h"

#define DATA_AT	0x50

static struct err e;
static struct buf genoa;

/* Certificates as a host passes them: a table, then the data. */
static size_t
make_table(uint8_t *out, const uint8_t *guid, struct span cert)
{
	assert(guid != NULL && cert.p != NULL);
	memset(out, 0, 4096);
	memcpy(out, guid, 16);
	put_le(out + 16, 48, 4);
	put_le(out + 20, cert.len, 4);
	memcpy(out + 48, cert.p, cert.len);
	return 4096;
}

static const uint8_t vcek_guid[16] = {
	0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64, 0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac, 0xcd
};

/* The bytes of the only certificate of a whole evidence. */
static size_t
take_cert(struct span evidence, uint8_t *out)
{
	autojson doc = NULL;
	struct json_iter it;
	size_t n = 0;

	if (json_parse(evidence, &doc, &e) < 0)
		abort();
	it = json_iter(json_get(json_root(doc), "cert_chain"));
	if (!json_next(&it))
		abort();
	it = json_iter(json_get(it.val, "data"));
	while (json_next(&it)) {
		uint64_t v;

		if (json_u64(it.val, "byte", 255, &v, &e) < 0)
			abort();
		out[n++] = (uint8_t)v;
	}
	return n;
}

static void
test_whole_evidence(void)
{
	struct buf want;
	struct span text = vector("snp/evidence_v3_genoa.json", &want);
	static uint8_t cert[4096], table[4096];
	autobuf out = BUF(LIMIT_EVIDENCE);
	autoevidence ev;

	evidence_init(&ev);
	ev.tee = &attester_snp;
	works(buf_add_span(&ev.report, buf_span(&genoa), &e), "its report");
	works(buf_add(&ev.certs, table, make_table(table, vcek_guid, (struct span){ cert, take_cert(text, cert) }), &e),
	    "its certificate");
	works(evidence_format(&ev, EVIDENCE_COCO, &out, &e), "as JSON");
	ok(span_eq(buf_span(&out), text), "byte by byte as its maker wrote it");
	buf_reset(&ev.certs);
	buf_reset(&out);
	works(evidence_format(&ev, EVIDENCE_COCO, &out, &e), "without certificates");
	ok(memmem(out.data, out.len, "\"cert_chain\":null}", 18) != NULL, "null");
	buf_reset(&out);
	works(evidence_format(&ev, EVIDENCE_RAW, &out, &e), "raw");
	ok(span_eq(buf_span(&out), buf_span(&genoa)), "the report");
	buf_free(&want);
}

static bool
json_has(struct span report, const char *part)
{
	autobuf out = BUF(LIMIT_EVIDENCE);

	if (snp_report_json(report, &out, &e) < 0)
		abort();
	return strstr(buf_str(&out), part) != NULL;
}

static void
test_versions(void)
{
	struct buf v2, vlek, v5 = BUF(4096);

	vector("snp/test-report.bin", &v2);
	vector("snp/test-vlek-report.bin", &vlek);
	works(snp_report_check(buf_span(&v2), v2.data + DATA_AT, &e), "version 2");
	ok(json_has(buf_span(&v2), "\"cpuid_fam_id\":null,"), "tells no CPU");
	ok(json_has(buf_span(&v2), "\"reported_tcb\":{\"fmc\":null,\"bootloader\":3,\"tee\":0,\"snp\":8,\"microcode\":115}"),
	    "its TCB");
	ok(json_has(buf_span(&v2), "\"current\":{\"major\":1,\"minor\":52,\"build\":4}"), "its firmware");
	ok(json_has(buf_span(&vlek), "\"cpuid_fam_id\":25,\"cpuid_mod_id\":1,\"cpuid_step\":1,"), "version 3 tells the CPU");
	ok(json_has(buf_span(&vlek), "\"vmpl\":1,"), "its level");
	works(buf_add_span(&v5, buf_span(&genoa), &e), "version 5, made up");
	v5.data[0] = 5;
	v5.data[0x188] = 0x1a;
	memcpy(v5.data + 0x180, "\1\2\3\4\0\0\0\5", 8);
	v5.data[0x1f8] = 7;
	v5.data[0x207] = 0x80;
	ok(json_has(buf_span(&v5), "\"reported_tcb\":{\"fmc\":1,\"bootloader\":2,\"tee\":3,\"snp\":4,\"microcode\":5}"),
	    "Turin's TCB");
	ok(json_has(buf_span(&v5), "\"launch_mit_vector\":7,\"current_mit_vector\":9223372036854775808,"), "mitigations");
	assert(v2.data != NULL && v5.data != NULL);
	memset(v2.data + 0x1a0 + 8, 0, 56);
	ok(json_has(buf_span(&v2), "\"reported_tcb\":{\"fmc\":3,"), "version 2 with a short chip id is Turin");
	memset(v2.data + 0x1a0, 0, 8);
	ok(json_has(buf_span(&v2), "\"reported_tcb\":{\"fmc\":null,"), "with a masked one it is not");
	v5.data[0] = 6;
	fails(snp_report_check(buf_span(&v5), v5.data + DATA_AT, &e), ERR_EVIDENCE, "version 6");
	v5.data[0] = 1;
	fails(snp_report_check(buf_span(&v5), v5.data + DATA_AT, &e), ERR_EVIDENCE, "version 1");
	fails(snp_report_check(buf_span(&genoa), v5.data, &e), ERR_EVIDENCE, "over other data");
	genoa.len--;
	fails(snp_report_check(buf_span(&genoa), genoa.data + DATA_AT, &e), ERR_EVIDENCE, "one byte less");
	genoa.len++;
	buf_free(&v2);
	buf_free(&vlek);
	buf_free(&v5);
}

static void
try_table(struct span table, maybe_unused void *arg)
{
	autobuf out = BUF(LIMIT_EVIDENCE);

	if (snp_certs_json(table, &out, &e) == 0 && out.len == 0)
		abort();
}

static void
test_table(void)
{
	static uint8_t t[(size_t)24 * 40];
	autobuf out = BUF(LIMIT_EVIDENCE);
	struct span small = { t, 72 };

	/* An unknown one first: it comes behind the known one. */
	for (int i = 0; i < 16; i++)
		t[i] = (uint8_t)(i + 1);
	put_le(t + 16, 10, 4);
	put_le(t + 20, 2, 4);
	memcpy(t + 24, vcek_guid, 16);
	works(snp_certs_json(small, &out, &e), "two certificates");
	is_str(buf_str(&out), "[{\"cert_type\":\"VCEK\",\"data\":[]},{\"cert_type\":{\"OTHER\":"
	    "\"01020304-0506-0708-090a-0b0c0d0e0f10\"},\"data\":[11,12]}]", "known ones first");
	put_le(t + 16, 70, 4);
	put_le(t + 20, 2, 4);
	works(snp_certs_json(small, &out, &e), "up to the end");
	put_le(t + 20, 3, 4);
	fails(snp_certs_json(small, &out, &e), ERR_EVIDENCE, "past the end");
	put_le(t + 16, 73, 4);
	put_le(t + 20, 0, 4);
	fails(snp_certs_json(small, &out, &e), ERR_EVIDENCE, "behind the end");
	put_le(t + 16, 0xfffffff0, 4);
	put_le(t + 20, 0x20, 4);
	fails(snp_certs_json(small, &out, &e), ERR_EVIDENCE, "a sum that overflows");
	for (size_t i = 0; i < 40; i++) {
		memset(t + 24 * i, 0, 24);
		t[24 * i] = 1;
	}
	fails(snp_certs_json((struct span){ t, sizeof(t) }, &out, &e), ERR_EVIDENCE, "40 certificates");
	buf_reset(&out);
	works(snp_certs_json((struct span){ t, 23 }, &out, &e), "less than an entry");
	is_str(buf_str(&out), "null", "is none");
	put_le(t + 24 + 16, 48, 4);
	put_le(t + 24 + 20, 20, 4);
	ok(mutate(small, 72, try_table, NULL) > 0, "mutants");
}

/* --- the device */

static struct {
	int		failures, why;		/* calls that fail first */
	uint32_t	vmm, fw, status, size, want;
	bool		other_data, grows, no_error;
	uint32_t	asked_len;
} host;

static uint8_t *
pointer(const uint8_t *at)
{
	return (uint8_t *)(uintptr_t)le64(at);
}

static int
sev_guest(maybe_unused struct world *w, unsigned long request, void *argument)
{
	uint8_t *arg = argument, *req = pointer(arg + SNP_REQUEST), *resp = pointer(arg + SNP_RESPONSE);
	static uint8_t table[4096];
	uint32_t len = le32(req + SNP_CERTS_LEN);

	if (request != 0xc0205302 || arg[0] != 1 || le64(arg + 24) != 0 || len % 4096 != 0)
		return world_error(EINVAL);
	host.asked_len = len;
	if (host.failures > 0) {
		host.failures--;
		put_le(arg + 24, host.fw, 4);
		put_le(arg + 28, host.vmm, 4);
		return world_error(host.why);
	}
	if (len < host.want) {
		put_le(arg + 28, 1, 4);
		put_le(req + SNP_CERTS_LEN, host.want, 4);
		if (host.grows)
			host.want += 4096;
		return host.no_error ? 0 : world_error(EIO);
	}
	put_le(resp, host.status, 4);
	put_le(resp + 4, host.size, 4);
	memcpy(resp + 32, genoa.data, genoa.len);
	memcpy(resp + 32 + DATA_AT, req, 64);
	if (host.other_data)
		resp[32 + DATA_AT] ^= 1;
	if (len > 0) {
		make_table(table, vcek_guid, SPAN_LIT("certificate"));
		memcpy(pointer(req + SNP_CERTS), table, MIN((size_t)len, sizeof(table)));
	}
	return 0;
}

static int
ask(struct evidence *ev)
{
	struct world w = { .device = SNP_DEVICE, .answer = sev_guest };
	struct evidence_env env = world_env(&w);
	const struct attester_ops *tee = NULL;

	evidence_init(ev);
	if (host.size == 0)
		host.size = SNP_REPORT_SIZE;
	works(evidence_select(&env, NULL, &tee, &e), "the device shows what this is");
	ok(tee == &attester_snp, "SNP");
	return evidence_collect(&env, tee, SPAN_LIT("data"), ev, &e);
}

static void
test_device(void)
{
	autoevidence ev;

	works(ask(&ev), "a report without certificates");
	ok(ev.report.len == SNP_REPORT_SIZE && memcmp(ev.report.data + DATA_AT, "data\0\0", 6) == 0, "over the data");
	is_int(ev.certs.len, 0, "no certificates");
	evidence_free(&ev);
	for (int way = 0; way < 2; way++) {
		host.want = 4096;
		host.no_error = way == 1;
		works(ask(&ev), "with certificates, which the host tells by %s", way == 0 ? "EIO" : "no error");
		is_int(ev.certs.len, 4096, "the table");
		is_int(host.asked_len, 4096, "in the room it wanted");
		evidence_free(&ev);
	}
	host.grows = true;
	fails(ask(&ev), ERR_EVIDENCE, "a host that wants more each time");
	evidence_free(&ev);
	memset(&host, 0, sizeof(host));
	host.want = 0xfffff000;
	fails(ask(&ev), ERR_EVIDENCE, "a host that wants 4 GiB");
	evidence_free(&ev);
	memset(&host, 0, sizeof(host));
}

static void
failing(enum err_code want, const char *what)
{
	autoevidence ev;

	fails(ask(&ev), want, "%s", what);
	ok(ev.report.len == 0 && ev.certs.len == 0 && ev.tee == NULL, "nothing comes out");
	memset(&host, 0, sizeof(host));
}

static void
test_device_faults(void)
{
	host.status = 0x16;
	failing(ERR_EVIDENCE, "the firmware refuses");
	host.size = SNP_REPORT_SIZE - 1;
	failing(ERR_EVIDENCE, "a short report");
	host.other_data = true;
	failing(ERR_EVIDENCE, "over other data");
	host.failures = 9;
	host.why = EIO;
	host.fw = 0x1b;
	failing(ERR_EVIDENCE, "a firmware error");
	host.failures = 9;
	host.why = ETIMEDOUT;
	host.vmm = 2;
	failing(ERR_TIMEOUT, "a busy host");
	host.failures = 9;
	host.why = ENOTTY;
	failing(ERR_EVIDENCE, "a key that was disabled");
}

/* --- derived keys */

static struct {
	int		why;
	uint32_t	vmm, fw, status;
	uint8_t		fill, request[32];
} deriver;

static int
derive(maybe_unused struct world *w, unsigned long request, void *argument)
{
	uint8_t *arg = argument, *response = pointer(arg + 16);

	if (request != 0xc0205301 || arg[0] != 1 || le64(arg + 24) != 0)
		return world_error(EINVAL);
	memcpy(deriver.request, pointer(arg + 8), sizeof(deriver.request));
	put_le(arg + 24, deriver.fw, 4);
	put_le(arg + 28, deriver.vmm, 4);
	put_le(response, deriver.status, 4);
	memset(response + 32, deriver.fill, 32);
	return deriver.why != 0 ? world_error(deriver.why) : 0;
}

static int
ask_key(struct snp_key_question q, const char *device, struct buf *key)
{
	struct world w = { .device = device, .answer = derive };
	struct evidence_env env = world_env(&w);

	buf_reset(key);
	return snp_derive_key(&env, &q, key, &e);
}

static void
test_key(void)
{
	static const uint8_t want[32] = { 1, [8] = 0x3f, [16] = 3, [20] = 7, [24] = 9, [31] = 8 }, none[32];
	autobuf key = BUF_SECRET(SNP_KEY_SIZE);
	uint8_t wanted[32];

	deriver.fill = 0x5a;
	memset(wanted, 0x5a, sizeof(wanted));
	works(ask_key((struct snp_key_question){ 0 }, SNP_DEVICE, &key), "a key by nothing but the chip");
	ok(span_eq(buf_span(&key), (struct span){ wanted, 32 }), "the firmware's 32 bytes");
	ok(memcmp(deriver.request, none, 32) == 0, "its question");
	works(ask_key((struct snp_key_question){ .fields = SNP_KEY_ALL, .tcb = 0x0800000000000009, .svn = 7, .vmpl = 3,
	    .migrates = true }, SNP_DEVICE, &key), "by everything");
	ok(memcmp(deriver.request, want, 32) == 0, "its question");
	fails(ask_key((struct snp_key_question){ .fields = 1 << 6 }, SNP_DEVICE, &key), ERR_USAGE, "a field of another version");
	fails(ask_key((struct snp_key_question){ .vmpl = 4 }, SNP_DEVICE, &key), ERR_USAGE, "level 4");
	fails(ask_key((struct snp_key_question){ .tcb = 1 }, SNP_DEVICE, &key), ERR_USAGE, "a TCB that is not mixed in");
	fails(ask_key((struct snp_key_question){ .svn = 1 }, SNP_DEVICE, &key), ERR_USAGE, "a version that is not mixed in");
	fails(ask_key((struct snp_key_question){ 0 }, NULL, &key), ERR_NO_TEE, "no device");
	is_int(key.len, 0, "nothing comes out");
}

static void
no_key(enum err_code want, const char *what)
{
	autobuf key = BUF_SECRET(SNP_KEY_SIZE);

	fails(ask_key((struct snp_key_question){ 0 }, SNP_DEVICE, &key), want, "%s", what);
	is_int(key.len, 0, "nothing comes out");
	memset(&deriver, 0, sizeof(deriver));
	deriver.fill = 0x5a;
}

static void
test_key_faults(void)
{
	deriver.status = 0x27;
	no_key(ERR_EVIDENCE, "a status");
	deriver.fill = 0;
	no_key(ERR_EVIDENCE, "a key of zeros");
	deriver.why = EIO;
	no_key(ERR_EVIDENCE, "a device that fails");
	deriver.fw = 0x16;
	no_key(ERR_EVIDENCE, "a firmware error without another");
	deriver.vmm = 1;
	no_key(ERR_EVIDENCE, "a host error without another");
	deriver.why = ETIMEDOUT;
	deriver.vmm = 2;
	no_key(ERR_TIMEOUT, "a busy host");
}

int
main(void)
{
	vector("snp/report_v3_genoa.bin", &genoa);
	test_whole_evidence();
	test_versions();
	test_table();
	test_device();
	test_device_faults();
	test_key();
	test_key_faults();
	buf_free(&genoa);
	return tap_done();
}
