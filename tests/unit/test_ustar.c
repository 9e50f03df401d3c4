/* test_ustar.c: headers that we write are those that we, and others, read. */
#include "lib/base.h"

#include "image/ustar.h"

#include "tests/lib/tap.h"

static struct err e;
static uint8_t block[USTAR_BLOCK];

static uint32_t
checksum(void)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < USTAR_BLOCK; i++)
		sum += i >= 148 && i < 156 ? ' ' : block[i];
	return sum;
}

static void
test_fields(void)
{
	works(ustar_header("oci-layout", USTAR_FILE, 30, block, &e), "a file");
	is_str((char *)block, "oci-layout", "its name");
	is_str((char *)block + 100, "0000644", "its mode");
	is_str((char *)block + 108, "0000000", "its owner");
	is_str((char *)block + 116, "0000000", "its group");
	is_str((char *)block + 124, "00000000036", "its size");
	is_str((char *)block + 136, "00000000000", "no time");
	is_int(block[156], '0', "its type");
	ok(memcmp(block + 257, "ustar\0" "00", 8) == 0, "the format");
	is_int(strtoul((char *)block + 148, NULL, 8), checksum(), "the checksum");
	is_int(block[154], 0, "a NUL behind it");
	is_int(block[155], ' ', "and a blank");

	works(ustar_header("blobs/", USTAR_DIRECTORY, 5, block, &e), "a directory");
	is_str((char *)block + 100, "0000755", "its mode");
	is_str((char *)block + 124, "00000000000", "it has no size");
	is_int(block[156], '5', "its type");
}

static void
test_limits(void)
{
	char name[USTAR_NAME + 2];

	memset(name, 'x', sizeof(name));
	name[USTAR_NAME + 1] = '\0';
	fails(ustar_header(name, USTAR_FILE, 0, block, &e), ERR_LIMIT, "a name too long");
	fails(ustar_header("", USTAR_FILE, 0, block, &e), ERR_LIMIT, "no name");
	name[USTAR_NAME] = '\0';
	works(ustar_header(name, USTAR_FILE, 0, block, &e), "the longest name");
	ok(memcmp(block, name, USTAR_NAME) == 0 && block[100] == '0', "stands whole");

	works(ustar_header("x", USTAR_FILE, 077777777777, block, &e), "the largest size of eleven digits");
	is_str((char *)block + 124, "77777777777", "in octal");
	works(ustar_header("x", USTAR_FILE, 0100000000000, block, &e), "one more");
	ok(memcmp(block + 124, "\x80\0\0\0\0\0\0\x02\0\0\0\0", 12) == 0, "in binary");
	works(ustar_header("x", USTAR_FILE, UINT64_MAX, block, &e), "the largest of all");
	ok(memcmp(block + 124, "\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", 12) == 0, "in binary");

	is_int(ustar_padding(0), 0, "nothing behind nothing");
	is_int(ustar_padding(1), 511, "a block behind a byte");
	is_int(ustar_padding(512), 0, "nothing behind a block");
	is_int(ustar_padding(513), 511, "and so on");
}

int
main(void)
{
	test_fields();
	test_limits();
	return tap_done();
}
