# agent/config_form.c: the length of a text is believed
/^take_text(/,/^}/s/!span_take(&s, len, out)/(*out = (struct span){ s.p, len }, s.p += len, s.len -= MIN(s.len, len), false)/
