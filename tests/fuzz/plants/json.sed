# lib/utf8.c: the bytes of a character are looked at beyond the end of the text
/^utf8_decode(/,/^}/s/n == 0 || n > in\.len/n == 0/
