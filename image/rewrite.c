/*
 * rewrite.c: members are copied as they stand in the text, but for those that change. So nothing is lost that is not
 * known here, and no number or string is read and written in another way.
 */
#include "lib/base.h"

#include "image/rewrite.h"

#include "lib/codec.h"

#define CONFIG_TYPE	"application/vnd.oci.image.config.v1+json"
#define KEYS		OCICRYPT_ANNOTATION_PREFIX "keys."

/* One object that is being written. */
struct object {
	struct buf	*out;
	size_t		 members;
};

static int
begin(struct object *o, struct buf *out, struct err *e)
{
	*o = (struct object){ .out = out };
	return buf_add_u8(out, '{', e);
}

static int
end(struct object *o, struct err *e)
{
	return buf_add_u8(o->out, '}', e);
}

static int
separate(struct object *o, struct err *e)
{
	return o->members++ > 0 ? buf_add_u8(o->out, ',', e) : 0;
}

/* The name of a member that is copied or gets another value; what follows is the value. */
static int
add_name(struct object *o, struct json_val key, struct err *e)
{
	int rc = separate(o, e);

	if (rc == 0)
		rc = buf_add_span(o->out, json_raw(key), e);
	return rc < 0 ? rc : buf_add_u8(o->out, ':', e);
}

static int
copy_member(struct object *o, const struct json_iter *it, struct err *e)
{
	int rc = add_name(o, it->key, e);

	return rc < 0 ? rc : buf_add_span(o->out, json_raw(it->val), e);
}

/* Texts of our own, without anything to escape. */
static int
add_text(struct object *o, const char *name, const char *value, struct err *e)
{
	int rc = separate(o, e);

	return rc < 0 ? rc : buf_addf(o->out, e, "\"%s\":\"%s\"", name, value);
}

void
layer_oci_type(const struct layer *l, bool encrypted, char out[LAYER_TYPE_MAX])
{
	static const char *const suffix[] = {
		[COMPRESSION_NONE] = "", [COMPRESSION_GZIP] = "+gzip", [COMPRESSION_ZSTD] = "+zstd",
	};

	snprintf(out, LAYER_TYPE_MAX, "application/vnd.oci.image.layer.%sv1.tar%s%s",
	    l->foreign ? "nondistributable." : "", suffix[l->compression], encrypted ? "+encrypted" : "");
}

static bool
is_of_encryption(struct json_val name)
{
	static const char prefix[] = "\"" OCICRYPT_ANNOTATION_PREFIX;
	char text[256];
	struct err unread;

	/* Longer ones are not ours, unless they begin so; escapes would only hide it from other readers. */
	if (json_cstr(name, "annotation", text, sizeof(text), &unread) < 0)
		return span_starts(json_raw(name), prefix);
	return span_starts(span_str(text), OCICRYPT_ANNOTATION_PREFIX);
}

static bool
is_base64_list(const struct buf *b)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=,";

	return strspn(buf_str(b), letters) == b->len;
}

static int
add_wrapped(struct object *o, enum ocicrypt_scheme scheme, const char *provider, const struct buf *value,
    struct err *e)
{
	char name[128];

	if (!is_base64_list(value))
		return err_set(e, ERR_BUG, "a wrapped key that is not base64");
	if (scheme == SCHEME_PROVIDER)
		snprintf(name, sizeof(name), OCICRYPT_KEYS_PROVIDER "%s", provider);
	else
		snprintf(name, sizeof(name), KEYS "%s", ocicrypt_scheme_name(scheme));
	return add_text(o, name, buf_str(value), e);
}

/* How the layer was encrypted. */
static int
add_encryption(struct object *o, const struct rewrite *r, const struct rewrite_layer *l, struct err *e)
{
	autobuf public = BUF(KIB(1)), text = BUF(KIB(2));
	int rc = ocicrypt_public_format(&l->public, &public, e);

	if (rc == 0)
		rc = base64_encode(buf_span(&public), &text, e);
	if (rc == 0)
		rc = add_text(o, OCICRYPT_PUBOPTS, buf_str(&text), e);
	for (int i = 0; i < SCHEME_COUNT && rc == 0; i++)
		if (l->wrapped.value[i].len > 0)
			rc = add_wrapped(o, (enum ocicrypt_scheme)i, r->provider, &l->wrapped.value[i], e);
	return rc;
}

/* Without what it says of an encryption before, and without the member when nothing is left. */
static int
add_annotations(struct object *layer, struct json_val old, const struct rewrite *r,
    const struct rewrite_layer *l, struct err *e)
{
	autobuf text = BUF(LIMIT_MANIFEST);
	struct json_iter it = json_iter(old);
	struct object o;
	int rc = begin(&o, &text, e);

	while (rc == 0 && json_next(&it))
		if (!is_of_encryption(it.key))
			rc = copy_member(&o, &it, e);
	if (rc == 0 && l->how == REWRITE_ENCRYPT)
		rc = add_encryption(&o, r, l, e);
	if (rc == 0)
		rc = end(&o, e);
	if (rc < 0 || o.members == 0)
		return rc;
	rc = separate(layer, e);
	if (rc == 0)
		rc = buf_add_str(layer->out, "\"annotations\":", e);
	return rc < 0 ? rc : buf_add_span(layer->out, buf_span(&text), e);
}

