/* test_face.c: the command lines that kata-agent and people write. */
#include "lib/base.h"

#include "agent/face.h"

#include <fcntl.h>

#include "tests/lib/tap.h"

#define ARGS(...)	((char *[]){ __VA_ARGS__, NULL })
#define CC		"unix:///run/confidential-containers/"

static struct err e;

/* Each parse is that of a program of its own: options are kept in static storage. */
static int
parse(enum program p, char *argv[], struct face_start *out)
{
	int argc = 0;

	while (argv[argc] != NULL)
		argc++;
	*out = (struct face_start){ 0 };
	face_forget();
	return face_parse(p, argc, argv, out, &e);
}

static bool
listens(const struct face_start *f, size_t i, enum face face, const char *text)
{
	return i < f->n && f->listen[i].face == face && strcmp(f->listen[i].text, text) == 0;
}

static void
test_kata(void)
{
	struct face_start f;

	works(parse(PROGRAM_ATTESTATION, ARGS("--attestation_sock", CC "attestation-agent/attestation-agent.sock",
	    "--initdata-toml", INITDATA_DIR "/initdata.toml", "-c", INITDATA_DIR "/aa.toml"), &f), "today's attestation-agent");
	ok(f.n == 1 && listens(&f, 0, FACE_ATTESTATION, CC "attestation-agent/attestation-agent.sock"), "one socket");
	ok(strcmp(f.config, INITDATA_DIR "/aa.toml") == 0 && f.initdata, "settings from initdata");
	works(parse(PROGRAM_HUB, ARGS("-c", INITDATA_DIR "/cdh.toml"), &f), "the hub");
	ok(f.n == 1 && listens(&f, 0, FACE_HUB, CC "cdh.sock") && f.initdata, "its own socket");
	works(parse(PROGRAM_HUB, ARGS("--log-level=debug"), &f), "without settings");
	ok(f.config == NULL && !f.initdata && f.log == LOG_DEBUG && strcmp(f.run_dir, RUN_DIR) == 0, "defaults");
	works(parse(PROGRAM_REST, ARGS("--features", "all"), &f), "REST");
	ok(f.n == 0, "has no socket here");
	works(parse(PROGRAM_ATTESTATION, ARGS("--keyprovider_sock", CC "attestation-agent/keyprovider.sock",
	    "--getresource_sock", CC "attestation-agent/getresource.sock"), &f), "CC-0.5 to CC-0.7");
	ok(f.n == 2 && listens(&f, 0, FACE_KEYPROVIDER, CC "attestation-agent/keyprovider.sock") &&
	    listens(&f, 1, FACE_GETRESOURCE, CC "attestation-agent/getresource.sock"), "two sockets and no third");
	works(parse(PROGRAM_ATTESTATION, ARGS("--attestation_sock", CC "a.sock", "--getresource_sock", CC "g.sock",
	    "--keyprovider_sock", CC "k.sock"), &f), "CC-0.8, in another order");
	ok(f.n == 3, "three sockets");
	works(parse(PROGRAM_ATTESTATION, ARGS("--keyprovider_sock", "127.0.0.1:50000", "--getresource_sock", "127.0.0.1:50001"), &f),
	    "CC-0.2 to CC-0.4");
	ok(f.n == 2 && f.listen[0].address.transport == PROVIDER_GRPC && f.listen[0].address.port == 50000, "by gRPC");
	works(parse(PROGRAM_ATTESTATION, ARGS("--initdata", "AAAA", "--attestation_sock", "vsock://-1:3000"), &f), "3.16, and vsock");
	ok(f.initdata && f.listen[0].address.vsock, "both are understood");
}

static void
test_spelling(void)
{
	static char *const same[][4] = {
		{ (char *)"--attestation-sock", (char *)"unix:///a_b-c" }, { (char *)"--attestation_sock=unix:///a_b-c" },
		{ (char *)"-a", (char *)"unix:///a_b-c" }, { (char *)"-aunix:///a_b-c" }, { (char *)"-a=unix:///a_b-c" },
	};
	struct face_start f;

	for (size_t i = 0; i < ARRAY_LEN(same); i++) {
		char *argv[4];

		memcpy(argv, same[i], sizeof(argv));
		works(parse(PROGRAM_ATTESTATION, argv, &f), "%s", argv[0]);
		ok(listens(&f, 0, FACE_ATTESTATION, "unix:///a_b-c"), "is the same");
	}
	works(parse(PROGRAM_ATTESTATION, ARGS("-k", "unix:///-a", "-g", "unix:///b"), &f), "values that look like options");
	ok(listens(&f, 0, FACE_KEYPROVIDER, "unix:///-a"), "are values");
	works(parse(PROGRAM_HUB, ARGS("-s", "unix:///x"), &f), "-s of the old hub");
	ok(listens(&f, 0, FACE_HUB, "unix:///x"), "is its socket");
	works(parse(PROGRAM_REST, ARGS("-b", "127.0.0.1:8006", "-f", "resource", "-c", "unix:///c", "-a", "unix:///a"), &f),
	    "short options of REST");
	works(parse(PROGRAM_HUB, ARGS("--ready-fd", "1", "--run-dir", "/x", "--own-config", "/o", "--cmdline", "/c"), &f), "ours");
	ok(f.ready == 1 && strcmp(f.run_dir, "/x") == 0 && strcmp(f.own_config, "/o") == 0 && strcmp(f.cmdline, "/c") == 0,
	    "are taken");
}

static void
test_refused(void)
{
	static const struct {
		enum program	 program;
		const char	*argv[3];
	} bad[] = {
		{ PROGRAM_ATTESTATION, { "--nothing" } }, { PROGRAM_ATTESTATION, { "-x" } }, { PROGRAM_ATTESTATION, { "word" } },
		{ PROGRAM_ATTESTATION, { "--attestation-sock" } }, { PROGRAM_ATTESTATION, { "-a", "" } },
		{ PROGRAM_ATTESTATION, { "-a", "unix://@x" } }, { PROGRAM_ATTESTATION, { "-a", "tcp://127.0.0.1:1" } },
		{ PROGRAM_ATTESTATION, { "-a", "cmd:/bin/true" } }, { PROGRAM_ATTESTATION, { "-s", "unix:///x" } },
		{ PROGRAM_HUB, { "-a", "unix:///x" } }, { PROGRAM_HUB, { "--ready-fd", "99" } },
		{ PROGRAM_HUB, { "--log-level", "loud" } }, { PROGRAM_REST, { "--features", "none" } },
		{ PROGRAM_ATTESTATION, { "-Vx" } }, { PROGRAM_ATTESTATION, { "-" } },
	};
	struct face_start f;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char *argv[4] = { (char *)(uintptr_t)bad[i].argv[0], (char *)(uintptr_t)bad[i].argv[1], NULL };

		fails(parse(bad[i].program, argv, &f), ERR_USAGE, "%s %s", argv[0], argv[1] != NULL ? argv[1] : "");
	}
}

int
main(void)
{
	test_kata();
	test_spelling();
	test_refused();
	return tap_done();
}
