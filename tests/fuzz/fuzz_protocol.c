/*
 * fuzz_protocol.c: any text as a request to a key provider, and as an answer of one. What is accepted comes back the
 * same when we write it; no whole call of a stranger gets more than the keys it names.
 */
#include "lib/base.h"
#include "keyprovider/provider.h"

#include "lib/crypto.h"
#include "lib/secret.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static int
find(maybe_unused void *arg, maybe_unused const struct kbs_uri *kid, maybe_unused bool wrap, struct buf *kek,
    struct err *e)
{
	static const uint8_t key[32] = "0123456789abcdef0123456789ABCDE";

	return buf_add(kek, key, sizeof(key), e);
}

static void
request(struct span text)
{
	autobuf json = BUF_SECRET(2 * LIMIT_PROVIDER_JSON);
	struct provider_request r, again;
	struct err e;

	if (provider_request_parse(text, PROVIDER_AS_ASKED, &r, &e) < 0)
		return;
	if (provider_request_format(r.op, buf_span(&r.parameter), buf_span(&r.data), &json, &e) < 0)
		abort();
	if (json.len <= LIMIT_PROVIDER_JSON) {
		if (provider_request_parse(buf_span(&json), r.op, &again, &e) < 0 ||
		    !span_eq(buf_span(&r.data), buf_span(&again.data)) ||
		    !span_eq(buf_span(&r.parameter), buf_span(&again.parameter)))
			abort();
		provider_request_fini(&again);
	}
	provider_request_fini(&r);
}

static void
reply(struct span text, enum provider_op op)
{
	autobuf data = BUF_SECRET(LIMIT_PACKET), json = BUF_SECRET(5 * LIMIT_PACKET), again = BUF_SECRET(LIMIT_PACKET);
	struct err e;

	if (provider_reply_parse(text, op, &data, &e) < 0)
		return;
	if (data.len == 0 || provider_reply_format(op, buf_span(&data), &json, &e) < 0)
		abort();
	if (json.len <= LIMIT_PROVIDER_JSON && (provider_reply_parse(buf_span(&json), op, &again, &e) < 0 ||
	    !span_eq(buf_span(&data), buf_span(&again))))
		abort();
}

static void
call(struct span text)
{
	static const struct provider p = { .key = find, .keys_path = "/keys" };
	autobuf out = BUF_SECRET(LIMIT_PROVIDER_JSON);
	struct err e = { 0 };

	if (provider_serve(&p, PROVIDER_AS_ASKED, text, &out, &e) < 0 ? out.len > 0 : out.len == 0)
		abort();
	if (strstr(e.msg, "0123456789abcdef") != NULL)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct span text = { data, size };
	struct err e;

	if (crypto_init(&e) < 0)
		return 0;
	request(text);
	reply(text, PROVIDER_WRAP);
	reply(text, PROVIDER_UNWRAP);
	call(text);
	if (secret_in_use() != 0)
		abort();
	return 0;
}
