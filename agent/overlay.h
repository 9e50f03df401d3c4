/*
 * overlay.h: unpacked layers of a store as one root file system, merged by the
 * kernel's overlayfs. The layers stay as they are; what is written goes to the
 * stage. Needs CAP_SYS_ADMIN, but no /proc; Linux 5.10 or later.
 */
#ifndef AGENT_OVERLAY_H
#define AGENT_OVERLAY_H

#include "lib/err.h"

#define OVERLAY_LAYERS_MAX	500	/* the kernel's OVL_MAX_STACK */
#define OVERLAY_OPAQUE		"trusted.overlay.opaque"

struct overlay_layer {
	const char	*path;		/* absolute; a directory made with tree_options.overlay */
	bool		 root_entry;	/* tree_stats */
};

/*
 * Can the file system of `store` hold layers, and can they be merged with what is written to
 * `stage`, a staging directory with a rootfs? Tried with two small layers; leaves nothing behind
 * (when killed: what staging.h sweeps). A failure says why not; the caller then makes a flat root.
 */
int overlay_probe(int store, int stage, struct err *) must_check;

/*
 * Merges n layers, bottom first, on the directory "rootfs" of `stage`, writable, and with the root's owner
 * and mode as the layers say. Makes "overlay" in `stage` (upper, work; lower: links to the layers),
 * which must not be there. The stage may be renamed afterwards, not moved to another file system. A layer
 * may come more than once: only its topmost position counts, since what it holds hides what it holds
 * below. -ERR_UNSUPPORTED for none, for too many and whatever the kernel refuses: the caller then
 * makes a flat root. -ERR_STORAGE. After a failure nothing is mounted and "overlay" is gone.
 */
int overlay_mount(int stage, const struct overlay_layer *, size_t n, struct err *) must_check;

/* Makes "rootfs" of `stage`, a plain directory, a mount point: of itself. -ERR_STORAGE. */
int overlay_bind(int stage, struct err *) must_check;

/* Detaches what is mounted on "rootfs" of `stage`, in use or not; fine when nothing is. -ERR_STORAGE. */
int overlay_unmount(int stage, struct err *) must_check;

#endif
