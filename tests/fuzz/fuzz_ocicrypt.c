/*
 * fuzz_ocicrypt.c: first byte: what the rest is. Public options, private
 * options, the annotations of a layer, or a cipher text that is decrypted.
 */
#include "lib/base.h"
#include "image/ocicrypt.h"

#include "lib/secret.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
read_public(struct span text)
{
	struct ocicrypt_public pub, again;
	autobuf out = BUF(1024);
	struct err e;

	if (ocicrypt_public_parse(text, &pub, &e) < 0)
		return;
	if (ocicrypt_public_format(&pub, &out, &e) < 0 ||
	    ocicrypt_public_parse(buf_span(&out), &again, &e) < 0 ||
	    memcmp(&pub, &again, sizeof(pub)) != 0)
		abort();
}

static void
read_private(struct span text)
{
	struct ocicrypt_private priv, again;
	autobuf out = BUF_SECRET(1024);
	struct err e;

	if (ocicrypt_private_parse(text, &priv, &e) < 0)
		return;
	if (ocicrypt_private_format(&priv, "", &out, &e) < 0 ||
	    ocicrypt_private_parse(buf_span(&out), &again, &e) < 0 ||
	    memcmp(&priv, &again, sizeof(priv)) != 0)
		abort();
}

static void
read_layer(struct span text)
{
	struct ocicrypt_public pub;
	cleanup(ocicrypt_wrapped_fini) struct ocicrypt_wrapped wrapped = { 0 };
	autojson doc = NULL;
	struct layer layer = { .encrypted = true };
	struct err e;

	if (json_parse(text, &doc, &e) < 0)
		return;
	layer.desc.annotations = json_root(doc);
	(void)!ocicrypt_layer_public(&layer, &pub, &e);
	if (ocicrypt_wrapped_keys(&layer, OCICRYPT_PROVIDER, &wrapped, &e) < 0)
		return;
	for (int i = 0; i < SCHEME_COUNT; i++) {
		struct span rest = buf_span(&wrapped.value[i]);
		int rc = 1;

		while (rc == 1) {
			autobuf part = BUF(1 << 16);

			rc = ocicrypt_next_wrapped(&rest, &part, &e);
		}
	}
}

static void
read_cipher(struct span text)
{
	static const struct ocicrypt_private priv = { .key = { 1 }, .nonce = { 2 } };
	static const struct ocicrypt_public pub = { .hmac = { 3 } };
	struct stream src, s;
	uint8_t out[61];
	struct err e;

	if (stream_span(&src, text, &e) < 0 || stream_decrypt(&s, &src, &priv, &pub, &e) < 0)
		abort();
	while (stream_read(&s, out, sizeof(out), &e) > 0)
		;
	if (stream_finish(&s, &e) != -ERR_MAC)
		abort();
	stream_close(&s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const readers[])(struct span) = { read_public, read_private, read_layer, read_cipher };
	struct err e;

	if (size == 0 || crypto_init(&e) < 0)
		return 0;
	readers[data[0] % ARRAY_LEN(readers)]((struct span){ data + 1, size - 1 });
	if (secret_in_use() != 0)
		abort();
	return 0;
}
