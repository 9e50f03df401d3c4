/* guest.c: what only a confidential guest has. */
#include "lib/base.h"

#include "agent/guest.h"

#include <fcntl.h>
#ifdef __x86_64__
#include <cpuid.h>
#endif

#include "lib/sys.h"

enum { LEAF_TDX = 0x21 };

static const char *const signs[] = {
	"/dev/tdx_guest", "/dev/tdx-guest", "/dev/tdx-attest", "/dev/sev-guest", "/dev/csv-guest",
	"/sys/kernel/security/coco",
};

static void
real_cpuid(uint32_t leaf, uint32_t regs[4])
{
	memset(regs, 0, 4 * sizeof(regs[0]));
#ifdef __x86_64__
	if (__get_cpuid_count(leaf, 0, &regs[0], &regs[1], &regs[2], &regs[3]) == 0)
		memset(regs, 0, 4 * sizeof(regs[0]));
#else
	(void)leaf;
#endif
}

void (*guest_cpuid)(uint32_t leaf, uint32_t regs[4]) = real_cpuid;

/* The TDX module answers this leaf itself: the host cannot hide it. */
static bool
processor_says_tdx(void)
{
	uint32_t regs[4];
	char name[12];

	guest_cpuid(LEAF_TDX, regs);
	memcpy(name, &regs[1], 4);
	memcpy(name + 4, &regs[3], 4);
	memcpy(name + 8, &regs[2], 4);
	return memcmp(name, "IntelTDX    ", sizeof(name)) == 0;
}

static bool
may_exist(const char *path)
{
	autoclose int fd = sys_openat(AT_FDCWD, path, O_PATH | O_CLOEXEC, 0);

	return fd >= 0 || (errno != ENOENT && errno != ENOTDIR);
}

bool
guest_is_confidential(void)
{
	for (size_t i = 0; i < ARRAY_LEN(signs); i++)
		if (may_exist(signs[i]))
			return true;
	return processor_says_tdx();
}
