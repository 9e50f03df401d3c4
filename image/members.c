/*
 * members.c: a sorted table of names. A link to a directory is not followed: no writer of images makes one.
 */
#include "lib/base.h"

#include "image/members.h"
#include "lib/sys.h"

#define MAX_LINKS	8

/* Takes the last part off; false if there is none. */
static bool
go_up(char *name)
{
	char *slash = strrchr(name, '/');

	if (name[0] == '\0')
		return false;
	*(slash != NULL ? slash : name) = '\0';
	return true;
}

static bool
go_down(char name[MEMBER_NAME], struct span part)
{
	size_t len = strlen(name);

	if (len + 1 + part.len >= MEMBER_NAME || span_has_nul(part))
		return false;
	snprintf(name + len, MEMBER_NAME - len, "%s%.*s", len > 0 ? "/" : "", (int)part.len, (const char *)part.p);
	return true;
}

/* Goes from name, a directory in plain form, along path. */
static bool
walk(char name[MEMBER_NAME], const char *path, bool may_go_up)
{
	struct span rest = span_str(path), part;

	if (path[0] == '/')
		return false;
	while (span_split(&rest, '/', &part)) {
		if (part.len == 0 || span_eq_str(part, "."))
			continue;
		if (span_eq_str(part, "..") ? !may_go_up || !go_up(name) : !go_down(name, part))
			return false;
	}
	return true;
}

static bool
set_target(struct member *m, const char *target)
{
	if (m->kind == MEMBER_FILE)
		return true;
	if (m->kind == MEMBER_SYMLINK) {
		memcpy(m->target, m->name, sizeof(m->target));
		(void)go_up(m->target);
	}
	return walk(m->target, target, m->kind == MEMBER_SYMLINK);
}

static int
grow(struct members *s, struct err *e)
{
	size_t room = s->room > 0 ? s->room * 2 : 64;
	struct member *list;

	if (s->n < s->room)
		return 0;
	list = sys_realloc(s->list, room * sizeof(*list));
	if (list == NULL)
		return err_set(e, ERR_NOMEM, "archive: no memory for the names in it");
	s->list = list;
	s->room = room;
	return 0;
}

int
members_add(struct members *s, enum member_kind kind, const char *name, const char *target,
    struct member **out, struct err *e)
{
	struct member m = { .kind = kind };
	int rc;

	if (s->n == LIMIT_MEMBERS)
		return err_set(e, ERR_LIMIT, "archive: more than %d members", LIMIT_MEMBERS);
	if (!walk(m.name, name, false) || m.name[0] == '\0')
		return err_set(e, ERR_IMAGE, "archive: the name \"%.100s\" is too long or leads out of it", name);
	if (!set_target(&m, target))
		return err_set(e, ERR_IMAGE, "archive: the link \"%s\" leads out of it", m.name);
	rc = grow(s, e);
	if (rc < 0)
		return rc;
	s->list[s->n] = m;
	*out = &s->list[s->n++];
	return 0;
}

static int
by_name(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	return strcmp(x->name, y->name);
}

int
members_seal(struct members *s, struct err *e)
{
	if (s->n > 0)
		qsort(s->list, s->n, sizeof(*s->list), by_name);
	for (size_t i = 1; i < s->n; i++)
		if (by_name(&s->list[i - 1], &s->list[i]) == 0)
			return err_set(e, ERR_IMAGE, "archive: \"%s\" stands twice in it", s->list[i].name);
	return 0;
}

const struct member *
members_find(const struct members *s, const char *name)
{
	const struct member *m;
	struct member key = { .kind = MEMBER_FILE };

	if (s->n == 0 || !walk(key.name, name, false))
		return NULL;
	for (int i = 0; i <= MAX_LINKS; i++) {
		m = bsearch(&key, s->list, s->n, sizeof(*s->list), by_name);
		if (m == NULL || m->kind == MEMBER_FILE)
			return m;
		memcpy(key.name, m->target, sizeof(key.name));
	}
	return NULL;
}

void
members_fini(struct members *s)
{
	sys_free(s->list);
	*s = (struct members){ 0 };
}
