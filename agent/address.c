/* address.c: see address.h. */
#include "lib/base.h"

#include "agent/address.h"

#include <arpa/inet.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "lib/fs.h"
#include "lib/sys.h"

#define BACKLOG		128
#define DYING_MS	3000

static const char *const transports[PROVIDER_TRANSPORT_COUNT] = {
	[PROVIDER_GRPC] = "grpc:", [PROVIDER_TTRPC] = "ttrpc:", [PROVIDER_CMD] = "cmd:",
};

/* "host:port", "[::1]:port" */
static bool
parse_host(const char *text, struct address *a)
{
	const char *colon = strrchr(text, ':');
	struct span host;
	uint64_t port;

	if (colon == NULL || !span_decimal(span_str(colon + 1), 65535, &port) || port == 0)
		return false;
	a->port = (uint16_t)port;
	host = (struct span){ (const uint8_t *)text, (size_t)(colon - text) };
	if (host.len > 2 && text[0] == '[' && colon[-1] == ']') {
		host.p++;
		host.len -= 2;
	} else if (memchr(host.p, ':', host.len) != NULL) {
		return false;	/* IPv6 without brackets */
	}
	for (size_t i = 0; i < host.len; i++)
		if (host.p[i] <= ' ' || host.p[i] >= 0x7f || strchr("/@[]?#", host.p[i]) != NULL)
			return false;
	return host.len > 0 && span_to_cstr(host, a->host, sizeof(a->host));
}

static bool
set_path(const char *path, struct address *a)
{
	return path[0] == '/' && span_to_cstr(span_str(path), a->path, sizeof(a->path));
}

/* "CID:PORT"; -1 and 4294967295 are any. */
static bool
parse_vsock(const char *text, struct address *a)
{
	const char *colon = strchr(text, ':');
	struct span cid = { (const uint8_t *)text, colon != NULL ? (size_t)(colon - text) : 0 };
	uint64_t n, port;

	if (colon == NULL || !span_decimal(span_str(colon + 1), UINT32_MAX, &port))
		return false;
	if (span_eq_str(cid, "-1"))
		n = UINT32_MAX;	/* VMADDR_CID_ANY */
	else if (!span_decimal(cid, UINT32_MAX, &n))
		return false;
	a->vsock = true;
	a->cid = (uint32_t)n;
	a->vsock_port = (uint32_t)port;
	return true;
}

int
address_parse(const char *text, enum address_bare bare, struct address *out, struct err *e)
{
	struct address a = { .transport = PROVIDER_GRPC };
	const char *rest = text;
	bool named = false, good;

	for (int t = 0; t < PROVIDER_TRANSPORT_COUNT && !named; t++) {
		size_t len = strlen(transports[t]);

		named = strncmp(text, transports[t], len) == 0;
		if (named) {
			a.transport = (enum provider_transport)t;
			rest = text + len;
		}
	}
	if (!named && bare == ADDRESS_NAMED)
		return err_set(e, ERR_USAGE, "%s: not grpc:…, ttrpc:… or cmd:PATH", text);
	if (!named && bare == ADDRESS_PEERS && strstr(text, "://") != NULL)
		a.transport = PROVIDER_TTRPC;
	if (a.transport == PROVIDER_CMD)
		good = set_path(rest, &a);
	else if (strncmp(rest, "unix://", 7) == 0)
		good = set_path(rest + 7, &a) && strlen(a.path) < sizeof(((struct sockaddr_un *)NULL)->sun_path);
	else if (bare == ADDRESS_PEERS && strncmp(rest, "vsock://", 8) == 0)
		good = parse_vsock(rest + 8, &a);
	else
		good = parse_host(rest, &a);
	if (!good)
		return err_set(e, ERR_USAGE, "%s: wants %s", text, a.transport == PROVIDER_CMD ? "an absolute path" :
		    "HOST:PORT, or unix:// and an absolute path of at most 107 bytes");
	*out = a;
	return 0;
}

/* --- loopback */

static int
loopback(const struct address *a, struct sockaddr_storage *out, socklen_t *size, struct err *e)
{
	struct sockaddr_in *four = (struct sockaddr_in *)out;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)out;
	struct in_addr v4;
	struct in6_addr v6;

	memset(out, 0, sizeof(*out));
	if (strcmp(a->host, "localhost") == 0) {
		v4.s_addr = htonl(INADDR_LOOPBACK);
	} else if (inet_pton(AF_INET6, a->host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6)) {
		*six = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(a->port), .sin6_addr = v6 };
		*size = sizeof(*six);
		return 0;
	} else if (inet_pton(AF_INET, a->host, &v4) != 1 || ntohl(v4.s_addr) >> 24 != 127) {
		return err_set(e, ERR_USAGE, "%s: not an address of this machine's own: whoever reaches a key provider may "
		    "use its keys; only 127.0.0.1, ::1, localhost and unix sockets are listened on", a->host);
	}
	*four = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(a->port), .sin_addr = v4 };
	*size = sizeof(*four);
	return 0;
}

static int
listen_tcp(const struct address *a, struct err *e)
{
	struct sockaddr_storage where;
	autoclose int fd = -1;
	socklen_t size = 0;
	int on = 1, rc = loopback(a, &where, &size, e);

	if (rc < 0)
		return rc;
	fd = socket(where.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&where, size) < 0 || listen(fd, BACKLOG) < 0)
		return err_sys_as(e, ERR_CONFIG, "listen on %s:%u", a->host, a->port);
	return fd_steal(&fd);
}

/* --- unix sockets */

static size_t
dir_len(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? (size_t)(slash - path) : 0;
}

