/*
 * fuzz_gzip_tar.c: the choice of a decompressor, gzip, and the archive reader behind it.
 */
#include "lib/base.h"

#include "image/decompress.h"
#include "image/tar.h"
#include "image/zstd.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

enum { ENTRIES_MAX = 1000 };

static void
read_all(struct stream *top, struct err *e)
{
	struct tar_reader *r;
	const struct tar_entry *t;
	const uint8_t *p;
	unsigned n = 0;

	if (tar_open(top, &r, e) < 0)
		return;
	while (n++ < ENTRIES_MAX && tar_next(r, &t, e) == 1)
		while (tar_data(r, &p, e) > 0)
			;
	tar_close(r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stream source, stages[2], *top = &source;
	uint8_t rest[4096];
	struct err e;
	bool sniffed;

	if (stream_span(&source, (struct span){ data, size }, &e) < 0)
		return 0;
	if (stream_decompress(stages, &source, COMPRESSION_GZIP, WINDOW_LOG_DEFAULT, &top, &sniffed, &e) == 0) {
		read_all(top, &e);
		while (stream_read(top, rest, sizeof(rest), &e) > 0)
			;
	}
	stream_close(top);
	return 0;
}
