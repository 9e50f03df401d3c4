# agent/config_own.c: names of four times the length that there is room for
/^take(/,/^}/{
s/> sizeof(name)/> 4 * NAME/
s/snprintf(name, sizeof(name)/snprintf(name, 4 * NAME/
}
