# image/policy_check.c: a signature for another image counts
/^check_payload/,/^}/s/if (!digest_equal/if (false \&\& !digest_equal/
