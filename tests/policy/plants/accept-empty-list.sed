# image/policy.c: a list without requirements is taken
/^check_list/,/^}/s/json_count(list) == 0/json_count(list) > 1000/
