/*
 * replay.c: runs a fuzz target without a fuzzer. Every file of the folders and
 * files named as arguments is given to LLVMFuzzerTestOneInput as it is, then all
 * its truncations, then a bounded number of changed bytes, always the same ones.
 * It prints one TAP line; a crash names the input that caused it.
 */
#include "lib/base.h"

#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>

enum {
	MAX_FILE = 4 << 20,	/* a corpus holds small files; larger ones are refused */
	MAX_CUTS = 2048,	/* truncations of one file: evenly spread when it is longer */
	MAX_FLIPS = 2048,	/* changed bytes of one file */
	MAX_WORK = 8 << 20,	/* bytes of mutants of one file: long files get fewer */
	LIMIT_SECONDS = 20,	/* one input taking longer counts as a hang */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Of the sanitizers' run time, when there is one. */
extern void __sanitizer_set_death_callback(void (*)(void)) __attribute__((weak));

static char current[4200];	/* what is running, for the last words */
static size_t files, runs;

static void
last_words(void)
{
	static const char head[] = "# replay: stopped at ";

	/* write only: this may run in a signal handler */
	if (write(2, head, sizeof(head) - 1) < 0 || write(2, current, strlen(current)) < 0 ||
	    write(2, "\n", 1) < 0)
		return;
}

static void
on_signal(int number)
{
	last_words();
	signal(number, SIG_DFL);
	raise(number);
}

/* The target gets a heap copy of exactly this length, so that any read beyond it is seen. */
static void
run(const uint8_t *bytes, size_t size)
{
	uint8_t *copy = malloc(size > 0 ? size : 1);

	if (copy == NULL)
		abort();
	if (size > 0)
		memcpy(copy, bytes, size);
	alarm(LIMIT_SECONDS);
	(void)LLVMFuzzerTestOneInput(copy, size);
	alarm(0);
	free(copy);
	runs++;
}

static uint32_t
next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static void
mutants(const char *name, uint8_t *bytes, size_t size)
{
	size_t budget = size > 0 ? MAX_WORK / size : 0;
	size_t cuts = MIN(MIN(size, (size_t)MAX_CUTS), budget);
	size_t flips = MIN(MIN(size * 8, (size_t)MAX_FLIPS), budget);
	uint32_t state = 0x9e3779b9u;

	for (size_t i = 0; i < cuts; i++) {
		size_t length = i * size / cuts;

		snprintf(current, sizeof(current), "%s cut to %zu bytes", name, length);
		run(bytes, length);
	}
	for (size_t i = 0; i < flips; i++) {
		/* Every bit of a short file; random bytes of a longer one. */
		bool all = size * 8 <= flips;
		size_t at = all ? i / 8 : next_random(&state) % size;
		uint8_t change = (uint8_t)(all ? 1u << i % 8 : 1u + next_random(&state) % 255);

		snprintf(current, sizeof(current), "%s with byte %zu xor 0x%02x", name, at, change);
		bytes[at] ^= change;
		run(bytes, size);
		bytes[at] ^= change;
	}
}

static bool
replay_file(const char *name)
{
	FILE *file = fopen(name, "rb");
	uint8_t *bytes = malloc(MAX_FILE + 1);
	bool good = false;

	if (file != NULL && bytes != NULL) {
		size_t size = fread(bytes, 1, MAX_FILE + 1, file);

		good = !ferror(file) && size <= MAX_FILE;
		if (good) {
			snprintf(current, sizeof(current), "%s", name);
			run(bytes, size);
			mutants(name, bytes, size);
			files++;
		}
	}
	if (!good)
		printf("# %s: cannot be read, or is too large\n", name);
	free(bytes);
	if (file != NULL)
		fclose(file);
	return good;
}

static bool
replay_folder(const char *name)
{
	struct dirent **entries;
	int count = scandir(name, &entries, NULL, alphasort);
	bool good = count >= 0;

	for (int i = 0; i < count; i++) {
		char path[4096];
		int length = snprintf(path, sizeof(path), "%s/%s", name, entries[i]->d_name);

		if (entries[i]->d_name[0] != '.')
			good = length < (int)sizeof(path) && replay_file(path) && good;
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	return good;
}

int
main(int argc, char **argv)
{
	static const int fatal[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGALRM };
	const char *name = strrchr(argv[0], '/') != NULL ? strrchr(argv[0], '/') + 1 : argv[0];
	bool good = true;

	if (__sanitizer_set_death_callback != NULL)
		__sanitizer_set_death_callback(last_words);
	else
		for (size_t i = 0; i < ARRAY_LEN(fatal); i++)
			signal(fatal[i], on_signal);
	signal(SIGALRM, on_signal);
	snprintf(current, sizeof(current), "the empty input");
	run(NULL, 0);
	for (int i = 1; i < argc; i++) {
		struct stat st;

		if (stat(argv[i], &st) != 0) {
			printf("# %s: %s\n", argv[i], strerror(errno));
			good = false;
		} else if (S_ISDIR(st.st_mode)) {
			good = replay_folder(argv[i]) && good;
		} else {
			good = replay_file(argv[i]) && good;
		}
	}
	if (files == 0)
		printf("# there is no corpus\n");
	good = good && files > 0;
	printf("%sok 1 - %s: %zu files, %zu inputs\n1..1\n", good ? "" : "not ", name, files, runs);
	return good ? 0 : 1;
}
