# lib/json.c: the bytes of a character are looked at beyond the end of the text
/^utf8_length(/,/^}/s/n == 0 || n > in\.len/n == 0/
