/* output.c: see output.h. */
#include "lib/base.h"

#include "agent/output.h"

#include <fcntl.h>

int
output_open(const struct output_options *o, int *fd, struct err *e)
{
	if (o->file != NULL) {
		*fd = open(o->file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		return *fd < 0 ? err_sys(e, "%s", o->file) : 0;
	}
	if (isatty(1) == 1 && !o->raw)
		return err_set(e, ERR_USAGE, "standard output is a terminal: use %s--output FILE", o->no_raw ? "" : "--raw or ");
	*fd = fcntl(1, F_DUPFD_CLOEXEC, 3);
	return *fd < 0 ? err_sys(e, "standard output") : 0;
}

void
output_undo(const struct output_options *o, int fd)
{
	if (o->file != NULL && fd >= 0)
		(void)unlink(o->file);
}
