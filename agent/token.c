/* token.c: see token.h. */
#include "lib/base.h"

#include "agent/token.h"

#include "lib/sys.h"

#define MARGIN_MS	5000	/* a request takes time; a token shall not end on the way */

static void
drop(struct token *t)
{
	buf_free(&t->repository);
	buf_free(&t->url);
	buf_free(&t->value);
	*t = (struct token){ 0 };
}

static bool
is_of(const struct token *t, const struct image_ref *r)
{
	size_t n = strlen(r->domain);
	struct span s = buf_span(&t->repository), host;

	return span_take(&s, n, &host) && span_eq_str(host, r->domain) &&
	    span_starts(s, "/") && strcmp((const char *)s.p + 1, r->path) == 0;
}

const struct buf *
tokens_find(const struct tokens *tokens, const struct image_ref *r, const char *url)
{
	const struct token *best = NULL;
	int64_t now = sys_now_ms();

	for (size_t i = 0; i < TOKENS_MAX; i++) {
		const struct token *t = &tokens->list[i];

		if (t->value.len == 0 || t->ends - MARGIN_MS <= now || !is_of(t, r) ||
		    (url != NULL && !span_eq_str(buf_span(&t->url), url)))
			continue;
		if (best == NULL || t->ends > best->ends)
			best = t;
	}
	return best != NULL ? &best->value : NULL;
}

/* That of the same place; else a free one; else the one that ends first. */
static struct token *
choose_slot(struct tokens *tokens, const struct image_ref *r, const char *url)
{
	struct token *best = &tokens->list[0];

	for (size_t i = 0; i < TOKENS_MAX; i++) {
		struct token *t = &tokens->list[i];

		if (t->value.len > 0 && is_of(t, r) && span_eq_str(buf_span(&t->url), url))
			return t;
		if (t->ends < best->ends)
			best = t;	/* a free one ends at 0 */
	}
	return best;
}

int
tokens_keep(struct tokens *tokens, const struct image_ref *r, const char *url, const struct buf *value,
    uint64_t seconds, struct err *e)
{
	struct token t = {
		.repository = BUF(LIMIT_REFERENCE),
		.url = BUF(LIMIT_URL),
		.value = BUF_SECRET(value->max),
		.ends = sys_now_ms() + (int64_t)seconds * 1000,
	};
	struct token *slot = choose_slot(tokens, r, url);
	int rc = buf_addf(&t.repository, e, "%s/%s", r->domain, r->path);

	if (rc == 0)
		rc = buf_add_str(&t.url, url, e);
	if (rc == 0)
		rc = buf_add_span(&t.value, buf_span(value), e);
	if (rc < 0) {
		drop(&t);
		return rc;
	}
	drop(slot);
	*slot = t;
	return 0;
}

void
tokens_forget(struct tokens *tokens, const struct buf *value)
{
	for (size_t i = 0; i < TOKENS_MAX; i++)
		if (tokens->list[i].value.len > 0 &&
		    span_eq(buf_span(&tokens->list[i].value), buf_span(value)))
			drop(&tokens->list[i]);
}

void
tokens_free(struct tokens *tokens)
{
	for (size_t i = 0; i < TOKENS_MAX; i++)
		drop(&tokens->list[i]);
}
