/*
 * policy_lint.c: finds the faults that leaving out bytes puts right, then asks the real parser about what is left.
 * The text is searched in a copy of the same length, in which commas too many are blank: places stay the same.
 */
#include "lib/base.h"

#include "image/policy_lint.h"

#include "image/requirement.h"
#include "lib/sys.h"

#define FINDINGS_MAX	200	/* who has more corrects these first */

struct place {
	enum lint_level	 level;
	size_t		 at;		/* byte of the text */
	const char	*what;
};

struct lint {
	struct span	 text;		/* as it came */
	uint8_t		*copy;		/* as JSON can read it */
	uint8_t		*drop;		/* for each byte: 1 leaves it out */
	struct place	 found[FINDINGS_MAX];
	size_t		 n;
	void		(*tell)(void *, const struct lint_finding *);
	void		*arg;
	size_t		 errors;
	struct err	 fault;		/* of ours: no memory for a warning */
};

static void
lint_fini(struct lint *l)
{
	sys_free(l->copy);
	sys_free(l->drop);
}

/* The line around a place. */
static struct span
line_at(const struct lint *l, size_t at, size_t *number)
{
	size_t from = 0, to = at;

	*number = 1;
	for (size_t i = 0; i < at; i++) {
		if (l->text.p[i] != '\n')
			continue;
		from = i + 1;
		++*number;
	}
	while (to < l->text.len && l->text.p[to] != '\n')
		to++;
	return (struct span){ l->text.p + from, to - from };
}

static void
add(struct lint *l, enum lint_level level, size_t at, const char *what)
{
	if (l->n < FINDINGS_MAX)
		l->found[l->n++] = (struct place){ level, at, what };
}

static int
by_place(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return (x->at > y->at) - (x->at < y->at);
}

static void
report(struct lint *l, enum lint_level level, size_t line, const char *what, struct span corrected)
{
	const struct lint_finding f = { level, line, what, corrected };

	l->errors += level == LINT_ERROR;
	l->tell(l->arg, &f);
}

/* All of it in the order of the text, each line as it reads when everything on it is put right. */
static int
report_all(struct lint *l, struct err *e)
{
	qsort(l->found, l->n, sizeof(l->found[0]), by_place);
	for (size_t i = 0; i < l->n; i++) {
		const struct place *p = &l->found[i];
		autobuf corrected = BUF(LIMIT_POLICY);
		size_t number, from;
		struct span line = line_at(l, p->at, &number);

		from = (size_t)(line.p - l->text.p);
		for (size_t k = 0; k < line.len && p->level == LINT_ERROR; k++)
			if (!l->drop[from + k] && buf_add_u8(&corrected, line.p[k], e) < 0)
				return -(int)e->code;
		report(l, p->level, number, p->what, buf_span(&corrected));
	}
	return 0;
}

static bool
is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* A comma with nothing behind it but the end of its list. */
static bool
is_trailing_comma(const struct lint *l, size_t at)
{
	size_t i = at + 1;

	if (l->text.p[at] != ',')
		return false;
	while (i < l->text.len && is_space(l->text.p[i]))
		i++;
	return i < l->text.len && (l->text.p[i] == '}' || l->text.p[i] == ']');
}

static void
find_commas(struct lint *l)
{
	bool in_string = false;

	for (size_t i = 0; i < l->text.len; i++) {
		uint8_t c = l->text.p[i];

		if (in_string && c == '\\')
			i++;
		else if (c == '"')
			in_string = !in_string;
		else if (!in_string && is_trailing_comma(l, i)) {
			l->drop[i] = 1;
			l->copy[i] = ' ';
			add(l, LINT_ERROR, i, "a comma too many: nothing follows it");
		}
	}
}

/* Where a string's text stands, without its quotes. */
static void
inside(const struct lint *l, struct json_val v, size_t *from, size_t *to)
{
	struct span raw = json_raw(v);

	*from = (size_t)(raw.p - l->copy) + 1;
	*to = *from + raw.len - 2;
}

/* " reject" → "reject" */
static void
check_type(struct lint *l, struct json_val type)
{
	size_t from, to, first, last;

	if (!json_is(type, JSON_STRING))
		return;
	inside(l, type, &from, &to);
	for (first = from; first < to && l->text.p[first] == ' ';)
		l->drop[first++] = 1;
	for (last = to; last > first && l->text.p[last - 1] == ' ';)
		l->drop[--last] = 1;
	if (first != from || last != to)
		add(l, LINT_ERROR, from, "a type with a space in it is unknown");
}

static void
warn_keys(struct lint *l, const struct requirement *r, size_t at)
{
	for (size_t i = 0; i < requirement_nkeys(r) && !r->inline_keys && json_ok(r->keys); i++) {
		autobuf name = BUF(LIMIT_POLICY);

		if (requirement_key(r, i, &name, &l->fault) == 0 && name.data[0] != '/' &&
		    memmem(name.data, name.len, ":///", 4) == NULL)
			add(l, LINT_WARNING, at, "a key is named by a path that does not begin with /: "
			    "it will not be found");
	}
}

