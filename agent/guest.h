/*
 * guest.h: is this a confidential virtual machine? Asked of the kernel and the processor,
 * not of attestation: the answer only makes rules stricter.
 */
#ifndef AGENT_GUEST_H
#define AGENT_GUEST_H

#include "lib/base.h"

/* True as well where it cannot be found out. */
bool guest_is_confidential(void);

/* The processor's answer: eax, ebx, ecx, edx; zeros for leaves that it has not. Tests exchange it. */
extern void (*guest_cpuid)(uint32_t leaf, uint32_t regs[4]);

#endif
