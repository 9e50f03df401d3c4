/*
 * test_gzip_zlib.c: the gzip stage over zlib, which machines without ISA-L get.
 */
#define HAVE_ISAL 0
#include "image/gzip.c"

#include "tests/unit/test_gzip.c"
