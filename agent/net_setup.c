/*
 * net_setup.c: see net_setup.h. Files are opened here, with the rights of the caller; net reads them. The environment
 * counts here and nowhere else: for people at a command line.
 */
#include "lib/base.h"

#include "agent/net_setup.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "agent/monitor.h"
#include "lib/log.h"

#define TIMEOUT_MAX_S	86400
#define CA_FILES_MAX	256

/* Where distributions keep the authorities, tried in this order. */
static const char *const ca_bundles[] = {
	"/etc/ssl/certs/ca-certificates.crt",	/* Debian, Alpine, Arch */
	"/etc/pki/tls/certs/ca-bundle.crt",	/* Fedora, Anolis, openEuler */
	"/etc/ssl/cert.pem",
};

/* Where tools leave credentials, the first with an entry counts: containers-auth.json(5). */
static const struct {
	const char	*variable, *path;
} auth_files[] = {
	{ "XDG_RUNTIME_DIR", "containers/auth.json" },
	{ "XDG_CONFIG_HOME", "containers/auth.json" },
	{ "HOME", ".docker/config.json" },
	{ "HOME", ".dockercfg" },
};

/* A file that the user named must be there; one of the defaults may be missing. */
static int
open_named(const char *option, const char *name, int *fd, struct err *e)
{
	*fd = open(name, O_RDONLY | O_CLOEXEC);
	return *fd < 0 ? err_sys_as(e, ERR_CONFIG, "--%s %s", option, name) : 0;
}

/* *fd = -1 when there is none; one that is there must open. */
static int
open_default(const char *name, int *fd, struct err *e)
{
	*fd = open(name, O_RDONLY | O_CLOEXEC);
	if (*fd >= 0 || errno == ENOENT || errno == ENOTDIR)
		return 0;
	return err_sys_as(e, ERR_CONFIG, "%s", name);
}

static int
is_certificate(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return dot != NULL && (strcmp(dot, ".crt") == 0 || strcmp(dot, ".pem") == 0);
}

static int
by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int
send_ca_from(int net, int dir, const char *name, struct err *e)
{
	autoclose int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys_as(e, ERR_CONFIG, "--ca-file %s", name);
	return monitor_send_file(net, NET_FILE_CA, fd, e);
}

static int
send_ca_dir(int net, const char *path, int dir, struct err *e)
{
	struct dirent **list;
	int n = scandir(path, &list, is_certificate, by_name), rc = 0;

	if (n < 0)
		return err_sys_as(e, ERR_CONFIG, "--ca-file %s", path);
	if (n == 0 || n > CA_FILES_MAX)
		rc = err_set(e, ERR_CONFIG, "--ca-file %s: %d files *.crt and *.pem in it", path, n);
	for (int i = 0; i < n; i++) {
		if (rc == 0)
			rc = send_ca_from(net, dir, list[i]->d_name, e);
		free(list[i]);
	}
	free(list);
	return rc;
}

static int
send_ca(int net, const char *name, struct err *e)
{
	autoclose int ca = -1;
	struct stat st;
	int rc = open_named("ca-file", name, &ca, e);

	if (rc < 0)
		return rc;
	if (fstat(ca, &st) == 0 && S_ISDIR(st.st_mode))
		return send_ca_dir(net, name, ca, e);
	return monitor_send_file(net, NET_FILE_CA, ca, e);
}

static int
send_default_ca(int net, struct err *e)
{
	autoclose int ca = -1;

	for (size_t i = 0; i < ARRAY_LEN(ca_bundles) && ca < 0; i++)
		ca = open(ca_bundles[i], O_RDONLY | O_CLOEXEC);
	return ca < 0 ? 0 : monitor_send_file(net, NET_FILE_CA, ca, e);
}

/* Who names authorities trusts these and no others. */
static int
send_cas(int net, const struct net_options *o, struct err *e)
{
	int rc = 0;

	if (o->ca_files[0] == NULL)
		rc = send_default_ca(net, e);
	if (rc == 0 && o->ca != NULL)
		rc = monitor_send_text(net, NET_FILE_CA, o->ca, e);
	for (size_t i = 0; o->ca_files[i] != NULL && rc == 0; i++)
		rc = send_ca(net, o->ca_files[i], e);
	return rc;
}

static int
send_default_auth(int net, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < ARRAY_LEN(auth_files) && rc == 0; i++) {
		const char *base = getenv(auth_files[i].variable);
		char path[PATH_MAX];
		autoclose int fd = -1;
		int n;

		if (base == NULL || base[0] != '/')
			continue;
		n = snprintf(path, sizeof(path), "%s/%s", base, auth_files[i].path);
		if (n >= (int)sizeof(path))
			continue;
		rc = open_default(path, &fd, e);
		if (rc < 0 || fd < 0)
			continue;
		log_info("credentials: %s", path);
		rc = monitor_send_file(net, NET_FILE_AUTH, fd, e);
	}
	return rc;
}

static int
send_auth(int net, const struct net_options *o, const struct image_ref *ref, struct err *e)
{
	autoclose int auth = -1;
	int rc;

	if (o->no_creds && o->authfile != NULL)
		return err_set(e, ERR_USAGE, "--authfile and --no-creds: which?");
	if (o->no_creds)
		return 0;
	if (o->authfile == NULL)
		return ref->transport == TRANSPORT_DOCKER ? send_default_auth(net, e) : 0;
	rc = open_named("authfile", o->authfile, &auth, e);
	return rc < 0 ? rc : monitor_send_file(net, NET_FILE_AUTH, auth, e);
}

