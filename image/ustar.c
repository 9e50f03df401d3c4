/* ustar.c: see ustar.h. */
#include "lib/base.h"

#include "image/ustar.h"

/* Fields of the block: where they begin and how long they are. */
enum {
	MODE = 100, UID = 108, GID = 116, SHORT = 8,
	SIZE = 124, MTIME = 136, LONG = 12,
	CHECKSUM = 148, TYPE = 156, MAGIC = 257,
};

/* Octal digits; the NUL behind them is there already. */
static void
put_octal(uint8_t *field, size_t len, uint64_t n)
{
	for (size_t i = len - 1; i-- > 0; n >>= 3)
		field[i] = (uint8_t)('0' + (n & 7));
}

/* What is too large for octal digits as GNU tar has it: a mark, then big endian. */
static void
put_size(uint8_t *field, uint64_t n)
{
	if (n >> (3 * (LONG - 1)) == 0) {
		put_octal(field, LONG, n);
		return;
	}
	for (size_t i = LONG; i-- > 0; n >>= 8)
		field[i] = (uint8_t)n;
	field[0] = 0x80;
}

/* Over the block with blanks in its own place; six digits, a NUL, one of the blanks. */
static void
put_checksum(uint8_t block[USTAR_BLOCK])
{
	uint32_t sum = 0;

	memset(block + CHECKSUM, ' ', SHORT);
	for (size_t i = 0; i < USTAR_BLOCK; i++)
		sum += block[i];
	put_octal(block + CHECKSUM, SHORT - 1, sum);
	block[CHECKSUM + SHORT - 2] = '\0';
}

int
ustar_header(const char *name, enum ustar_type type, uint64_t size, uint8_t out[USTAR_BLOCK], struct err *e)
{
	size_t len = strlen(name);

	if (len == 0 || len > USTAR_NAME)
		return err_set(e, ERR_LIMIT, "a name of %zu bytes in an archive", len);
	memset(out, 0, USTAR_BLOCK);
	memcpy(out, name, len);
	put_octal(out + MODE, SHORT, type == USTAR_DIRECTORY ? 0755 : 0644);
	put_octal(out + UID, SHORT, 0);
	put_octal(out + GID, SHORT, 0);
	put_size(out + SIZE, type == USTAR_FILE ? size : 0);
	put_octal(out + MTIME, LONG, 0);
	out[TYPE] = (uint8_t)type;
	memcpy(out + MAGIC, "ustar\0" "00", 8);
	put_checksum(out);
	return 0;
}

size_t
ustar_padding(uint64_t size)
{
	return (size_t)(-size & (USTAR_BLOCK - 1));
}
