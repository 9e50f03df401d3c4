/*
 * policy_encrypted.c: the requirement of our own: all layers encrypted, and for no other keys than those the policy
 * means. It looks at the very packets that the key process will try.
 */
#include "lib/base.h"

#include "image/requirement.h"

#include "image/ocicrypt.h"
#include "keyprovider/packet.h"

/* One packet that leads to another key is enough for an owner of that key to have made the layer. */
static int
check_packet(struct span text, const char *prefix, struct err *e)
{
	cleanup(packet_fini) struct packet packet = { 0 };
	char kid[sizeof(packet.kid) + 8];
	const char *plugin;
	int rc = packet_parse(text, &packet, e);

	if (rc < 0)
		return err_wrap(e, "its wrapped key");
	plugin = strcmp(packet.kid.plugin, "resource") == 0 ? "" : packet.kid.plugin;
	snprintf(kid, sizeof(kid), "kbs%s%s://%s/%s", plugin[0] != '\0' ? "+" : "", plugin, packet.kid.host,
	    packet.kid.path);
	if (strncmp(kid, prefix, strlen(prefix)) == 0)
		return 0;
	return err_set(e, ERR_POLICY, "encrypted for the key %.120s, which does not begin with %.120s",
	    kid, prefix);
}

static int
check_keys(const struct layer *layer, const char *prefix, struct err *e)
{
	cleanup(ocicrypt_wrapped_fini) struct ocicrypt_wrapped wrapped = { 0 };
	struct span joined;
	size_t packets = 0;
	int rc = ocicrypt_wrapped_keys(layer, OCICRYPT_PROVIDER, &wrapped, e);

	if (rc < 0)
		return rc;
	for (enum ocicrypt_scheme s = SCHEME_JWE; s < SCHEME_COUNT; s++)
		if (wrapped.value[s].len > 0)
			return err_set(e, ERR_POLICY, "encrypted by %s, too, where keys have no id",
			    ocicrypt_scheme_name(s));
	joined = buf_span(&wrapped.value[SCHEME_PROVIDER]);
	for (;; packets++) {
		autobuf text = BUF(LIMIT_PACKET);

		rc = ocicrypt_next_wrapped(&joined, &text, e);
		if (rc <= 0)
			break;
		rc = check_packet(buf_span(&text), prefix, e);
		if (rc < 0)
			break;
	}
	if (rc == 0 && packets == 0)
		return err_set(e, ERR_POLICY, "there is no wrapped key");
	return rc;
}

int
encrypted_check(const struct layer layers[], size_t n, const char *prefix, struct err *e)
{
	if (n == 0)
		return err_set(e, ERR_POLICY, "there is no layer that could be encrypted");
	for (size_t i = 0; i < n; i++) {
		int rc = 0;

		if (!layers[i].encrypted)
			rc = err_set(e, ERR_POLICY, "it is not encrypted");
		else if (prefix[0] != '\0')
			rc = check_keys(&layers[i], prefix, e);
		if (rc < 0)
			return err_wrap(e, "layer %zu of %zu", i + 1, n);
	}
	return 0;
}
