/*
 * base.c: the only function behind base.h.
 */
#include "lib/base.h"

void
base_close(int *fd)
{
	int saved = errno;

	/* Linux frees the number even when close reports an error. */
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
	errno = saved;
}
