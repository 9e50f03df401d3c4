# image/policy_form.c: members of the Rekor log are passed over
/^read_keyless/,/^}/s/r->kind = REQUIRE_UNKNOWABLE/r->unknowable = NULL/
