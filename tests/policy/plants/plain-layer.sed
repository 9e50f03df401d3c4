# image/policy_encrypted.c: a plain layer counts as encrypted
/^encrypted_check/,/^}/s/if (!layers\[i\].encrypted)/if (false)/
