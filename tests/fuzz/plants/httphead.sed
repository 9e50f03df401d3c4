# image/httphead.c: blanks in front of a value are skipped beyond its end
/^trim(/,/^}/s/s\.len > 0 && is_blank(s\.p\[0\])/is_blank(s.p[0])/
