/*
 * policy_form.c: the form of one requirement. A table says for each type which members it may have and of which
 * it needs exactly one; what the values must be is said below it.
 */
#include "lib/base.h"

#include "image/requirement.h"
#include "lib/codec.h"

#define PEM_BEGIN	"-----BEGIN"

/* An object told by its "type". */
struct form {
	const char		*type;
	enum requirement_kind	 kind;
	const char		*members[14];
	const char		*one_of[7];
};

static const struct form forms[] = {
	{ "insecureAcceptAnything", REQUIRE_NOTHING, { "type" }, { NULL } },
	{ "reject", REQUIRE_REJECT, { "type" }, { NULL } },
	{ "signedBy", REQUIRE_GPG,
	  { "type", "keyType", "keyPath", "keyPaths", "keyData", "signedIdentity" },
	  { "keyPath", "keyPaths", "keyData" } },
	{ "sigstoreSigned", REQUIRE_COSIGN,
	  { "type", "keyPath", "keyPaths", "keyData", "keyDatas", "fulcio", "pki",
	    "rekorPublicKeyPath", "rekorPublicKeyPaths", "rekorPublicKeyData",
	    "rekorPublicKeyDatas", "signedIdentity" },
	  { "keyPath", "keyPaths", "keyData", "keyDatas", "fulcio", "pki" } },
	{ "signedBaseLayer", REQUIRE_UNKNOWABLE, { "type", "baseLayerIdentity" },
	  { "baseLayerIdentity" } },
	{ "cacao.layersEncrypted", REQUIRE_ENCRYPTED, { "type", "keyIdPrefix" }, { NULL } },
};

/* Members that say where keys are; the array forms stand behind. */
static const struct {
	const char	*name;
	bool		 inline_keys, several;
} key_members[] = {
	{ "keyPath", false, false },
	{ "keyPaths", false, true },
	{ "keyData", true, false },
	{ "keyDatas", true, true },
};

/* Signatures without a key of one's own: known, not checked here. */
static const struct {
	const char	*member, *what;
} keyless[] = {
	{ "fulcio", "fulcio (keyless signatures)" },
	{ "pki", "pki (certificates)" },
	{ "rekorPublicKeyPath", "the Rekor log (rekorPublicKeyPath)" },
	{ "rekorPublicKeyPaths", "the Rekor log (rekorPublicKeyPaths)" },
	{ "rekorPublicKeyData", "the Rekor log (rekorPublicKeyData)" },
	{ "rekorPublicKeyDatas", "the Rekor log (rekorPublicKeyDatas)" },
};

/* Only the first of them works anywhere; the others are part of the language and are never met. */
static const char *const key_types[] = {
	"GPGKeys", "signedByGPGKeys", "X509Certificates", "signedByX509CAs",
};

static int
check_one_of(struct json_val v, const struct form *f, const char *where, struct err *e)
{
	size_t there = 0;

	for (size_t i = 0; i < ARRAY_LEN(f->one_of) && f->one_of[i] != NULL; i++)
		there += json_ok(json_get(v, f->one_of[i]));
	if (there == 1 || f->one_of[0] == NULL)
		return 0;
	return err_set(e, ERR_PARSE, "%s: %s needs one of %s … and has %zu", where, f->type,
	    f->one_of[0], there);
}

static int
unknown_type(const char *type, const char *where, struct err *e)
{
	if (type[0] == ' ' || (type[0] != '\0' && type[strlen(type) - 1] == ' '))
		return err_set(e, ERR_PARSE, "%s: the type \"%s\" has a space too much", where, type);
	return err_set(e, ERR_PARSE, "%s: the type \"%s\" is unknown", where, type);
}

/* The form of an object, by its type; unknown types and members are errors. */
static int
find_form(struct json_val v, const char *where, const struct form **out, struct err *e)
{
	char type[64];
	int rc;

	if (!json_is(v, JSON_OBJECT))
		return err_set(e, ERR_PARSE, "%s: a requirement is not an object", where);
	rc = json_cstr(json_get(v, "type"), "type", type, sizeof(type), e);
	if (rc < 0)
		return err_wrap(e, "%s", where);
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		if (strcmp(forms[i].type, type) != 0)
			continue;
		rc = json_only(v, where, forms[i].members, e);
		*out = &forms[i];
		return rc < 0 ? rc : check_one_of(v, &forms[i], where, e);
	}
	return unknown_type(type, where, e);
}

static int
read_key_type(struct json_val v, struct requirement *r, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(key_types); i++) {
		if (!json_str_eq(v, key_types[i]))
			continue;
		if (i > 0) {
			r->kind = REQUIRE_UNKNOWABLE;
			r->unknowable = key_types[i];
		}
		return 0;
	}
	return err_set(e, ERR_PARSE, "keyType is missing or unknown");
}

/* base64 of base64(1) is cut into lines. */
static int
decode_key(struct span text, struct buf *out, struct err *e)
{
	autobuf joined = BUF(LIMIT_POLICY);
	struct span line;

	while (span_split(&text, '\n', &line)) {
		while (line.len > 0 && line.p[line.len - 1] == '\r')
			line.len--;
		if (buf_add_span(&joined, line, e) < 0)
			return -(int)e->code;
	}
	return base64_decode(buf_span(&joined), out, e);
}

