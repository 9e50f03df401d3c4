# agent/config_cmdline.c: the last word is searched beyond the end of the line
/^next_word(/,/^}/s/while (n < in->len && memchr/while (memchr/
