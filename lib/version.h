/*
 * version.h: what this build is. Only version.c knows the numbers, so that a commit does not
 * compile everything anew.
 */
#ifndef LIB_VERSION_H
#define LIB_VERSION_H

#include "lib/base.h"

extern const char version_text[];		/* "0.1.0" */
extern const int64_t version_source_date;	/* seconds since 1970: nothing valid can be older */

#endif
