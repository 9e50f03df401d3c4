/*
 * whiteout.c: executes whiteouts on a flat root. Never follows a link and never
 * removes what this layer wrote, whatever the order of entries.
 */
#include "lib/base.h"

#include "image/whiteout.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <dirent.h>
#include <fcntl.h>

#include "lib/fs.h"
#include "lib/sys.h"

enum { DEPTH_MAX = 256 };	/* directories inside each other; a descriptor each */

enum whiteout
whiteout_kind(const char *base)
{
	static const size_t prefix = sizeof(WHITEOUT_PREFIX) - 1;

	if (strncmp(base, WHITEOUT_PREFIX, prefix) != 0)
		return WHITEOUT_NONE;
	base += prefix;
	if (base[0] == '\0' || strcmp(base, ".") == 0 || strcmp(base, "..") == 0)
		return WHITEOUT_BAD;
	if (strcmp(base, WHITEOUT_PREFIX ".opq") == 0)
		return WHITEOUT_OPAQUE;
	if (strncmp(base, WHITEOUT_PREFIX, prefix) == 0)
		return WHITEOUT_IGNORED;
	return WHITEOUT_NAME;
}

/*
 * The set. SipHash-1-3 (Aumasson, Bernstein) of the inode number and the name.
 */

static uint64_t
rotate(uint64_t x, unsigned by)
{
	return x << by | x >> (64 - by);
}

static void
sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] = rotate(v[0], 32) + v[3];
	v[2] += v[1];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

static void
sip_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_round(v);
	v[0] ^= word;
}

static uint64_t
hash_entry(const struct written *w, ino_t dir, const char *name)
{
	uint64_t v[4] = {
		w->key[0] ^ 0x736f6d6570736575, w->key[1] ^ 0x646f72616e646f6d,
		w->key[0] ^ 0x6c7967656e657261, w->key[1] ^ 0x7465646279746573,
	};
	uint64_t word = 0, hash;
	size_t n = 0;

	sip_word(v, (uint64_t)dir);
	for (; name[n] != '\0'; n++) {
		word |= (uint64_t)(uint8_t)name[n] << n % 8 * 8;
		if (n % 8 == 7) {
			sip_word(v, word);
			word = 0;
		}
	}
	sip_word(v, word | (uint64_t)n << 56);
	v[2] ^= 0xff;
	for (unsigned i = 0; i < 3; i++)
		sip_round(v);
	hash = v[0] ^ v[1] ^ v[2] ^ v[3];
	return hash == 0 ? 1 : hash;
}

int
written_init(struct written *w, struct err *e)
{
	*w = (struct written){ .slots = NULL };
	if (sys_random(w->key, sizeof(w->key)) == -1)
		return err_sys(e, "random key");
	return 0;
}

void
written_fini(struct written *w)
{
	sys_free(w->slots);
	*w = (struct written){ .slots = NULL };
}

/* Where the hash is, or the empty slot where it would go. cap is a power of two. */
static size_t
find_slot(const uint64_t *slots, size_t cap, uint64_t hash)
{
	size_t i = (size_t)hash & (cap - 1);

	while (slots[i] != 0 && slots[i] != hash)
		i = (i + 1) & (cap - 1);
	return i;
}

static int
grow(struct written *w, struct err *e)
{
	size_t cap = w->cap == 0 ? 1024 : w->cap * 2;
	uint64_t *slots = sys_alloc(cap * sizeof(*slots));

	if (slots == NULL)
		return err_set(e, ERR_NOMEM, "set of written entries: out of memory");
	for (size_t i = 0; i < w->cap; i++)
		if (w->slots[i] != 0)
			slots[find_slot(slots, cap, w->slots[i])] = w->slots[i];
	sys_free(w->slots);
	w->slots = slots;
	w->cap = cap;
	return 0;
}

int
written_add(struct written *w, ino_t dir, const char *name, struct err *e)
{
	uint64_t hash = hash_entry(w, dir, name);
	size_t at;
	int rc;

	/* Three quarters full at most: 11 to 21 bytes an entry. */
	if (w->n >= w->cap / 4 * 3 && (rc = grow(w, e)) < 0)
		return rc;
	at = find_slot(w->slots, w->cap, hash);
	w->n += w->slots[at] == 0;
	w->slots[at] = hash;
	return 0;
}

bool
written_has(const struct written *w, ino_t dir, const char *name)
{
	uint64_t hash;

	if (w->n == 0)
		return false;
	hash = hash_entry(w, dir, name);
	return w->slots[find_slot(w->slots, w->cap, hash)] == hash;
}

/*
 * Removal. A stack of open directories; each is listed until a pass removes
 * nothing more, since removing while listing may make the listing skip names.
 */

struct frame {
	DIR		*dir;
	struct stat	 st;		/* times to be put back if it stays */
	bool		 keep;		/* written by this layer, or not ours to remove */
	bool		 again;		/* something was removed in this pass */
	char		 name[NAME_MAX + 1];
};

struct remover {
	const struct written	*written;	/* stays; NULL: all but devices 0:0 stays */
	int			 top;		/* where the name of frame 0 is */
	size_t			 depth;
	struct frame		 frames[DEPTH_MAX];
};

static void
free_remover(struct remover **r)
{
	if (*r == NULL)
		return;
	while ((*r)->depth > 0)
		closedir((*r)->frames[--(*r)->depth].dir);
	sys_free(*r);
}

