# keyprovider/pkcs7.c: an object identifier is compared as if it were as long as the one that is wanted
/^take_oid(/,/^}/s/span_eq(oid, want)/memcmp(oid.p, want.p, want.len) == 0/
