/*
 * csv_hypercall.c: the page is written from outside of this guest's page tables: it must be in memory, be ours alone and stay
 * where it is, so it is written to and locked before it is looked up. Kernels with the device spare us that.
 */
#include "lib/base.h"

#include "evidence/csv_hypercall.h"

#include "evidence/bytes.h"

#if defined(__x86_64__)

#include <sys/mman.h>

#include <cpuid.h>
#include <fcntl.h>
#include <signal.h>
#include <ucontext.h>

#include "lib/sys.h"

#define PAGEMAP		"/proc/self/pagemap"

enum {
	PAGE		= 4096,
	ATTESTATION	= 100,			/* KVM_HC_VM_ATTESTATION */
	CPUID_HYPERVISOR_BIT = 31,		/* of ecx of leaf 1 */
	CPUID_ENCRYPTION = 0x8000001f,
	CPUID_SEV_BIT	= 1,			/* of its eax: what Linux itself asks for */
};

static const uint8_t instruction[3] = { 0x0f, 0x01, 0xd9 };	/* vmmcall */

static int pagemap = -1;
static volatile sig_atomic_t trapped;

bool
csv_hypercall_cpu(void)
{
	unsigned a, b, c, d;
	uint8_t vendor[12];

	if (__get_cpuid(0, &a, &b, &c, &d) == 0)
		return false;
	put_le(vendor, b, 4);
	put_le(vendor + 4, d, 4);
	put_le(vendor + 8, c, 4);
	if (memcmp(vendor, "HygonGenuine", sizeof(vendor)) != 0)
		return false;
	if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c >> CPUID_HYPERVISOR_BIT & 1) == 0)
		return false;
	return __get_cpuid(CPUID_ENCRYPTION, &a, &b, &c, &d) != 0 && (a >> CPUID_SEV_BIT & 1) != 0;
}

/* Goes on behind the instruction. Of anything else we die: SA_RESETHAND lets the fault happen again without us. */
static void
skip(maybe_unused int sig, maybe_unused siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;

	if (memcmp((const void *)(uintptr_t)regs[REG_RIP], instruction, sizeof(instruction)) != 0)
		return;
	trapped = 1;
	regs[REG_RIP] += (greg_t)sizeof(instruction);
}

int
csv_hypercall_prepare(struct err *e)
{
	struct sigaction act = { .sa_sigaction = skip, .sa_flags = SA_SIGINFO | (int)SA_RESETHAND };

	pagemap = sys_openat(AT_FDCWD, PAGEMAP, O_RDONLY | O_CLOEXEC, 0);
	if (pagemap < 0)
		return err_sys(e, PAGEMAP);
	trapped = 0;
	sigemptyset(&act.sa_mask);
	if (sigaction(SIGILL, &act, NULL) < 0 || sigaction(SIGSEGV, &act, NULL) < 0)
		return err_sys(e, "csv: handler");
	return 0;
}

/* Both signals come at once, if at all, and leave rax as it was. */
static int64_t
vmmcall(uint64_t number, uint64_t address, uint64_t size)
{
	int64_t rc;

	__asm__ volatile(".byte 0x0f, 0x01, 0xd9" : "=a"(rc) : "a"(number), "b"(address), "c"(size) : "memory", "cc");
	return rc;
}

static int
look_up(const uint8_t *page, uint64_t *address)
{
	uint8_t entry[8];
	ssize_t n;

	if (lseek(pagemap, (off_t)((uintptr_t)page / PAGE * sizeof(entry)), SEEK_SET) < 0)
		return -1;
	n = sys_read(pagemap, entry, sizeof(entry));
	if (n < 0)
		return -1;
	if (n != (ssize_t)sizeof(entry) || !csv_hypercall_address(le64(entry), address)) {
		errno = EPERM;
		return -1;
	}
	return 0;
}

int
csv_hypercall(uint8_t *page)
{
	uint64_t address;
	int64_t rc;

	assert((uintptr_t)page % PAGE == 0);
	if (pagemap < 0 || trapped != 0) {
		errno = ENOSYS;
		return -1;
	}
	if (page == NULL)
		return 0;
	if (mlock(page, PAGE) < 0 || look_up(page, &address) < 0)
		return -1;
	rc = vmmcall(ATTESTATION, address, PAGE);
	errno = trapped != 0 ? ENOSYS : EIO;
	return trapped != 0 || rc != 0 ? -1 : 0;
}

#else

bool
csv_hypercall_cpu(void)
{
	return false;
}

int
csv_hypercall_prepare(struct err *e)
{
	return err_set(e, ERR_UNSUPPORTED, "csv: no hypercall on this architecture");
}

int
csv_hypercall(maybe_unused uint8_t *page)
{
	errno = ENOSYS;
	return -1;
}

#endif

/* Bit 63: in memory; 62: swapped; 61: of a file, or shared; 54 to 0: the frame. */
bool
csv_hypercall_address(uint64_t entry, uint64_t *address)
{
	const uint64_t frame = entry & 0x007fffffffffffff;

	if (entry >> 61 != 4 || frame == 0 || frame > UINT64_MAX / 4096)
		return false;
	*address = frame * 4096;
	return true;
}
