# image/cosign_key.c: an error of the verification counts as good
/^verify_by/,/^}/s/payload.len) == 1/payload.len) != 0/
