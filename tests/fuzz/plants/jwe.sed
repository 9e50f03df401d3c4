# keyprovider/jwe.c: there is thought to be room for a sixth part of the compact form
/^parse_compact(/,/^}/s/n == COMPACT_PARTS || /n > COMPACT_PARTS || /
