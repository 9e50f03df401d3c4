# agent/config.c: of two values the room of the first is taken for the other
/^store(/,/^}/{
s/sys_alloc(kept.len + 1)/sys_alloc(c->v[s].text != NULL ? strlen(c->v[s].text) + 1 : kept.len + 1)/
}
