/* pull_setup.c: starting the roles of pull and verify. */
#include "lib/base.h"

#include "agent/pull_setup.h"

int
pull_roles_start(struct pull_roles *r, struct monitor *m, struct source_setup *source, int staging, int config,
    struct err *e)
{
	autoclose int net_a = -1, net_b = -1, key_a = -1, key_b = -1;
	int pair[2], rc;

	rc = msg_pair(pair, e);
	if (rc < 0)
		return rc;
	net_a = pair[0];
	net_b = pair[1];
	rc = msg_pair(pair, e);
	if (rc < 0)
		return rc;
	key_a = pair[0];
	key_b = pair[1];
	rc = source_start(source, m, net_a, &r->net, e);
	if (rc == 0)
		rc = monitor_start(m, ROLE_KEY, &key_a, 1, &r->key, NULL, e);
	if (rc == 0)
		rc = monitor_start(m, ROLE_PULL, (int[]){ net_b, key_b, staging, config, source->theirs }, 5,
		    &r->pull, NULL, e);
	return rc;
}

void
pull_roles_close(struct pull_roles *r)
{
	base_close(&r->net);
	base_close(&r->key);
	base_close(&r->pull);
}

int
pull_setup_send(const struct pull_setup *s, struct policy_setup *p, const char *image, int pull, struct err *e)
{
	const char *const texts[] = { image, s->platform.os, s->platform.architecture, s->platform.variant };
	const uint8_t numbers[] = { s->mixed, s->root_mode, (uint8_t)s->devices, (uint8_t)s->window_log, s->verify };
	automsg m;
	int rc = policy_setup_send(p, s->policy, s->policy_text, pull, e);

	msg_init(&m, M_PULL_SETUP, 0);
	for (size_t i = 0; i < ARRAY_LEN(texts) && rc == 0; i++)
		rc = msg_put_str(&m, texts[i], e);
	for (size_t i = 0; i < ARRAY_LEN(numbers) && rc == 0; i++)
		rc = msg_put_u8(&m, numbers[i], e);
	return rc < 0 ? rc : msg_send(pull, &m, -1, e);
}
