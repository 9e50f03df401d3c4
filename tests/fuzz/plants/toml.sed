# lib/toml_scan.c: the digits of an escape are looked for beyond the end of the text
/^take_code_point(/,/^}/s/i < s->in\.len && //
