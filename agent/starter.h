/*
 * starter.h: what happens when kata-agent starts one of the names: it becomes the agent, or finds the one that is there, hands it
 * its sockets, and stays until that ends.
 */
#ifndef AGENT_STARTER_H
#define AGENT_STARTER_H

#include "agent/face.h"

/* Exit status. */
int starter_main(enum program, int argc, char *argv[]);

#endif
