/*
 * face.h: the command lines of the names that kata-agent starts: attestation-agent (of all versions),
 * confidential-data-hub and api-server-rest. Each says where it wants to be called; what it was told is what it gets, in any
 * order and either spelling of "-" and "_".
 * Source: guest-components' and attestation-agent's programs; kata-agent's launch plan.
 */
#ifndef AGENT_FACE_H
#define AGENT_FACE_H

#include "agent/address.h"
#include "agent/services.h"

#define RUN_DIR		"/run/cacao"
#define AGENT_SOCKET	"agent.sock"	/* in it: ours, where everything can be asked (FACE_OWN) */
#define INITDATA_DIR	"/run/confidential-containers/initdata"
#define FACE_LISTEN	4

enum program { PROGRAM_ATTESTATION, PROGRAM_HUB, PROGRAM_REST, PROGRAM_COUNT };
const char *program_name(enum program);

struct face_start {
	enum program		program;
	struct face_listen {
		struct address	address;
		enum face	face;
		char		text[256];	/* as it was given */
	}			listen[FACE_LISTEN];
	size_t			n;
	const char		*config;	/* of guest components' form; NULL: none */
	bool			 initdata;	/* it came with initdata, which nobody has checked */
	const char		*own_config;	/* NULL: CONFIG_FILE, where it is there */
	const char		*run_dir;
	const char		*cmdline;	/* the kernel's; NULL: /proc/cmdline */
	int			 ready;		/* descriptor; -1: none */
	enum log_level		 log;
	bool			 log_named;	/* on the command line, which settings do not change */
	bool			 done;		/* help or version was asked for and printed */
};

/* Once in a process: the texts are kept there. -ERR_USAGE. */
int face_parse(enum program, int argc, char *argv[], struct face_start *out, struct err *) must_check;
void face_forget(void);	/* for tests, which parse many */
/* A listening socket, and its directory if there is none; or an error. */
int face_open(const struct face_listen *, struct err *) must_check;

#endif
