# agent/policy_setup.c: the kind of a resource is looked for anywhere in its name
/^check_public(/,/^}/s/span_eq_str(type, public_types\[i\])/strstr(u.path, public_types[i]) != NULL/
