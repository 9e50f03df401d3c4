/*
 * test_net_setup.c: texts that options and the environment hold for the net role.
 */
#include "lib/base.h"

#include "agent/net_setup.h"

#include "agent/roles.h"
#include "lib/fs.h"
#include "tests/lib/tap.h"

static struct err e;

static void
test_timeout(void)
{
	static const struct {
		const char	*text;
		uint32_t	 want;
	} good[] = {
		{ "1", 1 }, { "90", 90 }, { "90s", 90 }, { "10m", 600 }, { "1h", 3600 }, { "24h", 86400 }, { "86400", 86400 },
	};
	static const char *const bad[] = {
		"", "0", "0s", "s", "-1", "1d", "1ms", "1 s", "1.5s", "25h", "86401", "99999999999999999999", "01", "1S",
	};
	uint32_t seconds;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		works(net_parse_timeout(good[i].text, &seconds, &e), "%s", good[i].text);
		is_int(seconds, good[i].want, "seconds");
	}
	seconds = 7;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		fails(net_parse_timeout(bad[i], &seconds, &e), ERR_USAGE, "refused: '%s'", bad[i]);
	is_int(seconds, 7, "output as it was");
}

static void
test_proxy(void)
{
	static const char *const good[] = {
		"", "proxy.test:3128", "http://proxy.test:3128", "https://proxy.test", "http://[::1]:80/",
	};
	static const char *const bad[] = {
		"socks5://secret.test", "file:///secret", "http://secret.test\r\nX: y", "secret proxy", "http://secret\xc3\xa9",
	};
	char longest[NET_PROXY_MAX + 2];

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		works(net_check_proxy(good[i], true, &e), "'%s'", good[i]);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		fails(net_check_proxy(bad[i], false, &e), ERR_CONFIG, "refused");
		ok(strstr(e.msg, "secret") == NULL, "and not repeated");
	}
	works(net_check_proxy("http://u:secret@proxy.test", false, &e), "credentials in the environment");
	fails(net_check_proxy("http://u:secret@proxy.test", true, &e), ERR_USAGE, "credentials on the command line");
	ok(strstr(e.msg, "secret") == NULL, "are not repeated");
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	fails(net_check_proxy(longest, false, &e), ERR_CONFIG, "too long");
	longest[sizeof(longest) - 2] = '\0';
	works(net_check_proxy(longest, false, &e), "just not too long");
}

/* --- what is sent of settings */

/* The next message; a file's text is in *text. */
static uint16_t
next(int fd, struct msg *m, struct buf *text)
{
	static const struct msg_rule rules[] = {
		{ .type = M_FILE, .max_len = 1, .fds = 1 },
		{ .type = M_NET_SETUP, .max_len = KIB(16) },
		{ 0 },
	};

	buf_reset(text);
	if (msg_recv(fd, rules, 0, m, &e) != 1)
		return 0;
	if (m->type == M_FILE && fs_read_fd(m->fds[0], "file", text, &e) < 0)
		return 0;
	return m->type;
}

static void
test_settings(void)
{
	struct net_options o = NET_OPTIONS;
	struct image_ref ref = { .domain = "own.test" };
	autobuf text = BUF(LIMIT_CA_BUNDLE);
	char hosts[100], proxy[100];
	bool ca = false, registries = false;
	int pair[2];
	uint16_t type;

	o.from_settings = o.no_creds = true;
	o.ca = "certificates";
	o.registries_text = "mirrors";
	o.plain_http = "a.test,b.test:5000";
	o.http_proxy = "http://user:word@proxy.test";
	o.https_proxy = o.no_proxy = "";
	works(msg_pair(pair, &e), "a socket");
	works(net_set_up(pair[0], &o, &ref, &e), "a proxy with credentials, in settings");
	for (;;) {
		struct msg_reader r;
		automsg m;

		type = next(pair[1], &m, &text);
		r = msg_reader(&m);
		if (type == M_FILE) {
			uint8_t which = msg_get_u8(&r);

			ca |= which == NET_FILE_CA && strcmp(buf_str(&text), o.ca) == 0;
			registries |= which == NET_FILE_REGISTRIES && strcmp(buf_str(&text), o.registries_text) == 0;
			continue;
		}
		msg_get_str(&r, hosts, sizeof(hosts));
		(void)msg_get_u32(&r);
		msg_get_str(&r, proxy, sizeof(proxy));
		break;
	}
	ok(ca && registries, "certificates and mirrors are sent as files");
	is_int(type, M_NET_SETUP, "the set-up is the end");
	is_str(hosts, "a.test,b.test:5000", "hosts without TLS");
	is_str(proxy, "http://user:word@proxy.test", "the proxy");
	o.tls_verify = o.from_settings = false;
	fails(net_set_up(pair[0], &o, &ref, &e), ERR_USAGE, "the same proxy on a command line");
	close(pair[0]);
	close(pair[1]);
}

int
main(void)
{
	test_timeout();
	test_proxy();
	test_settings();
	return tap_done();
}
