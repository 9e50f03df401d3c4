/*
 * archive.h: writes archives into memory for tests, right ones and wrong ones: a header is a block
 * that the test may spoil before it is sealed with its checksum.
 */
#ifndef TESTS_LIB_ARCHIVE_H
#define TESTS_LIB_ARCHIVE_H

#include "lib/base.h"
#include "lib/buf.h"

struct archive {
	struct buf	out;
	struct err	e;
};

#define ARCHIVE()	{ .out = BUF(SIZE_MAX / 2) }

static inline void
archive_bytes(struct archive *a, const void *p, size_t n)
{
	int rc = buf_add(&a->out, p, n, &a->e);

	assert(rc == 0);
	(void)rc;
}

static inline void
archive_pad(struct archive *a)
{
	static const uint8_t zeros[512];

	archive_bytes(a, zeros, (size_t)(-a->out.len % 512));
}

static inline void
archive_number(uint8_t *field, size_t len, uint64_t value)
{
	for (field[--len] = 0; len-- > 0; value /= 8)
		field[len] = (uint8_t)('0' + value % 8);
}

/* Size and value as octal in a sealed-able block: name, type, size; mode 0644, mtime 1600000000, owner 0:0. */
static inline void
archive_block(uint8_t block[512], const char *name, char type, uint64_t size)
{
	memset(block, 0, 512);
	memcpy(block, name, MIN(strlen(name), (size_t)100));
	archive_number(block + 100, 8, 0644);
	archive_number(block + 108, 8, 0);
	archive_number(block + 116, 8, 0);
	archive_number(block + 124, 12, size);
	archive_number(block + 136, 12, 1600000000);
	block[156] = (uint8_t)type;
	memcpy(block + 257, "ustar\0" "00", 8);
}

static inline void
archive_gnu(uint8_t block[512])
{
	memcpy(block + 257, "ustar  ", 8);
}

static inline void
archive_seal(struct archive *a, uint8_t block[512])
{
	unsigned sum = 0;

	memset(block + 148, ' ', 8);
	for (size_t i = 0; i < 512; i++)
		sum += block[i];
	archive_number(block + 148, 7, sum);
	archive_bytes(a, block, 512);
}

/* A header and its data, padded. */
static inline void
archive_entry(struct archive *a, const char *name, char type, const void *data, size_t n)
{
	uint8_t block[512];

	archive_block(block, name, type, n);
	archive_seal(a, block);
	archive_bytes(a, data, n);
	archive_pad(a);
}

static inline void
archive_file(struct archive *a, const char *name, const char *content)
{
	archive_entry(a, name, '0', content, strlen(content));
}

static inline void
archive_dir(struct archive *a, const char *name, unsigned mode)
{
	uint8_t block[512];

	archive_block(block, name, '5', 0);
	archive_number(block + 100, 8, mode);
	archive_seal(a, block);
}

static inline void
archive_link(struct archive *a, const char *name, char type, const char *target)
{
	uint8_t block[512];

	archive_block(block, name, type, 0);
	memcpy(block + 157, target, MIN(strlen(target), (size_t)100));
	archive_seal(a, block);
}

/* One pax record with the right length in front. */
static inline void
archive_record(struct archive *a, struct buf *text, const char *key, const void *value, size_t n)
{
	size_t body = strlen(key) + n + 3, total = body + 1;
	char digits[24];

	while (total != body + (size_t)snprintf(digits, sizeof(digits), "%zu", total))
		total++;
	if (buf_addf(text, &a->e, "%zu %s=", total, key) < 0 ||
	    buf_add(text, value, n, &a->e) < 0 || buf_add_str(text, "\n", &a->e) < 0)
		abort();
}

/* An extended header ("x") from pairs of key and value up to NULL. */
static inline void
archive_pax(struct archive *a, char type, const char *const pairs[])
{
	autobuf text = BUF(SIZE_MAX / 2);

	for (; pairs[0] != NULL; pairs += 2)
		archive_record(a, &text, pairs[0], pairs[1], strlen(pairs[1]));
	archive_entry(a, "PaxHeaders/x", type, text.data, text.len);
}
#define PAX(a, ...)	archive_pax((a), 'x', (const char *const[]){ __VA_ARGS__, NULL })

/* A GNU "S" header with up to four slots. */
static inline void
archive_gnu_sparse(uint8_t block[512], uint64_t stored, uint64_t size, const uint64_t *map, size_t n)
{
	archive_block(block, "s", 'S', stored);
	archive_gnu(block);
	for (size_t i = 0; i < n; i++) {
		archive_number(block + 386 + 24 * i, 12, map[2 * i]);
		archive_number(block + 398 + 24 * i, 12, map[2 * i + 1]);
	}
	archive_number(block + 483, 12, size);
}

static inline void
archive_end(struct archive *a)
{
	static const uint8_t zeros[1024];

	archive_bytes(a, zeros, sizeof(zeros));
}

#endif