static int
send_registries(int net, const struct net_options *o, struct err *e)
{
	autoclose int fd = -1;
	int rc;

	if (o->registries != NULL)
		rc = open_named("registries", o->registries, &fd, e);
	else if (o->registries_text != NULL)
		return o->registries_text[0] == '\0' ? 0 : monitor_send_text(net, NET_FILE_REGISTRIES, o->registries_text, e);
	else
		rc = open_default(REGISTRIES_DEFAULT, &fd, e);
	return rc < 0 || fd < 0 ? rc : monitor_send_file(net, NET_FILE_REGISTRIES, fd, e);
}

int
net_parse_timeout(const char *text, uint32_t *seconds, struct err *e)
{
	size_t digits = strspn(text, "0123456789");
	const char *unit = text + digits;
	uint64_t n, factor;

	if (*unit == '\0' || strcmp(unit, "s") == 0)
		factor = 1;
	else if (strcmp(unit, "m") == 0)
		factor = 60;
	else
		factor = strcmp(unit, "h") == 0 ? 3600 : 0;
	if (!span_decimal((struct span){ (const uint8_t *)text, digits }, TIMEOUT_MAX_S, &n) ||
	    n * factor == 0 || n * factor > TIMEOUT_MAX_S)
		return err_set(e, ERR_USAGE, "--timeout: '%s' is not like 90s, 10m or 1h, a day at most", text);
	*seconds = (uint32_t)(n * factor);
	return 0;
}

int
net_check_proxy(const char *url, bool on_command_line, struct err *e)
{
	struct span s = span_str(url);

	if (on_command_line && strchr(url, '@') != NULL)
		return err_set(e, ERR_USAGE, "a proxy with credentials belongs into the environment: command lines "
		    "can be read by all");
	if (s.len > NET_PROXY_MAX)
		return err_set(e, ERR_CONFIG, "the proxy's URL is longer than %zu bytes", NET_PROXY_MAX);
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f)
			return err_set(e, ERR_CONFIG, "the proxy is no URL");
	if (strstr(url, "://") != NULL && !span_starts(s, "http://") && !span_starts(s, "https://"))
		return err_set(e, ERR_CONFIG, "the proxy is not one of http or https");
	return 0;
}

/* The option, else the variable in lower or upper case, else "". */
static const char *
setting(const char *option, const char *lower, const char *upper)
{
	const char *value = option;

	if (value == NULL)
		value = getenv(lower);
	if (value == NULL)
		value = getenv(upper);
	return value != NULL ? value : "";
}

static int
put_proxies(struct msg *m, const struct net_options *o, struct err *e)
{
	const char *http = setting(o->http_proxy, "http_proxy", "HTTP_PROXY");
	const char *https = setting(o->https_proxy, "https_proxy", "HTTPS_PROXY");
	const char *none = setting(o->no_proxy, "no_proxy", "NO_PROXY");
	int rc;

	if (strlen(none) > NET_PROXY_MAX)
		return err_set(e, ERR_CONFIG, "no_proxy is longer than %zu bytes", NET_PROXY_MAX);
	rc = net_check_proxy(http, o->http_proxy != NULL && !o->from_settings, e);
	if (rc == 0)
		rc = net_check_proxy(https, o->https_proxy != NULL && !o->from_settings, e);
	if (rc == 0)
		rc = msg_put_str(m, http, e);
	if (rc == 0)
		rc = msg_put_str(m, https, e);
	return rc < 0 ? rc : msg_put_str(m, none, e);
}

/* Hosts that are asked without TLS. */
static int
put_plain_http(struct msg *m, const struct net_options *o, const struct image_ref *ref, struct err *e)
{
	autobuf hosts = BUF(NET_PLAIN_HTTP_MAX);
	int rc = o->plain_http != NULL ? buf_add_str(&hosts, o->plain_http, e) : 0;

	if (rc == 0 && !o->tls_verify)
		rc = buf_addf(&hosts, e, "%s%s", hosts.len > 0 ? "," : "", ref->domain);
	if (rc < 0)
		return err_wrap(e, "hosts without TLS");
	return msg_put_str(m, buf_str(&hosts), e);
}

int
net_set_up(int net, const struct net_options *o, const struct image_ref *ref, struct err *e)
{
	uint32_t timeout_s = 0;
	automsg m;
	int rc = 0;

	msg_init(&m, M_NET_SETUP, 0);
	m.body.secret = true;	/* a proxy's URL may hold credentials */
	if (o->timeout != NULL)
		rc = net_parse_timeout(o->timeout, &timeout_s, e);
	if (rc == 0)
		rc = send_cas(net, o, e);
	if (rc == 0)
		rc = send_auth(net, o, ref, e);
	if (rc == 0)
		rc = send_registries(net, o, e);
	if (rc == 0)
		rc = put_plain_http(&m, o, ref, e);
	if (rc == 0)
		rc = msg_put_u32(&m, timeout_s, e);
	if (rc == 0)
		rc = put_proxies(&m, o, e);
	return rc < 0 ? rc : msg_send(net, &m, -1, e);
}
