/* client.c: see client.h. */
#include "lib/base.h"

#include "agent/client.h"

#include "agent/exchange.h"
#include "lib/sys.h"

int
client_new(const struct client_options *opt, struct client **out, struct err *e)
{
	struct client *c = sys_alloc(sizeof(*c));
	int rc;

	if (c == NULL)
		return err_set(e, ERR_NOMEM, "http");
	c->opt = *opt;
	c->deadline = opt->timeout_ms > 0 ? sys_now_ms() + opt->timeout_ms : -1;
	while (c->keys.nfiles < LOGIN_FILES && opt->authfiles[c->keys.nfiles].len > 0) {
		c->keys.files[c->keys.nfiles] = opt->authfiles[c->keys.nfiles];
		c->keys.nfiles++;
	}
	rc = http_new(&opt->http, &c->http, e);
	if (rc < 0)
		sys_free(c);
	else
		*out = c;
	return rc;
}

void
client_free(struct client *c)
{
	if (c == NULL)
		return;
	exchange_end_all(c);
	http_free(c->http);
	tokens_free(&c->keys.tokens);
	sys_free(c);
}

static bool
in_list(const char *list, const char *host)
{
	struct span rest = span_str(list != NULL ? list : ""), one;

	while (span_split(&rest, ',', &one))
		if (span_eq_str(one, host))
			return true;
	return false;
}

bool
client_is_plain(const struct client *c, const struct registry_place *place)
{
	return place->insecure || in_list(c->opt.plain_http, place->ref.domain);
}

void
client_too_late(const struct client *c, const char *domain, const struct err *before, struct err *out)
{
	bool known = before->code != ERR_NONE;

	err_set(out, ERR_TIMEOUT, "%s: not done within %" PRId64 " s%s%s", domain, c->opt.timeout_ms / 1000,
	    known ? "; before: " : "", known ? before->msg : "");
}
