# image/lookaside.c: the default goes before wildcards
/^lookaside_base(/,/^}/s/base = base_of_wildcard(l, ref->domain)/base = base_of(l, "")/
