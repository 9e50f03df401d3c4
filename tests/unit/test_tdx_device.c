/*
 * test_tdx_device.c: three generations of drivers, as far as numbers and layouts tell them apart; the host by vsock and
 * by ioctl; registers. A real quote goes through each way unchanged.
 */
#include "lib/base.h"

#include "evidence/tdx_device.h"

#include <sys/socket.h>

#include "evidence/bytes.h"
#include "evidence/qgs.h"
#include "evidence/uapi.h"
#include "tests/lib/fault.h"
#include "tests/lib/mutate.h"
#include "tests/lib/tap.h"
#include "tests/lib/world.h"

static struct err e;
static struct buf tdreport, quote;
static const uint8_t data[EVIDENCE_DATA] = { 9, 8, 7 };

/* What the driver is like, and what the host does. */
static struct {
	unsigned long	report, quote;		/* numbers it knows */
	char		order;			/* of the pointers: 'a', 'b' or 'o': over the data */
	uint64_t	status;
	uint32_t	out_len;		/* 0: what it is */
	bool		bare, other_data, sgx;
	const char	*answer;		/* by vsock, instead of a good one */
	size_t		answer_len;
} host;

static uint8_t *
pointer(const uint8_t *at)
{
	return (uint8_t *)(uintptr_t)le64(at);
}

static void
make_report(uint8_t *to, const uint8_t *from)
{
	uint8_t bound[64];

	memcpy(bound, from, 64);
	memcpy(to, tdreport.data, 1024);
	memcpy(to + 128, bound, 64);
	if (host.other_data)
		to[128] ^= 1;
	if (host.sgx)
		to[0] = 0;
}

static int
give_report(uint8_t *arg)
{
	switch (host.order) {
	case 'a':
		if (le32(arg + 16) != 64 || le32(arg + 32) != 1024 || arg[0] != 0)
			return world_error(EINVAL);
		make_report(pointer(arg + 24), pointer(arg + 8));
		return 0;
	case 'b':
		if (le32(arg + 16) != 64 || le32(arg + 20) != 1024 || arg[24] != 0)
			return world_error(EINVAL);
		make_report(pointer(arg + 8), pointer(arg));
		return 0;
	case 'o':
		make_report(arg, arg);
		return 0;
	default:
		make_report(arg + 64, arg);
		return 0;
	}
}

/* Length, header, sizes, an id of 16 bytes, the quote. */
static size_t
make_answer(uint8_t *to)
{
	size_t size = 24 + 16 + quote.len;

	memset(to, 0, 44);
	to[2] = (uint8_t)(size >> 8);
	to[3] = (uint8_t)size;
	to[4] = 1;
	to[8] = 1;
	put_le(to + 12, size, 4);
	put_le(to + 20, 16, 4);
	put_le(to + 24, quote.len, 4);
	memcpy(to + 44, quote.data, quote.len);
	return size + 4;
}

static bool
good_request(const uint8_t *p, size_t n)
{
	static const uint8_t head[28] = { 0, 0, 4, 0x18, 1, 0, 1, 0, 0, 0, 0, 0, 0x18, 4, 0, 0, 0, 0, 0, 0, 0, 4 };

	return n == 1052 && memcmp(p, head, sizeof(head)) == 0 && memcmp(p + 28 + 128, data, 64) == 0;
}

static int
give_quote(const uint8_t *arg)
{
	uint8_t *b = pointer(arg);
	size_t n;

	if (le64(arg + 8) != 16384 || le64(b) != 1 || le64(b + 8) != 0 || le32(b + 20) != 0 ||
	    !good_request(b + 24, le32(b + 16)))
		return world_error(EINVAL);
	if (host.bare)
		memcpy(b + 24, quote.data, n = quote.len);
	else
		n = make_answer(b + 24);
	put_le(b + 8, host.status, 8);
	put_le(b + 20, host.out_len != 0 ? host.out_len : n, 4);
	return 0;
}

static int
driver(struct world *w, unsigned long request, void *argument)
{
	if (request == host.report)
		return give_report(argument);
	if (request == host.quote)
		return give_quote(argument);
	if (request == 0x80315403 && w->level[0] == 'R') {
		memcpy(w->written, argument, w->written_len = 49);
		return 0;
	}
	if (request == 0x80085404 && w->level[0] == 'R') {
		memcpy(w->written, argument, w->written_len = 56);
		return 0;
	}
	return world_error(ENOTTY);
}