static struct sockaddr_un
unix_address(const struct address *a)
{
	struct sockaddr_un u = { .sun_family = AF_UNIX };

	(void)span_to_cstr(span_str(a->path), u.sun_path, sizeof(u.sun_path));
	return u;
}

int
address_connect_unix(const struct address *a, struct err *e)
{
	struct sockaddr_un u = unix_address(a);
	autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || sys_connect(fd, (struct sockaddr *)&u, sizeof(u)) < 0)
		return err_sys_as(e, ERR_NET, "%s", a->path);
	return fd_steal(&fd);
}

/* Nobody else may put something else in its place. */
static int
check_directory(const struct address *a, struct err *e)
{
	char base[256];
	autoclose int dir = fs_open_parent(a->path, base, e);
	struct stat st;

	if (dir < 0)
		return dir;
	if (fstat(dir, &st) < 0)
		return err_sys_as(e, ERR_CONFIG, "%s", a->path);
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return err_set(e, ERR_CONFIG, "%s: its directory belongs to somebody else", a->path);
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (st.st_mode & S_ISVTX) == 0)
		return err_set(e, ERR_CONFIG, "%s: others may write to its directory", a->path);
	return 0;
}

/* Nobody serves it, nor does who was killed a moment ago: his children, on their way too, have it open yet. */
static bool
is_abandoned(const struct address *a)
{
	int64_t deadline = sys_now_ms() + DYING_MS;

	for (;;) {
		struct err refused = { 0 };
		int fd = address_connect_unix(a, &refused);

		if (fd < 0 && refused.sys != EAGAIN)	/* EAGAIN: a queue that is full, also of our own calls */
			return refused.sys == ECONNREFUSED || refused.sys == ENOENT;
		if (fd >= 0)
			close(fd);
		if (sys_now_ms() >= deadline)
			return false;
		(void)poll(NULL, 0, 20);
	}
}

/* A socket of ours that nobody serves any more may go; everything else stays. */
static int
remove_stale(const struct address *a, struct err *e)
{
	struct stat st;

	if (lstat(a->path, &st) < 0)
		return errno == ENOENT ? 0 : err_sys_as(e, ERR_CONFIG, "%s", a->path);
	if (!S_ISSOCK(st.st_mode) || st.st_uid != geteuid())
		return err_set(e, ERR_CONFIG, "%s: is there already, and not a socket of ours", a->path);
	if (!is_abandoned(a))
		return err_set(e, ERR_CONFIG, "%s: another process serves it", a->path);
	return unlink(a->path) < 0 && errno != ENOENT ? err_sys_as(e, ERR_CONFIG, "%s", a->path) : 0;
}

/*
 * Who waits for the file connects the moment that it is there: so it gets its name when it is listened on. A link, since that
 * does not replace what somebody else has put there meanwhile.
 */
static int
bind_and_listen(int fd, const char *path)
{
	struct sockaddr_un u = { .sun_family = AF_UNIX };
	int n = snprintf(u.sun_path, sizeof(u.sun_path), "%.*s/.%d", (int)dir_len(path), path, (int)getpid()), rc;

	if (n < 0 || (size_t)n >= sizeof(u.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	(void)unlink(u.sun_path);
	if (bind(fd, (const struct sockaddr *)&u, sizeof(u)) < 0)
		return -1;
	rc = listen(fd, BACKLOG) < 0 ? -1 : link(u.sun_path, path);
	n = errno;
	(void)unlink(u.sun_path);
	errno = n;
	return rc;
}

static int
listen_unix(const struct address *a, struct err *e)
{
	autoclose int fd = -1;
	mode_t mask;
	int rc = check_directory(a, e);

	if (rc == 0)
		rc = remove_stale(a, e);
	if (rc < 0)
		return rc;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mask = umask(0177);
	rc = fd < 0 ? -1 : bind_and_listen(fd, a->path);
	(void)umask(mask);
	return rc < 0 ? err_sys_as(e, ERR_CONFIG, "listen on %s", a->path) : fd_steal(&fd);
}

/* Who calls is known by his CID: 2 is the host. */
static int
listen_vsock(const struct address *a, struct err *e)
{
	const struct sockaddr_vm here = { .svm_family = AF_VSOCK, .svm_cid = a->cid, .svm_port = a->vsock_port };
	autoclose int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&here, sizeof(here)) < 0 || listen(fd, BACKLOG) < 0)
		return err_sys_as(e, ERR_CONFIG, "listen on vsock port %u", a->vsock_port);
	return fd_steal(&fd);
}

int
address_listen(const struct address *a, struct err *e)
{
	if (a->transport == PROVIDER_CMD)
		return err_set(e, ERR_USAGE, "cmd:%s: nobody can listen there", a->path);
	if (a->vsock)
		return listen_vsock(a, e);
	return a->path[0] != '\0' ? listen_unix(a, e) : listen_tcp(a, e);
}

struct address_file
address_file(const struct address *a)
{
	struct stat st;

	if (a->path[0] == '\0' || lstat(a->path, &st) < 0)
		return (struct address_file){ 0 };
	return (struct address_file){ st.st_ino, (uint64_t)st.st_mtim.tv_sec * 1000000000 + (uint64_t)st.st_mtim.tv_nsec };
}

void
address_unlink(const struct address *a, int fd)
{
	struct sockaddr_un here = { 0 };
	socklen_t size = sizeof(here);
	struct stat st;

	/* It was bound beside it. */
	if (a->path[0] == '\0' || getsockname(fd, (struct sockaddr *)&here, &size) < 0 || here.sun_family != AF_UNIX ||
	    dir_len(here.sun_path) != dir_len(a->path) || memcmp(here.sun_path, a->path, dir_len(a->path)) != 0)
		return;
	if (lstat(a->path, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_uid == geteuid())
		(void)unlink(a->path);
}
