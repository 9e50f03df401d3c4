# image/auth.c: a key of the file may be longer than the array it is copied to
/^find_normalised(/,/^}/s/char key\[512\]/char key[64]/
/^find_normalised(/,/^}/s/sizeof(key), &ignored/sizeof(*r), \&ignored/