static int
qgs(maybe_unused struct world *w, uint32_t port)
{
	static uint8_t answer[KIB(8)];
	const void *bytes = host.answer != NULL ? (const void *)host.answer : answer;
	size_t n = host.answer != NULL ? host.answer_len : make_answer(answer);
	int pair[2];

	if (port != 4050 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return world_error(ECONNREFUSED);
	if (write(pair[1], bytes, n) != (ssize_t)n || shutdown(pair[1], SHUT_WR) < 0)
		abort();
	w->pending = pair[1];	/* closed at the next call */
	snprintf(w->pending_name, sizeof(w->pending_name), "request");
	return pair[0];
}

/* The configuration is there, but not for us. */
static bool forbidden;

static int
open_unless_forbidden(void *arg, const char *path, int flags)
{
	return forbidden && strncmp(path, "/etc/", 5) == 0 ? world_error(EACCES) : world_open(arg, path, flags);
}

static int
ask(const char *device, const struct world_file *files, struct buf *out)
{
	struct world w = { .device = device, .answer = driver, .files = files, .vsock = qgs };
	struct evidence_env env = world_env(&w);
	int rc;

	env.open = open_unless_forbidden;
	buf_reset(out);
	rc = tdx_device_quote(&env, data, out, &e);
	if (w.pending >= 0)
		close(w.pending);
	return rc;
}

static void
test_generations(void)
{
	static const struct { const char *device; unsigned long report, quote; char order; } drivers[] = {
		{ "/dev/tdx_guest", 0xc4405401, 0x80105404, 'i' }, { "/dev/tdx_guest", 0xc4405401, 0xc0105404, 'i' },
		{ "/dev/tdx-guest", 0xc0085401, 0x80085402, 'a' }, { "/dev/tdx-guest", 0xc0085401, 0x80085402, 'b' },
		{ "/dev/tdx-attest", 0xc0085401, 0x80085402, 'o' },
	};
	autobuf out = BUF(LIMIT_REPORT);

	for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
		host.report = drivers[i].report;
		host.quote = drivers[i].quote;
		host.order = drivers[i].order;
		for (int bare = 0; bare < 2; bare++) {
			host.bare = bare;
			works(ask(drivers[i].device, NULL, &out), "driver %zu%s", i, bare ? ", a bare quote" : "");
			ok(span_eq(buf_span(&out), buf_span(&quote)), "the quote, unchanged");
		}
		host.other_data = true;
		fails(ask(drivers[i].device, NULL, &out), ERR_EVIDENCE, "a TDREPORT over other data");
		host.other_data = false;
	}
	fails(ask("/dev/null", NULL, &out), ERR_NO_TEE, "no device");
}

static void
test_ioctl_faults(void)
{
	autobuf out = BUF(LIMIT_REPORT);

	memset(&host, 0, sizeof(host));
	host.report = 0xc4405401;
	fails(ask("/dev/tdx_guest", NULL, &out), ERR_EVIDENCE, "a driver without quotes");
	forbidden = true;
	fails(ask("/dev/tdx_guest", NULL, &out), ERR_CONFIG, "a configuration that may not be read");
	forbidden = false;
	ok(strstr(e.msg, "/etc/tdx-attest.conf") != NULL, "what else could be is told");
	host.quote = 0x80105404;
	host.sgx = true;
	fails(ask("/dev/tdx_guest", NULL, &out), ERR_EVIDENCE, "a report of SGX");
	host.sgx = false;
	host.status = UINT64_MAX;
	fails(ask("/dev/tdx_guest", NULL, &out), ERR_TIMEOUT, "in flight");
	host.status = 1ULL << 63;
	fails(ask("/dev/tdx_guest", NULL, &out), ERR_EVIDENCE, "the host's error");
	host.status = 0;
	host.out_len = 16384 - 24 + 1;
	fails(ask("/dev/tdx_guest", NULL, &out), ERR_EVIDENCE, "more than the buffer holds");
	host.out_len = 3;
	works(ask("/dev/tdx_guest", NULL, &out), "three bytes come out");
	is_int(out.len, 3, "and are no quote to whoever looks");
	host.report = 0;
	fails(ask("/dev/tdx_guest", NULL, &out), ERR_EVIDENCE, "no TDREPORT");
	memset(&host, 0, sizeof(host));
	host.report = 0xc4405401;
}

