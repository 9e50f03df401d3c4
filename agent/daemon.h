/*
 * daemon.h: the agent that kata-agent starts, under its three names. docs/daemon.md has the whole picture.
 */
#ifndef AGENT_DAEMON_H
#define AGENT_DAEMON_H

#include "agent/handover.h"

/* Until it is told to end, or fails. Who started it is its first name; fds are those of its sockets, and taken over. */
int daemon_run(const struct face_start *, struct handover *meeting, const int fds[FACE_LISTEN], struct err *) must_check;

#endif
