/* devices.h: the words of --device-nodes. */
#ifndef AGENT_DEVICES_H
#define AGENT_DEVICES_H

#include "image/tree.h"

/* NULL is the default: create. -ERR_USAGE. */
int device_nodes_parse(const char *word, enum device_nodes *out, struct err *) must_check;

#endif
