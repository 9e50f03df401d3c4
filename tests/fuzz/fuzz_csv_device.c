/*
 * fuzz_csv_device.c: a /dev/csv-guest that answers anything, and anything as certificates and event log. The input: what is
 * right all the same, errno, the firmware's error, the status; a page; the certificates; the log.
 */
#include "lib/base.h"

#include "evidence/evidence.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "evidence/bytes.h"
#include "lib/crypto.h"
#include "lib/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

enum { RIGHT_DATA = 1, MASKED = 2, RIGHT_MAC = 4, REGISTERS = 8, NO_DEVICE = 16 };

struct device {
	struct span	head, page, certs, log;
};

static uint8_t *
pointer(const uint8_t *at)
{
	return (uint8_t *)(uintptr_t)le64(at);
}

static int
give(struct span bytes)
{
	int fd = memfd_create("kernel", MFD_CLOEXEC);

	if (fd < 0 || (bytes.len > 0 && pwrite(fd, bytes.p, bytes.len, 0) != (ssize_t)bytes.len))
		abort();
	return fd;
}

static int
device_open(void *arg, const char *path, maybe_unused int flags)
{
	const struct device *d = arg;

	if (strcmp(path, "/dev/csv-guest") == 0 && (d->head.p[0] & NO_DEVICE) == 0)
		return give((struct span){ NULL, 0 });
	if (strncmp(path, "/opt/csv/hsk_cek/", 17) == 0 && d->certs.len > 0)
		return give(d->certs);
	if (strcmp(path, "/sys/firmware/acpi/tables/data/CCEL") == 0 && d->log.len > 0)
		return give(d->log);
	errno = ENOENT;
	return -1;
}

/* HMAC-SM3 of the 2180 bytes in front of it. */
static void
put_mac(uint8_t *tail, const uint8_t nonce[16])
{
	static uint8_t inner[64 + 2180], outer[64 + 32];
	uint8_t mac[HASH_MAX];
	struct err e;

	memset(inner, 0x36, 64);
	memset(outer, 0x5c, 64);
	for (size_t i = 0; i < 16; i++) {
		inner[i] ^= nonce[i];
		outer[i] ^= nonce[i];
	}
	memcpy(inner + 64, tail, 2180);
	if (hash_once(HASH_SM3, (struct span){ inner, sizeof(inner) }, mac, &e) < 0)
		abort();
	memcpy(outer + 64, mac, 32);
	if (hash_once(HASH_SM3, (struct span){ outer, sizeof(outer) }, mac, &e) < 0)
		abort();
	memcpy(tail + 2180, mac, 32);
}

static void
give_report(const struct device *d, uint8_t *page)
{
	const uint8_t right = d->head.p[0];
	uint8_t asked[80];

	memcpy(asked, page, sizeof(asked));
	memset(page, 0, 4096);
	memcpy(page, d->page.p, d->page.len);
	if (right & RIGHT_DATA) {
		memcpy(page + 64, asked, sizeof(asked));
		for (size_t i = 64; i < 144 && (right & MASKED); i++)
			page[i] ^= page[188 + i % 4];
	}
	if (right & RIGHT_MAC)
		put_mac(page + (right & MASKED ? 336 : 1168), asked + 64);
}

static int
device_ioctl(void *arg, maybe_unused int fd, unsigned long request, void *argument)
{
	const struct device *d = arg;
	uint8_t *call = argument;

	if (request == 0xc0104401 && d->head.p[1] == 0) {
		if (le32(call + 8) != 4096 || le64(call) % 4096 != 0)
			abort();
		give_report(d, pointer(call));
		return 0;
	}
	if (request == 0xc0184402 && (d->head.p[0] & REGISTERS)) {
		memcpy(call + 20, d->head.p + 2, 4);
		memset(pointer(call), d->head.p[6], le64(call + 8));
		return 0;
	}
	errno = d->head.p[1];
	return -1;
}

static int
device_hypercall(void *arg, uint8_t *page)
{
	const struct device *d = arg;

	if (page == NULL)
		return 0;
	if ((uintptr_t)page % 4096 != 0)
		abort();
	give_report(d, page);
	errno = d->head.p[1];
	return d->head.p[1] != 0 ? -1 : 0;
}

static int
no_dir(maybe_unused void *arg, maybe_unused const char *path)
{
	errno = ENOENT;
	return -1;
}

static void
format(const struct evidence *ev)
{
	autobuf out = BUF(LIMIT_EVIDENCE), raw = BUF(LIMIT_EVIDENCE);
	autojson doc = NULL;
	struct err e;

	if (evidence_format(ev, EVIDENCE_COMPOSITE, &out, &e) < 0 || json_parse(buf_span(&out), &doc, &e) < 0)
		abort();
	if (evidence_format(ev, EVIDENCE_RAW, &raw, &e) == 0 && raw.len != 7016)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static const uint8_t digest[32];
	uint8_t value[64];
	struct span in = { bytes, n };
	struct device d = { .certs = { NULL, 0 } };
	const struct evidence_env env = {
		.open = device_open, .ioctl = device_ioctl, .make_dir = no_dir, .remove_dir = no_dir, .remove_file = no_dir,
		.hypercall = device_hypercall, .arg = &d,
	};
	const struct attester_ops *tee;
	autoevidence ev;
	struct err e;

	evidence_init(&ev);
	if (!span_take(&in, 7, &d.head) || !span_take(&in, MIN(in.len, (size_t)4096), &d.page) ||
	    !span_take(&in, MIN(in.len, (size_t)2916), &d.certs) || crypto_init(&e) < 0)
		return 0;
	d.log = in;
	if (evidence_select(&env, NULL, &tee, &e) < 0 || tee != &attester_csv)
		abort();
	if (evidence_collect(&env, tee, SPAN_LIT("data"), &ev, &e) == 0)
		format(&ev);
	else if (ev.report.len != 0)
		abort();
	(void)(tee->read_register(&env, 1, value, &e) < 0);
	(void)(tee->extend(&env, 17, (struct span){ digest, sizeof(digest) }, &e) < 0);
	return 0;
}
