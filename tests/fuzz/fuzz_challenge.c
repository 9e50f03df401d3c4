/*
 * fuzz_challenge.c: challenges, the URL made of them, and (the same bytes) the
 * answer of a token server.
 */
#include "lib/base.h"

#include "image/challenge.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* What goes into a request must be one line of printable ASCII. */
static void
check_plain(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f)
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autobuf url = BUF(LIMIT_URL), token = BUF_SECRET(KIB(32)), form = BUF_SECRET(KIB(64));
	struct span text = { data, size };
	struct challenge c;
	struct image_ref r;
	struct err e;
	uint64_t seconds;
	bool found;

	if (image_ref_parse(SPAN_LIT("a.test/ns/app"), &r, &e) < 0)
		abort();
	if (challenge_pick(text, &c, &found, &e) == 0 && found) {
		if (challenge_token_url(&c, &r, false, &url, &e) == 0 &&
		    strncasecmp(buf_str(&url), "https://", 8) != 0)
			abort();
		check_plain(buf_span(&url));
		buf_reset(&url);
		if (challenge_token_url(&c, &r, true, &url, &e) == 0)
			check_plain(buf_span(&url));
		buf_reset(&url);
		if (challenge_token_form(&c, &r, true, text, &url, &form, &e) == 0) {
			check_plain(buf_span(&url));
			check_plain(buf_span(&form));
		}
	}
	if (challenge_token_parse(text, &token, &seconds, &e) == 0) {
		check_plain(buf_span(&token));
		if (seconds < TOKEN_MIN_S || seconds > TOKEN_MAX_S)
			abort();
	}
	return 0;
}
