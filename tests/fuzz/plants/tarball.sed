# image/members.c: a name may be longer than the array it is copied to
/^go_down(/,/^}/s/len + 1 + part\.len >= MEMBER_NAME || //
/^go_down(/,/^}/s/MEMBER_NAME - len, /LIMIT_MEMBERS, /
