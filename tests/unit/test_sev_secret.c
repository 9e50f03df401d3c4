/* test_sev_secret.c: an injected secret is given once, and only if it is gone from the kernel afterwards. */
#include "lib/base.h"

#include "evidence/sev_secret.h"

#include "lib/secret.h"
#include "tests/lib/fault.h"
#include "tests/lib/tap.h"
#include "tests/lib/world.h"

static struct err e;
static bool removed, stays;

static int
remove_it(maybe_unused void *arg, const char *path)
{
	if (stays || (strcmp(path, SEV_SECRETS "/" SEV_SECRET_KEYS) != 0 && strcmp(path, SEV_SECRETS_OLD "/" SEV_SECRET_KEYS) != 0))
		return world_error(EPERM);
	removed = true;
	return 0;
}

static int
take(const struct world_file *files, struct buf *secret, struct err *err)
{
	const struct sys_ops *injecting = sys;
	struct world w = { .files = removed ? NULL : files };
	struct evidence_env env = world_env(&w);

	sys = injecting;
	env.remove_file = remove_it;
	return sev_secret_take(&env, SEV_SECRET_KEYS, secret, err);
}

static const struct world_file keys[] = { { SEV_SECRETS "/" SEV_SECRET_KEYS, "{\"a\":\"b\"}", 9 }, { 0 } };

static void
test_old(void)
{
	static const struct world_file old[] = { { SEV_SECRETS_OLD "/" SEV_SECRET_KEYS, "x", 1 }, { 0 } };
	struct world w = { .files = old };
	struct evidence_env env = world_env(&w);
	autobuf secret = BUF_SECRET(KIB(4));

	removed = false;
	ok(sev_secret_there(&env, SEV_SECRET_KEYS), "an old kernel's place is looked at");
	ok(!sev_secret_there(&env, SEV_SECRET_CONNECTION), "what is not there is not told of");
	ok(!removed, "and nothing is taken by looking");
	works(take(old, &secret, &e), "taken");
	ok(span_eq_str(buf_span(&secret), "x") && removed, "given and gone");
}

static int
run_once(maybe_unused void *arg, struct err *err)
{
	autobuf secret = BUF_SECRET(KIB(4));
	int rc;

	removed = false;
	rc = take(keys, &secret, err);
	if (rc < 0 && secret.len != 0)
		abort();
	return rc;
}

int
main(void)
{
	static const struct world_file empty[] = { { SEV_SECRETS "/" SEV_SECRET_KEYS, "", 0 }, { 0 } };
	struct buf secret = BUF_SECRET(KIB(4)), small = BUF_SECRET(4);

	works(take(keys, &secret, &e), "a secret");
	ok(span_eq_str(buf_span(&secret), "{\"a\":\"b\"}") && removed, "is given and gone");
	buf_reset(&secret);
	fails(take(keys, &secret, &e), ERR_NO_TEE, "a second time there is none");
	ok(strstr(e.msg, "efi_secret") != NULL, "why may be is told");
	removed = false;
	stays = true;
	fails(take(keys, &secret, &e), ERR_EVIDENCE, "one that cannot be removed");
	is_int(secret.len, 0, "is not given");
	stays = false;
	fails(take(empty, &secret, &e), ERR_EVIDENCE, "an empty one");
	removed = false;
	fails(take(keys, &small, &e), ERR_LIMIT, "one that is too long");
	ok(removed && small.len == 0, "is removed all the same");
	test_old();
	ok(fault_each(FAULT_IO, EIO, true, run_once, NULL) > 0, "every call fails once");
	buf_free(&secret);
	buf_free(&small);
	is_int(secret_in_use(), 0, "no secret is left in memory");
	return tap_done();
}
