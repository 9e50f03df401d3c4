/*
 * gzip.h: stage that inflates gzip (RFC 1952), several members one after the other,
 * NUL padding behind the last; CRC and length of every member are checked. ISA-L
 * where it is built in (x86-64), zlib elsewhere.
 */
#ifndef IMAGE_GZIP_H
#define IMAGE_GZIP_H

#include "lib/stream.h"

int stream_gzip(struct stream *, struct stream *from, struct err *) must_check;

#endif
