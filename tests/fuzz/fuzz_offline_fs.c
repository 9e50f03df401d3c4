/*
 * fuzz_offline_fs.c: the two files of offline_fs_kbc, split at the first 0xff
 * byte (which no JSON holds). What opens is asked for each name in the text.
 */
#include "lib/base.h"
#include "kbc/kbc.h"

#include "lib/json.h"
#include "lib/limits.h"
#include "lib/secret.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static int
give_file(void *arg, size_t n, struct buf *out, struct err *e)
{
	const struct span *files = arg;

	if (files[n].len == 0)
		return err_set(e, ERR_NOTFOUND, "no such file");
	return buf_add_span(out, files[n], e);
}

/* Every short name of the file must be found, and keys have 32 bytes. */
static void
ask(struct kbc *kbc, struct span file, bool keys)
{
	struct json_iter it;
	autojson doc = NULL;
	struct err e;

	if (json_parse(file, &doc, &e) < 0)
		return;
	it = json_iter(json_root(doc));
	while (json_next(&it)) {
		struct kbs_uri uri = { .plugin = "resource" };
		autobuf out = BUF_SECRET(LIMIT_KEYS_FILE);

		if (json_cstr(it.key, "name", uri.path, sizeof(uri.path), &e) < 0)
			continue;
		if ((keys ? kbc_get_key(kbc, &uri, &out, &e) : kbc_get_resource(kbc, &uri, &out, &e)) < 0)
			abort();
		if (keys && out.len != 32)
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct kbc_params params = { .name = "offline_fs_kbc" };
	struct span rest = { data, size }, files[2] = { { NULL, 0 }, { NULL, 0 } };
	struct kbc_env env = { .file = give_file, .arg = files };
	struct kbc kbc;
	struct err e;

	(void)span_split(&rest, (char)0xff, &files[0]);
	files[1] = rest;
	if (kbc_open(&params, &env, &kbc, &e) == 0) {
		ask(&kbc, files[0], true);
		ask(&kbc, files[1], false);
		kbc_close(&kbc);
	}
	if (secret_in_use() != 0)
		abort();
	return 0;
}
