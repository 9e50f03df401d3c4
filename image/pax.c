/*
 * pax.c: reads pax extended headers. Never guesses: a record that is not exactly
 * right ends the layer, for what one reader skips another may obey.
 */
#include "lib/base.h"

#include "image/pax.h"

#include "lib/sys.h"

#define XATTR_PREFIX	"SCHILY.xattr."
#define SPARSE_PREFIX	"GNU.sparse."

enum {
	XATTR_NAME_BYTES = 255,	/* XATTR_NAME_MAX of the kernel */
	XATTRS_MAX = 512,	/* of one entry; keeps the search for doubles short */
};

static const char *const key_names[PAX_KEYS] = {
	[PAX_PATH]		= "path",
	[PAX_LINKPATH]		= "linkpath",
	[PAX_SIZE]		= "size",
	[PAX_UID]		= "uid",
	[PAX_GID]		= "gid",
	[PAX_MTIME]		= "mtime",
	[PAX_ATIME]		= "atime",
	[PAX_SPARSE_MAJOR]	= SPARSE_PREFIX "major",
	[PAX_SPARSE_MINOR]	= SPARSE_PREFIX "minor",
	[PAX_SPARSE_NAME]	= SPARSE_PREFIX "name",
	[PAX_SPARSE_SIZE]	= SPARSE_PREFIX "size",
	[PAX_SPARSE_REALSIZE]	= SPARSE_PREFIX "realsize",
	[PAX_SPARSE_NUMBLOCKS]	= SPARSE_PREFIX "numblocks",
	[PAX_SPARSE_MAP]	= SPARSE_PREFIX "map",
};

struct record {
	struct span	key, value;
};

void
pax_reset(struct pax *p)
{
	struct sparse sparse = p->sparse;

	sparse_reset(&sparse);
	*p = (struct pax){
		.xattrs = p->xattrs, .xattrs_cap = p->xattrs_cap, .sparse = sparse,
	};
}

void
pax_fini(struct pax *p)
{
	sparse_fini(&p->sparse);
	sys_free(p->xattrs);
	*p = (struct pax){ .xattrs = NULL };
}

bool
pax_has(const struct pax *p, enum pax_key key)
{
	return p->value[key].p != NULL;
}

/* The record in front; consumes it. The length counts its own digits, the space and the newline. */
static bool
take_record(struct span *in, struct record *out)
{
	struct span rest = *in, digits, record;
	uint64_t length;

	if (!span_split(&rest, ' ', &digits) || !span_decimal(digits, LIMIT_PAX, &length))
		return false;
	if (!span_take(in, (size_t)length, &record) || record.len < digits.len + 2)
		return false;
	if (record.p[record.len - 1] != '\n')
		return false;
	rest = (struct span){ record.p + digits.len + 1, record.len - digits.len - 2 };
	if (!span_split(&rest, '=', &out->key) || out->key.len == 0)
		return false;
	/* Without "=" the split took everything. */
	if (out->key.p + out->key.len == record.p + record.len - 1)
		return false;
	out->value = rest;
	return !span_has_nul(out->key);
}

static enum pax_key
find_key(struct span key)
{
	unsigned i = 0;

	while (i < PAX_KEYS && !span_eq_str(key, key_names[i]))
		i++;
	return (enum pax_key)i;
}

static int
add_xattr(struct pax *p, struct span name, struct span value, struct err *e)
{
	size_t cap = p->xattrs_cap == 0 ? 16 : p->xattrs_cap * 2;
	struct tar_xattr *bigger;

	if (name.len == 0 || name.len > XATTR_NAME_BYTES)
		return err_set(e, ERR_LAYER, "xattr with a name of %zu bytes", name.len);
	for (size_t i = 0; i < p->nxattrs; i++)
		if (span_eq(p->xattrs[i].name, name))
			return err_set(e, ERR_LAYER, "xattr given twice");
	if (value.len > LIMIT_XATTR_VALUE || p->nxattrs >= XATTRS_MAX ||
	    p->xattrs_size + name.len + value.len > LIMIT_XATTRS)
		return err_set(e, ERR_LIMIT, "more xattrs than %d or %zu bytes",
		    XATTRS_MAX, LIMIT_XATTRS);
	if (p->nxattrs == p->xattrs_cap) {
		bigger = sys_realloc(p->xattrs, cap * sizeof(*bigger));
		if (bigger == NULL)
			return err_set(e, ERR_NOMEM, "xattrs: out of memory");
		p->xattrs = bigger;
		p->xattrs_cap = cap;
	}
	p->xattrs[p->nxattrs++] = (struct tar_xattr){ name, value };
	p->xattrs_size += name.len + value.len;
	return 0;
}

