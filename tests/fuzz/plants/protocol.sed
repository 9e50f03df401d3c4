# keyprovider/protocol.c: a method that is unknown is looked for beyond the end of the table
/^read_op(/,/^}/s/i < ARRAY_LEN(words)/i <= ARRAY_LEN(words)/
