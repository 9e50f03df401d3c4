# keyprovider/pkcs7.c: only the last number of a cipher's identifier is looked at, even if it has none
/^read_cipher(/,/^}/s/oid.len == sizeof(oid_aes) + 1 && memcmp(oid.p, oid_aes, sizeof(oid_aes)) == 0 &&/true \&\&/