/* A directory closed to its owner, who is not root, is opened up first. */
static int
open_directory(int dir, const char *name, const struct stat *st)
{
	int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

	if (geteuid() != 0 && (st->st_mode & S_IRWXU) != S_IRWXU &&
	    fchmodat(dir, name, (st->st_mode & 07777) | S_IRWXU, 0) == -1)
		return -1;
	return sys_openat(dir, name, flags, 0);
}

static int
push(struct remover *r, int dir, const char *name, bool keep, struct err *e)
{
	struct frame *f = &r->frames[r->depth];
	autoclose int fd = -1;
	size_t len = strlen(name);

	if (r->depth == DEPTH_MAX)
		return err_set(e, ERR_LIMIT, "whiteout: more than %d directories deep", DEPTH_MAX);
	if (len > NAME_MAX || fstatat(dir, name, &f->st, AT_SYMLINK_NOFOLLOW) == -1 ||
	    (fd = open_directory(dir, name, &f->st)) == -1 ||
	    (f->dir = fdopendir(fd)) == NULL)
		return err_sys_as(e, ERR_STORAGE, "whiteout: open %s", name);
	(void)fd_steal(&fd);
	memcpy(f->name, name, len + 1);
	f->keep = keep;
	f->again = false;
	r->depth++;
	return 0;
}

/* The topmost directory is done: it goes too, unless it is to stay or is not empty. */
static int
pop(struct remover *r, struct err *e)
{
	struct frame *f = &r->frames[--r->depth];
	struct frame *above = r->depth > 0 ? &r->frames[r->depth - 1] : NULL;
	int dir = above != NULL ? dirfd(above->dir) : r->top;
	bool restored = fchmod(dirfd(f->dir), f->st.st_mode & 07777) == 0 &&
	    futimens(dirfd(f->dir), (struct timespec[]){ f->st.st_atim, f->st.st_mtim }) == 0;

	closedir(f->dir);
	if (!restored)
		return err_sys_as(e, ERR_STORAGE, "whiteout: restore times of %s", f->name);
	if (f->keep)
		return 0;
	if (unlinkat(dir, f->name, AT_REMOVEDIR) == 0) {
		if (above != NULL)
			above->again = true;
		return 0;
	}
	if (errno == ENOTEMPTY || errno == EEXIST)
		return 0;
	return err_sys_as(e, ERR_STORAGE, "whiteout: remove %s", f->name);
}

static bool
stays(const struct remover *r, ino_t dir, const char *name, const struct stat *st)
{
	if (r->written != NULL)
		return written_has(r->written, dir, name);
	return !S_ISCHR(st->st_mode) || st->st_rdev != makedev(0, 0);
}

static int
visit(struct remover *r, const char *name, struct err *e)
{
	struct frame *f = &r->frames[r->depth - 1];
	struct stat st;
	bool keep;

	if (fstatat(dirfd(f->dir), name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return err_sys_as(e, ERR_STORAGE, "whiteout: %s", name);
	keep = stays(r, f->st.st_ino, name, &st);
	if (S_ISDIR(st.st_mode))
		return push(r, dirfd(f->dir), name, keep, e);
	if (keep)
		return 0;
	if (unlinkat(dirfd(f->dir), name, 0) == -1)
		return err_sys_as(e, ERR_STORAGE, "whiteout: remove %s", name);
	f->again = true;
	return 0;
}

static int
run(struct remover *r, struct err *e)
{
	int rc = 0;

	while (r->depth > 0 && rc == 0) {
		struct frame *f = &r->frames[r->depth - 1];
		const struct dirent *entry;

		errno = 0;
		entry = readdir(f->dir);
		if (entry == NULL && errno != 0)
			return err_sys_as(e, ERR_STORAGE, "whiteout: list %s", f->name);
		if (entry == NULL && f->again) {
			f->again = false;
			rewinddir(f->dir);
		} else if (entry == NULL) {
			rc = pop(r, e);
		} else if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
			rc = visit(r, entry->d_name, e);
		}
	}
	return rc;
}

static int
remove_below(const struct written *w, int dir, const char *name, bool keep, struct err *e)
{
	cleanup(free_remover) struct remover *r = sys_alloc(sizeof(*r));
	int rc;

	if (r == NULL)
		return err_set(e, ERR_NOMEM, "whiteout: out of memory");
	r->written = w;
	r->top = dir;
	if ((rc = push(r, dir, name, keep, e)) < 0)
		return rc;
	return run(r, e);
}

int
whiteout_remove(const struct written *w, int dir, const char *name, struct err *e)
{
	struct stat at, st;

	if (fstat(dir, &at) == -1)
		return err_sys_as(e, ERR_STORAGE, "whiteout");
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return errno == ENOENT ? 0 : err_sys_as(e, ERR_STORAGE, "whiteout");
	if (w->n == 0)
		return fs_remove_tree(dir, name, e);
	if (S_ISDIR(st.st_mode))
		return remove_below(w, dir, name, written_has(w, at.st_ino, name), e);
	if (!written_has(w, at.st_ino, name) && unlinkat(dir, name, 0) == -1)
		return err_sys_as(e, ERR_STORAGE, "whiteout: remove %s", name);
	return 0;
}

int
whiteout_clear(const struct written *w, int dir, struct err *e)
{
	return remove_below(w, dir, ".", true, e);
}

int
whiteout_clear_devices(int dir, struct err *e)
{
	return remove_below(NULL, dir, ".", true, e);
}
