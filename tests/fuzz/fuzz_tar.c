/*
 * fuzz_tar.c: the archive reader, from memory; nothing is written anywhere. So that
 * mutants get past the checksum, blocks that have "~" at its end are given a right one.
 */
#include "lib/base.h"

#include "image/tar.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* What the reader promises of every entry. */
static void
check_entry(const struct tar_entry *t)
{
	uint64_t end = 0;

	if (t->path[0] == '\0' || strlen(t->path) > LIMIT_PATH || strlen(t->link) > LIMIT_PATH ||
	    t->mode > 07777 || t->uid == UINT32_MAX || t->gid == UINT32_MAX ||
	    t->mtime.tv_nsec < 0 || t->mtime.tv_nsec > 999999999 ||
	    (t->type != TAR_FILE && (t->size > 0 || t->sparse)))
		abort();
	for (size_t i = 0; i < t->nsegments; i++) {
		if (t->segments[i].offset < end || t->segments[i].length > t->size)
			abort();
		end = t->segments[i].offset + t->segments[i].length;
		if (end > t->size)
			abort();
	}
	for (size_t i = 0; i < t->nxattrs; i++)
		if (span_has_nul(t->xattrs[i].name) || t->xattrs[i].name.len > 255)
			abort();
}

static void
read_data(struct tar_reader *r, const struct tar_entry *t, struct err *e)
{
	const uint8_t *p;
	uint64_t sum = 0, left = t->sparse ? 0 : t->size;
	uint8_t used = 0;
	ssize_t n;

	for (size_t i = 0; i < t->nsegments; i++)
		left += t->segments[i].length;
	while ((n = tar_data(r, &p, e)) > 0) {
		used ^= p[0] ^ p[n - 1];
		sum += (uint64_t)n;
	}
	if (n == 0 && (sum != left || (sum == 0 && used != 0)))
		abort();
}

static uint8_t *
seal_blocks(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size + 1);

	if (copy == NULL)
		abort();
	memcpy(copy, data, size);
	for (size_t at = 0; at + 512 <= size; at += 512) {
		uint8_t *block = copy + at;
		unsigned sum = 8 * ' ';

		if (block[155] != '~')
			continue;
		for (unsigned i = 0; i < 512; i++)
			sum += i >= 148 && i < 156 ? 0 : block[i];
		snprintf((char *)block + 148, 8, "%06o", sum);
		block[155] = ' ';
	}
	return copy;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *sealed = seal_blocks(data, size);
	struct tar_reader *r;
	const struct tar_entry *t;
	struct stream s;
	struct err e;
	unsigned n = 0;

	if (stream_span(&s, (struct span){ sealed, size }, &e) < 0) {
		free(sealed);
		return 0;
	}
	if (tar_open(&s, &r, &e) == 0) {
		/* Every second entry is skipped instead of read. */
		while (tar_next(r, &t, &e) == 1) {
			check_entry(t);
			if (n++ % 2 == 0)
				read_data(r, t, &e);
		}
		tar_close(r);
	}
	stream_close(&s);
	free(sealed);
	return 0;
}
