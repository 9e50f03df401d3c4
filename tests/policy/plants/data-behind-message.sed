# agent/gpgframe.c: data behind a compressed message is passed over
/^skip_compressed/,/^}/s/z->avail_in > 0/z->avail_in > 1000000/
