# image/platform.c: a variant may be as long as the whole platform
/^platform_from_json(/,/^}/s/sizeof(p\.variant)/sizeof(p)/
