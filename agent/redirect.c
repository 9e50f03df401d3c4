/* redirect.c: see redirect.h. libcurl reads URLs here as it will when it fetches them. */
#include "lib/base.h"

#include "agent/redirect.h"

#include <curl/curl.h>

static bool
same_part(CURLU *a, CURLU *b, CURLUPart part)
{
	char *x = NULL, *y = NULL;
	bool same;

	curl_url_get(a, part, &x, CURLU_DEFAULT_PORT);
	curl_url_get(b, part, &y, CURLU_DEFAULT_PORT);
	same = x != NULL && y != NULL && strcasecmp(x, y) == 0;
	curl_free(x);
	curl_free(y);
	return same;
}

static int
check(const char *from, const char *to, struct err *e)
{
	struct span a = span_str(from), b = span_str(to);

	if (span_starts(a, "https:") && !span_starts(b, "https:"))
		return err_set(e, ERR_REGISTRY, "redirect from https to something else is refused");
	if (!span_starts(b, "https:") && !span_starts(b, "http:"))
		return err_set(e, ERR_REGISTRY, "redirect to something that is not http");
	return 0;
}

static int
resolve(CURLU *a, CURLU *b, const char *from, const char *location, char **text, struct err *e)
{
	char *user = NULL;

	if (a == NULL || b == NULL ||
	    curl_url_set(a, CURLUPART_URL, from, 0) != CURLUE_OK ||
	    curl_url_set(b, CURLUPART_URL, from, 0) != CURLUE_OK ||
	    curl_url_set(b, CURLUPART_URL, location, 0) != CURLUE_OK ||
	    curl_url_get(b, CURLUPART_URL, text, 0) != CURLUE_OK)
		return err_set(e, ERR_REGISTRY, "redirect that is no URL");
	if (curl_url_get(b, CURLUPART_USER, &user, 0) != CURLUE_OK)
		return check(from, *text, e);
	curl_free(user);
	return err_set(e, ERR_REGISTRY, "redirect with credentials in it");
}

int
redirect_resolve(const char *from, const char *location, struct buf *out, bool *same_place,
    struct err *e)
{
	CURLU *a = curl_url(), *b = curl_url();
	char *text = NULL;
	int rc;

	if (location[0] == '\0')
		rc = err_set(e, ERR_REGISTRY, "redirect that leads nowhere");
	else
		rc = resolve(a, b, from, location, &text, e);
	if (rc == 0)
		rc = buf_add_str(out, text, e);
	if (rc == 0)
		*same_place = same_part(a, b, CURLUPART_SCHEME) && same_part(a, b, CURLUPART_HOST) &&
		    same_part(a, b, CURLUPART_PORT);
	curl_free(text);
	curl_url_cleanup(a);
	curl_url_cleanup(b);
	return rc;
}
