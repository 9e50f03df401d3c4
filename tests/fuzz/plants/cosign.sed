# image/cosign.c: a type shorter than the one looked for is compared with it
/^is_bundle_type(/,/^}/s/span_starts(json_raw(type), "\\"" BUNDLE_TYPE)/json_raw(type).p != NULL \&\& memcmp(json_raw(type).p, "\\"" BUNDLE_TYPE, sizeof(BUNDLE_TYPE)) == 0/
