# image/policy_check.c: only the first requirement of a list is looked at
/^policy_check(/,/^}/s/while (json_next(&it)) {/if (json_next(\&it)) {/
