/* inspect_keys.c: who can open a layer, as far as its annotations tell. Nothing here opens anything. */
#include "lib/base.h"

#include "image/inspect.h"

#include "image/ocicrypt.h"
#include "lib/codec.h"

#define KEYS		OCICRYPT_ANNOTATION_PREFIX "keys."
#define PROVIDER	"provider."

struct lister {
	int	(*each)(void *, const struct inspect_key *, struct err *);
	void	*arg;
};

/* A text that is there and fits, else "". */
static void
take_text(struct json_val v, char out[INSPECT_TEXT])
{
	struct err unread;

	if (json_cstr(v, "text", out, INSPECT_TEXT, &unread) < 0)
		out[0] = '\0';
}

static int
give(const struct lister *l, const struct inspect_key *key, struct err *e)
{
	return l->each(l->arg, key, e);
}

/* Annotation packets of all versions, and of other providers where they look alike. */
static int
list_packet(const struct lister *l, struct span text, struct inspect_key *key, struct err *e)
{
	autojson doc = NULL;
	struct json_val root, kid;
	struct err unread;

	if (json_parse(text, &doc, &unread) < 0 || !json_is(json_root(doc), JSON_OBJECT))
		return give(l, key, e);
	root = json_root(doc);
	kid = json_get(root, "kid");
	key->readable = json_is(kid, JSON_STRING);
	take_text(kid, key->kid);
	take_text(json_get(root, "wrap_type"), key->algorithm);
	if (key->algorithm[0] == '\0')
		take_text(json_get(root, "algorithm"), key->algorithm);
	return give(l, key, e);
}

/* One recipient: its own header, and the one that all share. */
static int
list_recipient(const struct lister *l, struct json_val shared, struct json_val own, const struct inspect_key *base,
    struct err *e)
{
	struct inspect_key key = *base;

	take_text(json_get(own, "alg"), key.algorithm);
	if (key.algorithm[0] == '\0')
		take_text(json_get(shared, "alg"), key.algorithm);
	take_text(json_get(own, "kid"), key.kid);
	if (key.kid[0] == '\0')
		take_text(json_get(shared, "kid"), key.kid);
	key.readable = key.algorithm[0] != '\0';
	return give(l, &key, e);
}

/* text: a protected header, base64url. */
static int
open_header(struct span text, struct buf *plain, struct json **out)
{
	struct err unread;

	if (base64url_decode(text, plain, &unread) < 0 || json_parse(buf_span(plain), out, &unread) < 0)
		return -1;
	return 0;
}

static int
list_jwe_json(const struct lister *l, struct json_val root, struct inspect_key *key, struct err *e)
{
	autobuf text = BUF(LIMIT_PACKET), plain = BUF(LIMIT_PACKET);
	struct json_val list = json_get(root, "recipients"), shared = { 0 };
	struct json_iter it = json_iter(list);
	autojson header = NULL;
	struct err unread;
	int rc = 0;

	if (json_str(json_get(root, "protected"), "protected", &text, &unread) == 0 &&
	    open_header(buf_span(&text), &plain, &header) == 0)
		shared = json_root(header);
	if (!json_ok(list))
		return list_recipient(l, shared, json_get(root, "header"), key, e);
	while (rc == 0 && json_next(&it))
		rc = list_recipient(l, shared, json_get(it.val, "header"), key, e);
	return rc;
}

static int
list_jwe(const struct lister *l, struct span text, struct inspect_key *key, struct err *e)
{
	autobuf plain = BUF(LIMIT_PACKET);
	autojson doc = NULL;
	struct span first = { NULL, 0 };
	struct err unread;

	if (text.len > 0 && text.p[0] == '{') {
		if (json_parse(text, &doc, &unread) < 0)
			return give(l, key, e);
		return list_jwe_json(l, json_root(doc), key, e);
	}
	if (!span_split(&text, '.', &first) || open_header(first, &plain, &doc) < 0)
		return give(l, key, e);
	return list_recipient(l, json_root(doc), (struct json_val){ 0 }, key, e);
}

/* One of the texts that a comma parts. */
static int
list_part(const struct lister *l, struct span part, const struct inspect_key *base, struct err *e)
{
	autobuf text = BUF(LIMIT_ANNOTATION);
	struct inspect_key key = *base;
	struct err unread;

	if (base64_decode(part, &text, &unread) < 0)
		return give(l, &key, e);
	if (strcmp(key.scheme, "provider") == 0)
		return list_packet(l, buf_span(&text), &key, e);
	if (strcmp(key.scheme, "jwe") == 0)
		return list_jwe(l, buf_span(&text), &key, e);
	return give(l, &key, e);
}

/* name is what stands behind "…enc.keys.". */
static int
list_annotation(const struct lister *l, const char *name, struct json_val value, struct err *e)
{
	autobuf joined = BUF(LIMIT_ANNOTATION);
	struct inspect_key key = { 0 };
	struct span rest, part;
	struct err unread;
	int rc = 0;

	if (strncmp(name, PROVIDER, strlen(PROVIDER)) == 0) {
		snprintf(key.scheme, sizeof(key.scheme), "provider");
		snprintf(key.provider, sizeof(key.provider), "%s", name + strlen(PROVIDER));
	} else {
		snprintf(key.scheme, sizeof(key.scheme), "%s", name);
	}
	if (json_str(value, "wrapped key", &joined, &unread) < 0)
		return give(l, &key, e);
	rest = buf_span(&joined);
	while (rc == 0 && span_split(&rest, ',', &part))
		rc = list_part(l, part, &key, e);
	return rc;
}

int
inspect_keys(const struct layer *layer, int (*each)(void *, const struct inspect_key *, struct err *), void *arg,
    struct err *e)
{
	const struct lister l = { each, arg };
	struct json_iter it = json_iter(layer->desc.annotations);
	int rc = 0;

	while (rc == 0 && json_next(&it)) {
		char name[INSPECT_TEXT];

		take_text(it.key, name);
		if (strncmp(name, KEYS, strlen(KEYS)) == 0)
			rc = list_annotation(&l, name + strlen(KEYS), it.val, e);
	}
	return rc;
}

void
inspect_cipher(const struct layer *layer, char out[INSPECT_TEXT])
{
	autobuf text = BUF(KIB(8)), options = BUF(KIB(8));
	autojson doc = NULL;
	struct err unread;

	out[0] = '\0';
	if (json_str(json_get(layer->desc.annotations, OCICRYPT_PUBOPTS), "options", &text, &unread) == 0 &&
	    base64_decode(buf_span(&text), &options, &unread) == 0 &&
	    json_parse(buf_span(&options), &doc, &unread) == 0)
		take_text(json_get(json_root(doc), "cipher"), out);
}
