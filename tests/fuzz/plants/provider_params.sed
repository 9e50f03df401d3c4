# keyprovider/provider.c: a name that is unknown is looked for beyond the end of the table
/^find_param(/,/^}/s/i < PARAM_COUNT/i <= PARAM_COUNT/
