/*
 * offline_fs.c: keys and resources from two files of the guest's measured file
 * system: JSON objects of resource path to base64. Keys and resources are kept
 * apart: a key cannot be read as a resource. Both texts stay in secret memory
 * as they are, and a value is decoded when it is asked for; hence a file may
 * have 256 KiB at most. Files are checked whole when opened: one bad entry
 * makes the module fail, not the one request in months that asks for it.
 */
#include "lib/base.h"
#include "kbc/kbc.h"

#include "lib/codec.h"
#include "lib/json.h"
#include "lib/limits.h"

enum { KEYS, RESOURCES, NFILES };	/* as in the array of names */
enum { KEY = 32, NAME_SHOWN = 128 };

static const char *const files[] = {
	[KEYS]		= "aa-offline_fs_kbc-keys.json",
	[RESOURCES]	= "aa-offline_fs_kbc-resources.json",
	[NFILES]	= NULL,
};

struct store {
	struct buf	 text;
	struct json	*doc;		/* NULL: the guest has no such file */
};

struct state {
	struct store	stores[NFILES];
};

/* Value of an entry. Appended; nothing changes on failure. */
static int
decode(struct json_val v, const char *what, struct buf *secret, struct err *e)
{
	autobuf text = BUF_SECRET(LIMIT_KEYS_FILE);
	int rc = json_str(v, what, &text, e);

	return rc < 0 ? rc : base64_decode(buf_span(&text), secret, e);
}

/* A free text, as these were in old files: "GPG Keyring". */
static const char *
entry_name(struct json_val key, char name[NAME_SHOWN])
{
	struct err unread;

	return json_cstr(key, "name", name, NAME_SHOWN, &unread) == 0 ? name : "(a long name)";
}

/* Errors in the file of keys do not even tell names. */
static int
check_entries(size_t n, struct json_val root, struct err *e)
{
	struct json_iter it = json_iter(root);

	if (!json_is(root, JSON_OBJECT))
		return err_set(e, ERR_CONFIG, "%s: not a JSON object", files[n]);
	while (json_next(&it)) {
		autobuf value = BUF_SECRET(LIMIT_KEYS_FILE);
		char name[NAME_SHOWN];
		int rc = decode(it.val, "value", &value, e);

		if (rc == -ERR_NOMEM)
			return err_wrap(e, "%s", files[n]);
		if (n == KEYS && (rc < 0 || value.len != KEY))
			return err_set(e, ERR_CONFIG, "%s: a value is not the base64 of %d bytes",
			    files[n], KEY);
		if (rc < 0)
			return err_set(e, ERR_CONFIG, "%s: the value of '%s' is not base64",
			    files[n], entry_name(it.key, name));
	}
	return 0;
}

static int
load(struct kbc *kbc, size_t n, struct store *out, struct err *e)
{
	int rc;

	out->text = (struct buf)BUF_SECRET(LIMIT_KEYS_FILE);
	rc = kbc->env->file(kbc->env->arg, n, &out->text, e);
	if (rc == -ERR_NOTFOUND)
		return 0;
	if (rc < 0)
		return err_wrap(e, "%s", files[n]);
	rc = json_parse(buf_span(&out->text), &out->doc, e);
	if (rc == -ERR_NOMEM || rc == -ERR_SYS)
		return err_wrap(e, "%s", files[n]);
	if (rc < 0)
		return err_set(e, ERR_CONFIG, "%s: %s", files[n], e->msg);
	return check_entries(n, json_root(out->doc), e);
}

static int
offline_open(struct kbc *kbc, struct err *e)
{
	struct state *st = kbc->state;
	int rc = 0;

	for (size_t n = 0; n < NFILES && rc == 0; n++)
		rc = load(kbc, n, &st->stores[n], e);
	return rc;
}

static int
find(struct kbc *kbc, size_t n, const struct kbs_uri *uri, struct buf *secret, struct err *e)
{
	const struct state *st = kbc->state;
	struct json_val v;

	if (st->stores[n].doc == NULL)
		return err_set(e, ERR_KEY_NOTFOUND, "no '%s': the guest has no file %s",
		    uri->path, files[n]);
	v = json_get(json_root(st->stores[n].doc), uri->path);
	if (strcmp(uri->plugin, "resource") != 0 || !json_ok(v))
		return err_set(e, ERR_KEY_NOTFOUND, "no '%s' in %s", uri->path, files[n]);
	return decode(v, uri->path, secret, e);
}

/* Host and query of the URI mean nothing without a broker. */
static int
offline_get_resource(struct kbc *kbc, const struct kbs_uri *uri, struct buf *secret, struct err *e)
{
	return find(kbc, RESOURCES, uri, secret, e);
}

static int
offline_get_key(struct kbc *kbc, const struct kbs_uri *uri, struct buf *secret, struct err *e)
{
	return find(kbc, KEYS, uri, secret, e);
}

static void
offline_close(struct kbc *kbc)
{
	struct state *st = kbc->state;

	for (size_t n = 0; n < NFILES; n++) {
		json_free(st->stores[n].doc);
		buf_free(&st->stores[n].text);
	}
}

const struct kbc_ops kbc_offline_fs = {
	.name		= "offline_fs_kbc",
	.needs		= KBC_FILES,
	.files_dir	= "/etc",
	.files		= files,
	.state_size	= sizeof(struct state),
	.open		= offline_open,
	.get_resource	= offline_get_resource,
	.get_key	= offline_get_key,
	.close		= offline_close,
};
