# image/cosign_key.c: RSA keys of any length are taken
s/bits < RSA_MIN_BITS || //
