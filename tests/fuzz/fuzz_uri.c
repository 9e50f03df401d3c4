/*
 * fuzz_uri.c: any text as a resource URI, a key id and aa_kbc_params. What is
 * accepted must be the sum of its parts, and no part may lead out of its place.
 */
#include "lib/base.h"
#include "lib/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check_parts(const struct kbs_uri *u)
{
	bool resource = strcmp(u->plugin, "resource") == 0;
	struct span rest = span_str(u->path), segment;
	size_t segments = 0;

	while (span_split(&rest, '/', &segment)) {
		if (segment.len == 0 || segment.p[0] == '.')
			abort();
		segments++;
	}
	if (segments < 1 || segments > 8 || (resource && segments != 3))
		abort();
	if (strspn(u->path, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	    "0123456789_.-/") != strlen(u->path))
		abort();
	if (strpbrk(u->host, "/@?#% ") != NULL || strpbrk(u->query, "# ") != NULL)
		abort();
}

static void
check_sum(struct span s, const struct kbs_uri *u)
{
	autobuf again = BUF(2048);
	struct err e;
	bool named = span_starts(s, "kbs+");

	if (buf_addf(&again, &e, "kbs%s%s://%s/%s%s%s", named ? "+" : "",
	    named ? u->plugin : "", u->host, u->path,
	    u->query[0] != '\0' ? "?" : "", u->query) < 0)
		abort();
	if (!span_eq(buf_span(&again), s))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span s = { data, size };
	struct kbc_params params;
	struct kbs_uri u;
	struct err e;
	bool legacy;

	if (kbs_uri_parse(s, &u, &e) == 0) {
		check_parts(&u);
		check_sum(s, &u);
		if (kbs_uri_parse_kid(s, &u, &legacy, &e) < 0 || legacy)
			abort();
	}
	if (kbs_uri_parse_kid(s, &u, &legacy, &e) == 0)
		check_parts(&u);
	if (kbc_params_parse(s, &params, &e) == 0 &&
	    strlen(params.name) + 2 + strlen(params.uri) != size)
		abort();
	return 0;
}
