/*
 * decompress.h: the choice of a decompressor for a layer: none, gzip or zstd, and no other.
 */
#ifndef IMAGE_DECOMPRESS_H
#define IMAGE_DECOMPRESS_H

#include "image/manifest.h"
#include "lib/stream.h"

/*
 * By media type (said); if the first bytes contradict it, one of none, gzip, zstd by its magic,
 * and *sniffed is set (the caller logs it). window_log is zstd's limit (image/zstd.h).
 * Up to two stages are set up in stages[2]; *top becomes the upper one. After an error none is.
 */
int stream_decompress(struct stream stages[2], struct stream *from, enum compression said,
    unsigned window_log, struct stream **top, bool *sniffed, struct err *) must_check;

#endif
