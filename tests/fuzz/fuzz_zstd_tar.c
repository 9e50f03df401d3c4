/*
 * fuzz_zstd_tar.c: zstd with a small window, asked for pieces of odd sizes, and the archive reader behind it.
 * The first byte says how much is asked for at a time; the rest is the layer.
 */
#include "lib/base.h"

#include "image/tar.h"
#include "image/zstd.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* A few bytes can stand for gigabytes: nobody waits for them. */
enum { ENTRIES_MAX = 1000, OUTPUT_MAX = 4 << 20 };

static void
read_archive(struct stream *top, struct err *e)
{
	struct tar_reader *r;
	const struct tar_entry *t;
	const uint8_t *p;
	uint64_t seen = 0;
	unsigned n = 0;
	ssize_t got;

	if (tar_open(top, &r, e) < 0)
		return;
	while (n++ < ENTRIES_MAX && seen < OUTPUT_MAX && tar_next(r, &t, e) == 1)
		while (seen < OUTPUT_MAX && (got = tar_data(r, &p, e)) > 0)
			seen += (uint64_t)got;
	tar_close(r);
}

static void
read_bytes(struct stream *top, size_t step, struct err *e)
{
	uint8_t piece[256];
	uint64_t seen = 0;
	ssize_t got;

	while (seen < OUTPUT_MAX && (got = stream_read(top, piece, step, e)) > 0)
		seen += (uint64_t)got;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stream source, zstd;
	struct err e;

	if (size == 0 || stream_span(&source, (struct span){ data + 1, size - 1 }, &e) < 0)
		return 0;
	if (stream_zstd(&zstd, &source, 17, &e) < 0) {
		stream_close(&source);
		return 0;
	}
	if (data[0] == 0)
		read_archive(&zstd, &e);
	else
		read_bytes(&zstd, data[0], &e);
	stream_close(&zstd);
	return 0;
}
