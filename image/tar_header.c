/*
 * tar_header.c: decodes one header block. Strict where readers differ: what GNU
 * tar, Go's archive/tar and libarchive would read in different ways is refused,
 * so that an archive means the same to us as to whoever looked at it before.
 */
#include "lib/base.h"

#include "image/tar_header.h"

/* Where the fields are. */
enum {
	AT_NAME = 0, AT_MODE = 100, AT_UID = 108, AT_GID = 116, AT_SIZE = 124,
	AT_MTIME = 136, AT_CHECKSUM = 148, AT_TYPE = 156, AT_LINK = 157,
	AT_MAGIC = 257, AT_MAJOR = 329, AT_MINOR = 337, AT_PREFIX = 345,
	AT_GNU_ATIME = 345, AT_GNU_CTIME = 357, AT_GNU_REAL_SIZE = 483, AT_STAR = 508,
	LEN_PREFIX = 155, LEN_STAR_PREFIX = 131,
};

static struct span
field(struct span block, size_t at, size_t len)
{
	return (struct span){ block.p + at, len };
}

bool
tar_block_is_zero(struct span block)
{
	uint8_t any = 0;

	for (size_t i = 0; i < block.len; i++)
		any |= block.p[i];
	return any == 0;
}

struct span
tar_text(struct span text)
{
	size_t n = 0;

	while (n < text.len && text.p[n] != 0)
		n++;
	return (struct span){ text.p, n };
}

static bool
octal(struct span text, int64_t *out)
{
	uint64_t value = 0;
	size_t i = 0;

	while (i < text.len && text.p[i] == ' ')
		i++;
	while (i < text.len && text.p[i] >= '0' && text.p[i] <= '7') {
		if (value >> 60 != 0)
			return false;
		value = value * 8 + (uint64_t)(text.p[i++] - '0');
	}
	for (; i < text.len; i++)
		if (text.p[i] != ' ' && text.p[i] != 0)
			return false;
	*out = (int64_t)value;
	return true;
}

/* Big endian, two's complement; the first byte gives 7 bits, the second highest is the sign. */
static bool
base256(struct span text, int64_t *out)
{
	uint8_t flip = text.p[0] & 0x40 ? 0xff : 0x00;	/* -a - 1 is ~a */
	uint64_t value = (text.p[0] ^ flip) & 0x7f;

	for (size_t i = 1; i < text.len; i++) {
		if (value >> 55 != 0)
			return false;
		value = value << 8 | (uint64_t)(text.p[i] ^ flip);
	}
	*out = flip ? -(int64_t)value - 1 : (int64_t)value;
	return true;
}

bool
tar_number(struct span text, int64_t *out)
{
	if (text.len > 0 && text.p[0] & 0x80)
		return base256(text, out);
	return octal(text, out);
}

/* The sum of all bytes with the checksum field as spaces; old tars added signed bytes. */
static bool
checksum_is_right(struct span block)
{
	int64_t want, plain = 0, with_sign = 0;

	if (!octal(field(block, AT_CHECKSUM, 8), &want))
		return false;
	for (size_t i = 0; i < TAR_BLOCK; i++) {
		bool inside = i >= AT_CHECKSUM && i < AT_CHECKSUM + 8;
		uint8_t c = inside ? ' ' : block.p[i];

		plain += c;
		with_sign += c < 128 ? c : c - 256;
	}
	return want == plain || want == with_sign;
}

static enum tar_format
format_of(struct span block)
{
	if (memcmp(block.p + AT_MAGIC, "ustar\0", 6) == 0)
		return TAR_USTAR;
	if (memcmp(block.p + AT_MAGIC, "ustar  \0", 8) == 0)
		return TAR_GNU;
	return TAR_V7;
}

/*
 * GNU headers have times where ustar has the prefix. Old writers of Go put a prefix there all the
 * same, which some readers honour and some do not: refused.
 */