static void
test_vsock(void)
{
	static const struct world_file files[] = {
		{ "/etc/tdx-attest.conf", "# QGS\n port = 4050 \n", 20 }, { 0 },
	};
	static const struct world_file other[] = { { "/etc/tdx-attest.conf", "port=4051\n", 10 }, { 0 } };
	static const char huge[] = "\x7f\xff\xff\xff";
	autobuf out = BUF(LIMIT_REPORT);

	works(ask("/dev/tdx_guest", files, &out), "by vsock");
	ok(span_eq(buf_span(&out), buf_span(&quote)), "the quote, unchanged");
	fails(ask("/dev/tdx_guest", other, &out), ERR_EVIDENCE, "nobody listens");
	host.answer = huge;
	host.answer_len = 4;
	fails(ask("/dev/tdx_guest", files, &out), ERR_LIMIT, "an answer of 2 GiB");
	host.answer_len = 3;
	fails(ask("/dev/tdx_guest", files, &out), ERR_EVIDENCE, "half a length");
	host.answer = "\0\0\0\x20" "1234";
	host.answer_len = 8;
	fails(ask("/dev/tdx_guest", files, &out), ERR_EVIDENCE, "half an answer");
	host.answer = "\0\0\0\0";
	host.answer_len = 4;
	fails(ask("/dev/tdx_guest", files, &out), ERR_EVIDENCE, "an empty answer");
	host.answer = NULL;
}

static void
refused(uint8_t *answer, size_t n, size_t at, uint8_t value, const char *what)
{
	uint8_t was = answer[at];
	struct span q;

	answer[at] = value;
	fails(qgs_response((struct span){ answer, n }, &q, &e), ERR_EVIDENCE, "%s", what);
	answer[at] = was;
}

static void
try_answer(struct span message, maybe_unused void *arg)
{
	struct span q = { NULL, 0 };

	if (qgs_response(message, &q, &e) == 0 && (q.p < message.p || q.p + q.len > message.p + message.len))
		abort();
}

static void
test_messages(void)
{
	static uint8_t answer[KIB(8)];
	size_t n = make_answer(answer) - 4;
	uint8_t *m = answer + 4;
	struct span q;

	works(qgs_response((struct span){ m, n }, &q, &e), "an answer");
	ok(span_eq(q, buf_span(&quote)), "its quote");
	refused(m, n, 0, 2, "another version");
	refused(m, n, 4, 3, "another type");
	refused(m, n, 8, 0, "another size");
	refused(m, n, 12, 1, "an error");
	refused(m, n, 16, 17, "an id that is too long");
	refused(m, n, 20, m[20] ^ 1, "a quote of another length");
	refused(m, n, 23, 0xff, "a quote of 4 GiB");
	fails(qgs_response((struct span){ m, 15 }, &q, &e), ERR_EVIDENCE, "half a header");
	ok(mutate((struct span){ m, n }, 40, try_answer, NULL) > 0, "mutants");
}

static bool
port_is(const char *text, uint32_t want)
{
	uint32_t port = 0;

	return qgs_port(span_str(text), &port) ? port == want : want == 0;
}

static void
test_port(void)
{
	ok(port_is("port=4050", 4050) && port_is("\n  port \t=  1 \r\n", 1), "a port");
	ok(port_is("# port=1\nport = 2\nport = 3", 2), "the first line of that form");
	ok(port_is("port=65535", 65535) && port_is("port=65536", 0), "up to 65535");
	ok(port_is("", 0) && port_is("port", 0) && port_is("port=", 0) && port_is("port=x", 0) && port_is("port=1 2", 0) &&
	    port_is("ports=1", 0) && port_is("x port=1", 0), "other lines");
}

