# image/config.c: more diff_ids than the layers that there is room for
/^parse_diff_ids(/,/^}/s/json_count(list) != nlayers/json_count(list) < nlayers/
