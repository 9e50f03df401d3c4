/* starter.c: see starter.h. */
#include "lib/base.h"

#include "agent/starter.h"

#include <poll.h>

#include "agent/daemon.h"
#include "agent/ready.h"

#define MEETINGS	5	/* tries to find an agent that does not die meanwhile */

/*
 * 1: we are the agent; 0: there is one and it serves our sockets. Who was the agent may be dying just now: then the next try
 * finds nobody, or who has become it.
 */
static int
find_agent(const struct face_start *f, struct handover *meeting, const int fds[FACE_LISTEN], int *conn, struct err *e)
{
	int rc = 0;

	for (int i = 0; i < MEETINGS; i++) {
		rc = handover_meet(f->run_dir, meeting, conn, e);
		if (rc != 0)
			break;
		rc = handover_send(*conn, f, fds, e);
		if (rc != -ERR_CRASH)
			break;
		base_close(conn);
		handover_close(meeting);
		(void)poll(NULL, 0, 100);
	}
	return rc;
}

static int
stay(struct face_start *f, int conn, struct err *e)
{
	int rc = ready_tell(&f->ready, e);

	return rc < 0 ? rc : handover_stay(conn, e);
}

static int
run(struct face_start *f, struct err *e)
{
	struct handover meeting = HANDOVER;
	int fds[FACE_LISTEN] = { -1, -1, -1, -1 }, conn = -1, rc = 0;

	for (size_t i = 0; i < f->n && rc >= 0; i++)
		rc = fds[i] = face_open(&f->listen[i], e);
	if (rc >= 0)
		rc = find_agent(f, &meeting, fds, &conn, e);
	if (rc > 0) {
		rc = daemon_run(f, &meeting, fds, e);
	} else {
		for (size_t i = 0; i < f->n; i++) {
			if (rc < 0 && fds[i] >= 0)
				address_unlink(&f->listen[i].address, fds[i]);
			base_close(&fds[i]);
		}
		if (rc == 0)
			rc = stay(f, conn, e);
	}
	handover_close(&meeting);
	base_close(&conn);
	return rc;
}

int
starter_main(enum program program, int argc, char *argv[])
{
	const char *name = program_name(program);
	struct face_start f = { 0 };
	struct err e = { 0 };
	const char *hint;
	int rc = face_parse(program, argc - 1, argv + 1, &f, &e);

	if (rc == 0 && f.done)
		return 0;
	log_init(2, name, f.log, false);
	if (rc == 0)
		rc = run(&f, &e);
	if (rc == 0)
		return 0;
	hint = err_hint(e.code);
	fprintf(stderr, "%s: %s (%s)\n", name, e.msg, err_name(e.code));
	if (e.code == ERR_USAGE)
		fprintf(stderr, "hint: see \"%s --help\"\n", name);
	else if (hint[0] != '\0')
		fprintf(stderr, "hint: %s\n", hint);
	return err_exit_status(e.code);
}
