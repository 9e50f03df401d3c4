# image/inspect_keys.c: a text may be longer than the array it is copied to
/^take_text(/,/^}/s/out, INSPECT_TEXT/out, INSPECT_TEXT + 64/
