# image/zstd.c: the engine may write behind what is asked for
/^zstd_read(/,/^}/s/= { p, n, 0 }/= { p, n + 64, 0 }/
