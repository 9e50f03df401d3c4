# image/digest.c: room for the shorter of the two kinds of digest only
/^digest_parse(/,/^}/s/value\[HASH_MAX\]/value[32]/
