/*
 * user.c: the user an image wants to run as, by its own passwd and group files.
 * Lines that are not of the form are passed over, as every C library does.
 */
#include "lib/base.h"

#include "image/bundle.h"

#define ID_MAX	0xfffffffeu	/* the kernel keeps the last one for "none" */

struct account {
	struct span	name, home;
	uint32_t	uid, gid;
};

struct group {
	struct span	name, members;
	uint32_t	gid;
};

static bool
parse_id(struct span s, uint32_t *out)
{
	uint64_t id;

	if (!span_decimal(s, ID_MAX, &id))
		return false;
	*out = (uint32_t)id;
	return true;
}

/* The next colon-separated field; empty behind the last. */
static struct span
next_field(struct span *line)
{
	struct span field = { line->p, 0 };

	(void)span_split(line, ':', &field);
	return field;
}

/* name:password:uid:gid:comment:home:shell */
static bool
parse_account(struct span line, struct account *out)
{
	struct account a = { .name = next_field(&line) };
	struct span uid, gid;

	(void)next_field(&line);
	uid = next_field(&line);
	gid = next_field(&line);
	(void)next_field(&line);
	a.home = next_field(&line);
	if (a.name.len == 0 || !parse_id(uid, &a.uid) || !parse_id(gid, &a.gid))
		return false;
	*out = a;
	return true;
}

/* name:password:gid:member,member */
static bool
parse_group(struct span line, struct group *out)
{
	struct group g = { .name = next_field(&line) };
	struct span gid;

	(void)next_field(&line);
	gid = next_field(&line);
	g.members = next_field(&line);
	if (g.name.len == 0 || !parse_id(gid, &g.gid))
		return false;
	*out = g;
	return true;
}

/* The first account of this name, or of this uid if uid is not NULL. */
static bool
find_account(struct span passwd, struct span name, const uint32_t *uid, struct account *out)
{
	struct span line;

	while (span_split(&passwd, '\n', &line))
		if (parse_account(line, out) &&
		    (uid != NULL ? out->uid == *uid : span_eq(out->name, name)))
			return true;
	return false;
}

static bool
find_group(struct span group, struct span name, uint32_t *gid)
{
	struct span line;
	struct group g;

	while (span_split(&group, '\n', &line)) {
		if (!parse_group(line, &g) || !span_eq(g.name, name))
			continue;
		*gid = g.gid;
		return true;
	}
	return false;
}

static bool
is_member(struct span members, struct span name)
{
	struct span member;

	while (span_split(&members, ',', &member))
		if (span_eq(member, name))
			return true;
	return false;
}

static bool
has_group(const struct bundle_user *u, uint32_t gid)
{
	for (size_t i = 0; i < u->ngroups; i++)
		if (u->groups[i] == gid)
			return true;
	return gid == u->gid;
}

static int
add_groups(struct span group, struct span name, struct bundle_user *u, struct err *e)
{
	struct span line;
	struct group g;

	while (span_split(&group, '\n', &line)) {
		if (!parse_group(line, &g) || !is_member(g.members, name) || has_group(u, g.gid))
			continue;
		if (u->ngroups == ARRAY_LEN(u->groups))
			return err_set(e, ERR_IMAGE, "user \"%.*s\" is in more than %zu groups",
			    (int)MIN(name.len, 100), (const char *)name.p, ARRAY_LEN(u->groups));
		u->groups[u->ngroups++] = g.gid;
	}
	return 0;
}

static int
unknown(const char *kind, struct span name, const char *file, struct err *e)
{
	return err_set(e, ERR_IMAGE, "the %s \"%.*s\" is not in the image's %s", kind,
	    (int)MIN(name.len, 100), (const char *)name.p, file);
}

static void
set_home(struct bundle_user *u, struct span home)
{
	if (home.len == 0 || home.p[0] != '/' || !span_to_cstr(home, u->home, sizeof(u->home)))
		u->home[0] = '\0';
}

/* The part before the colon. *found: there is an account, which has groups. */
static int
resolve_user(struct span who, struct span passwd, struct bundle_user *u, struct account *account,
    bool *found, struct err *e)
{
	bool numeric = parse_id(who, &u->uid);

	*found = find_account(passwd, who, numeric ? &u->uid : NULL, account);
	if (!*found && !numeric)
		return unknown("user", who, "/etc/passwd", e);
	if (*found) {
		u->uid = account->uid;
		u->gid = account->gid;
		set_home(u, account->home);
	}
	return 0;
}

int
bundle_user_parse(struct span user, struct span passwd, struct span group,
    struct bundle_user *out, struct err *e)
{
	bool asks_group = user.len > 0 && memchr(user.p, ':', user.len) != NULL, found;
	struct bundle_user u = { 0 };
	struct account account;
	struct span rest = user, who = { 0 };
	int rc;

	if (user.len == 0) {
		if (find_account(passwd, user, &u.uid, &account))
			set_home(&u, account.home);
		*out = u;
		return 0;
	}
	(void)span_split(&rest, ':', &who);
	if (who.len == 0 || (asks_group && rest.len == 0))
		return err_set(e, ERR_IMAGE, "the user \"%.*s\" is not of the form user[:group]",
		    (int)MIN(user.len, 100), (const char *)user.p);
	rc = resolve_user(who, passwd, &u, &account, &found, e);
	if (rc < 0)
		return rc;
	if (asks_group && !parse_id(rest, &u.gid) && !find_group(group, rest, &u.gid))
		return unknown("group", rest, "/etc/group", e);
	if (!asks_group && found)
		rc = add_groups(group, account.name, &u, e);
	if (rc < 0)
		return rc;
	*out = u;
	return 0;
}
