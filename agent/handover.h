/*
 * handover.h: how the names find the one agent. RUN/lock says who it is; at RUN/start.sock it takes the sockets and settings of
 * names that start later. RUN is a directory of ours that nobody else may enter.
 */
#ifndef AGENT_HANDOVER_H
#define AGENT_HANDOVER_H

#include "agent/face.h"

struct handover {
	int	dir, lock;
	int	listener;	/* SOCK_SEQPACKET, non-blocking */
};
#define HANDOVER	{ -1, -1, -1 }

/* 1: we are the agent from now on, until handover_close. 0: there is one, *conn leads to it. */
int handover_meet(const char *run_dir, struct handover *, int *conn, struct err *) must_check;
void handover_close(struct handover *);

/* The starter: hands over its listening sockets and waits until they are served. Contradictory settings are an error. */
int handover_send(int conn, const struct face_start *, const int fds[FACE_LISTEN], struct err *) must_check;
/* And then does nothing but be there: returns when the agent has gone; 0: as it was told to. */
int handover_stay(int conn, struct err *) must_check;

/* What the agent knows of a name that was started. */
struct handed {
	enum program	program;
	pid_t		pid;
	struct handed_listen {
		int				fd;
		enum provider_transport		transport;
		enum face			face;
		char				text[256];
		struct address_file		file;	/* who comes next may have put his in its place */
	}		listen[FACE_LISTEN];
	size_t		n;
	char		config[PATH_MAX];	/* "" for none */
	bool		initdata;
};
/* The same of our own command line; fds are taken over. */
void handover_own(const struct face_start *, const int fds[FACE_LISTEN], struct handed *);
/* A new starter, or -1: nobody, or one that may not (it belongs to another user). */
int handover_accept(const struct handover *, pid_t *pid);
/* A message of a starter: 1 all is there, 0 more will come or it has closed (*closed). */
int handover_take(int conn, struct handed *, bool *closed, struct err *) must_check;
int handover_answer(int conn, const struct err *failed, struct err *) must_check;
/* It ends as it was told to, and not by accident. */
void handover_part(int conn);
/* Closes what is listened on and removes its files. */
void handed_close(struct handed *);

#endif
