/*
 * tree_dir.h: directories of the tree that is being written. One is current: it
 * stays open between entries, since archives list what is in it one after the
 * other, and gets its old times back when another one's turn comes.
 */
#ifndef IMAGE_TREE_DIR_H
#define IMAGE_TREE_DIR_H

#include <sys/stat.h>

#include "lib/err.h"
#include "lib/limits.h"

/* A name of the archive, made relative to the root. */
struct tree_path {
	char		 text[LIMIT_PATH + 1];
	const char	*parent;	/* "" for the root; no "..", no "." */
	const char	*base;		/* "" when the name is the root itself */
};

/*
 * Lexically: drops empty and "." components, ".." goes up, but not above the
 * root. Pure. false when the name is longer than LIMIT_PATH.
 */
bool tree_path_set(struct tree_path *, const char *name);

struct tree_overlay;

struct tree_dir {
	int		root;		/* borrowed */
	bool		open_up;	/* not root: give the owner rwx as long as we are inside */
	struct tree_overlay *overlay;	/* NULL on a flat root; else whiteouts on the way become directories */
	uint64_t	implied;	/* directories made on the way */
	bool		no_openat2;	/* the kernel or a filter does not have it */
	int		fd;		/* of the current directory, -1 for none */
	bool		stale;		/* its path may lead elsewhere by now */
	struct stat	st;		/* as it was when it became current */
	char		path[LIMIT_PATH + 1];
	struct {
		int	fd;
		mode_t	mode;
	}		opened[32];	/* directories on the way that were opened up */
	size_t		nopened;
};

void tree_dir_init(struct tree_dir *, int root, bool open_up, struct tree_overlay *);
void tree_dir_fini(struct tree_dir *);

/* Makes the directory the current one, with all that is missing on the way (0755). -ERR_LAYER, -ERR_STORAGE. */
int tree_dir_enter(struct tree_dir *, const char *path, struct err *) must_check;
/* Puts times and modes back; there is no current directory any more. */
int tree_dir_leave(struct tree_dir *, struct err *) must_check;
/* A descriptor for looking up names, nothing is made. -1 with errno. */
int tree_dir_find(struct tree_dir *, const char *path);

/* err_sys with the code that the errno deserves: a bad name is the archive's fault (LAYER), the rest STORAGE. */
int tree_fail(struct err *, const char *what);

#endif
