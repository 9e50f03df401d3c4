/*
 * auth.c: finds the credentials for a reference in an auth file. Look-up as in
 * containers/image; an entry that is there but cannot be read is an error, never a
 * reason to go on without credentials. No value of the file gets into a message.
 */
#include "lib/base.h"

#include "image/auth.h"
#include "lib/codec.h"

#define CREDENTIALS_MAX	KIB(16)

/* The name under which old files keep docker.io. */
static struct span
map_docker(struct span host)
{
	if (span_eq_str(host, "docker.io") || span_eq_str(host, "registry-1.docker.io"))
		return span_str("index.docker.io");
	return host;
}

/* "https://host/v1/" → "host"; other keys stay as they are. */
static struct span
normalise_key(struct span key)
{
	static const char *const schemes[] = { "http://", "https://" };

	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		size_t n = strlen(schemes[i]);
		struct span host = { key.p, 0 };

		if (!span_starts(key, schemes[i]))
			continue;
		key = (struct span){ key.p + n, key.len - n };
		(void)span_split(&key, '/', &host);
		return map_docker(host);
	}
	return map_docker(key);
}

/* "host/a/b/c", "host/a/b", … "host", as written in the file. */
static struct json_val
find_exact(struct json_val entries, const struct image_ref *r)
{
	char key[sizeof(r->domain) + sizeof(r->path)];

	snprintf(key, sizeof(key), "%s/%s", r->domain, r->path);
	for (;;) {
		struct json_val v = json_get(entries, key);
		char *slash = strrchr(key, '/');

		if (json_ok(v) || slash == NULL)
			return v;
		*slash = '\0';
	}
}

/* The first key that means the host. Keys too long for a host are none. */
static struct json_val
find_normalised(struct json_val entries, const struct image_ref *r)
{
	struct span host = map_docker(span_str(r->domain));
	struct json_iter it = json_iter(entries);
	struct err ignored;

	while (json_next(&it)) {
		char key[512];

		if (json_cstr(it.key, "key", key, sizeof(key), &ignored) == 0 &&
		    span_eq(normalise_key(span_str(key)), host))
			return it.val;
	}
	return (struct json_val){ 0 };
}

static bool
is_set(struct json_val v)
{
	return json_ok(v) && !json_is(v, JSON_NULL) && !json_str_eq(v, "");
}

/* base64 as people store it: perhaps with line ends in it and without padding. */
static int
decode_auth(struct json_val v, struct buf *out, struct err *e)
{
	autobuf text = BUF_SECRET(CREDENTIALS_MAX), clean = BUF_SECRET(CREDENTIALS_MAX);
	int rc = json_str(v, "auth", &text, e);

	for (size_t i = 0; rc == 0 && i < text.len; i++)
		if (strchr(" \t\r\n", text.data[i]) == NULL)
			rc = buf_add_u8(&clean, text.data[i], e);
	while (rc == 0 && clean.len % 4 != 0)
		rc = buf_add_u8(&clean, '=', e);
	return rc < 0 ? rc : base64_decode(buf_span(&clean), out, e);
}

static int
join_members(struct json_val entry, struct buf *out, struct err *e)
{
	int rc = json_str(json_get(entry, "username"), "username", out, e);

	if (rc == 0)
		rc = buf_add_u8(out, ':', e);
	return rc < 0 ? rc : json_str(json_get(entry, "password"), "password", out, e);
}

/* "user:password"; some tools leave NULs or line ends behind the password. */
static int
add_credentials(struct span s, struct buf *out, struct err *e)
{
	while (s.len > 0 && (s.p[s.len - 1] == '\0' || s.p[s.len - 1] == '\n'))
		s.len--;
	if (s.len == 0 || s.p[0] == ':' || memchr(s.p, ':', s.len) == NULL)
		return err_set(e, ERR_PARSE, "not of the form user:password");
	if (span_has_nul(s))
		return err_set(e, ERR_PARSE, "holds a NUL");
	return buf_add_span(out, s, e);
}

