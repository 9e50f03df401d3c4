# image/simple_signing.c: the type of a payload is not looked at
/^read_critical/,/^}/s/rc == 0 \&\& !json_str_eq/rc > 0 \&\& !json_str_eq/
