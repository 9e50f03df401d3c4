/* keys.h: the key files of the vectors, for tests of what is unwrapped with them. */
#ifndef TESTS_LIB_KEYS_H
#define TESTS_LIB_KEYS_H

#include <fcntl.h>

#include "keyprovider/keyfile.h"
#include "lib/fs.h"
#include "tests/lib/tap.h"

#define OCICRYPT	"tests/vectors/image/ocicrypt/"

static inline void
read_vector(const char *name, struct buf *out)
{
	struct err why;
	char path[256];

	snprintf(path, sizeof(path), OCICRYPT "%s", name);
	if (fs_read_file(AT_FDCWD, path, out, &why) < 0) {
		printf("Bail out! %s\n", why.msg);
		exit(1);
	}
}

static inline void
add_key(struct keyset *keys, const char *name)
{
	autobuf text = BUF_SECRET(LIMIT_KEY_FILE);
	struct err why;

	read_vector(name, &text);
	if (keyfile_parse(buf_span(&text), (struct span){ NULL, 0 }, &keys->file[keys->n], &why) < 0) {
		printf("Bail out! %s: %s\n", name, why.msg);
		exit(1);
	}
	keys->n++;
}

#endif
