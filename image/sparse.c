/*
 * sparse.c: reads sparse maps. A map that could be read in two ways, or that
 * does not account for every stored byte, is refused.
 */
#include "lib/base.h"

#include "image/sparse.h"

#include "image/tar_header.h"
#include "lib/sys.h"

enum {
	SLOT = 24,			/* offset and length, 12 bytes each */
	HEADER_SLOTS_AT = 386, HEADER_SLOTS = 4, HEADER_MORE_AT = 482,
	EXTENSION_SLOTS = 21, EXTENSION_MORE_AT = 504,
	/* A map takes no more memory than the largest extended header. */
	SEGMENTS_MAX = LIMIT_PAX / sizeof(struct tar_segment),
	DIGITS_MAX = 19,
};

void
sparse_reset(struct sparse *s)
{
	*s = (struct sparse){ .segments = s->segments, .cap = s->cap };
}

void
sparse_fini(struct sparse *s)
{
	sys_free(s->segments);
	*s = (struct sparse){ .segments = NULL };
}

static int
grow(struct sparse *s, struct err *e)
{
	size_t cap = s->cap == 0 ? 64 : s->cap * 2;
	struct tar_segment *bigger;

	if (s->n >= SEGMENTS_MAX)
		return err_set(e, ERR_LIMIT, "sparse file: more than %d segments", SEGMENTS_MAX);
	bigger = sys_realloc(s->segments, cap * sizeof(*bigger));
	if (bigger == NULL)
		return err_set(e, ERR_NOMEM, "sparse file: out of memory");
	s->segments = bigger;
	s->cap = cap;
	return 0;
}

int
sparse_add(struct sparse *s, uint64_t offset, uint64_t length, struct err *e)
{
	uint64_t end, from = 0;
	int rc;

	if (s->n > 0)
		from = s->segments[s->n - 1].offset + s->segments[s->n - 1].length;
	if (__builtin_add_overflow(offset, length, &end) || end > INT64_MAX)
		return err_set(e, ERR_LAYER, "sparse file: segment past any end");
	if (offset < from)
		return err_set(e, ERR_LAYER, "sparse file: segments overlap");
	if (s->n == s->cap && (rc = grow(s, e)) < 0)
		return rc;
	s->segments[s->n++] = (struct tar_segment){ offset, length };
	return 0;
}

int
sparse_parse_list(struct sparse *s, struct span list, struct err *e)
{
	struct span first, second;
	uint64_t offset, length;
	int rc;

	if (list.len > 0 && list.p[list.len - 1] == ',')
		return err_set(e, ERR_LAYER, "sparse file: bad GNU.sparse.map");
	while (span_split(&list, ',', &first)) {
		if (!span_split(&list, ',', &second) ||
		    !span_decimal(first, INT64_MAX, &offset) ||
		    !span_decimal(second, INT64_MAX, &length))
			return err_set(e, ERR_LAYER, "sparse file: bad GNU.sparse.map");
		if ((rc = sparse_add(s, offset, length, e)) < 0)
			return rc;
	}
	return 0;
}

/*
 * An empty slot ends the map. Some readers look at the offset, some at the length to find it, some go on
 * with the next block and some do not: so both must be empty, and nothing may follow.
 */
static int
parse_slots(struct sparse *s, struct span slots, bool more, struct err *e)
{
	struct span slot, offset;
	int64_t at, length;
	bool ended = false;
	int rc;

	while (span_take(&slots, SLOT, &slot)) {
		bool empty = slot.p[0] == 0;

		if (empty != (slot.p[12] == 0) || (ended && !empty))
			return err_set(e, ERR_LAYER, "sparse file: slot half filled");
		ended = empty;
		if (empty)
			continue;
		if (!span_take(&slot, 12, &offset) || !tar_number(offset, &at) ||
		    !tar_number(slot, &length) || at < 0 || length < 0)
			return err_set(e, ERR_LAYER, "sparse file: slot without numbers");
		if ((rc = sparse_add(s, (uint64_t)at, (uint64_t)length, e)) < 0)
			return rc;
	}
	if (ended && more)
		return err_set(e, ERR_LAYER, "sparse file: map ends before its last block");
	return 0;
}

int
sparse_parse_header(struct sparse *s, struct span block, bool *more, struct err *e)
{
	struct span slots = { block.p + HEADER_SLOTS_AT, (size_t)HEADER_SLOTS * SLOT };

	*more = block.p[HEADER_MORE_AT] != 0;
	return parse_slots(s, slots, *more, e);
}

int
sparse_parse_extension(struct sparse *s, struct span block, bool *more, struct err *e)
{
	struct span slots = { block.p, (size_t)EXTENSION_SLOTS * SLOT };

	*more = block.p[EXTENSION_MORE_AT] != 0;
	return parse_slots(s, slots, *more, e);
}

/* One number of a 1.0 map: first how many segments, then offsets and lengths in turn. */
static int
take_number(struct sparse *s, uint64_t number, struct err *e)
{
	int rc = 0;

	if (!s->counted) {
		if (number > SEGMENTS_MAX)
			return err_set(e, ERR_LIMIT, "sparse file: more than %d segments",
			    SEGMENTS_MAX);
		s->counted = true;
		s->left = 2 * number;
		return 0;
	}
	if (s->left % 2 == 0)
		s->offset = number;
	else
		rc = sparse_add(s, s->offset, number, e);
	s->left--;
	return rc;
}

int
sparse_feed(struct sparse *s, struct span block, struct err *e)
{
	int rc;

	for (size_t i = 0; i < block.len; i++) {
		uint8_t c = block.p[i];

		if (c >= '0' && c <= '9' && s->digits < DIGITS_MAX) {
			s->number = s->number * 10 + (uint64_t)(c - '0');
			s->digits++;
			continue;
		}
		if (c != '\n' || s->digits == 0)
			return err_set(e, ERR_LAYER, "sparse file: bad map in front of the data");
		if ((rc = take_number(s, s->number, e)) < 0)
			return rc;
		s->number = 0;
		s->digits = 0;
		if (s->left == 0)
			return 1;	/* the rest of the block is padding */
	}
	return 0;
}

int
sparse_check(const struct sparse *s, uint64_t size, uint64_t stored, struct err *e)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < s->n; i++) {
		const struct tar_segment *seg = &s->segments[i];

		/* GNU tar pads each segment to a block, others do not: only equal when there is nothing to pad. */
		if (seg->length > 0 && sum % TAR_BLOCK != 0)
			return err_set(e, ERR_LAYER, "sparse file: segment not of whole blocks");
		if (seg->offset + seg->length > size)
			return err_set(e, ERR_LAYER, "sparse file: segment past the end");
		sum += seg->length;
	}
	if (sum != stored)
		return err_set(e, ERR_LAYER, "sparse file: %" PRIu64 " bytes stored, map has %" PRIu64,
		    stored, sum);
	return 0;
}
