# kbc/offline_fs.c: the name of an entry may be longer than what is shown of it
/^entry_name(/,/^}/s/name, NAME_SHOWN, /name, LIMIT_KEYS_FILE, /
