# keyprovider/pubkey.c: the first line is thought to have one before it
/^find_line(/,/^}/s/i == 0 || //
