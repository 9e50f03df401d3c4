# image/tar.c: the last byte of a name that is empty
/^set_names(/,/^}/s/r->path\[0\] == '\\0'/r->entry.path != NULL/
