# image/simple_signing.c: a name may be longer than the array it is copied to
/^read_critical/,/^}/s/sizeof(p->reference)/2 * sizeof(p->reference)/
