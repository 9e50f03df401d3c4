/*
 * test_sparse.c: sparse files in all the forms that archives have.
 */
#include "lib/base.h"

#include "image/sparse.h"
#include "tests/lib/listing.h"

static void
test_sparse_gnu(void)
{
	struct archive a = ARCHIVE();
	static const uint8_t data[2048] = { 'A' };
	uint8_t block[512], more[512] = { 0 };

	archive_gnu_sparse(block, 515, 10000, (uint64_t[]){ 512, 512, 4096, 3, 10000, 0 }, 3);
	archive_seal(&a, block);
	archive_bytes(&a, data, 515);
	archive_pad(&a);
	archive_file(&a, "next", "n");
	{
		autobuf got = BUF(1 << 16);
		works(list(buf_span(&a.out), &got, &e), "GNU sparse file");
		ok(strncmp(buf_str(&got), "f s 10000 \"A", 12) == 0, "its size");
		ok(memmem(got.data, got.len, " 512+512 4096+3 10000+0\nf next", 30) != NULL,
		    "its map, and the next entry");
		buf_free(&a.out);
	}
	archive_gnu_sparse(block, 1024, 90000, (uint64_t[]){ 0, 512, 1024, 512, 2048, 0, 4096, 0 }, 4);
	block[482] = 1;
	archive_seal(&a, block);
	archive_number(more, 12, 8192);
	archive_number(more + 12, 12, 0);
	archive_bytes(&a, more, 512);
	archive_bytes(&a, data, 1024);
	archive_file(&a, "next", "n");
	{
		autobuf got = BUF(1 << 16);
		works(list(buf_span(&a.out), &got, &e), "GNU sparse file with an extension");
		ok(memmem(got.data, got.len, "4096+0 8192+0\nf next", 20) != NULL, "its map");
		buf_free(&a.out);
	}
	archive_seal(&a, block);
	refused(&a, ERR_LAYER, "cut in front of the extension");
	archive_seal(&a, block);
	more[24 + 12] = '1';
	archive_bytes(&a, more, 512);
	refused(&a, ERR_LAYER, "extension with half a slot");
	archive_gnu_sparse(block, 512, 9000, (uint64_t[]){ 0, 512 }, 1);
	block[482] = 1;
	archive_seal(&a, block);
	refused(&a, ERR_LAYER, "map ends, but an extension follows");
	archive_gnu_sparse(block, 512, 9000, (uint64_t[]){ 0, 512 }, 1);
	block[386 + 24 * 2] = block[398 + 24 * 2] = '0';
	refused_block(block, "slot behind an empty one");
	archive_gnu_sparse(block, 512, 9000, (uint64_t[]){ 0, 512 }, 1);
	block[386 + 24] = '0';
	refused_block(block, "slot with an offset only");
	archive_gnu_sparse(block, 512, 9000, (uint64_t[]){ 0, 512 }, 1);
	block[390] = 'x';
	refused_block(block, "offset is no number");
	archive_gnu_sparse(block, 1024, 9000, (uint64_t[]){ 0, 512, 256, 512 }, 2);
	refused_block(block, "segments overlap");
	archive_gnu_sparse(block, 1024, 9000, (uint64_t[]){ 0, 100, 512, 924 }, 2);
	refused_block(block, "segment that is padded by some");
	archive_gnu_sparse(block, 512, 500, (uint64_t[]){ 0, 512 }, 1);
	refused_block(block, "segment past the end");
	archive_gnu_sparse(block, 511, 9000, (uint64_t[]){ 0, 512 }, 1);
	refused_block(block, "less data than the map says");
	archive_gnu_sparse(block, 513, 9000, (uint64_t[]){ 0, 512 }, 1);
	refused_block(block, "more data than the map says");
	archive_gnu_sparse(block, 512, 9000, (uint64_t[]){ 0, 512 }, 1);
	memcpy(block + 257, "ustar\0" "00", 8);
	refused_block(block, "sparse in a ustar header");
	archive_gnu_sparse(block, 512, 9000, (uint64_t[]){ 0, 512 }, 1);
	memcpy(block + 483, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12);
	refused_block(block, "negative sparse size");
	archive_gnu_sparse(block, 512, 9000, (uint64_t[]){ 0, 512 }, 1);
	PAX(&a, "GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.realsize", "9");
	archive_seal(&a, block);
	refused(&a, ERR_LAYER, "two kinds of sparse");
}

