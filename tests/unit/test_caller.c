/* test_caller.c: who may have what signed, and that labels keep callers apart from each other and from handshakes. */
#include "lib/base.h"

#include "evidence/caller.h"

#include "lib/codec.h"
#include "lib/crypto.h"
#include "tests/lib/fault.h"
#include "tests/lib/tap.h"

static struct err e;

static void
test_modes(void)
{
	enum caller_mode mode = CALLER_RAW;

	ok(caller_mode_parse("off", &mode) && mode == CALLER_OFF, "off");
	ok(caller_mode_parse("labelled", &mode) && mode == CALLER_LABELLED, "labelled");
	ok(caller_mode_parse("raw", &mode) && mode == CALLER_RAW, "raw");
	ok(!caller_mode_parse("", &mode) && !caller_mode_parse("Raw", &mode) && mode == CALLER_RAW, "nothing else");
}

static void
test_off_and_raw(void)
{
	uint8_t data[65], out[EVIDENCE_DATA];
	size_t len = 77;

	memset(data, 7, sizeof(data));
	memset(out, 9, sizeof(out));
	fails(caller_data(CALLER_OFF, CALLER_RPC, SPAN_LIT("x"), out, &len, &e), ERR_DENIED, "off: refused");
	fails(caller_data(CALLER_RAW, CALLER_RPC, (struct span){ data, 65 }, out, &len, &e), ERR_USAGE, "raw: 65 bytes");
	fails(caller_data(CALLER_LABELLED, CALLER_RPC, (struct span){ data, 65 }, out, &len, &e), ERR_USAGE, "labelled: 65 bytes");
	ok(len == 77 && out[0] == 9, "nothing comes out");
	works(caller_data(CALLER_RAW, CALLER_REST, (struct span){ data, 64 }, out, &len, &e), "raw: 64 bytes");
	ok(len == 64 && memcmp(out, data, 64) == 0, "as they are");
	works(caller_data(CALLER_RAW, CALLER_REST, (struct span){ NULL, 0 }, out, &len, &e), "raw: none");
	is_int(len, 0, "none");
}

/* As a verifier does it, from the page about it: see docs/evidence.md. */
static void
test_recipe(void)
{
	static const char by_hand[] = "\0\0\0\x27" "cacao: evidence for a caller, version 1" "\0\0\0\3" "rpc" "\0\0\0\5" "nonce";
	uint8_t out[EVIDENCE_DATA], want[HASH_MAX];
	char hex[129];
	size_t len = 0;

	works(caller_data(CALLER_LABELLED, CALLER_RPC, SPAN_LIT("nonce"), out, &len, &e), "labelled");
	works(hash_once(HASH_SHA512, SPAN_LIT(by_hand), want, &e), "by hand");
	ok(len == 64 && memcmp(out, want, 64) == 0, "label, kind and data behind their lengths");
	hex_encode(out, 64, hex);
	is_str(hex, "159e7c269d61341ecdebf452778849cb2dadba3600fc3259ea30de5b5f040b4bdd30ee7623629cba731843ea9b89b338"
	    "388841701fa915187538038aa3da388f", "the value that the page gives");
}

enum { VALUES = 600 };

/* No two of these have the same bytes, so nothing that is bound may be the same either. */
static void
test_apart(void)
{
	static uint8_t seen[VALUES][EVIDENCE_DATA];
	static const char *const handshakes[] = {
		"{\"additional-evidence\":\"\",\"nonce\":\"AAAA\",\"tee-pubkey\":{\"alg\":\"RSA\"}}", "AAAAnnnneeee", "",
	};
	static const enum hash_alg algs[] = { HASH_SHA256, HASH_SHA384, HASH_SHA512 };
	size_t n = 0, len, same = 0, ends = 0;
	uint8_t data[EVIDENCE_DATA];

	for (int kind = 0; kind < CALLER_KIND_COUNT; kind++)
		for (size_t size = 0; size <= sizeof(data); size++)
			for (int fill = 0; fill < 3; fill++) {
				memset(data, fill == 0 ? 0 : fill == 1 ? 255 : (int)('a' + kind), sizeof(data));
				if (caller_data(CALLER_LABELLED, (enum caller_kind)kind, (struct span){ data, size }, seen[n], &len, &e) < 0)
					abort();
				ends += memcmp(seen[n] + 48, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16) == 0;
				n += size > 0 || fill == 0;
			}
	is_int(ends, 0, "none could be that of a handshake: those of 48 bytes end in zeros");
	for (size_t h = 0; h < ARRAY_LEN(handshakes); h++)
		for (size_t a = 0; a < ARRAY_LEN(algs); a++, n++)
			if (hash_once(algs[a], span_str(handshakes[h]), seen[n], &e) < 0)
				abort();
	assert(n <= VALUES);
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < i; j++)
			same += memcmp(seen[i], seen[j], EVIDENCE_DATA) == 0;
	is_int(same, 0, "kinds, lengths, data and handshakes: all differ");
}

static int
run_once(maybe_unused void *arg, struct err *err)
{
	uint8_t out[EVIDENCE_DATA];
	size_t len = 0;
	int rc = caller_data(CALLER_LABELLED, CALLER_CLI, SPAN_LIT("x"), out, &len, err);

	if (rc < 0 && len != 0)
		abort();
	return rc;
}

int
main(void)
{
	works(crypto_init(&e), "crypto");
	test_modes();
	test_off_and_raw();
	test_recipe();
	test_apart();
	ok(fault_each(FAULT_ALLOC, 0, false, run_once, NULL) > 0, "every allocation fails once");
	return tap_done();
}
