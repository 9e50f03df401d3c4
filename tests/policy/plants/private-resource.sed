# agent/keyjob.c: the kind of a resource is looked for anywhere in its name
/^keyjob_check_type(/,/^}/s/span_eq_str(type, types\[i\])/strstr(u.path, types[i]) != NULL/
