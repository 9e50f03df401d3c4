# keyprovider/keyfile.c: every line is thought to have a last character
/^take_line(/,/^}/s/line->len > 0 && //
