# image/gzip.c: one byte more than the fixed part of a member's header
/^read_header(/,/^}/s/i < sizeof(fixed)/i <= sizeof(fixed)/
