# image/ocicrypt.c: the name of an annotation may be longer than the array it is copied to
/^first_provider(/,/^}/s/name, sizeof(name)/name, OPTIONS_MAX/
