# image/lookaside.c: a scope may be longer than the array it is copied to
/^take_text(/,/^}/s/out, size)/out, BASE_MAX)/
