/* tls.c: see tls.h. */
#include "lib/base.h"

#include "agent/tls.h"

#include <openssl/x509_vfy.h>

#include "lib/sys.h"
#include "lib/version.h"

int64_t
tls_check_time(void)
{
	return MAX(sys_wall_s(), version_source_date);
}

static void
print_time(const struct tm *t, char out[32])
{
	if (strftime(out, 32, "%Y-%m-%d %H:%M:%S UTC", t) == 0)
		out[0] = '\0';
}

/* "the certificate is good from … but the clock says …" */
static void
complain(char complaint[TLS_COMPLAINT], const char *what, const ASN1_TIME *bound)
{
	time_t now = (time_t)tls_check_time();
	char theirs[32] = "?", ours[32] = "?";
	struct tm t;

	if (bound != NULL && ASN1_TIME_to_tm(bound, &t) == 1)
		print_time(&t, theirs);
	if (gmtime_r(&now, &t) != NULL)
		print_time(&t, ours);
	snprintf(complaint, TLS_COMPLAINT, "the certificate %s %s, and now is %s", what, theirs, ours);
}

/* Decides nothing: only notes why. */
static int
on_verify(int good, X509_STORE_CTX *store)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	char *complaint = ssl != NULL ? SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)) : NULL;
	const X509 *cert = X509_STORE_CTX_get_current_cert(store);

	if (good || complaint == NULL || cert == NULL)
		return good;
	switch (X509_STORE_CTX_get_error(store)) {
	case X509_V_ERR_CERT_NOT_YET_VALID:
		complain(complaint, "is not yet valid: it begins", X509_get0_notBefore(cert));
		break;
	case X509_V_ERR_CERT_HAS_EXPIRED:
		complain(complaint, "has expired: it ended", X509_get0_notAfter(cert));
		break;
	default:
		break;
	}
	return good;
}

void
tls_prepare(SSL_CTX *ctx, char complaint[TLS_COMPLAINT])
{
	X509_VERIFY_PARAM_set_time(SSL_CTX_get0_param(ctx), (time_t)tls_check_time());
	SSL_CTX_set_app_data(ctx, complaint);
	SSL_CTX_set_verify(ctx, SSL_CTX_get_verify_mode(ctx), on_verify);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
}
