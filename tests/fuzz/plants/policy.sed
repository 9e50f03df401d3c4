# image/policy_form.c: a type may be longer than the array it is copied to
/^find_form(/,/^}/s/type, sizeof(type)/type, SCOPE_TEXT/
