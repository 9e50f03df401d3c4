/*
 * fuzz_packet.c: any text as an annotation packet; what is accepted is opened
 * with some key, and, if it has a form that we write, comes back the same.
 */
#include "lib/base.h"
#include "keyprovider/packet.h"

#include "lib/crypto.h"
#include "lib/secret.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
round_trip(const struct packet *p)
{
	autobuf text = BUF(2 * LIMIT_PACKET);
	struct packet again;
	struct err e;

	if (packet_format(&p->kid, (struct span){ p->iv, p->iv_len }, buf_span(&p->wrapped), &text, &e) < 0)
		abort();
	/* A free word is no kid of today, and base64 of numbers may be too long. */
	if (strchr(p->kid.path, '/') == NULL || text.len > LIMIT_PACKET)
		return;
	if (packet_parse(buf_span(&text), &again, &e) < 0 || again.wrap_type != WRAP_A256GCM ||
	    memcmp(&again.kid, &p->kid, sizeof(p->kid)) != 0 ||
	    memcmp(again.iv, p->iv, sizeof(p->iv)) != 0 ||
	    !span_eq(buf_span(&again.wrapped), buf_span(&p->wrapped)))
		abort();
	packet_fini(&again);
}

static void
unwrap(const struct packet *p)
{
	static const uint8_t key[32] = { 1 };
	autobuf out = BUF_SECRET(LIMIT_PACKET);
	struct err e;
	int rc = packet_unwrap(p, (struct span){ key, sizeof(key) }, &out, &e);

	if (p->wrap_type == WRAP_A256CTR ? rc != 0 : rc == 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct packet p = { .iv_len = 0 };
	struct err e;

	if (crypto_init(&e) < 0 || packet_parse((struct span){ data, size }, &p, &e) < 0)
		return 0;
	unwrap(&p);
	if (p.wrap_type == WRAP_A256GCM)
		round_trip(&p);
	packet_fini(&p);
	if (secret_in_use() != 0)
		abort();
	return 0;
}
