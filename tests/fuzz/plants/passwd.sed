# image/user.c: the first byte of a home directory that is empty
/^set_home(/,/^}/s/home\.len == 0 || //
