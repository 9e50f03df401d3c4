/*
 * base.h: the system headers and small macros that every file uses, then the
 * list of functions that nobody may use. Always the first include.
 */
#ifndef LIB_BASE_H
#define LIB_BASE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <sys/types.h>

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ARRAY_LEN(a)	(sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)	((a) < (b) ? (a) : (b))
#define MAX(a, b)	((a) > (b) ? (a) : (b))

#define must_check	__attribute__((warn_unused_result))
#define printf_like(f, a) __attribute__((format(printf, f, a)))
#define maybe_unused	__attribute__((unused))	/* "unused" itself is a word in OpenSSL's headers */

/* Scope clean-up: `autoclose int fd = -1;` closes at the end of the block. */
#define cleanup(fn)	__attribute__((cleanup(fn)))
#define autoclose	cleanup(base_close)

/* Closes *fd unless it is negative, keeps errno, sets *fd to -1. */
void base_close(int *fd);

/* Takes the descriptor out of the scope that would close it. */
static inline int
fd_steal(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

/*
 * Never needed: unbounded, locale-dependent, or starting a shell. The build
 * fails where one is used (style follows git's banned.h).
 */
#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf strtok
#pragma GCC poison atoi atol atoll gets tmpnam tempnam mktemp
#pragma GCC poison gmtime localtime ctime asctime system popen

#endif
