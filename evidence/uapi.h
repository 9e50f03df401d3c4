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

	SNP_KEY_REQ	= 32,
	SNP_KEY_ROOT	= 0,		/* u32: 0 VCEK, 1 VMRK */
	SNP_KEY_FIELDS	= 8,		/* u64 */
	SNP_KEY_VMPL	= 16,		/* u32 */
	SNP_KEY_SVN	= 20,		/* u32 */
	SNP_KEY_TCB_AT	= 24,		/* u64 */
	SNP_KEY_RESP	= 64,		/* SNP_STATUS, and: */
	SNP_KEY_AT	= 32,

	SNP_VMM_INVALID_LEN = 1,	/* vmm errors */
	SNP_VMM_BUSY	= 2,
};
#define SNP_GET_REPORT		UAPI_IOC(3, SNP_IOCTL, 'S', 0)
#define SNP_GET_DERIVED_KEY	UAPI_IOC(3, SNP_IOCTL, 'S', 1)
#define SNP_GET_EXT_REPORT	UAPI_IOC(3, SNP_IOCTL, 'S', 2)
static_assert(SNP_GET_REPORT == 0xc0205300 && SNP_GET_DERIVED_KEY == 0xc0205301 && SNP_GET_EXT_REPORT == 0xc0205302,
    "numbers of sev-guest");
static_assert(SNP_CERTS_LEN + 8 == SNP_EXT_REQ && SNP_CERTS == SNP_REPORT_REQ && SNP_KEY_TCB_AT + 8 == SNP_KEY_REQ,
    "layout of sev-guest");

/* Intel: /dev/tdx_guest, /dev/tdx-guest, /dev/tdx-attest */
enum {
	TDREPORT_TYPE_TDX = 0x81,	/* its first byte */
	TDREPORT_DATA	= 128,		/* 64 bytes */
	TDREPORT_RTMR	= 720,		/* of TDINFO, which begins at 512: four times 48 bytes */

	TDX_REQ_A_DATA	= 8,		/* the request by pointers, in two orders of fields */
	TDX_REQ_A_DATA_LEN = 16,
	TDX_REQ_A_REPORT = 24,
	TDX_REQ_A_REPORT_LEN = 32,
	TDX_REQ_B_DATA	= 0,
	TDX_REQ_B_REPORT = 8,
	TDX_REQ_B_DATA_LEN = 16,
	TDX_REQ_B_REPORT_LEN = 20,

	TDX_BUF_SIZE	= 16384,	/* shared with the host */
	TDX_BUF_VERSION	= 0,		/* u64: 1 */
	TDX_BUF_STATUS	= 8,		/* u64 */
	TDX_BUF_IN_LEN	= 16,		/* u32 */
	TDX_BUF_OUT_LEN	= 20,		/* u32 */
	TDX_BUF_DATA	= 24,

	TDX_DIGEST	= 48,
	TDX_EXTEND_INDEX = 48,		/* u8 behind the digest */
	TDX_EXTEND_SIZE	= 49,
	TDX_OLD_EXTEND_DIGEST = 8,	/* behind the index, a u64 */
	TDX_OLD_EXTEND_SIZE = 56,
};
#define TDX_STATUS_IN_FLIGHT	UINT64_MAX
#define TDX_GET_REPORT0		UAPI_IOC(3, 1088, 'T', 1)
#define TDX_GET_REPORT_OLD	UAPI_IOC(3, 8, 'T', 1)
#define TDX_GET_QUOTE		UAPI_IOC(2, 16, 'T', 4)
#define TDX_GET_QUOTE_V3	UAPI_IOC(3, 16, 'T', 4)
#define TDX_GET_QUOTE_OLD	UAPI_IOC(2, 8, 'T', 2)
#define TDX_EXTEND_RTMR		UAPI_IOC(2, TDX_EXTEND_SIZE, 'T', 3)
#define TDX_EXTEND_RTMR_V3	UAPI_IOC(1, TDX_EXTEND_SIZE, 'T', 3)
#define TDX_EXTEND_RTMR_OLD	UAPI_IOC(2, 8, 'T', 4)	/* its size is a pointer's, not the argument's */
static_assert(TDX_GET_REPORT0 == 0xc4405401 && TDX_GET_REPORT_OLD == 0xc0085401, "numbers of TDREPORT");
static_assert(TDX_GET_QUOTE == 0x80105404 && TDX_GET_QUOTE_V3 == 0xc0105404 && TDX_GET_QUOTE_OLD == 0x80085402,
    "numbers of quotes");
static_assert(TDX_EXTEND_RTMR == 0x80315403 && TDX_EXTEND_RTMR_V3 == 0x40315403 && TDX_EXTEND_RTMR_OLD == 0x80085404,
    "numbers of registers");
static_assert(TDX_OLD_EXTEND_DIGEST + TDX_DIGEST == TDX_OLD_EXTEND_SIZE, "layout of the oldest extension");

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
	CSV_RTMR_READ	= 3,
	CSV_RTMR_EXTEND	= 4,
	CSV_RTMR_STATUS_SIZE = 3,
	CSV_READ_BITMAP	= 0,		/* u32: which; their values follow */
	CSV_READ_VALUE	= 4,
	CSV_EXTEND_INDEX = 0,		/* u8: 3 or 4 */
	CSV_EXTEND_LEN	= 2,		/* u16: CSV_DIGEST */
	CSV_EXTEND_DIGEST = 4,
	CSV_DIGEST	= 32,
	CSV_EXTEND_SIZE	= 36,
};
#define CSV_CMD_GET_REPORT	UAPI_IOC(3, CSV_REPORT_IOCTL, 'D', 1)
#define CSV_CMD_RTMR		UAPI_IOC(3, CSV_RTMR_IOCTL, 'D', 2)
static_assert(CSV_CMD_GET_REPORT == 0xc0104401 && CSV_CMD_RTMR == 0xc0184402, "numbers of csv-guest");
static_assert(sizeof(CSV_MAGIC) == CSV_REQ_FLAGS - CSV_REQ_MAGIC && CSV_EXTEND_DIGEST + CSV_DIGEST == CSV_EXTEND_SIZE,
    "layout of csv-guest");

#endif
