/* test_gpg.c: each rule of the judgement refuses alone. */
#include "lib/base.h"

#include "image/gpg.h"
#include "tests/lib/tap.h"

static struct err e;

static const struct gpg_verdict good = {
	.keys = 3, .signatures = 1, .status = GPG_GOOD, .hash_algo = 8, .key_algo = 1, .key_bits = 2048,
	.fingerprint = "0B7788B3D48737529B5A47D22C754C34393C0A35",
	.primary = "14629A9598A29B0E2340C4473501C436E759B8C1",
};

int
main(void)
{
	static const uint32_t weak[] = { 0, 1, 2, 3, 4, 7, 12, 110, UINT32_MAX };
	struct gpg_verdict v = good;

	works(gpg_judge(&v, &e), "good, by a subkey");
	for (v.hash_algo = 8; v.hash_algo <= 11; v.hash_algo++)
		works(gpg_judge(&v, &e), "digest %" PRIu32, v.hash_algo);
	for (size_t i = 0; i < ARRAY_LEN(weak); i++) {
		v = good;
		v.hash_algo = weak[i];
		fails(gpg_judge(&v, &e), ERR_POLICY, "digest %" PRIu32, weak[i]);
	}
	for (uint32_t n = 0; n < 5; n++) {
		v = good;
		v.signatures = n;
		is_int(gpg_judge(&v, &e), n == 1 ? 0 : -(int)ERR_POLICY, "%" PRIu32 " signatures", n);
	}
	for (int status = 0; status < GPG_STATUS_COUNT + 2; status++) {
		v = good;
		v.status = (enum gpg_status)status;
		is_int(gpg_judge(&v, &e), status == 0 ? 0 : -(int)ERR_POLICY, "status %d: %s", status, e.msg);
	}
	v = good;
	v.keys = 0;
	fails(gpg_judge(&v, &e), ERR_POLICY, "no key");
	v = good;
	v.wrong_key_usage = true;
	fails(gpg_judge(&v, &e), ERR_POLICY, "a key for another use");
	v = good;
	v.fingerprint[0] = '\0';
	fails(gpg_judge(&v, &e), ERR_POLICY, "by nobody");
	v = good;
	v.primary[0] = '\0';
	fails(gpg_judge(&v, &e), ERR_POLICY, "by a key of no ring");
	v = good;
	v.key_bits = 2047;
	fails(gpg_judge(&v, &e), ERR_POLICY, "a short RSA key");
	v.key_bits = 0;
	fails(gpg_judge(&v, &e), ERR_POLICY, "an RSA key of unknown length");
	v.key_algo = 17;
	v.key_bits = 1024;
	fails(gpg_judge(&v, &e), ERR_POLICY, "a short DSA key");
	v.key_algo = 19;
	v.key_bits = 256;
	works(gpg_judge(&v, &e), "ECDSA");
	v.key_algo = 22;
	works(gpg_judge(&v, &e), "EdDSA");
	return tap_done();
}
