/*
 * fuzz_snp_device.c: a /dev/sev-guest that answers anything. The input is one answer a call: errno, whether the data asked for
 * is put where it belongs, three numbers, then how many bytes the response has, and they; certificates are the rest.
 */
#include "lib/base.h"

#include "evidence/snp.h"

#include <fcntl.h>

#include "evidence/bytes.h"
#include "lib/crypto.h"
#include "lib/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static uint8_t *
pointer(const uint8_t *at)
{
	return (uint8_t *)(uintptr_t)le64(at);
}

static int
device_open(maybe_unused void *arg, const char *path, maybe_unused int flags)
{
	if (strcmp(path, "/dev/sev-guest") == 0)
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	errno = ENOENT;
	return -1;
}

/* The driver fills the room it was told of, and no more. */
static void
give_certs(const uint8_t *request, struct span certs)
{
	uint32_t room = le32(request + 104);

	if (room > 0) {
		memset(pointer(request + 96), 0, room);
		memcpy(pointer(request + 96), certs.p, MIN((size_t)room, certs.len));
	}
}

static int
device_ioctl(void *arg, maybe_unused int fd, unsigned long request, void *argument)
{
	const size_t room = request == 0xc0205301 ? 64 : 4000;
	uint8_t *call = argument, *question = pointer(call + 8), *response = pointer(call + 16);
	struct span *in = arg, head, bytes;

	if (!span_take(in, 16, &head) || !span_take(in, le16(head.p + 14), &bytes)) {
		errno = ENOTTY;
		return -1;
	}
	memcpy(call + 24, head.p + 2, 8);
	memcpy(response, bytes.p, MIN(room, bytes.len));
	if (request == 0xc0205302) {
		give_certs(question, *in);
		if (head.p[10] != 0 || head.p[11] != 0)
			memcpy(question + 104, head.p + 10, 4);
		if (head.p[1] & 1)
			memcpy(response + 32 + 0x50, question, 64);
	}
	errno = head.p[0];
	return head.p[0] != 0 ? -1 : 0;
}

static int
no_dir(maybe_unused void *arg, maybe_unused const char *path)
{
	errno = ENOENT;
	return -1;
}

static void
evidence_of(const struct evidence_env *env)
{
	autobuf out = BUF(LIMIT_EVIDENCE);
	const struct attester_ops *tee;
	autojson doc = NULL;
	autoevidence ev;
	struct err e;

	evidence_init(&ev);
	if (evidence_select(env, NULL, &tee, &e) < 0 || tee != &attester_snp)
		abort();
	if (evidence_collect(env, tee, SPAN_LIT("data"), &ev, &e) < 0) {
		if (ev.report.len != 0 || ev.certs.len != 0)
			abort();
	} else if (evidence_format(&ev, EVIDENCE_COMPOSITE, &out, &e) == 0 && json_parse(buf_span(&out), &doc, &e) < 0) {
		abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct span in = { bytes, n };
	const struct evidence_env env = {
		.open = device_open, .ioctl = device_ioctl, .make_dir = no_dir, .remove_dir = no_dir, .remove_file = no_dir,
		.arg = &in,
	};
	autobuf key = BUF_SECRET(SNP_KEY_SIZE);
	struct err e;

	if (crypto_init(&e) < 0)
		return 0;
	evidence_of(&env);
	in = (struct span){ bytes, n };
	if ((snp_derive_key(&env, &(struct snp_key_question){ 0 }, &key, &e) == 0) != (key.len == SNP_KEY_SIZE))
		abort();
	return 0;
}
