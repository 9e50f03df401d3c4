# image/cosign_key.c: any curve is taken
s/ \&\& curve_known(evp)//
