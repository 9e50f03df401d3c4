# keyprovider/packet.c: a name that is unknown is looked for beyond the end of the table
/^read_wrap_type(/,/^}/s/i < ARRAY_LEN(wrap_types)/i <= ARRAY_LEN(wrap_types)/
