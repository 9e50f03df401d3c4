# image/gpg.c: status other than good is passed over
/^gpg_judge/,/^}/s/if (v->status != GPG_GOOD)/if (v->status == GPG_BAD_SIGNATURE)/
