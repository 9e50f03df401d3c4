/*
 * fuzz_passwd.c: three texts with a NUL between: the user, passwd, group.
 */
#include "lib/base.h"

#include "image/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = { data, size }, user = { data, 0 }, passwd = { data, 0 };
	struct bundle_user u;
	struct err e;

	(void)span_split(&rest, '\0', &user);
	(void)span_split(&rest, '\0', &passwd);
	if (bundle_user_parse(user, passwd, rest, &u, &e) < 0)
		return 0;
	if (u.ngroups > ARRAY_LEN(u.groups) || memchr(u.home, 0, sizeof(u.home)) == NULL ||
	    (u.home[0] != '\0' && u.home[0] != '/') || u.uid == UINT32_MAX || u.gid == UINT32_MAX)
		abort();
	for (size_t i = 0; i < u.ngroups; i++)
		for (size_t k = 0; k < i; k++)
			if (u.groups[i] == u.groups[k] || u.groups[i] == u.gid)
				abort();
	return 0;
}
