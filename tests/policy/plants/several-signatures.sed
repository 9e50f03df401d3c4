# image/gpg.c: two signatures in a message are taken
/^gpg_judge/,/^}/s/v->signatures != 1/v->signatures == 0/