/* Form 0.0 says offset and length of each segment in records that repeat. */
static int
add_segment_part(struct pax *p, bool is_length, struct span value, struct err *e)
{
	uint64_t number;

	if (is_length != p->half_segment || !span_decimal(value, INT64_MAX, &number))
		return err_set(e, ERR_LAYER, "pax header: sparse records out of order");
	p->half_segment = !is_length;
	if (is_length)
		return sparse_add(&p->sparse, p->offset, number, e);
	p->offset = number;
	return 0;
}

static int
take_key(struct pax *p, const struct record *r, struct err *e)
{
	enum pax_key key = find_key(r->key);

	if (key == PAX_KEYS)
		return 0;
	if (pax_has(p, key))
		return err_set(e, ERR_LAYER, "pax header: %s is given twice", key_names[key]);
	if (r->value.len == 0 || span_has_nul(r->value))
		return err_set(e, ERR_LAYER, "pax header: %s is empty or holds a NUL",
		    key_names[key]);
	p->value[key] = r->value;
	return 0;
}

static int
take_keyword(struct pax *p, const struct record *r, struct err *e)
{
	const struct span key = r->key;

	if (span_starts(key, XATTR_PREFIX)) {
		struct span name = key, prefix;

		if (!span_take(&name, sizeof(XATTR_PREFIX) - 1, &prefix))
			return err_set(e, ERR_BUG, "pax header: prefix is gone");
		return add_xattr(p, name, r->value, e);
	}
	if (span_eq_str(key, SPARSE_PREFIX "offset"))
		return add_segment_part(p, false, r->value, e);
	if (span_eq_str(key, SPARSE_PREFIX "numbytes"))
		return add_segment_part(p, true, r->value, e);
	if (span_starts(key, SPARSE_PREFIX) && find_key(key) == PAX_KEYS)
		return err_set(e, ERR_LAYER, "pax header: unknown GNU.sparse record");
	return take_key(p, r, e);
}

int
pax_parse(struct span text, struct pax *out, struct err *e)
{
	struct record r;
	int rc;

	while (text.len > 0) {
		if (!take_record(&text, &r))
			return err_set(e, ERR_LAYER, "pax header: malformed record");
		if ((rc = take_keyword(out, &r, e)) < 0)
			return rc;
	}
	if (out->half_segment)
		return err_set(e, ERR_LAYER, "pax header: sparse offset without length");
	return 0;
}

int
pax_check_global(struct span text, struct err *e)
{
	struct record r;

	while (text.len > 0) {
		enum pax_key key;

		if (!take_record(&text, &r))
			return err_set(e, ERR_LAYER, "global pax header: malformed record");
		key = find_key(r.key);
		if (span_starts(r.key, XATTR_PREFIX) || span_starts(r.key, SPARSE_PREFIX) ||
		    (key != PAX_KEYS && key != PAX_MTIME && key != PAX_ATIME))
			return err_set(e, ERR_LAYER,
			    "global pax header changes names, sizes, owners or xattrs");
	}
	return 0;
}

/* Digits only, with zeros in front allowed; the empty text is no number. */
static bool
digits(struct span text, uint64_t max, uint64_t *out)
{
	while (text.len > 1 && text.p[0] == '0') {
		text.p++;
		text.len--;
	}
	return span_decimal(text, max, out);
}

bool
pax_time(struct span text, struct timespec *out)
{
	bool minus = span_starts(text, "-");
	struct span whole, sign;
	uint64_t seconds, ns = 0;

	if (minus && !span_take(&text, 1, &sign))
		return false;
	if (!span_split(&text, '.', &whole) || !digits(whole, INT64_MAX / 2, &seconds))
		return false;
	for (size_t i = 0; i < MAX(text.len, (size_t)9); i++) {
		uint8_t c = i < text.len ? text.p[i] : '0';

		if (c < '0' || c > '9')
			return false;
		if (i < 9)
			ns = ns * 10 + (uint64_t)(c - '0');
	}
	out->tv_sec = minus ? -(time_t)seconds : (time_t)seconds;
	out->tv_nsec = (long)ns;
	if (minus && ns > 0) {
		out->tv_sec--;
		out->tv_nsec = 1000000000L - (long)ns;
	}
	return true;
}
