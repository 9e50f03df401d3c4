/*
 * uapi.h: the kernels' interfaces as numbers and offsets, for x86-64: several of
 * them are in no kernel's headers any more. Structures are bytes that are put
 * and read at these places; pointers are user addresses of 8 bytes.
 */
#ifndef EVIDENCE_UAPI_H
#define EVIDENCE_UAPI_H

#include "lib/base.h"

/* As the kernel's _IOC: what moves (1: in, 2: out), size, letter, number. */
#define UAPI_IOC(moves, size, letter, number) \
	((unsigned long)(moves) << 30 | (unsigned long)(size) << 16 | (unsigned long)(letter) << 8 | (unsigned long)(number))

static inline uint64_t
uapi_address(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

/* AMD: /dev/sev-guest */
#define SNP_DEVICE	"/dev/sev-guest"
enum {
	SNP_IOCTL	= 32,		/* the structure of every call */
	SNP_MSG_VERSION	= 0,		/* u8: 1 */
	SNP_REQUEST	= 8,		/* pointer */
	SNP_RESPONSE	= 16,		/* pointer */
	SNP_FW_ERROR	= 24,		/* u32 */
	SNP_VMM_ERROR	= 28,		/* u32 */

	SNP_REPORT_REQ	= 96,
	SNP_USER_DATA	= 0,		/* 64 bytes */
	SNP_VMPL	= 64,		/* u32 */
	SNP_EXT_REQ	= 112,		/* SNP_REPORT_REQ, and: */
	SNP_CERTS	= 96,		/* pointer */
	SNP_CERTS_LEN	= 104,		/* u32 */

	SNP_RESP	= 4000,
	SNP_STATUS	= 0,		/* u32 */
	SNP_SIZE	= 4,		/* u32 */
	SNP_REPORT_AT	= 32,

	SNP_VMM_INVALID_LEN = 1,	/* vmm errors */
	SNP_VMM_BUSY	= 2,
};
#define SNP_GET_REPORT		UAPI_IOC(3, SNP_IOCTL, 'S', 0)
#define SNP_GET_EXT_REPORT	UAPI_IOC(3, SNP_IOCTL, 'S', 2)
static_assert(SNP_GET_REPORT == 0xc0205300 && SNP_GET_EXT_REPORT == 0xc0205302, "numbers of sev-guest");
static_assert(SNP_CERTS_LEN + 8 == SNP_EXT_REQ && SNP_CERTS == SNP_REPORT_REQ, "layout of sev-guest");

/* Hygon: /dev/csv-guest */
#define CSV_DEVICE	"/dev/csv-guest"
#define CSV_MAGIC	"ATTESTATION_EXT"	/* and a NUL: 16 bytes */
enum {
	CSV_REPORT_IOCTL = 16,
	CSV_REPORT_BUF	= 0,		/* pointer: the request, then the report */
	CSV_REPORT_LEN	= 8,		/* i32 */

	CSV_USER_DATA	= 0,		/* the request: 64 bytes */
	CSV_REQ_MNONCE	= 64,		/* 16 bytes */
	CSV_REQ_HASH	= 80,		/* SM3 of all before it */
	CSV_REQ_MAGIC	= 112,		/* extended request */
	CSV_REQ_FLAGS	= 128,		/* u32; 1: report of version 2 */

	CSV_RTMR_IOCTL	= 24,
	CSV_RTMR_BUF	= 0,		/* pointer */
	CSV_RTMR_LEN	= 8,		/* u64 */
	CSV_RTMR_SUBCMD	= 16,		/* u16 */
	CSV_RTMR_FW_ERROR = 20,		/* u32 */
	CSV_RTMR_STATUS	= 1,		/* subcommands */
	CSV_RTMR_EXTEND	= 4,
	CSV_RTMR_STATUS_SIZE = 3,
};
#define CSV_CMD_GET_REPORT	UAPI_IOC(3, CSV_REPORT_IOCTL, 'D', 1)
#define CSV_CMD_RTMR		UAPI_IOC(3, CSV_RTMR_IOCTL, 'D', 2)
static_assert(CSV_CMD_GET_REPORT == 0xc0104401 && CSV_CMD_RTMR == 0xc0184402, "numbers of csv-guest");
static_assert(sizeof(CSV_MAGIC) == CSV_REQ_FLAGS - CSV_REQ_MAGIC, "layout of csv-guest");

#endif
