/* gpg.c: the judgement of what gpgme said. One way to yes, through every rule. */
#include "lib/base.h"

#include "image/gpg.h"

#define BITS_MIN	2048	/* RSA, ElGamal, DSA */

static const char *const faults[] = {
	[GPG_GOOD] = "",
	[GPG_BAD_SIGNATURE] = "the signature does not fit the data",
	[GPG_NO_KEY] = "made by a key that is not among those of the policy",
	[GPG_SIG_EXPIRED] = "the signature has expired",
	[GPG_KEY_EXPIRED] = "made by a key that has expired",
	[GPG_KEY_REVOKED] = "made by a key that was revoked",
	[GPG_OTHER_FAULT] = "gpg does not accept it",
};

/* RFC 4880, section 9.4. */
static const char *
weak_hash(uint32_t algo)
{
	switch (algo) {
	case 1:
		return "MD5";
	case 2:
		return "SHA-1";
	case 3:
		return "RIPEMD-160";
	case 8:
	case 9:
	case 10:
	case 11:
		return NULL;	/* SHA-2 */
	default:
		return "an unknown digest";
	}
}

/* Below 18 the size of a key says how strong it is; elliptic curves are shorter. */
static bool
weak_key(const struct gpg_verdict *v)
{
	return v->key_algo < 18 && v->key_bits < BITS_MIN;
}

int
gpg_judge(const struct gpg_verdict *v, struct err *e)
{
	if (v->keys == 0)
		return err_set(e, ERR_POLICY, "the policy's key rings hold no public key");
	if (v->signatures != 1)
		return err_set(e, ERR_POLICY, "%" PRIu32 " signatures in one message; it must be one",
		    v->signatures);
	if (v->status != GPG_GOOD)
		return err_set(e, ERR_POLICY, "%s (key %.64s)", v->status < GPG_STATUS_COUNT ?
		    faults[v->status] : faults[GPG_OTHER_FAULT], v->fingerprint);
	if (v->wrong_key_usage)
		return err_set(e, ERR_POLICY, "made by a key that is not for signing (%.64s)", v->fingerprint);
	if (v->fingerprint[0] == '\0' || v->primary[0] == '\0')
		return err_set(e, ERR_POLICY, "%s", faults[GPG_NO_KEY]);
	if (weak_hash(v->hash_algo) != NULL)
		return err_set(e, ERR_POLICY, "made with %s, which can be forged", weak_hash(v->hash_algo));
	if (weak_key(v))
		return err_set(e, ERR_POLICY, "made by a key of %" PRIu32 " bits; %d is the least",
		    v->key_bits, BITS_MIN);
	return 0;
}
