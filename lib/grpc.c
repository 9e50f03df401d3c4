/* grpc.c: see grpc.h. */
#include "lib/base.h"

#include "lib/grpc.h"


/* The prefix is whole: is it one that we take? */
static enum rpc_status
take_prefix(struct grpc_message *m, size_t max, const char **why)
{
	struct span in = { m->prefix, GRPC_PREFIX };
	uint8_t compressed = 1;
	uint32_t len = 0;
	struct err full;

	(void)(span_u8(&in, &compressed) && span_be32(&in, &len));
	*why = "compressed messages are not supported";
	if (compressed != 0)
		return RPC_UNIMPLEMENTED;
	*why = "the message is too large";
	if (len > max)
		return RPC_RESOURCE_EXHAUSTED;
	*why = "no memory for the message";
	m->body = (struct buf)BUF_SECRET(len);
	return buf_reserve(&m->body, len, &full) < 0 ? RPC_RESOURCE_EXHAUSTED : RPC_OK;
}

enum rpc_status
grpc_message_add(struct grpc_message *m, struct span in, size_t max, const char **why)
{
	struct err full;

	while (in.len > 0 && m->have < GRPC_PREFIX) {
		(void)span_u8(&in, &m->prefix[m->have++]);
		if (m->have == GRPC_PREFIX) {
			enum rpc_status s = take_prefix(m, max, why);

			if (s != RPC_OK)
				return s;
		}
	}
	*why = "more than one message";
	return buf_add_span(&m->body, in, &full) < 0 ? RPC_INVALID_ARGUMENT : RPC_OK;
}

bool
grpc_message_whole(const struct grpc_message *m)
{
	return m->have == GRPC_PREFIX && m->body.len == m->body.max;
}

void
grpc_message_fini(struct grpc_message *m)
{
	buf_free(&m->body);
}

int
grpc_message_format(struct span message, struct buf *out, struct err *e)
{
	int rc;

	if (message.len > UINT32_MAX)
		return err_set(e, ERR_LIMIT, "message too large");
	rc = buf_reserve(out, GRPC_PREFIX + message.len, e);
	if (rc == 0)
		rc = buf_add_u8(out, 0, e);
	if (rc == 0)
		rc = buf_add_be32(out, (uint32_t)message.len, e);
	return rc < 0 ? rc : buf_add_span(out, message, e);
}

bool
grpc_timeout_parse(struct span in, int64_t *ms)
{
	static const struct {
		uint8_t	unit;
		int64_t	times, over;
	} units[] = {
		{ 'H', 3600000, 1 }, { 'M', 60000, 1 }, { 'S', 1000, 1 }, { 'm', 1, 1 }, { 'u', 1, 1000 }, { 'n', 1, 1000000 },
	};
	uint64_t n = 0;

	if (in.len < 2 || in.len > 9)
		return false;
	for (size_t i = 0; i < in.len - 1; i++) {
		if (in.p[i] < '0' || in.p[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(in.p[i] - '0');
	}
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (in.p[in.len - 1] != units[i].unit)
			continue;
		*ms = ((int64_t)n * units[i].times + units[i].over - 1) / units[i].over;
		return true;
	}
	return false;
}

void
grpc_timeout_format(int64_t ms, char out[16])
{
	if (ms > 99999999)
		snprintf(out, 16, "%" PRId64 "S", MIN(ms / 1000, 99999999));
	else
		snprintf(out, 16, "%" PRId64 "m", MAX(ms, 1));
}

void
grpc_text_encode(const char *in, char *out, size_t size)
{
	size_t n = 0;

	for (; *in != '\0' && n + 4 <= size; in++) {
		unsigned char c = (unsigned char)*in;

		if (c >= 0x20 && c < 0x7f && c != '%')
			out[n++] = (char)c;
		else
			n += (size_t)snprintf(out + n, 4, "%%%02X", c);
	}
	out[n] = '\0';
}

static int
hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int
grpc_text_decode(struct span in, struct buf *out, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < in.len && out->len < out->max && rc == 0; i++) {
		uint8_t c = in.p[i];

		if (c == '%' && in.len - i > 2 && hex_digit(in.p[i + 1]) >= 0 && hex_digit(in.p[i + 2]) >= 0) {
			c = (uint8_t)(hex_digit(in.p[i + 1]) << 4 | hex_digit(in.p[i + 2]));
			i += 2;
		}
		rc = buf_add_u8(out, c, e);
	}
	return rc;
}

static void *
take(size_t n, void *budget)
{
	return budget_alloc(budget, n);
}

static void
give(void *p, void *budget)
{
	budget_free(budget, p);
}

static void *
take_array(size_t n, size_t size, void *budget)
{
	size_t all;

	return __builtin_mul_overflow(n, size, &all) ? NULL : budget_alloc(budget, all);
}

static void *
resize(void *p, size_t n, void *budget)
{
	return budget_realloc(budget, p, n);
}

nghttp2_mem
grpc_memory(struct budget *b)
{
	return (nghttp2_mem){ b, take, give, take_array, resize };
}

nghttp2_nv
grpc_header(const char *name, const char *value)
{
	return (nghttp2_nv){
		.name = (uint8_t *)(uintptr_t)name,
		.value = (uint8_t *)(uintptr_t)value,
		.namelen = strlen(name),
		.valuelen = strlen(value),
	};
}
