/* test_members.c: names in archives, links between them, limits. */
#include "lib/base.h"

#include "image/members.h"

#include "tests/lib/fault.h"
#include "tests/lib/tap.h"

static struct err e;

static int
add(struct members *s, enum member_kind kind, const char *name, const char *target)
{
	struct member *m;
	int rc = members_add(s, kind, name, target, &m, &e);

	if (rc == 0)
		m->size = s->n;
	return rc;
}

static void
test_names(void)
{
	static const char *const bad[] = {
		"", ".", "./", "/a", "a/../b", "..", "../a", "./../a",
	};
	cleanup(members_fini) struct members s = { 0 };
	char name[MEMBER_NAME + 1];

	works(add(&s, MEMBER_FILE, "./b//c/./d", ""), "a name with nothing in it");
	works(add(&s, MEMBER_FILE, "a", ""), "another");
	works(add(&s, MEMBER_FILE, "...", ""), "three dots are a name");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		fails(add(&s, MEMBER_FILE, bad[i], ""), ERR_IMAGE, "refused: \"%s\"", bad[i]);
	snprintf(name, sizeof(name), "%0*d", MEMBER_NAME, 0);
	fails(add(&s, MEMBER_FILE, name, ""), ERR_IMAGE, "a name too long");
	name[MEMBER_NAME - 1] = '\0';
	fails(add(&s, MEMBER_FILE, name, ""), ERR_IMAGE, "by its NUL");
	name[MEMBER_NAME - 2] = '\0';
	works(add(&s, MEMBER_FILE, name, ""), "the longest");
	works(members_seal(&s, &e), "no name stands twice");
	is_int(s.n, 4, "what was refused is not there");
	ok(members_find(&s, "b/c/d") != NULL && members_find(&s, "b/c/d")->size == 1, "found by its plain name");
	ok(members_find(&s, "./a") != NULL && members_find(&s, "./a")->size == 2, "found by another");
	ok(members_find(&s, "x") == NULL && members_find(&s, "b") == NULL && members_find(&s, "") == NULL &&
	    members_find(&s, "/a") == NULL && members_find(&s, "b/../a") == NULL, "not found");
	works(add(&s, MEMBER_FILE, "./a/", ""), "the same name in another form");
	fails(members_seal(&s, &e), ERR_IMAGE, "stands twice");
}

static void
test_links(void)
{
	cleanup(members_fini) struct members s = { 0 };
	char name[16], target[16];

	works(add(&s, MEMBER_FILE, "layer.tar", ""), "a file");
	works(add(&s, MEMBER_SYMLINK, "id/layer.tar", "../layer.tar"), "a symlink to it");
	works(add(&s, MEMBER_HARDLINK, "id/hard", "id/layer.tar"), "a hard link to that");
	works(add(&s, MEMBER_SYMLINK, "loop", "loop"), "a symlink to itself");
	works(add(&s, MEMBER_SYMLINK, "nowhere", "x"), "a symlink to nothing");
	works(add(&s, MEMBER_SYMLINK, "up", "a/../layer.tar"), "a detour");
	fails(add(&s, MEMBER_SYMLINK, "out", "../x"), ERR_IMAGE, "a symlink that leads out");
	fails(add(&s, MEMBER_SYMLINK, "id/out", "../../x"), ERR_IMAGE, "from below");
	fails(add(&s, MEMBER_SYMLINK, "abs", "/layer.tar"), ERR_IMAGE, "an absolute symlink");
	fails(add(&s, MEMBER_HARDLINK, "hard", "id/../layer.tar"), ERR_IMAGE, "a hard link with ..");
	works(add(&s, MEMBER_SYMLINK, "l0", "layer.tar"), "a chain");
	for (int i = 1; i < 9; i++) {
		snprintf(name, sizeof(name), "l%d", i);
		snprintf(target, sizeof(target), "l%d", i - 1);
		works(add(&s, MEMBER_SYMLINK, name, target), "its link %d", i);
	}
	works(members_seal(&s, &e), "sealed");
	ok(members_find(&s, "id/hard") != NULL && members_find(&s, "id/hard")->size == 1, "a link to a link to a file");
	ok(members_find(&s, "up") == members_find(&s, "layer.tar"), "the detour leads there");
	ok(members_find(&s, "loop") == NULL && members_find(&s, "nowhere") == NULL, "links to nothing");
	ok(members_find(&s, "l7") != NULL && members_find(&s, "l8") == NULL, "eight links, and no more");
}

static void
test_limit(void)
{
	cleanup(members_fini) struct members s = { 0 };
	struct member *m;
	char name[16];
	int rc = 0;

	ok(members_find(&s, "a") == NULL, "nothing in nothing");
	works(members_seal(&s, &e), "which may be sealed");
	for (int i = 0; i < LIMIT_MEMBERS && rc == 0; i++) {
		snprintf(name, sizeof(name), "%d", i * 7919 % 16411);
		rc = members_add(&s, MEMBER_FILE, name, "", &m, &e);
	}
	works(rc, "as many as may be");
	works(members_seal(&s, &e), "all different");
	ok(members_find(&s, "1") != NULL, "found among them");
	fails(members_add(&s, MEMBER_FILE, "x", "", &m, &e), ERR_LIMIT, "one more");
}

static int
fill(maybe_unused void *arg, struct err *err)
{
	cleanup(members_fini) struct members s = { 0 };
	struct member *m;
	char name[16];
	int rc = 0;

	for (int i = 0; i < 200 && rc == 0; i++) {
		snprintf(name, sizeof(name), "%d", i);
		rc = members_add(&s, MEMBER_FILE, name, "", &m, err);
	}
	return rc;
}

int
main(void)
{
	test_names();
	test_links();
	test_limit();
	ok(fault_each(FAULT_ALLOC, ENOMEM, false, fill, NULL) >= 2, "no memory");
	return tap_done();
}
