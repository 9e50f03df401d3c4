# image/cosign.c: a type shorter than the one looked for is compared with it
/^cosign_lists_bundle(/,/^}/s/span_starts(type, "\\"" BUNDLE_TYPE)/type.p != NULL \&\& memcmp(type.p, "\\"" BUNDLE_TYPE, sizeof(BUNDLE_TYPE)) == 0/
