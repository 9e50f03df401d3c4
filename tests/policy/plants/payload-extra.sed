# image/simple_signing.c: members of a payload that nobody knows are passed over
/^exactly(/,/^}/s/return json_only(v, what, members, e)/return 0/
