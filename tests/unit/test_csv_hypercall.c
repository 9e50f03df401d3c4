/*
 * test_csv_hypercall.c: what stands in pagemap; and the instruction itself, which no machine but the one it is for may take
 * badly: a processor without it, a hypervisor that does not know the call.
 */
#include "lib/base.h"

#include "evidence/csv_hypercall.h"

#include <sys/mman.h>
#include <sys/wait.h>

#include <signal.h>

#include "tests/lib/fault.h"
#include "tests/lib/tap.h"

static struct err e;

static void
test_address(void)
{
	static const struct { uint64_t entry; bool there; uint64_t address; const char *what; } cases[] = {
		{ 0x8000000000000001, true, 0x1000, "the first frame" },
		{ 0x81800000000fffff, true, 0xfffff000, "flags in between are no address" },
		{ 0x800fffffffffffff, true, 0xfffffffffffff000, "the last" },
		{ 0x8010000000000000, false, 0, "one that has no address" },
		{ 0x8000000000000000, false, 0, "an address that is not told" },
		{ 0x0000000000000001, false, 0, "not in memory" },
		{ 0xc000000000000001, false, 0, "swapped" },
		{ 0xa000000000000001, false, 0, "shared, or of a file" },
		{ 0, false, 0, "nothing" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t address = 0;

		ok(csv_hypercall_address(cases[i].entry, &address) == cases[i].there, "%s", cases[i].what);
		ok(address == cases[i].address, "is at %#" PRIx64, cases[i].address);
	}
}

static uint8_t *
make_page(void)
{
	uint8_t *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		abort();
	page[0] = 1;
	return page;
}

/* The signal that ended it, or 0; *code is its exit status. */
static int
in_child(int (*what)(void), int *code)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0)
		_exit(what());
	if (child < 0 || waitpid(child, &status, 0) != child)
		abort();
	*code = WEXITSTATUS(status);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static int
fault_elsewhere(void)
{
	volatile uint8_t *page = make_page();

	if (mprotect((void *)(uintptr_t)page, 4096, PROT_NONE) == 0)
		page[0] = 1;
	return 0;
}

/* The real thing. Here it is either unknown, or known and refused; only the right guest would write a report. */
static int
call(void)
{
	if (csv_hypercall_prepare(&e) < 0)	/* pagemap is that of who opened it */
		return 255;
	return csv_hypercall(make_page()) == 0 ? 0 : errno;
}

static void
test_pages(void)
{
	uint8_t *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), *gone = make_page();

	if (shared == MAP_FAILED || munmap(gone, 4096) < 0)
		abort();
	shared[0] = 1;
	ok(csv_hypercall(shared) == -1 && errno == EPERM, "not a page that is not ours alone");
	/* Sanitizers lock nothing: then it is pagemap that does not know it. */
	ok(csv_hypercall(gone) == -1 && (errno == ENOMEM || errno == EPERM), "nor one that is not there");
	munmap(shared, 4096);
}

static int
prepare_once(maybe_unused void *arg, struct err *err)
{
	return csv_hypercall_prepare(err);
}

#if defined(__x86_64__)
/*
 * The instruction at the end of a page that must not be run, a return in the next: a signal at the instruction on any
 * machine, and a good end for whoever goes on behind it.
 */
static void
run_into_trap(void)
{
	static const uint8_t vmmcall[3] = { 0x0f, 0x01, 0xd9 };
	uint8_t *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void (*code)(void);

	if (pages == MAP_FAILED)
		abort();
	memcpy(pages + 4096 - sizeof(vmmcall), vmmcall, sizeof(vmmcall));
	pages[4096] = 0xc3;
	if (mprotect(pages, 4096, PROT_READ) < 0 || mprotect(pages + 4096, 4096, PROT_READ | PROT_EXEC) < 0)
		abort();
	code = (void (*)(void))(uintptr_t)(pages + 4096 - sizeof(vmmcall));
	code();
	munmap(pages, 8192);
}
#endif

static void
test_call(void)
{
	int code = 0;

	ok(csv_hypercall(NULL) == -1 && errno == ENOSYS, "there is none before it is prepared");
	ok(csv_hypercall(make_page()) == -1 && errno == ENOSYS, "nor is it called");
	works(csv_hypercall_prepare(&e), "prepared");
	is_int(csv_hypercall(NULL), 0, "might be there");
	test_pages();
	is_int(in_child(call, &code), 0, "no machine takes it badly");
	if (!csv_hypercall_cpu()) {
		ok(code == ENOSYS || code == EPERM || code == EIO, "it fails with errno %d", code);
		ok(csv_hypercall(make_page()) == -1 && errno == code, "again");
		works(csv_hypercall_prepare(&e), "prepared anew");
	}
#if !defined(__SANITIZE_ADDRESS__)
	is_int(in_child(fault_elsewhere, &code), SIGSEGV, "a fault elsewhere is deadly");
#endif
#if defined(__x86_64__)
	run_into_trap();
	ok(csv_hypercall(NULL) == -1 && errno == ENOSYS, "after a trap there is none");
	ok(csv_hypercall(make_page()) == -1 && errno == ENOSYS, "and it is not called again");
#endif
}

int
main(void)
{
	test_address();
	test_call();
	ok(fault_each(FAULT_IO, EIO, false, prepare_once, NULL) > 0, "every call of the preparation fails once");
	return tap_done();
}
