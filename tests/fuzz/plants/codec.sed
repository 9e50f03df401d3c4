# lib/codec.c: no room for the last digits when they are no whole group
/^decode(/,/^}/s/s\.len \/ 4 \* 3 + (s\.len % 4 \* 3) \/ 4/MAX(s.len \/ 4 * 3, (size_t)2)/
