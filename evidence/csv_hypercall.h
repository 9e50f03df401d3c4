/*
 * csv_hypercall.h: CSV on kernels that have no /dev/csv-guest: their hypervisor takes the request for a report from user space,
 * by an instruction and the physical address of a page.
 */
#ifndef EVIDENCE_CSV_HYPERCALL_H
#define EVIDENCE_CSV_HYPERCALL_H

#include "lib/err.h"

/* A Hygon below a hypervisor, with encrypted memory? By CPUID alone: nothing is tried. */
bool csv_hypercall_cpu(void);

/*
 * Once, with all rights and before the sandbox: opens what tells physical addresses (which takes CAP_SYS_ADMIN now, not later),
 * and catches the signal of a machine without the instruction. -ERR_SYS.
 */
int csv_hypercall_prepare(struct err *) must_check;

/*
 * The report over the request in a page of 4096 bytes, aligned so. -1 with errno: ENOSYS: there is no such instruction, or it
 * was not prepared; EPERM: the address is not ours to know; EIO: the hypervisor refuses. NULL only asks for the first.
 */
int csv_hypercall(uint8_t *page) must_check;

/* Of an entry of pagemap: where the page is. false: not in memory, or not told. */
bool csv_hypercall_address(uint64_t entry, uint64_t *address);

#endif
