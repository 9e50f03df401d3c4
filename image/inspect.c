/* inspect.c: the two ways to write it down. Whatever the image says passes add_shown() or add_quoted(). */
#include "lib/base.h"

#include "image/inspect.h"

#include "lib/utf8.h"

static const char *const signed_names[] = {
	[SIGNED_NOT_ASKED] = "not asked", [SIGNED_ABSENT] = "absent", [SIGNED_PRESENT] = "present",
};

/* For people: what is not printable ASCII as \xNN. */
static int
add_shown(struct buf *out, const char *text, struct err *e)
{
	int rc = 0;

	for (; *text != '\0' && rc == 0; text++) {
		uint8_t c = (uint8_t)*text;

		rc = c >= ' ' && c < 0x7f ? buf_add_u8(out, c, e) : buf_addf(out, e, "\\x%02x", c);
	}
	return rc;
}

static int
add_unit(struct buf *out, uint32_t c, struct err *e)
{
	if (c >= 0x10000) {
		c -= 0x10000;
		return buf_addf(out, e, "\\u%04x\\u%04x", 0xd800 + (c >> 10), 0xdc00 + (c & 0x3ff));
	}
	if (c == '"' || c == '\\')
		return buf_addf(out, e, "\\%c", (char)c);
	return c >= ' ' && c < 0x7f ? buf_add_u8(out, (uint8_t)c, e) : buf_addf(out, e, "\\u%04x", c);
}

/* A JSON string in ASCII; bytes that are no UTF-8 become U+FFFD. */
static int
add_quoted(struct buf *out, const char *text, struct err *e)
{
	struct span s = span_str(text), taken;
	int rc = buf_add_u8(out, '"', e);

	while (s.len > 0 && rc == 0) {
		uint32_t c = 0xfffd;
		size_t n = utf8_decode(s, &c);

		(void)span_take(&s, MAX(n, 1), &taken);
		rc = add_unit(out, c, e);
	}
	return rc < 0 ? rc : buf_add_u8(out, '"', e);
}

/* ,"name":"text", or null for one that is empty. */
static int
add_member(struct buf *out, const char *name, const char *text, struct err *e)
{
	int rc = buf_addf(out, e, ",\"%s\":", name);

	if (rc < 0)
		return rc;
	return text[0] != '\0' ? add_quoted(out, text, e) : buf_add_str(out, "null", e);
}

/* "Name:      text", or nothing for an empty one. */
static int
add_line(struct buf *out, const char *name, const char *text, struct err *e)
{
	int rc;

	if (text[0] == '\0')
		return 0;
	rc = buf_addf(out, e, "%-12s", name);
	if (rc == 0)
		rc = add_shown(out, text, e);
	return rc < 0 ? rc : buf_add_u8(out, '\n', e);
}

static void
copy_text(struct json_val v, char *out, size_t size)
{
	struct err unread;

	if (json_cstr(v, "text", out, size, &unread) < 0)
		out[0] = '\0';
}

/* What the configuration says of itself, as far as it can be read. */
struct facts {
	char	platform[PLATFORM_TEXT], created[64];
};

static void
read_platform(struct json_val v, char out[PLATFORM_TEXT])
{
	struct platform p;
	struct err unread;

	out[0] = '\0';
	if (json_ok(v) && platform_from_json(v, "platform", &p, &unread) == 0)
		platform_format(&p, out);
}

static void
read_config(struct span text, struct facts *out)
{
	autojson doc = NULL;
	struct err unread;

	*out = (struct facts){ 0 };
	if (json_parse(text, &doc, &unread) < 0)
		return;
	read_platform(json_root(doc), out->platform);
	copy_text(json_get(json_root(doc), "created"), out->created, sizeof(out->created));
}

/*
 * JSON.
 */

static int
json_head(const struct inspection *i, struct buf *out, struct err *e)
{
	int rc = buf_add_str(out, "{\"reference\":", e);

	if (rc == 0)
		rc = add_quoted(out, i->name, e);
	if (rc == 0)
		rc = add_member(out, "digest", i->digest->text, e);
	if (rc == 0)
		rc = add_member(out, "mediaType", i->media_type, e);
	if (rc == 0)
		rc = buf_addf(out, e, ",\"size\":%zu", i->size);
	return rc < 0 ? rc : add_member(out, "index", i->index != NULL ? i->index->text : "", e);
}

static int
json_tail(const struct inspection *i, struct buf *out, struct err *e)
{
	int rc = buf_addf(out, e, ",\"signatures\":{\"cosign\":\"%s\"", signed_names[i->cosign]);

	if (rc == 0)
		rc = add_member(out, "lookedAt", i->looked_at, e);
	return rc < 0 ? rc : buf_add_str(out, ",\"simpleSigning\":\"not asked\"},\"policy\":\"not asked\"}\n", e);
}

struct key_list {
	struct buf	*out;
	size_t		 n;
};

