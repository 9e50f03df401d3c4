/*
 * gpgframe.c: the first byte, and the end of a compressed packet. What the packets say is gpg's to read.
 * Source: RFC 4880, sections 4.2 and 5.6.
 */
#include "lib/base.h"
#include "agent/gpgframe.h"

#include <zlib.h>

#include "lib/limits.h"

enum { COMPRESSED_TO_THE_END = 0xa3, ALGO_ZIP = 1, ALGO_ZLIB = 2 };

/* Packets that a signed message begins with: compressed data, one-pass signature, signature; old and new headers. */
static bool
is_message(uint8_t first)
{
	static const uint8_t firsts[] = {
		0xa0, 0xa1, 0xa2, COMPRESSED_TO_THE_END, 0xc8,
		0x90, 0x91, 0x92, 0xc4,
		0x88, 0x89, 0x8a, 0x8b, 0xc2,
	};

	return memchr(firsts, first, sizeof(firsts)) != NULL;
}

/* Where does the compressed data end? What it holds is dropped, and more than a payload can need is a bomb. */
static int
skip_compressed(z_stream *z, struct err *e)
{
	uint8_t out[4096];
	int rc = Z_OK;

	while (rc == Z_OK) {
		z->next_out = out;
		z->avail_out = sizeof(out);
		rc = inflate(z, Z_NO_FLUSH);
		if (z->total_out > LIMIT_PAYLOAD + KIB(64))
			return err_set(e, ERR_IMAGE, "a signature that unpacks to more than %zu bytes", LIMIT_PAYLOAD);
	}
	if (rc == Z_MEM_ERROR)
		return err_set(e, ERR_NOMEM, "signature");
	if (rc != Z_STREAM_END)
		return err_set(e, ERR_IMAGE, "compressed data that breaks off");
	if (z->avail_in > 0)
		return err_set(e, ERR_IMAGE, "%u bytes behind the message", z->avail_in);
	return 0;
}

static int
check_end(struct span data, struct err *e)
{
	z_stream z = { 0 };
	uint8_t algo;
	int rc;

	if (!span_u8(&data, &algo) || (algo != ALGO_ZIP && algo != ALGO_ZLIB))
		return err_set(e, ERR_IMAGE, "compressed in another way than ZIP or ZLIB");
	/* Without the constness: zlib's type lacks it, zlib does not write there. */
	z.next_in = (uint8_t *)(uintptr_t)data.p;
	z.avail_in = (unsigned)data.len;
	if (inflateInit2(&z, algo == ALGO_ZIP ? -MAX_WBITS : MAX_WBITS) != Z_OK)
		return err_set(e, ERR_NOMEM, "signature");
	rc = skip_compressed(&z, e);
	inflateEnd(&z);
	return rc;
}

int
gpgframe_check(struct span blob, struct err *e)
{
	uint8_t first;

	if (blob.len > LIMIT_SIGNATURE)
		return err_set(e, ERR_IMAGE, "a signature of more than %zu bytes", LIMIT_SIGNATURE);
	if (span_starts(blob, "-----BEGIN PGP "))
		return err_set(e, ERR_IMAGE, "an armoured or clear-signed message; a binary one is wanted");
	if (!span_u8(&blob, &first) || !is_message(first))
		return err_set(e, ERR_IMAGE, "not an OpenPGP message");
	return first == COMPRESSED_TO_THE_END ? check_end(blob, e) : 0;
}
