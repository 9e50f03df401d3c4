# agent/services.c: a name that is unknown is looked for beyond the end of the table
/^path_of(/,/^}/s/i < ARRAY_LEN(named)/i <= ARRAY_LEN(named)/
