/*
 * daemon.h: the agent that kata-agent starts, under its three names. docs/daemon.md has the whole picture.
 */
#ifndef AGENT_DAEMON_H
#define AGENT_DAEMON_H

#include "agent/face.h"

/* Exit status. argv[0] is the program's name. */
int daemon_main(enum program, int argc, char *argv[]);

#endif
