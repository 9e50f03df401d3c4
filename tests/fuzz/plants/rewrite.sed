# image/rewrite.c: an annotation's name may be longer than the array it is copied to
/^is_of_encryption(/,/^}/s/text, sizeof(text)/text, sizeof(text) + 64/
