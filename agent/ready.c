/* ready.c: see ready.h. */
#include "lib/base.h"

#include "agent/ready.h"

#include <stddef.h>
#include <sys/un.h>

#include "lib/sys.h"

/* sd_notify(3) without its library: one datagram. Nobody there is no failure. */
static void
tell_systemd(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	autoclose int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	size_t len = strlen(path);

	if (fd < 0 || (path[0] != '/' && path[0] != '@') || len >= sizeof(to.sun_path))
		return;
	memcpy(to.sun_path, path, len);
	if (path[0] == '@')
		to.sun_path[0] = '\0';
	(void)sendto(fd, "READY=1", 7, MSG_NOSIGNAL | MSG_DONTWAIT, (const struct sockaddr *)&to,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
}

int
ready_tell(int *fd, struct err *e)
{
	const char *notify = getenv("NOTIFY_SOCKET");
	int rc = 0;

	if (*fd >= 0 && sys_write_all(*fd, "ready\n", 6) < 0)
		rc = err_sys_as(e, ERR_CONFIG, "--ready-fd");
	base_close(fd);
	if (notify != NULL)
		tell_systemd(notify);
	return rc;
}
