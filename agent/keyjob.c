/* keyjob.c: see keyjob.h. */
#include "lib/base.h"

#include "agent/keyjob.h"

#include "lib/uri.h"

int
keyjob_start(struct monitor *m, const char *kbc_params, int *control, struct err *e)
{
	autoclose int ours = -1;
	int rc;

	rc = monitor_start(m, ROLE_KEY, NULL, 0, &ours, NULL, e);
	if (rc == 0)
		rc = monitor_set_up_key(ours, kbc_params, false, e);
	if (rc == 0)
		*control = fd_steal(&ours);
	return rc;
}

static int
take_wrapped(struct msg_reader *r, struct ocicrypt_wrapped *out, struct err *e)
{
	int rc = 0;

	for (int i = 0; i < SCHEME_COUNT && rc == 0; i++) {
		out->value[i] = (struct buf)BUF(LIMIT_ANNOTATION);
		rc = buf_add_span(&out->value[i], msg_get_bytes(r, LIMIT_ANNOTATION), e);
	}
	return rc;
}

/* The answer to whatever was asked last; wrapped gets the keys if there are to be some. */
static int
await(struct monitor *m, int control, struct ocicrypt_wrapped *wrapped, struct err *e)
{
	static const struct msg_rule rules[] = {
		{ .type = M_KEY_DONE, .max_len = LIMIT_MSG }, { 0 },
	};
	struct msg_reader r;
	automsg answer;
	int rc = monitor_answer(m, control, "key", rules, &answer, &r, e);

	if (rc == 0 && wrapped != NULL)
		rc = take_wrapped(&r, wrapped, e);
	if (rc == 0 && !msg_get_end(&r))
		rc = err_set(e, ERR_PROTO, "answer that cannot be read");
	return rc;
}

bool
keyjob_is_resource(const char *name)
{
	return strncmp(name, "kbs:///", strlen("kbs:///")) == 0;
}

int
keyjob_check_type(const char *uri, const char *const types[], struct err *e)
{
	autobuf names = BUF(KIB(1));
	struct span path, type;
	struct kbs_uri u;
	int rc = kbs_uri_parse(span_str(uri), &u, e);

	if (rc < 0)
		return rc;
	path = span_str(u.path);
	if (strcmp(u.plugin, "resource") != 0 || !span_split(&path, '/', &type) || !span_split(&path, '/', &type))
		return err_set(e, ERR_CONFIG, "%s: not a resource", uri);
	for (size_t i = 0; types[i] != NULL && rc == 0; i++) {
		if (span_eq_str(type, types[i]))
			return 0;
		rc = buf_addf(&names, e, "%s%s", i > 0 ? ", " : "", types[i]);
	}
	return rc < 0 ? rc : err_set(e, ERR_CONFIG, "%s: here a broker is asked for resources of these types only: %s", uri,
	    buf_str(&names));
}

int
keyjob_resource(struct monitor *m, int control, const char *uri, int fd, struct err *e)
{
	automsg ask;
	int rc;

	msg_init(&ask, M_KEY_RESOURCE, 0);
	rc = msg_put_str(&ask, uri, e);
	if (rc < 0)
		return rc;
	msg_put_fd(&ask, fd);
	rc = msg_send(control, &ask, -1, e);
	return rc < 0 ? rc : await(m, control, NULL, e);
}

int
keyjob_wrap(struct monitor *m, int control, uint32_t layer, const char *digest, struct ocicrypt_wrapped *out,
    struct err *e)
{
	automsg ask;
	int rc;

	msg_init(&ask, M_KEY_WRAP, layer);
	rc = msg_put_u32(&ask, layer, e);
	if (rc == 0)
		rc = msg_put_str(&ask, digest, e);
	if (rc == 0)
		rc = msg_send(control, &ask, -1, e);
	return rc < 0 ? rc : await(m, control, out, e);
}
