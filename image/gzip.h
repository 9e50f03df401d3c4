/*
 * gzip.h: stage that inflates gzip (RFC 1952), several members one after the other,
 * NUL padding behind the last; CRC and length of every member are checked. ISA-L
 * where it is built in (x86-64), zlib elsewhere. Also the choice of a stage by media type.
 */
#ifndef IMAGE_GZIP_H
#define IMAGE_GZIP_H

#include "image/manifest.h"
#include "lib/stream.h"

int stream_gzip(struct stream *, struct stream *from, struct err *) must_check;

/*
 * The decompressor for a layer: by media type; if the first bytes contradict it, one of none, gzip, zstd by
 * its magic, and *sniffed is set (the caller logs it). zstd: -ERR_UNSUPPORTED for now.
 * Up to two stages are set up in stages[2]; returns the top one.
 */
int stream_decompress(struct stream stages[2], struct stream *from, enum compression,
    struct stream **top, bool *sniffed, struct err *) must_check;

#endif
