# image/policy_check.c: signatures without end are looked at
/^check_signatures/,/^}/s/n == LIMIT_SIGNATURES/n == 100 * LIMIT_SIGNATURES/