static bool
gnu_times_are_sane(struct span block)
{
	int64_t ignored;

	return tar_number(field(block, AT_GNU_ATIME, 12), &ignored) &&
	    tar_number(field(block, AT_GNU_CTIME, 12), &ignored);
}

static int
read_names(struct span block, struct tar_header *h, struct err *e)
{
	struct span name = tar_text(field(block, AT_NAME, 100));
	struct span link = tar_text(field(block, AT_LINK, 100));
	struct span prefix = { NULL, 0 };
	size_t at = 0;

	if (h->format == TAR_USTAR)
		prefix = tar_text(field(block, AT_PREFIX, LEN_PREFIX));
	if (h->format == TAR_GNU && !gnu_times_are_sane(block))
		return err_set(e, ERR_LAYER, "tar header: a prefix where GNU tar has times");
	if (prefix.len >= LEN_STAR_PREFIX && memcmp(block.p + AT_STAR, "tar\0", 4) == 0)
		return err_set(e, ERR_LAYER, "tar header: prefix and star's times overlap");
	if (prefix.len > 0) {
		memcpy(h->name, prefix.p, prefix.len);
		at = prefix.len;
		h->name[at++] = '/';
	}
	memcpy(h->name + at, name.p, name.len);
	h->name[at + name.len] = '\0';
	memcpy(h->link, link.p, link.len);
	h->link[link.len] = '\0';
	return 0;
}

/* What only some types have. */
static int
read_type_numbers(struct span block, struct tar_header *h, struct err *e)
{
	int64_t real_size = 0;

	h->major = h->minor = 0;
	if (h->type == '3' || h->type == '4') {
		if (h->format == TAR_V7)
			return err_set(e, ERR_LAYER, "tar header: device without a number");
		if (!tar_number(field(block, AT_MAJOR, 8), &h->major) ||
		    !tar_number(field(block, AT_MINOR, 8), &h->minor))
			return err_set(e, ERR_LAYER, "tar header: bad device number");
	}
	if (h->type == 'S') {
		if (h->format != TAR_GNU)
			return err_set(e, ERR_LAYER, "tar header: sparse file, but not GNU tar's");
		if (!tar_number(field(block, AT_GNU_REAL_SIZE, 12), &real_size) || real_size < 0)
			return err_set(e, ERR_LAYER, "tar header: bad size of a sparse file");
	}
	h->real_size = (uint64_t)real_size;
	return 0;
}

static int
read_numbers(struct span block, struct tar_header *h, struct err *e)
{
	int64_t mode, size;

	if (!tar_number(field(block, AT_MODE, 8), &mode) ||
	    !tar_number(field(block, AT_UID, 8), &h->uid) ||
	    !tar_number(field(block, AT_GID, 8), &h->gid) ||
	    !tar_number(field(block, AT_SIZE, 12), &size) ||
	    !tar_number(field(block, AT_MTIME, 12), &h->mtime))
		return err_set(e, ERR_LAYER, "tar header: a field is not a number");
	if (mode < 0 || size < 0)
		return err_set(e, ERR_LAYER, "tar header: negative mode or size");
	h->mode = (uint32_t)(mode & 07777);
	h->size = (uint64_t)size;
	return read_type_numbers(block, h, e);
}

int
tar_header_parse(struct span block, struct tar_header *out, struct err *e)
{
	struct tar_header h;
	int rc;

	if (block.len != TAR_BLOCK)
		return err_set(e, ERR_BUG, "tar header of %zu bytes", block.len);
	if (!checksum_is_right(block))
		return err_set(e, ERR_LAYER, "not a tar header (wrong checksum)");
	h.format = format_of(block);
	h.type = (char)block.p[AT_TYPE];
	rc = read_numbers(block, &h, e);
	if (rc == 0)
		rc = read_names(block, &h, e);
	if (rc == 0)
		*out = h;
	return rc;
}
