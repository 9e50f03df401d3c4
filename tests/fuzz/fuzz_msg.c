/* fuzz_msg.c: packets between processes; the first byte says how many descriptors came along. */
#include "lib/base.h"

#include "lib/msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct msg_rule rules[] = {
		{ .type = 1, .max_len = 64 },
		{ .type = 2, .max_len = LIMIT_MSG, .fds = 1, .secret = true },
		{ .type = 3, .max_len = 1024, .fds = 2 },
		{ 0 },
	};
	char text[32];
	struct err e;
	struct msg_reader r;
	automsg m;

	msg_init(&m, 0, 0);
	if (size < 1 || msg_parse((struct span){ data + 1, size - 1 }, data[0] & 3, rules, &m, &e) < 0)
		return 0;
	r = msg_reader(&m);
	(void)msg_get_u8(&r);
	msg_get_str(&r, text, sizeof(text));
	(void)msg_get_bytes(&r, 1000);
	(void)msg_get_u64(&r);
	msg_get_err(&r, &e);
	if (msg_get_end(&r) && (e.code == ERR_NONE || e.code >= ERR_COUNT))
		__builtin_trap();
	return 0;
}
