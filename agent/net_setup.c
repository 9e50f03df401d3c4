/* net_setup.c: see net_setup.h. Files are opened here, with the rights of the caller; net reads them. */
#include "lib/base.h"

#include "agent/net_setup.h"

#include <fcntl.h>

#include "agent/monitor.h"

/* Where distributions keep the authorities, tried in this order. */
static const char *const ca_files[] = {
	"/etc/ssl/certs/ca-certificates.crt",	/* Debian, Alpine, Arch */
	"/etc/pki/tls/certs/ca-bundle.crt",	/* Fedora, Anolis, openEuler */
	"/etc/ssl/cert.pem",
};

/* A file that the user named must be there; one of the defaults may be missing. */
static int
open_named(const char *option, const char *name, int *fd, struct err *e)
{
	*fd = open(name, O_RDONLY | O_CLOEXEC);
	return *fd < 0 ? err_sys_as(e, ERR_CONFIG, "--%s %s", option, name) : 0;
}

static int
send_ca(int net, const struct net_options *o, struct err *e)
{
	autoclose int ca = -1;
	int rc = 0;

	if (o->ca_file != NULL)
		rc = open_named("ca-file", o->ca_file, &ca, e);
	for (size_t i = 0; i < ARRAY_LEN(ca_files) && o->ca_file == NULL && ca < 0; i++)
		ca = open(ca_files[i], O_RDONLY | O_CLOEXEC);
	return rc < 0 || ca < 0 ? rc : monitor_send_file(net, NET_FILE_CA, ca, e);
}

static int
send_auth(int net, const struct net_options *o, struct err *e)
{
	autoclose int auth = -1;
	int rc;

	if (o->authfile == NULL)
		return 0;
	rc = open_named("authfile", o->authfile, &auth, e);
	return rc < 0 ? rc : monitor_send_file(net, NET_FILE_AUTH, auth, e);
}

int
net_set_up(int net, const struct net_options *o, const struct image_ref *ref, struct err *e)
{
	automsg m;
	int rc;

	msg_init(&m, M_NET_SETUP, 0);
	rc = send_ca(net, o, e);
	if (rc == 0)
		rc = send_auth(net, o, e);
	if (rc == 0)
		rc = msg_put_str(&m, o->tls_verify ? "" : ref->domain, e);
	return rc < 0 ? rc : msg_send(net, &m, -1, e);
}
