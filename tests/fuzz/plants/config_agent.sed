# agent/config_doc.c: a text of blanks is searched beyond its end
/^is_json(/,/^}/s/while (i < text\.len && (/while ((/