static int
json_key(void *arg, const struct inspect_key *key, struct err *e)
{
	struct key_list *l = arg;
	int rc = buf_add_str(l->out, l->n++ > 0 ? ",{\"scheme\":" : "{\"scheme\":", e);

	if (rc == 0)
		rc = add_quoted(l->out, key->scheme, e);
	if (rc == 0)
		rc = add_member(l->out, "provider", key->provider, e);
	if (rc == 0)
		rc = add_member(l->out, "kid", key->kid, e);
	if (rc == 0)
		rc = add_member(l->out, "algorithm", key->algorithm, e);
	return rc < 0 ? rc : buf_addf(l->out, e, ",\"readable\":%s}", key->readable ? "true" : "false");
}

static int
json_layer(const struct layer *l, size_t number, struct buf *out, struct err *e)
{
	struct key_list list = { .out = out };
	char cipher[INSPECT_TEXT];
	int rc = buf_addf(out, e, "%s{\"number\":%zu", number > 0 ? "," : "", number);

	if (rc == 0)
		rc = add_member(out, "digest", l->desc.digest.text, e);
	if (rc == 0)
		rc = add_member(out, "mediaType", l->desc.media_type, e);
	if (rc == 0)
		rc = buf_addf(out, e, ",\"size\":%" PRIu64 ",\"encrypted\":%s", l->desc.size,
		    l->encrypted ? "true" : "false");
	if (rc == 0 && l->encrypted) {
		inspect_cipher(l, cipher);
		rc = add_member(out, "cipher", cipher, e);
		if (rc == 0)
			rc = buf_add_str(out, ",\"keys\":[", e);
		if (rc == 0)
			rc = inspect_keys(l, json_key, &list, e);
		if (rc == 0)
			rc = buf_add_u8(out, ']', e);
	}
	return rc < 0 ? rc : buf_add_u8(out, '}', e);
}

static int
json_manifest(const struct inspection *i, const struct manifest *m, size_t encrypted, struct buf *out, struct err *e)
{
	struct facts f;
	int rc = json_head(i, out, e);

	read_config(i->config, &f);
	if (rc == 0)
		rc = add_member(out, "platform", f.platform, e);
	if (rc == 0)
		rc = add_member(out, "created", f.created, e);
	if (rc == 0)
		rc = buf_addf(out, e, ",\"config\":{\"size\":%" PRIu64, m->config.size);
	if (rc == 0)
		rc = add_member(out, "digest", m->config.digest.text, e);
	if (rc == 0)
		rc = add_member(out, "mediaType", m->config.media_type, e);
	if (rc == 0)
		rc = buf_addf(out, e, "},\"encryptedLayers\":%zu,\"layers\":[", encrypted);
	for (size_t n = 0; n < m->nlayers && rc == 0; n++)
		rc = json_layer(&m->layers[n], n, out, e);
	if (rc == 0)
		rc = buf_add_u8(out, ']', e);
	return rc < 0 ? rc : json_tail(i, out, e);
}

/*
 * For people.
 */

static int
text_head(const struct inspection *i, struct buf *out, struct err *e)
{
	int rc = add_line(out, "Image:", i->name, e);

	if (rc == 0)
		rc = add_line(out, "Digest:", i->digest->text, e);
	if (rc == 0 && i->index != NULL)
		rc = add_line(out, "Index:", i->index->text, e);
	return rc < 0 ? rc : add_line(out, "Type:", i->media_type, e);
}

static int
text_tail(const struct inspection *i, struct buf *out, struct err *e)
{
	char text[512];

	snprintf(text, sizeof(text), "cosign: %s (%s); simple signing: not asked", signed_names[i->cosign],
	    i->looked_at);
	return add_line(out, "Signatures:", text, e) < 0 ? -(int)e->code :
	    add_line(out, "Policy:", "not asked; pull does", e);
}

static int
text_key(void *arg, const struct inspect_key *key, struct err *e)
{
	struct buf *out = arg;
	int rc = buf_add_str(out, "        ", e);

	if (rc == 0)
		rc = add_shown(out, key->scheme, e);
	if (rc == 0 && key->provider[0] != '\0' && (rc = buf_add_u8(out, ' ', e)) == 0)
		rc = add_shown(out, key->provider, e);
	if (rc == 0 && key->kid[0] != '\0' && (rc = buf_add_str(out, ", key ", e)) == 0)
		rc = add_shown(out, key->kid, e);
	if (rc == 0 && key->algorithm[0] != '\0' && (rc = buf_add_str(out, ", ", e)) == 0)
		rc = add_shown(out, key->algorithm, e);
	return rc < 0 ? rc : buf_add_str(out, key->readable ? "\n" : " (no more is known of it)\n", e);
}

