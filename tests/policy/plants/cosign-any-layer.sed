# image/cosign.c: layers of any type are signatures
/^cosign_image_signature/,/^}/s/strcmp(d.media_type, PAYLOAD_TYPE) != 0/d.media_type[0] == 0/