static bool
is_in(struct json_val name, const char *const list[])
{
	for (; *list != NULL; list++)
		if (json_str_eq(name, *list))
			return true;
	return false;
}

/* What it says is not true, or no longer secret, when the blob is another. */
static bool
is_lost(const struct rewrite_layer *l, struct json_val name)
{
	static const char *const of_bytes[] = { "urls", "data", NULL };

	return l->how != REWRITE_KEEP && is_in(name, of_bytes);
}

static int
add_layer(struct buf *out, struct json_val old, const struct layer *was, const struct rewrite *r,
    const struct rewrite_layer *l, struct err *e)
{
	static const char *const changed[] = { "mediaType", "digest", "size", "annotations", NULL };
	bool encrypted = l->how == REWRITE_ENCRYPT || (l->how == REWRITE_KEEP && was->encrypted);
	struct json_iter it = json_iter(old);
	char type[LAYER_TYPE_MAX];
	struct object o;
	int rc = begin(&o, out, e);

	layer_oci_type(was, encrypted, type);
	if (rc == 0)
		rc = add_text(&o, "mediaType", type, e);
	if (rc == 0)
		rc = add_text(&o, "digest", l->digest.text, e);
	if (rc == 0)
		rc = buf_addf(out, e, ",\"size\":%" PRIu64, l->size);
	while (rc == 0 && json_next(&it)) {
		bool kept = l->how == REWRITE_KEEP && json_str_eq(it.key, "annotations");

		if (kept || (!is_in(it.key, changed) && !is_lost(l, it.key)))
			rc = copy_member(&o, &it, e);
	}
	if (rc == 0 && l->how != REWRITE_KEEP)
		rc = add_annotations(&o, was->desc.annotations, r, l, e);
	return rc < 0 ? rc : end(&o, e);
}

static int
add_layers(struct buf *out, struct json_val list, const struct manifest *m, const struct rewrite *r,
    struct err *e)
{
	struct json_iter it = json_iter(list);
	int rc = buf_add_u8(out, '[', e);

	for (size_t i = 0; rc == 0 && json_next(&it); i++) {
		if (i > 0)
			rc = buf_add_u8(out, ',', e);
		if (rc == 0)
			rc = add_layer(out, it.val, &m->layers[i], r, &r->layers[i], e);
	}
	return rc < 0 ? rc : buf_add_u8(out, ']', e);
}

static int
add_config(struct buf *out, struct json_val old, const struct rewrite *r, struct err *e)
{
	static const char *const changed[] = { "mediaType", "digest", NULL };
	struct json_iter it = json_iter(old);
	struct object o;
	int rc = begin(&o, out, e);

	if (rc == 0)
		rc = add_text(&o, "mediaType", CONFIG_TYPE, e);
	if (rc == 0)
		rc = add_text(&o, "digest", r->config.text, e);
	while (rc == 0 && json_next(&it))
		if (!is_in(it.key, changed))
			rc = copy_member(&o, &it, e);
	return rc < 0 ? rc : end(&o, e);
}

/* One member of the manifest, with what is new in it. */
static int
add_member(struct object *o, const struct json_iter *it, const struct manifest *m, const struct rewrite *r,
    struct err *e)
{
	bool config = json_str_eq(it->key, "config"), layers = json_str_eq(it->key, "layers");
	int rc;

	if (!config && !layers)
		return copy_member(o, it, e);
	rc = add_name(o, it->key, e);
	if (rc < 0)
		return rc;
	return config ? add_config(o->out, it->val, r, e) : add_layers(o->out, it->val, m, r, e);
}

int
manifest_rewrite(const struct manifest *m, const struct rewrite *r, struct buf *out, struct err *e)
{
	autobuf text = BUF(LIMIT_MANIFEST);
	struct json_iter it = json_iter(json_root(m->doc));
	struct object o;
	int rc = begin(&o, &text, e);

	if (rc == 0)
		rc = add_text(&o, "mediaType", REWRITE_MANIFEST_TYPE, e);
	while (rc == 0 && json_next(&it))
		if (!json_str_eq(it.key, "mediaType"))
			rc = add_member(&o, &it, m, r, e);
	if (rc == 0)
		rc = end(&o, e);
	if (rc == 0)
		rc = buf_add_span(out, buf_span(&text), e);
	return rc < 0 ? err_wrap(e, "new manifest") : 0;
}