/* A token goes into a header or a form as it is: visible ASCII. */
static int
add_token(struct json_val v, const char *what, struct buf *out, struct err *e)
{
	autobuf text = BUF_SECRET(CREDENTIALS_MAX);
	int rc = json_str(v, what, &text, e);

	for (size_t i = 0; rc == 0 && i < text.len; i++)
		if (text.data[i] <= ' ' || text.data[i] >= 0x7f)
			rc = err_set(e, ERR_PARSE, "%s is no token", what);
	return rc < 0 ? rc : buf_add_span(out, buf_span(&text), e);
}

static int
read_password(struct json_val entry, struct buf *out, struct err *e)
{
	autobuf decoded = BUF_SECRET(CREDENTIALS_MAX);
	int rc;

	if (is_set(json_get(entry, "auth")))
		rc = decode_auth(json_get(entry, "auth"), &decoded, e);
	else if (is_set(json_get(entry, "username")))
		rc = join_members(entry, &decoded, e);
	else
		return err_set(e, ERR_NOTFOUND, "the entry is empty; a credential helper may "
		    "hold what should be here");
	return rc < 0 ? rc : add_credentials(buf_span(&decoded), out, e);
}

static int
read_entry(struct json_val entry, enum auth_kind *kind, struct buf *out, struct err *e)
{
	static const struct {
		const char	*name;
		enum auth_kind	 kind;
	} tokens[] = {
		{ "registrytoken", AUTH_BEARER },
		{ "identitytoken", AUTH_IDENTITY },
	};

	if (!json_is(entry, JSON_OBJECT))
		return err_set(e, ERR_PARSE, "not an object");
	for (size_t i = 0; i < ARRAY_LEN(tokens); i++) {
		struct json_val v = json_get(entry, tokens[i].name);

		if (!is_set(v))
			continue;
		*kind = tokens[i].kind;
		return add_token(v, tokens[i].name, out, e);
	}
	*kind = AUTH_PASSWORD;
	return read_password(entry, out, e);
}

static int
find_entry(struct json_val root, const struct image_ref *r, struct json_val *out, struct err *e)
{
	struct json_val entries = json_get(root, "auths");

	if (!json_ok(entries))
		entries = root;		/* .dockercfg */
	if (!json_is(root, JSON_OBJECT) || !json_is(entries, JSON_OBJECT))
		return err_set(e, ERR_CONFIG, "auth file: not an object with auths");
	*out = find_exact(entries, r);
	if (!json_ok(*out))
		*out = find_normalised(entries, r);
	if (!json_ok(*out))
		return err_set(e, ERR_NOTFOUND, "auth file: nothing for %s", r->domain);
	return 0;
}

/* Whatever is wrong with the file is wrong with the configuration. */
static int
bad_file(struct err *e)
{
	if (e->code == ERR_PARSE || e->code == ERR_LIMIT)
		e->code = ERR_CONFIG;
	return err_wrap(e, "auth file");
}

int
auth_lookup(struct span file, const struct image_ref *r, enum auth_kind *kind, struct buf *secret,
    struct err *e)
{
	enum auth_kind found = AUTH_PASSWORD;
	struct json_val entry = { 0 };
	autojson doc = NULL;
	int rc;

	if (file.len > LIMIT_AUTHFILE)
		return err_set(e, ERR_CONFIG, "auth file: larger than %zu bytes", LIMIT_AUTHFILE);
	rc = json_parse(file, &doc, e);
	if (rc < 0)
		return bad_file(e);
	rc = find_entry(json_root(doc), r, &entry, e);
	if (rc < 0)
		return rc;
	rc = read_entry(entry, &found, secret, e);
	if (rc < 0) {
		(void)err_wrap(e, "%s", r->domain);
		return bad_file(e);
	}
	*kind = found;
	return 0;
}
