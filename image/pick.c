/* pick.c: see pick.h. */
#include "lib/base.h"

#include "image/pick.h"

#include "lib/limits.h"

static int
pick_one(struct span text, size_t n, size_t *out, struct err *e)
{
	bool from_end = span_starts(text, "-");
	struct span digits = { text.p + from_end, text.len - from_end };
	uint64_t v;

	if (!span_decimal(digits, UINT32_MAX, &v) || (from_end && v == 0))
		return err_set(e, ERR_USAGE, "layers are numbers from 0, or from -1 at the end");
	if (v >= n + from_end)
		return err_set(e, ERR_USAGE, "layer %s%" PRIu64 ": the image has %zu layers, numbers 0 to %zu",
		    from_end ? "-" : "", v, n, n - 1);
	*out = from_end ? n - (size_t)v : (size_t)v;
	return 0;
}

int
layers_pick(struct span list, size_t n, bool picked[], struct err *e)
{
	bool found[LIMIT_LAYERS] = { false };
	struct span part;

	if (n == 0 || n > LIMIT_LAYERS)
		return err_set(e, ERR_USAGE, "an image of %zu layers", n);
	if (list.len > 0 && list.p[list.len - 1] == ',')
		return err_set(e, ERR_USAGE, "a comma without a layer behind it");
	for (size_t i = 0; list.len == 0 && i < n; i++)
		found[i] = true;
	while (span_split(&list, ',', &part)) {
		size_t i = 0;
		int rc = pick_one(part, n, &i, e);

		if (rc == 0 && found[i])
			rc = err_set(e, ERR_USAGE, "layer %zu is named twice", i);
		if (rc < 0)
			return rc;
		found[i] = true;
	}
	memcpy(picked, found, n * sizeof(picked[0]));
	return 0;
}
