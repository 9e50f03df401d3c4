/*
 * fuzz_pkcs7.c: any bytes as enveloped data. The certificate given names the recipient "p7" of the corpus.
 */
#include "lib/base.h"
#include "keyprovider/pkcs7.h"

#include "lib/crypto.h"
#include "lib/secret.h"
#include "tests/fuzz/keys.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* CN=p7, serial number 5 */
static uint8_t cert_id[] = {
	0x30, 0x0d, 0x31, 0x0b, 0x30, 0x09, 0x06, 0x03, 0x55, 0x04, 0x03, 0x0c, 0x02, 'p', '7', 0x02, 0x01, 0x05,
};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct keyset keys;
	autobuf out = BUF_SECRET(KIB(8));
	struct err e;
	int rc;

	if (keys.n == 0 && (crypto_init(&e) < 0 ||
	    pkey_from_der((struct span){ fuzz_rsa_key, sizeof(fuzz_rsa_key) }, &keys.file[0].key, &e) < 0))
		abort();
	keys.file[0].cert_id = (struct buf){ .data = cert_id, .len = sizeof(cert_id) };
	keys.n = 1;
	rc = pkcs7_unwrap((struct span){ data, size }, &keys, &out, &e);
	if ((rc < 0 && out.len > 0) || rc > 0)
		abort();
	buf_free(&out);
	if (secret_in_use() != 0)
		abort();
	return 0;
}
