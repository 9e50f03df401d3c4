/*
 * fuzz_provider_params.c: any text as the parameters of a wrapping call. What is accepted names a key by a well-formed
 * id; and no text makes a key of a path.
 */
#include "lib/base.h"
#include "keyprovider/provider.h"

#include "lib/crypto.h"
#include "lib/secret.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* The ids that come here may become names of files. */
static int
find(maybe_unused void *arg, const struct kbs_uri *kid, maybe_unused bool wrap, struct buf *kek, struct err *e)
{
	char uri[2 * LIMIT_URI];
	struct kbs_uri again;
	static const uint8_t key[32] = { 1 };

	snprintf(uri, sizeof(uri), "kbs://%s/%s", kid->host, kid->path);
	if (strcmp(kid->plugin, "resource") == 0 && (kbs_uri_parse(span_str(uri), &again, e) < 0 ||
	    strcmp(again.path, kid->path) != 0 || strstr(kid->path, "..") == kid->path || strstr(kid->path, "/.") != NULL))
		abort();
	return buf_add(kek, key, sizeof(key), e);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct provider p = { .key = find, .keys_path = "/keys", .allow_sample = true };
	const struct span text = { data, size };
	autobuf packet = BUF(LIMIT_PACKET);
	struct provider_params params;
	struct packet made;
	struct err e;
	int rc;

	if (crypto_init(&e) < 0)
		return 0;
	rc = provider_wrap(&p, text, SPAN_LIT("plain"), &packet, &e);
	if (rc == 0) {
		if (provider_params_parse(text, &params, &e) < 0 || (!params.named && !params.sample) ||
		    packet_parse(buf_span(&packet), &made, &e) < 0)
			abort();
		if (params.keypath[0] != '\0' && strncmp(params.keypath, "/keys", 5) != 0)
			abort();
		packet_fini(&made);
	}
	if (secret_in_use() != 0)
		abort();
	return 0;
}