static void
test_extend(void)
{
	static const struct world_file files[] = {
		{ "/sys/devices/virtual/misc/tdx_guest/measurements/rtmr3:sha384", "", 0 }, { 0 },
	};
	struct world w = { .files = files };
	struct evidence_env env = world_env(&w);
	uint8_t digest[48] = { 1, 2 };

	works(attester_tdx.extend(&env, 17, (struct span){ digest, 48 }, &e), "PCR 17 by sysfs");
	world_apply(&w);
	ok(w.written_len == 48 && memcmp(w.written, digest, 48) == 0, "RTMR 3, 48 bytes");
	fails(attester_tdx.extend(&env, 8, (struct span){ digest, 48 }, &e), ERR_UNSUPPORTED, "RTMR 2, which is not there");
	fails(tdx_device_extend(&env, 4, (struct span){ digest, 48 }, &e), ERR_BUG, "RTMR 4");
	fails(tdx_device_extend(&env, 3, (struct span){ digest, 47 }, &e), ERR_BUG, "47 bytes");
	w = (struct world){ .device = "/dev/tdx_guest", .answer = driver };
	env = world_env(&w);
	fails(attester_tdx.extend(&env, 17, (struct span){ digest, 48 }, &e), ERR_UNSUPPORTED, "a driver that does not extend");
	w.level[0] = 'R';
	works(attester_tdx.extend(&env, 8, (struct span){ digest, 48 }, &e), "by ioctl");
	ok(w.written_len == 49 && w.written[48] == 2 && memcmp(w.written, digest, 48) == 0, "RTMR 2");
	w.device = "/dev/tdx-attest";
	works(attester_tdx.extend(&env, 17, (struct span){ digest, 48 }, &e), "by the oldest driver");
	ok(w.written_len == 56 && le64(w.written) == 3 && memcmp(w.written + 8, digest, 48) == 0, "RTMR 3 in front");
	w.level[0] = '\0';
	fails(attester_tdx.extend(&env, 17, (struct span){ digest, 48 }, &e), ERR_UNSUPPORTED, "which may not know it");
	w.device = "/dev/tdx-guest";
	fails(attester_tdx.extend(&env, 8, (struct span){ digest, 48 }, &e), ERR_UNSUPPORTED, "an old driver");
}

static void
test_register(void)
{
	static const struct { const char *device; unsigned long report; char order; } drivers[] = {
		{ "/dev/tdx_guest", 0xc4405401, 'i' }, { "/dev/tdx-guest", 0xc0085401, 'a' }, { "/dev/tdx-guest", 0xc0085401, 'b' },
		{ "/dev/tdx-attest", 0xc0085401, 'o' },
	};
	struct world w = { .answer = driver };
	struct evidence_env env = world_env(&w);
	uint8_t value[64] = { 0 };

	fails(attester_tdx.read_register(&env, 17, value, &e), ERR_UNSUPPORTED, "no device, no register");
	for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
		w.device = drivers[i].device;
		host.report = drivers[i].report;
		host.order = drivers[i].order;
		for (unsigned rtmr = 0; rtmr < 4; rtmr++) {
			memset(tdreport.data + 720 + (size_t)rtmr * 48, (int)rtmr + 1, 48);
			works(tdx_device_register(&env, rtmr, value, &e), "driver %zu: RTMR %u", i, rtmr);
			ok(value[0] == rtmr + 1 && value[47] == rtmr + 1 && value[48] == 0, "of a TDREPORT");
		}
	}
	host.sgx = true;
	fails(tdx_device_register(&env, 0, value, &e), ERR_EVIDENCE, "what is no TDREPORT");
	host.sgx = false;
	fails(tdx_device_register(&env, 4, value, &e), ERR_BUG, "RTMR 4");
	is_int(value[0], 4, "what fails leaves the value");
	host.report = 0xc4405401;
	host.order = 'i';
}

static int
run_once(maybe_unused void *arg, struct err *err)
{
	const struct sys_ops *injecting = sys;
	struct world w = { .device = "/dev/tdx_guest", .answer = driver };
	struct evidence_env env = world_env(&w);
	autobuf out = BUF(LIMIT_REPORT);

	sys = injecting;
	return tdx_device_quote(&env, data, &out, err);
}

int
main(void)
{
	vector("tdx/tdx_report_1.bin", &tdreport);
	vector("tdx/tdx_quote_4.dat", &quote);
	test_generations();
	test_ioctl_faults();
	test_vsock();
	test_messages();
	test_port();
	test_extend();
	test_register();
	host.quote = 0x80105404;
	ok(fault_each(FAULT_ALLOC, 0, false, run_once, NULL) > 0, "every allocation fails once");
	buf_free(&tdreport);
	buf_free(&quote);
	return tap_done();
}
