/*
 * ustar.h: headers of a tar that we write: regular files and directories of root, without a time, so that the same
 * content gives the same archive. Pure. Source: POSIX pax, ustar interchange format; GNU tar for large sizes.
 */
#ifndef IMAGE_USTAR_H
#define IMAGE_USTAR_H

#include "lib/buf.h"

#define USTAR_BLOCK	512
#define USTAR_NAME	100	/* longer names are not needed here */

enum ustar_type { USTAR_FILE = '0', USTAR_DIRECTORY = '5' };

/* The header block; size is that of a file. -ERR_LIMIT: a name that is empty or too long. */
int ustar_header(const char *name, enum ustar_type, uint64_t size, uint8_t out[USTAR_BLOCK], struct err *) must_check;
/* Zeros behind a file of this size, up to a whole block. */
size_t ustar_padding(uint64_t size);

#endif
