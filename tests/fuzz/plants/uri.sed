# lib/uri.c: the byte behind a colon that is the last
/^find_separator(/,/^}/s/i + 1 < s\.len/i < s.len/
