/*
 * listing.h: what the archive reader says of an archive in memory, as text.
 */
#ifndef TESTS_LIB_LISTING_H
#define TESTS_LIB_LISTING_H

#include "lib/base.h"

#include "image/tar.h"
#include "tests/lib/archive.h"
#include "tests/lib/tap.h"

static struct err e;

/* What a whole archive says, as text: one line an entry. */
static inline int
list_entry(struct tar_reader *r, const struct tar_entry *t, struct buf *out, struct err *err)
{
	static const char letters[] = "fhlcbdp";
	const uint8_t *data;
	ssize_t n;
	int rc = buf_addf(out, err, "%c %s", letters[t->type], t->path);

	if (rc == 0 && t->link[0] != '\0')
		rc = buf_addf(out, err, " -> %s", t->link);
	if (rc == 0 && t->size > 0)
		rc = buf_addf(out, err, " %" PRIu64 " \"", t->size);
	if (rc < 0)
		return rc;
	while ((n = tar_data(r, &data, err)) > 0)
		if ((rc = buf_add(out, data, (size_t)MIN(n, 64), err)) < 0)
			return rc;
	if (n < 0)
		return (int)n;
	if (t->size > 0 && (rc = buf_add_str(out, "\"", err)) < 0)
		return rc;
	for (size_t i = 0; i < t->nsegments; i++)
		if ((rc = buf_addf(out, err, " %" PRIu64 "+%" PRIu64, t->segments[i].offset,
		    t->segments[i].length)) < 0)
			return rc;
	return buf_add_str(out, "\n", err);
}

static inline int
list(struct span bytes, struct buf *out, struct err *err)
{
	struct tar_reader *r;
	const struct tar_entry *t;
	struct stream s;
	int rc;

	if ((rc = stream_span(&s, bytes, err)) < 0)
		return rc;
	if ((rc = tar_open(&s, &r, err)) == 0) {
		while ((rc = tar_next(r, &t, err)) == 1)
			if ((rc = list_entry(r, t, out, err)) < 0)
				break;
		if (rc == 0)
			rc = tar_drain(r, err);
		tar_close(r);
	}
	stream_close(&s);
	return rc;
}

/* The archive reads as this text. */
static inline void
reads(struct archive *a, const char *want, const char *name)
{
	autobuf got = BUF(1 << 20);

	works(list(buf_span(&a->out), &got, &e), "%s", name);
	is_str(buf_str(&got), want, "%s: what it says", name);
	buf_free(&a->out);
}

static inline void
refused(struct archive *a, enum err_code code, const char *name)
{
	autobuf got = BUF(1 << 20);

	fails(list(buf_span(&a->out), &got, &e), code, "refused: %s", name);
	buf_free(&a->out);
}

/* An archive of one spoiled header. */
static inline void
refused_block(uint8_t block[512], const char *name)
{
	struct archive a = ARCHIVE();

	archive_seal(&a, block);
	refused(&a, ERR_LAYER, name);
}

#endif
