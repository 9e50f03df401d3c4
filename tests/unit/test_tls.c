/*
 * test_tls.c: certificates and wrong clocks. A TLS server in a child process has a certificate made for
 * the case, which the client trusts; the clock is ours.
 */
#include "lib/base.h"

#include "agent/http.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "agent/tls.h"
#include "lib/sys.h"
#include "lib/version.h"
#include "tests/lib/tap.h"

#define DAY	INT64_C(86400)
#define YEAR	(365 * DAY)

static struct err e;
static struct loop *loop;
static int64_t wall;
static struct err verdict;
static size_t got;

static int64_t
fake_wall(void)
{
	return wall;
}

static X509 *
make_certificate(EVP_PKEY *key, int64_t from, int64_t to)
{
	X509 *cert = X509_new();
	X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "IP:127.0.0.1");
	X509_NAME *name = X509_get_subject_name(cert);

	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)from);
	ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)to);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
	X509_set_issuer_name(cert, name);
	X509_set_pubkey(cert, key);
	X509_add_ext(cert, names, -1);
	if (X509_sign(cert, key, EVP_sha256()) == 0)
		abort();
	X509_EXTENSION_free(names);
	return cert;
}

static void
serve(int listener, SSL_CTX *ctx)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";

	for (;;) {
		int fd = accept(listener, NULL, NULL);
		SSL *ssl = SSL_new(ctx);
		char request[4096];

		SSL_set_fd(ssl, fd);
		if (SSL_accept(ssl) == 1 && SSL_read(ssl, request, sizeof(request)) > 0 &&
		    SSL_write(ssl, answer, sizeof(answer) - 1) > 0)
			SSL_shutdown(ssl);
		SSL_free(ssl);
		close(fd);
	}
}

/* A server with a certificate good for that time; its pid. PEM of the certificate to pem. */
static pid_t
start_server(int64_t from, int64_t to, struct buf *pem, unsigned *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(a);
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = make_certificate(key, from, to);
	BIO *out = BIO_new(BIO_s_mem());
	char *text;
	long n;
	pid_t pid;

	if (bind(s, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(s, 5) < 0 ||
	    getsockname(s, (struct sockaddr *)&a, &size) < 0 || SSL_CTX_use_certificate(ctx, cert) != 1 ||
	    SSL_CTX_use_PrivateKey(ctx, key) != 1 || PEM_write_bio_X509(out, cert) != 1)
		abort();
	n = BIO_get_mem_data(out, &text);
	works(buf_add(pem, text, (size_t)n, &e), "a certificate");
	*port = ntohs(a.sin_port);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(s, ctx);
	}
	close(s);
	BIO_free(out);
	X509_free(cert);
	EVP_PKEY_free(key);
	SSL_CTX_free(ctx);
	return pid;
}

static ssize_t
on_body(maybe_unused void *arg, maybe_unused const uint8_t *p, size_t n)
{
	got += n;
	return (ssize_t)n;
}

static void
on_ended(maybe_unused void *arg, const struct err *failed)
{
	verdict = failed != NULL ? *failed : (struct err){ 0 };
	loop_stop(loop);
}

/* One request while the clock says so. */
static void
ask(int64_t from, int64_t to, int64_t clock)
{
	autobuf pem = BUF(KIB(16));
	struct transfer_request request = { 0 };
	struct http_options opt = { 0 };
	struct transfer t;
	struct http *http;
	unsigned port;
	char url[64];
	pid_t server = start_server(from, to, &pem, &port);

	wall = clock;
	got = 0;
	verdict = (struct err){ 0 };
	works(loop_new(&loop, &e), "a loop");
	opt.loop = loop;
	opt.ca = buf_span(&pem);
	works(http_new(&opt, &http, &e), "http");
	transfer_init(&t, http);
	t.body = on_body;
	t.ended = on_ended;
	snprintf(url, sizeof(url), "https://127.0.0.1:%u/", port);
	request.url = url;
	works(transfer_start(&t, &request, &e), "begins");
	works(loop_run(loop, &e), "ends");
	transfer_drop(&t);
	http_free(http);
	loop_free(loop);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
}

static void
test_times(void)
{
	int64_t built = version_source_date;

	ask(built - DAY, built + YEAR, built + DAY);
	ok(verdict.code == ERR_NONE && got == 5, "a certificate that signed itself and is trusted: %s", verdict.msg);
	ask(built - DAY, built + YEAR, 0);
	ok(verdict.code == ERR_NONE && got == 5, "a clock at 1970 counts as the time of the build: %s", verdict.msg);
	ask(built - YEAR, built - DAY, built - 2 * DAY);
	is_int(verdict.code, ERR_TLS, "what had expired then does not become good by a clock set back");
	ok(strstr(verdict.msg, "has expired: it ended ") != NULL, "so it says: %s", verdict.msg);
	ask(built - DAY, built + YEAR, built + 10 * YEAR);
	is_int(verdict.code, ERR_TLS, "a clock ten years ahead");
	ok(strstr(verdict.msg, "has expired: it ended ") != NULL && strstr(verdict.msg, ", and now is 20") != NULL,
	    "both times: %s", verdict.msg);
	ask(built + 2 * DAY, built + YEAR, built + DAY);
	is_int(verdict.code, ERR_TLS, "a certificate of tomorrow");
	ok(strstr(verdict.msg, "is not yet valid: it begins ") != NULL && strstr(verdict.msg, ", and now is ") != NULL,
	    "both times: %s", verdict.msg);
	is_int(got, 0, "and nothing was taken");
}

int
main(void)
{
	struct sys_ops ops = sys_real;

	signal(SIGPIPE, SIG_IGN);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	ops.wall_s = fake_wall;
	sys = &ops;
	wall = 5;
	ok(tls_check_time() == version_source_date, "the floor");
	wall = version_source_date + 7;
	ok(tls_check_time() == wall, "the clock above it");
	test_times();
	curl_global_cleanup();
	return tap_done();
}
