/*
 * test_net_setup.c: texts that options and the environment hold for the net role.
 */
#include "lib/base.h"

#include "agent/net_setup.h"

#include "agent/roles.h"
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

int
main(void)
{
	test_timeout();
	test_proxy();
	return tap_done();
}
