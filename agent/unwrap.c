/* unwrap.c: see unwrap.h. */
#include "lib/base.h"

#include "agent/unwrap.h"

#include "agent/roles.h"

#define KEY_MS		120000	/* a broker may attest first */

int
unwrap_ask(int key, uint32_t layer, const struct ocicrypt_wrapped *w, uint8_t fingerprint[32], struct err *e)
{
	static const struct msg_rule rules[] = {
		{ .type = M_UNWRAP_DONE, .max_len = KIB(1) },
		{ 0 },
	};
	struct span print;
	struct msg_reader r;
	automsg ask, answer;
	int rc;

	msg_init(&answer, 0, 0);
	msg_init(&ask, M_UNWRAP, layer);
	rc = msg_put_u32(&ask, layer, e);
	for (int i = 0; i < SCHEME_COUNT && rc == 0; i++)
		rc = msg_put_bytes(&ask, buf_span(&w->value[i]), e);
	if (rc == 0)
		rc = msg_send(key, &ask, KEY_MS, e);
	if (rc == 0)
		rc = msg_recv(key, rules, KEY_MS, &answer, e);
	if (rc == 0)
		return err_set(e, ERR_CRASH, "the key process died");
	if (rc < 0)
		return rc;
	r = msg_reader(&answer);
	rc = role_verdict(&r, e);
	if (rc < 0)
		return rc;
	print = msg_get_bytes(&r, 32);
	if (!msg_get_end(&r) || print.len != 32)
		return err_set(e, ERR_PROTO, "answer that cannot be read");
	memcpy(fingerprint, print.p, 32);
	return 0;
}
