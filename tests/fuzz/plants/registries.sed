# image/registries.c: more places than there is room for
/^put(/,/^}/s/p->n == REGISTRY_MAX_PLACES/p->n == 2 * REGISTRY_MAX_PLACES/
