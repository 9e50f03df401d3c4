# image/cosign_key.c: a text shorter than the end of a key is compared with it
/^pem_decode(/,/^}/s/text\.len < head + tail || //