/* A pax sparse file with these records and this data; expect is the map, NULL if refused. */
static void
pax_sparse(const char *const pairs[], const char *data, size_t n, const char *expect,
    const char *name)
{
	struct archive a = ARCHIVE();

	archive_pax(&a, 'x', pairs);
	archive_entry(&a, "GNUSparseFile.1/f", '0', data, n);
	archive_file(&a, "next", "n");
	if (expect == NULL) {
		refused(&a, ERR_LAYER, name);
	} else {
		autobuf got = BUF(1 << 16);

		works(list(buf_span(&a.out), &got, &e), "%s", name);
		ok(memmem(got.data, got.len, expect, strlen(expect)) != NULL, "%s: map", name);
		ok(memmem(got.data, got.len, "\nf next 1", 9) != NULL, "%s: next entry", name);
		buf_free(&a.out);
	}
}
#define PAIRS(...)	((const char *const[]){ __VA_ARGS__, NULL })

static void
test_sparse_pax(void)
{
	static char data[4096];

	memset(data, 'D', sizeof(data));
	pax_sparse(PAIRS("GNU.sparse.size", "9000", "GNU.sparse.numblocks", "2",
	    "GNU.sparse.offset", "0", "GNU.sparse.numbytes", "512",
	    "GNU.sparse.offset", "4096", "GNU.sparse.numbytes", "7"), data, 519,
	    " 0+512 4096+7\n", "form 0.0");
	pax_sparse(PAIRS("GNU.sparse.size", "9000", "GNU.sparse.numblocks", "1",
	    "GNU.sparse.numbytes", "512", "GNU.sparse.offset", "0"), data, 512, NULL,
	    "form 0.0, length first");
	pax_sparse(PAIRS("GNU.sparse.size", "9000", "GNU.sparse.numblocks", "1",
	    "GNU.sparse.offset", "0", "GNU.sparse.offset", "0"), data, 512, NULL,
	    "form 0.0, two offsets");
	pax_sparse(PAIRS("GNU.sparse.size", "9000", "GNU.sparse.numblocks", "0",
	    "GNU.sparse.offset", "0"), data, 0, NULL, "form 0.0, half a segment");
	pax_sparse(PAIRS("GNU.sparse.size", "9000", "GNU.sparse.numblocks", "2",
	    "GNU.sparse.offset", "0", "GNU.sparse.numbytes", "512"), data, 512, NULL,
	    "form 0.0, wrong count");
	pax_sparse(PAIRS("GNU.sparse.size", "9000",
	    "GNU.sparse.offset", "0", "GNU.sparse.numbytes", "512"), data, 512, NULL,
	    "form 0.0, no count");
	pax_sparse(PAIRS("GNU.sparse.size", "9000", "GNU.sparse.numblocks", "2",
	    "GNU.sparse.name", "real", "GNU.sparse.map", "0,512,4096,7"), data, 519,
	    " 0+512 4096+7\n", "form 0.1");
	pax_sparse(PAIRS("GNU.sparse.size", "9000", "GNU.sparse.numblocks", "1",
	    "GNU.sparse.name", "real", "GNU.sparse.map", "9000,0"), data, 0,
	    "f real 9000 \"\" 9000+0\n", "form 0.1, nothing but a hole, real name");
	static const char *const maps[] = { "0,512,4096", "0,512,", ",0,512", "0,x", "0", "-1,513",
	    "0, 512", "0,512,0,512", "0,512,9000,1", "18446744073709551615,512" };
	for (size_t i = 0; i < ARRAY_LEN(maps); i++)
		pax_sparse(PAIRS("GNU.sparse.size", "9000", "GNU.sparse.numblocks", "1",
		    "GNU.sparse.map", maps[i]), data, 512, NULL, maps[i]);
	pax_sparse(PAIRS("GNU.sparse.size", "9000", "GNU.sparse.realsize", "9000",
	    "GNU.sparse.numblocks", "1", "GNU.sparse.map", "0,512"), data, 512, NULL, "two sizes");
	pax_sparse(PAIRS("GNU.sparse.numblocks", "1", "GNU.sparse.map", "0,512"), data, 512, NULL,
	    "no size");
	pax_sparse(PAIRS("GNU.sparse.size", "9z", "GNU.sparse.numblocks", "1", "GNU.sparse.map",
	    "0,512"), data, 512, NULL, "size is no number");
	pax_sparse(PAIRS("GNU.sparse.name", "other"), data, 512, NULL, "a name alone");
	pax_sparse(PAIRS("GNU.sparse.unknown", "1"), data, 512, NULL, "unknown record");

	memcpy(data, "2\n0\n512\n4096\n7\n", 15);
	pax_sparse(PAIRS("GNU.sparse.major", "1", "GNU.sparse.minor", "0",
	    "GNU.sparse.name", "real", "GNU.sparse.realsize", "9000"), data, 512 + 519,
	    " 0+512 4096+7\n", "form 1.0");
	pax_sparse(PAIRS("GNU.sparse.major", "1", "GNU.sparse.minor", "1",
	    "GNU.sparse.realsize", "9000"), data, 512 + 519, NULL, "form 1.1");
	pax_sparse(PAIRS("GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.map", "0,512",
	    "GNU.sparse.realsize", "9000"), data, 512 + 519, NULL, "form 1.0 with a list");
	pax_sparse(PAIRS("GNU.sparse.major", "1", "GNU.sparse.minor", "0",
	    "GNU.sparse.realsize", "9000"), data, 512 + 518, NULL, "form 1.0, a byte too few");
	pax_sparse(PAIRS("GNU.sparse.major", "1", "GNU.sparse.minor", "0",
	    "GNU.sparse.realsize", "9000"), data, 511, NULL, "form 1.0, no room for the map");
	static const char *const texts[] = { "2\n0\n512\n4096\n", "x", "\n", "2\n0\n512\n512 \n7\n",
	    "12345678901234567890\n", "2\n0\n512\n256\n7\n", "2\n\n0\n" };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		memset(data, 0, 512);
		memcpy(data, texts[i], strlen(texts[i]));
		pax_sparse(PAIRS("GNU.sparse.major", "1", "GNU.sparse.minor", "0",
		    "GNU.sparse.realsize", "9000"), data, 512 + 519, NULL, "form 1.0, bad map");
	}
	/* 256 numbers of four digits: the map spans blocks and a number is split between them. */
	size_t at = (size_t)snprintf(data, sizeof(data), "128\n");
	for (int i = 0; i < 128; i++)
		at += (size_t)snprintf(data + at, sizeof(data) - at, "%d\n0\n", 1000 + i);
	memset(data + at, 0, sizeof(data) - at);
	pax_sparse(PAIRS("GNU.sparse.major", "1", "GNU.sparse.minor", "0",
	    "GNU.sparse.realsize", "9000"), data, 1024, " 1126+0 1127+0\n", "form 1.0, two blocks");
}

static void
test_sparse_limit(void)
{
	struct archive a = ARCHIVE();
	struct sparse s = { 0 };
	char text[512] = "65537\n";
	int rc = 0;

	PAX(&a, "GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.realsize", "9000");
	archive_entry(&a, "f", '0', text, 512);
	refused(&a, ERR_LIMIT, "form 1.0 with 65537 segments");
	for (uint64_t i = 0; i < 65536 && rc == 0; i++)
		rc = sparse_add(&s, 2 * i, 1, &e);
	is_int(rc, 0, "65536 segments");
	fails(sparse_add(&s, 1 << 20, 1, &e), ERR_LIMIT, "65537 segments");
	sparse_fini(&s);
	fails(sparse_add(&s, INT64_MAX, 1, &e), ERR_LAYER, "segment past 2^63");
	fails(sparse_add(&s, UINT64_MAX, 1, &e), ERR_LAYER, "segment past 2^64");
	sparse_fini(&s);
}

int
main(void)
{
	test_sparse_gnu();
	test_sparse_pax();
	test_sparse_limit();
	return tap_done();
}