static int
text_layer(const struct layer *l, size_t number, struct buf *out, struct err *e)
{
	char cipher[INSPECT_TEXT];
	int rc = buf_addf(out, e, "  %-4zu%s  %" PRIu64 " bytes\n      ", number, l->desc.digest.text, l->desc.size);

	if (rc == 0)
		rc = add_shown(out, l->desc.media_type, e);
	if (rc == 0)
		rc = buf_add_u8(out, '\n', e);
	if (rc < 0 || !l->encrypted)
		return rc;
	inspect_cipher(l, cipher);
	rc = buf_add_str(out, "      encrypted: ", e);
	if (rc == 0)
		rc = add_shown(out, cipher[0] != '\0' ? cipher : "in a way that cannot be read", e);
	if (rc == 0)
		rc = buf_add_str(out, ", its key wrapped by\n", e);
	return rc < 0 ? rc : inspect_keys(l, text_key, out, e);
}

static int
text_manifest(const struct inspection *i, const struct manifest *m, size_t encrypted, struct buf *out, struct err *e)
{
	struct facts f;
	int rc = text_head(i, out, e);

	read_config(i->config, &f);
	if (rc == 0)
		rc = add_line(out, "Platform:", f.platform, e);
	if (rc == 0)
		rc = add_line(out, "Created:", f.created, e);
	if (rc == 0)
		rc = buf_addf(out, e, "%-12s%s  %" PRIu64 " bytes\n", "Config:", m->config.digest.text,
		    m->config.size);
	if (rc == 0)
		rc = text_tail(i, out, e);
	if (rc == 0)
		rc = buf_addf(out, e, "%-12s%zu, %zu of them encrypted\n", "Layers:", m->nlayers, encrypted);
	for (size_t n = 0; n < m->nlayers && rc == 0; n++)
		rc = text_layer(&m->layers[n], n, out, e);
	return rc;
}

int
inspect_manifest(const struct inspection *i, const struct manifest *m, bool json, struct buf *out, struct err *e)
{
	size_t encrypted = 0;

	for (size_t n = 0; n < m->nlayers; n++)
		encrypted += m->layers[n].encrypted;
	return json ? json_manifest(i, m, encrypted, out, e) : text_manifest(i, m, encrypted, out, e);
}

/*
 * An index.
 */

static int
add_entry(struct json_val v, size_t number, bool json, struct buf *out, struct err *e)
{
	struct descriptor d;
	char platform[PLATFORM_TEXT], kind[INSPECT_TEXT];
	int rc = descriptor_parse(v, "an entry", &d, e);

	if (rc < 0)
		return rc;
	read_platform(json_get(v, "platform"), platform);
	copy_text(json_get(d.annotations, "vnd.docker.reference.type"), kind, sizeof(kind));
	if (!json) {
		rc = buf_addf(out, e, "  %-4zu%s  %" PRIu64 " bytes  ", number, d.digest.text, d.size);
		if (rc == 0)
			rc = add_shown(out, kind[0] != '\0' ? kind : platform[0] != '\0' ? platform :
			    "no platform named", e);
		return rc < 0 ? rc : buf_add_u8(out, '\n', e);
	}
	rc = buf_addf(out, e, "%s{\"size\":%" PRIu64, number > 0 ? "," : "", d.size);
	if (rc == 0)
		rc = add_member(out, "digest", d.digest.text, e);
	if (rc == 0)
		rc = add_member(out, "mediaType", d.media_type, e);
	if (rc == 0)
		rc = add_member(out, "platform", platform, e);
	if (rc == 0)
		rc = add_member(out, "referenceType", kind, e);
	return rc < 0 ? rc : buf_add_u8(out, '}', e);
}

static int
add_entries(const struct inspection *i, struct json_val list, bool json, struct buf *out, struct err *e)
{
	struct json_iter it = json_iter(list);
	int rc = json ? json_head(i, out, e) : text_head(i, out, e);

	if (rc == 0 && !json)
		rc = text_tail(i, out, e);
	if (rc == 0)
		rc = json ? buf_add_str(out, ",\"platforms\":[", e) :
		    buf_addf(out, e, "%-12s%zu; --platform looks into one of them\n", "Platforms:", json_count(list));
	for (size_t n = 0; rc == 0 && json_next(&it); n++)
		rc = add_entry(it.val, n, json, out, e);
	if (rc == 0 && json)
		rc = buf_add_u8(out, ']', e);
	return rc == 0 && json ? json_tail(i, out, e) : rc;
}

int
inspect_index(const struct inspection *i, struct span index, bool json, struct buf *out, struct err *e)
{
	autojson doc = NULL;
	struct json_val list;
	int rc = json_parse(index, &doc, e);

	if (rc == 0) {
		list = json_get(json_root(doc), "manifests");
		if (!json_is(list, JSON_ARRAY) || json_count(list) > LIMIT_INDEX_ENTRIES)
			rc = err_set(e, ERR_IMAGE, "no list of at most %d manifests", LIMIT_INDEX_ENTRIES);
		else
			rc = add_entries(i, list, json, out, e);
	}
	if (rc == -ERR_PARSE)
		e->code = ERR_IMAGE;
	return rc < 0 ? err_wrap(e, "index") : 0;
}
