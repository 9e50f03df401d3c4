/*
 * fuzz_services.c: messages of callers, and the words of backends that become messages. The first byte says of which method;
 * its highest bit: of a backend. What a backend is asked is always something that it can read.
 */
#include "lib/base.h"

#include "agent/services.h"
#include "lib/secret.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
get_text(struct msg_reader *r, size_t max, bool may_be_empty)
{
	struct span s = msg_get_bytes(r, max);

	if ((s.len == 0 && !may_be_empty) || span_has_nul(s))
		abort();
}

/* As the header says. */
static void
read_back(enum call call, struct msg_reader *r)
{
	switch (call) {
	case CALL_RESOURCE:
		get_text(r, LIMIT_URI - 1, false);
		get_text(r, CALL_BROKER - 1, true);
		break;
	case CALL_EVIDENCE:
		(void)msg_get_bytes(r, CALL_DATA);
		break;
	case CALL_MEASURE:
		if (msg_get_u8(r) > 1)
			abort();
		(void)msg_get_u32(r);
		for (int i = 0; i < 3; i++)
			get_text(r, CALL_TEXT, false);
		break;
	case CALL_PULL:
		get_text(r, LIMIT_REFERENCE, false);
		get_text(r, LIMIT_PATH, false);
		break;
	case CALL_TEE:
	case CALL_STATUS:
		break;
	case CALL_WRAP:
	case CALL_UNWRAP:
	case CALL_AS_ASKED:
	case CALL_COUNT:
	default:
		(void)msg_get_bytes(r, LIMIT_PROVIDER_JSON);
		break;
	}
	if (!msg_get_end(r))
		abort();
}

static void
ask(const struct service *s, struct span message)
{
	struct msg_reader r;
	struct err e;
	automsg m;

	msg_init(&m, M_CALL, 1);
	m.body.secret = !s->plain;
	if (s->ask(message, &m, &e) < 0 || s->backend == BACKEND_HERE)
		return;
	r = msg_reader(&m);
	read_back(s->call, &r);
}

static void
answer(const struct service *s, struct span words)
{
	autobuf out = { .max = SERVICES_ANSWER, .secret = !s->plain };
	struct msg_reader r = { .in = words };
	struct err e;

	(void)(s->answer(&r, words, &out, &e) < 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = { data, size };
	const struct service *s = services;
	uint8_t which;

	if (!span_u8(&in, &which))
		return 0;
	for (int i = 0; i < (which & 0x7f) && s->method.service != NULL; i++)
		s++;
	if (s->method.service == NULL || s->ask == NULL)
		return 0;
	if ((which & 0x80) != 0)
		answer(s, in);
	else
		ask(s, in);
	if (secret_in_use() != 0)
		abort();
	return 0;
}