/* What is no fault, but seldom what was meant. */
static void
warn_requirement(struct lint *l, struct json_val v)
{
	struct requirement r;
	size_t at;

	if (requirement_read(v, "", &r, &l->fault) < 0)
		return;
	at = (size_t)(json_raw(v).p - l->copy);
	if (r.kind == REQUIRE_UNKNOWABLE)
		add(l, LINT_WARNING, at, "this requirement is known but not supported: it refuses every image");
	if (r.kind == REQUIRE_COSIGN && !json_ok(json_get(v, "signedIdentity")))
		add(l, LINT_WARNING, at, "without signedIdentity what cosign signs is refused, as it holds no "
		    "tag: write \"signedIdentity\": {\"type\": \"matchRepository\"}");
	warn_keys(l, &r, at);
}

static void
check_list(struct lint *l, struct json_val list)
{
	struct json_iter it = json_iter(list);

	if (!json_is(list, JSON_ARRAY))
		return;
	while (json_next(&it)) {
		check_type(l, json_get(it.val, "type"));
		check_type(l, json_get(json_get(it.val, "signedIdentity"), "type"));
		warn_requirement(l, it.val);
	}
}

/* "a.test/" → "a.test"; other complaints about the scope are left to the parser. */
static void
check_scope(struct lint *l, struct json_val scope)
{
	size_t from, to, last;

	inside(l, scope, &from, &to);
	for (last = to; last > from + 1 && l->text.p[last - 1] == '/';) {
		l->drop[--last] = 1;
		if (l->text.p[last - 1] == '\\')
			l->drop[--last] = 1;
	}
	if (last < to)
		add(l, LINT_ERROR, from, "a scope that ends in / matches nothing, and its images fall to a broader one");
}

/* Scopes of transports that we do not have may be anything. */
static bool
is_ours(struct json_val transport)
{
	for (enum transport t = TRANSPORT_DOCKER; t <= TRANSPORT_DOCKER_ARCHIVE; t++)
		if (json_str_eq(transport, image_ref_transport(t)))
			return true;
	return false;
}

static void
check_transports(struct lint *l, struct json_val transports)
{
	struct json_iter it = json_iter(transports);

	while (json_next(&it)) {
		struct json_iter scopes = json_iter(it.val);

		if (!json_is(it.val, JSON_OBJECT))
			continue;
		while (json_next(&scopes)) {
			if (is_ours(it.key))
				check_scope(l, scopes.key);
			check_list(l, scopes.val);
		}
	}
}

/* The parser's word about what is left when all that was found is put right. */
static int
ask_parser(struct lint *l, struct err *e)
{
	cleanup(policy_freep) struct policy *p = NULL;
	autobuf fixed = BUF(LIMIT_POLICY);
	struct err why = { 0 };

	for (size_t i = 0; i < l->text.len; i++)
		if (!l->drop[i] && buf_add_u8(&fixed, l->text.p[i], e) < 0)
			return -(int)e->code;
	if (policy_parse(buf_span(&fixed), &p, &why) == 0)
		return 0;
	if (why.code == ERR_NOMEM) {
		*e = why;
		return -ERR_NOMEM;
	}
	report(l, LINT_ERROR, 0, why.msg, (struct span){ 0 });
	return 0;
}

static int
lint_document(struct lint *l, struct err *e)
{
	autojson doc = NULL;
	struct err why = { 0 };
	struct json_val root;
	int rc;

	find_commas(l);
	rc = json_parse((struct span){ l->copy, l->text.len }, &doc, &why);
	if (rc == -ERR_NOMEM) {
		*e = why;
		return rc;
	}
	root = rc == 0 ? json_root(doc) : (struct json_val){ 0 };
	if (json_is(root, JSON_OBJECT)) {
		check_list(l, json_get(root, "default"));
		if (json_is(json_get(root, "transports"), JSON_OBJECT))
			check_transports(l, json_get(root, "transports"));
	}
	if (l->fault.code == ERR_NOMEM) {
		*e = l->fault;
		return -ERR_NOMEM;
	}
	rc = report_all(l, e);
	return rc < 0 ? rc : ask_parser(l, e);
}

int
policy_lint(struct span text, void (*tell)(void *, const struct lint_finding *), void *arg, size_t *errors,
    struct err *e)
{
	cleanup(lint_fini) struct lint l = { .text = text, .tell = tell, .arg = arg };
	int rc;

	l.copy = sys_alloc(text.len + 1);
	l.drop = sys_alloc(text.len + 1);
	if (l.copy == NULL || l.drop == NULL)
		return err_set(e, ERR_NOMEM, "policy of %zu bytes", text.len);
	if (text.len > 0)
		memcpy(l.copy, text.p, text.len);
	rc = lint_document(&l, e);
	if (rc == 0)
		*errors = l.errors;
	return rc;
}
