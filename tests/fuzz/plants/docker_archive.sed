# image/docker_archive.c: one more diff_id than there is room for
/^docker_archive_diff_ids(/,/^}/s/json_count(list) != n/json_count(list) < n/