/* PEM as it is, which some write, or as base64, as it should be. */
static int
decode_pem(struct span text, struct buf *out, struct err *e)
{
	int rc;

	if (span_starts(text, PEM_BEGIN))
		return buf_add_span(out, text, e);
	rc = decode_key(text, out, e);
	if (rc == 0 && !span_starts(buf_span(out), PEM_BEGIN))
		return err_set(e, ERR_PARSE, "not a public key in PEM");
	return rc;
}

size_t
requirement_nkeys(const struct requirement *r)
{
	return json_is(r->keys, JSON_ARRAY) ? json_count(r->keys) : 1;
}

int
requirement_key(const struct requirement *r, size_t n, struct buf *out, struct err *e)
{
	autobuf text = BUF(LIMIT_POLICY);
	struct json_iter it = json_iter(r->keys);
	struct json_val v = r->keys;
	int rc;

	if (json_is(r->keys, JSON_ARRAY)) {
		for (size_t i = 0; i <= n; i++)
			if (!json_next(&it))
				return err_set(e, ERR_BUG, "key %zu", n);
		v = it.val;
	}
	rc = json_str(v, "a key", &text, e);
	if (rc == 0 && text.len == 0)
		return err_set(e, ERR_PARSE, "a key is empty");
	if (rc < 0)
		return rc;
	if (!r->inline_keys)
		return buf_add_span(out, buf_span(&text), e);
	return r->kind == REQUIRE_COSIGN ? decode_pem(buf_span(&text), out, e) :
	    decode_key(buf_span(&text), out, e);
}

static int
check_keys(const struct requirement *r, struct err *e)
{
	size_t n = requirement_nkeys(r);
	int rc = 0;

	if (n == 0)
		return err_set(e, ERR_PARSE, "the list of keys is empty");
	if (n > LIMIT_POLICY_KEYS)
		return err_set(e, ERR_PARSE, "%zu keys; %d at most", n, LIMIT_POLICY_KEYS);
	for (size_t i = 0; i < n && rc == 0; i++) {
		autobuf key = BUF(LIMIT_POLICY);

		rc = requirement_key(r, i, &key, e);
	}
	return rc;
}

static int
read_keys(struct json_val v, struct requirement *r, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(key_members); i++) {
		struct json_val keys = json_get(v, key_members[i].name);
		int rc;

		if (!json_ok(keys))
			continue;
		if (!json_is(keys, key_members[i].several ? JSON_ARRAY : JSON_STRING))
			return err_set(e, ERR_PARSE, "%s is not %s", key_members[i].name,
			    key_members[i].several ? "an array" : "a string");
		r->keys = keys;
		r->inline_keys = key_members[i].inline_keys;
		rc = check_keys(r, e);
		return rc < 0 ? err_wrap(e, "%s", key_members[i].name) : 0;
	}
	return 0;	/* keyless */
}

static int
read_keyless(struct json_val v, struct requirement *r, struct err *e)
{
	size_t logs = 0;

	for (size_t i = ARRAY_LEN(keyless); i-- > 0;) {
		if (!json_ok(json_get(v, keyless[i].member)))
			continue;
		logs += strncmp(keyless[i].member, "rekor", 5) == 0;
		r->kind = REQUIRE_UNKNOWABLE;
		r->unknowable = keyless[i].what;
	}
	return logs <= 1 ? 0 : err_set(e, ERR_PARSE, "several members name keys of the Rekor log");
}

static int
read_prefix(struct json_val v, struct requirement *r, struct err *e)
{
	int rc;

	if (!json_ok(v))
		return 0;
	rc = json_cstr(v, "keyIdPrefix", r->kid_prefix, sizeof(r->kid_prefix), e);
	if (rc == 0 && strncmp(r->kid_prefix, "kbs://", 6) != 0)
		return err_set(e, ERR_PARSE, "keyIdPrefix does not begin with kbs://");
	return rc;
}

static int
read_values(struct json_val v, struct requirement *r, struct err *e)
{
	int rc;

	switch (r->kind) {
	case REQUIRE_GPG:
	case REQUIRE_COSIGN:
		rc = read_keys(v, r, e);
		if (rc == 0)
			rc = identity_parse(json_get(v, "signedIdentity"), &r->identity, e);
		if (rc == 0)
			rc = r->kind == REQUIRE_GPG ? read_key_type(json_get(v, "keyType"), r, e) :
			    read_keyless(v, r, e);
		return rc;
	case REQUIRE_ENCRYPTED:
		return read_prefix(json_get(v, "keyIdPrefix"), r, e);
	case REQUIRE_UNKNOWABLE:
		r->unknowable = r->type;
		return identity_parse(json_get(v, "baseLayerIdentity"), &r->identity, e);
	case REQUIRE_NOTHING:
	case REQUIRE_REJECT:
		break;
	}
	return 0;
}

int
requirement_read(struct json_val v, const char *where, struct requirement *out, struct err *e)
{
	struct requirement r = { 0 };
	const struct form *f = NULL;
	int rc = find_form(v, where, &f, e);

	if (rc < 0)
		return rc;
	r.kind = f->kind;
	r.type = f->type;
	rc = read_values(v, &r, e);
	if (rc < 0)
		return err_wrap(e, "%s: %s", where, f->type);
	*out = r;
	return 0;
}
