/*
 * tdx_device.h: TDX on kernels without configfs-tsm: TDREPORT by the ioctls of
 * three generations of drivers, which share names and numbers but not meanings,
 * and a quote of it from the host, by vsock or by another ioctl.
 */
#ifndef EVIDENCE_TDX_DEVICE_H
#define EVIDENCE_TDX_DEVICE_H

#include "evidence/evidence.h"

#define TDX_DEVICES	"/dev/tdx_guest, /dev/tdx-guest, /dev/tdx-attest"
#define TDX_MEASUREMENTS "/sys/devices/virtual/misc/tdx_guest/measurements"	/* Linux 6.16 and later */

bool tdx_device_there(const struct evidence_env *);

/* What the host says is a quote over data: it may have bytes behind its end. -ERR_NO_TEE, -ERR_EVIDENCE, -ERR_TIMEOUT. */
int tdx_device_quote(const struct evidence_env *, const uint8_t data[EVIDENCE_DATA], struct buf *out, struct err *) must_check;

/* Extends RTMR 0 to 3 by a SHA-384 digest; devices take 2 and 3 only. -ERR_UNSUPPORTED where the kernel has no way. */
int tdx_device_extend(const struct evidence_env *, unsigned rtmr, struct span digest, struct err *) must_check;

/* What RTMR 0 to 3 holds now: 48 bytes. By the measurements of newer kernels, else of a TDREPORT. -ERR_UNSUPPORTED without either. */
int tdx_device_register(const struct evidence_env *, unsigned rtmr, uint8_t value[48], struct err *) must_check;

#endif
