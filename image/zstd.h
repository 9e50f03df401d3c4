/*
 * zstd.h: stage that decompresses zstd (RFC 8878): frames one after the other, skippable
 * ones among them, nothing else behind. Checksums are checked where a frame has one.
 */
#ifndef IMAGE_ZSTD_H
#define IMAGE_ZSTD_H

#include "lib/stream.h"

/*
 * The window is the memory that a frame asks for: 8 MiB is what every decoder must give, 128 MiB
 * is what "zstd --long" takes, and the most that is ever given.
 */
enum { WINDOW_LOG_MIN = 10, WINDOW_LOG_DEFAULT = 23, WINDOW_LOG_MAX = 27 };

/* A frame that wants more than 2^window_log bytes of window: -ERR_LIMIT. */
int stream_zstd(struct stream *, struct stream *from, unsigned window_log, struct err *) must_check;

/* The argument of --zstd-window-log; NULL is the default. -ERR_USAGE. */
int window_log_parse(const char *, unsigned *out, struct err *) must_check;

#endif
