/*
 * fuzz_bundle_path.c: any text as a bundle that a caller names (the first line), and the directories where bundles may be. What
 * is accepted lies below one of them, is written in one way, and stays what it is when it is named again.
 */
#include "lib/base.h"

#include "agent/pulls.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check_path(const char *path, const char *list)
{
	size_t len = strlen(path);
	const char *at = "";
	char dir[LIMIT_PATH + 1];

	if (len < 2 || len > LIMIT_PATH || path[0] != '/' || path[len - 1] == '/' || strstr(path, "//") != NULL ||
	    strstr(path, "/./") != NULL || strstr(path, "/../") != NULL || strcmp(path + len - 2, "/.") == 0 ||
	    (len > 2 && strcmp(path + len - 3, "/..") == 0))
		abort();
	while (config_next(list, &at, dir, sizeof(dir))) {
		size_t n = strlen(dir);

		while (n > 0 && dir[n - 1] == '/')
			n--;
		if (n < len && memcmp(path, dir, n) == 0 && path[n] == '/')
			return;
	}
	abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *list;
	char out[LIMIT_PATH + 1] = "", again[LIMIT_PATH + 1] = "";
	struct err e;

	if (text == NULL)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	list = strchr(text, '\n');
	if (list != NULL)
		*list++ = '\0';
	else
		list = text + strlen(text);
	if (pulls_bundle(list, text, out, &e) == 0) {
		check_path(out, list);
		if (pulls_bundle(list, out, again, &e) < 0 || strcmp(out, again) != 0)
			abort();
	} else if (out[0] != '\0') {
		abort();
	}
	free(text);
	return 0;
}
