/*
 * snapshot.h: the root file system of a pull as it grows, for the monitor. Overlay: each layer is made
 * in the store, by a pair of processes of its own, and at the end all are mounted one above the other.
 * Flat: all are applied in order to one directory. The pull role asks, by the messages M_PLAN to M_ROOTFS.
 */
#ifndef AGENT_SNAPSHOT_H
#define AGENT_SNAPSHOT_H

#include "agent/monitor.h"
#include "agent/progress.h"
#include "agent/store.h"

enum snapshot_mode { SNAPSHOT_AUTO, SNAPSHOT_OVERLAY, SNAPSHOT_FLAT };
/* "auto", "overlay", "flat"; NULL: auto. -ERR_USAGE. */
int snapshot_mode_parse(const char *, enum snapshot_mode *out, struct err *) must_check;

struct snapshot_options {
	enum snapshot_mode	 mode;
	const char		*store;		/* directory */
	const char		*trusted;	/* as storage_check_list() takes it */
	uint32_t		 at_once;	/* layers in work, at most */
	struct monitor		*monitor;
	struct staging		*staging;	/* gets rootfs, and overlay/ for what the mount needs */
};

struct snapshot {
	struct snapshot_options	 opt;
	int			 pull, key;	/* control sockets of the roles */
	struct store		 store;		/* closed when overlay is not to be had */
	bool			 overlay, mounted;
	struct snapshot_layer	*layers;	/* NULL before M_PLAN */
	size_t			 n;
};

/* Finds out whether overlay is to be had. -ERR_STORAGE when it was asked for and is not. */
int snapshot_open(const struct snapshot_options *, struct snapshot *out, struct err *) must_check;
/* Ends what is in the making, and unmounts. After snapshot_commit() only descriptors are closed. */
void snapshot_close(struct snapshot *);
/* Where no layers are mounted: makes rootfs a mount point all the same. All its makers have ended. */
int snapshot_bind(struct snapshot *, struct err *) must_check;
/* The bundle has its name: the mount stays. */
void snapshot_commit(struct snapshot *);

/* The messages it serves, for a table of rules. */
#define SNAPSHOT_RULES \
	{ .type = M_PLAN, .max_len = KIB(60) }, \
	{ .type = M_LAYER, .max_len = 4 }, \
	{ .type = M_LAYER_END, .max_len = 5 }, \
	{ .type = M_ROOTFS }
/* Serves one of them. Its errors end the pull. */
int snapshot_serve(struct snapshot *, const struct msg *, struct err *) must_check;

/* The directory in which layers are unpacked. */
int snapshot_dir(const struct snapshot *);

/* After M_PLAN: the layers' sizes. */
void snapshot_expect(const struct snapshot *, struct progress *);

#endif
