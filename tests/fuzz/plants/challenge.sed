# image/challenge.c: a backslash may be the last byte of a quoted string
/^take_quoted(/,/^}/s/if (at_end(t) || /if (/
