# image/manifest.c: a media type may be longer than the array it is copied to
/^declared_type(/,/^}/s/own, sizeof(own)/own, sizeof(struct descriptor)/
