/*
 * kbc.c: the list of key broker clients, and what is the same for all of them:
 * the choice by name, state in secret memory, checks of what a module returns.
 */
#include "lib/base.h"
#include "kbc/kbc.h"

#include "lib/secret.h"

enum { KEY = 32 };

const struct kbc_ops *const kbcs[] = {
	&kbc_offline_fs,
	NULL,
};

const struct kbc_ops *
kbc_find(const char *name, struct err *e)
{
	autobuf known = BUF(256);
	struct err unread;

	for (const struct kbc_ops *const *ops = kbcs; *ops != NULL; ops++) {
		if (strcmp((*ops)->name, name) == 0)
			return *ops;
		if (buf_addf(&known, &unread, " %s", (*ops)->name) < 0)
			break;
	}
	err_set(e, ERR_CONFIG, "no key broker client '%s'; there is:%s", name, buf_str(&known));
	return NULL;
}

const char *
kbc_files_dir(const struct kbc_ops *ops, const char *uri)
{
	return uri[0] == '/' ? uri : ops->files_dir;
}

int
kbc_open(const struct kbc_params *params, const struct kbc_env *env, struct kbc *out, struct err *e)
{
	struct kbc kbc = { .ops = kbc_find(params->name, e), .env = env, .uri = params->uri };
	int rc;

	if (kbc.ops == NULL)
		return -(int)e->code;
	if (kbc.ops->state_size > 0) {
		kbc.state = secret_alloc(kbc.ops->state_size);
		if (kbc.state == NULL)
			return err_set(e, ERR_NOMEM, "%s: out of secret memory", kbc.ops->name);
	}
	if (kbc.ops->open != NULL && (rc = kbc.ops->open(&kbc, e)) < 0) {
		kbc_close(&kbc);
		return err_wrap(e, "%s", params->name);
	}
	*out = kbc;
	return 0;
}

void
kbc_close(struct kbc *kbc)
{
	if (kbc->ops == NULL)
		return;
	if (kbc->ops->close != NULL)
		kbc->ops->close(kbc);
	secret_free(kbc->state, kbc->ops->state_size);
	*kbc = (struct kbc){ .ops = NULL };
}

typedef int (*kbc_get_fn)(struct kbc *, const struct kbs_uri *, struct buf *, struct err *);

/* What was added behind `before` is no answer. */
static void
take_back(struct buf *secret, size_t before)
{
	if (secret->len <= before)
		return;
	secret_wipe(secret->data + before, secret->len - before);
	secret->len = before;
}

static int
get(struct kbc *kbc, kbc_get_fn fn, const char *what, const struct kbs_uri *uri, struct buf *secret,
    struct err *e)
{
	size_t before = secret->len;
	int rc;

	if (!secret->secret)
		return err_set(e, ERR_BUG, "%s: %s must go to secret memory", kbc->ops->name, what);
	if (fn == NULL)
		return err_set(e, ERR_UNSUPPORTED, "%s has no %s", kbc->ops->name, what);
	if ((rc = fn(kbc, uri, secret, e)) < 0) {
		take_back(secret, before);
		return err_wrap(e, "%s", kbc->ops->name);
	}
	return 0;
}

int
kbc_get_resource(struct kbc *kbc, const struct kbs_uri *uri, struct buf *secret, struct err *e)
{
	return get(kbc, kbc->ops->get_resource, "resources", uri, secret, e);
}

int
kbc_get_key(struct kbc *kbc, const struct kbs_uri *uri, struct buf *secret, struct err *e)
{
	size_t before = secret->len;
	int rc = get(kbc, kbc->ops->get_key, "keys", uri, secret, e);

	if (rc < 0 || secret->len - before == KEY)
		return rc;
	take_back(secret, before);
	return err_set(e, ERR_BUG, "%s: a key that has not %d bytes", kbc->ops->name, KEY);
}
