/*
 * tar.c: walks an archive entry by entry: puts together what one to three
 * headers say of an entry and hands out its data. Never holds more than one
 * buffer of the stream, and never returns an entry that it had to guess at.
 */
#include "lib/base.h"

#include "image/tar.h"

#include "image/tar_header.h"
#include "lib/sys.h"

enum { BUFFER = 256 << 10 };

struct tar_reader {
	struct stream	*from;
	uint64_t	 total;		/* bytes of the stream so far */
	uint64_t	 left;		/* of the entry's stored data */
	size_t		 pad;		/* to the next block behind it */
	size_t		 pos, len;	/* what of buffer is not yet used */
	uint64_t	 entries;
	bool		 ended;
	bool		 any_pax;	/* an extended or global header was seen */

	/* What the headers in front of the entry said. */
	bool		 has_pax, has_long_path, has_long_link;
	struct pax	 pax;
	struct buf	 pax_text;

	struct tar_header header;
	struct tar_entry  entry;
	struct sparse	  sparse;
	char		  path[LIMIT_PATH + 1], link[LIMIT_PATH + 1];
	uint8_t		  buffer[BUFFER];
};

int
tar_open(struct stream *from, struct tar_reader **out, struct err *e)
{
	struct tar_reader *r = sys_alloc(sizeof(*r));

	if (r == NULL)
		return err_set(e, ERR_NOMEM, "tar: out of memory");
	r->from = from;
	r->pax_text.max = LIMIT_PAX;
	*out = r;
	return 0;
}

void
tar_close(struct tar_reader *r)
{
	if (r == NULL)
		return;
	pax_fini(&r->pax);
	sparse_fini(&r->sparse);
	buf_free(&r->pax_text);
	sys_free(r);
}

uint64_t
tar_entries(const struct tar_reader *r)
{
	return r->entries;
}

/*
 * The stream.
 */

/* Adds to the buffer: how many bytes, 0 at the end. */
static ssize_t
fill(struct tar_reader *r, struct err *e)
{
	ssize_t got;

	if (r->pos > 0) {
		memmove(r->buffer, r->buffer + r->pos, r->len - r->pos);
		r->len -= r->pos;
		r->pos = 0;
	}
	got = stream_read(r->from, r->buffer + r->len, BUFFER - r->len, e);
	if (got <= 0)
		return got;
	r->len += (size_t)got;
	r->total += (uint64_t)got;
	if (r->total > LIMIT_LAYER_BYTES)
		return err_set(e, ERR_LIMIT, "archive of more than %llu bytes", LIMIT_LAYER_BYTES);
	return got;
}

/* One block, borrowed until the next read: 1, or 0 where the stream ends in front of it. */
static int
next_block(struct tar_reader *r, struct span *out, struct err *e)
{
	while (r->len - r->pos < TAR_BLOCK) {
		ssize_t got = fill(r, e);

		if (got < 0)
			return (int)got;
		if (got == 0 && r->len > r->pos)
			return err_set(e, ERR_LAYER, "archive is cut inside a header");
		if (got == 0)
			return 0;
	}
	*out = (struct span){ r->buffer + r->pos, TAR_BLOCK };
	r->pos += TAR_BLOCK;
	return 1;
}

ssize_t
tar_data(struct tar_reader *r, const uint8_t **out, struct err *e)
{
	size_t n;

	if (r->left == 0)
		return 0;
	if (r->pos == r->len) {
		ssize_t got = fill(r, e);

		if (got < 0)
			return got;
		if (got == 0)
			return err_set(e, ERR_LAYER, "archive is cut inside a file");
	}
	n = (size_t)MIN(r->left, r->len - r->pos);
	*out = r->buffer + r->pos;
	r->pos += n;
	r->left -= n;
	return (ssize_t)n;
}

/* The rest of the data and what fills up its last block. */
static int
skip_data(struct tar_reader *r, struct err *e)
{
	const uint8_t *ignored;
	ssize_t got;

	r->left += r->pad;
	r->pad = 0;
	do
		got = tar_data(r, &ignored, e);
	while (got > 0);
	return (int)got;
}

static void
start_data(struct tar_reader *r, uint64_t stored)
{
	r->left = stored;
	r->pad = (size_t)(-stored % TAR_BLOCK);
}

/* The whole body of an extension header, which was started. */
static int
read_body(struct tar_reader *r, void *to, struct err *e)
{
	uint8_t *at = to;
	const uint8_t *from = NULL;
	ssize_t got;

	while ((got = tar_data(r, &from, e)) > 0) {
		memcpy(at, from, (size_t)got);
		at += got;
	}
	return got < 0 ? (int)got : skip_data(r, e);
}

/*
 * Headers in front of an entry.
 */

/* GNU "L" and "K": a name that did not fit, with or without a NUL behind it. */
static int
read_long_name(struct tar_reader *r, char out[LIMIT_PATH + 1], bool *has, struct err *e)
{
	uint64_t size = r->left;
	char name[LIMIT_PATH + 1];
	size_t len;
	int rc;

	if (*has)
		return err_set(e, ERR_LAYER, "two GNU long names of a kind for one entry");
	if (size > sizeof(name))
		return err_set(e, ERR_LIMIT, "name of more than %d bytes", LIMIT_PATH);
	if ((rc = read_body(r, name, e)) < 0)
		return rc;
	len = tar_text((struct span){ (const uint8_t *)name, (size_t)size }).len;
	if (len == 0 || len > LIMIT_PATH || size - len > 1)
		return err_set(e, ERR_LAYER, "GNU long name is empty or holds a NUL");
	memcpy(out, name, len);
	out[len] = '\0';
	*has = true;
	return 0;
}

static int
read_pax_text(struct tar_reader *r, struct err *e)
{
	size_t size = (size_t)r->left;
	int rc;

	r->any_pax = true;
	if (r->left > LIMIT_PAX)
		return err_set(e, ERR_LIMIT, "pax header of %" PRIu64 " bytes", r->left);
	buf_reset(&r->pax_text);
	if ((rc = buf_reserve(&r->pax_text, size, e)) < 0)
		return rc;
	if (size > 0 && (rc = read_body(r, r->pax_text.data, e)) < 0)
		return rc;
	r->pax_text.len = size;
	return 0;
}

static int
read_pax(struct tar_reader *r, struct err *e)
{
	int rc;

	if (r->has_pax)
		return err_set(e, ERR_LAYER, "two pax headers for one entry");
	r->has_pax = true;
	if ((rc = read_pax_text(r, e)) < 0)
		return rc;
	return pax_parse(buf_span(&r->pax_text), &r->pax, e);
}

/* Shares the text buffer with the extended header, so it may not stand behind one. */
static int
read_global(struct tar_reader *r, struct err *e)
{
	int rc;

	if (r->has_pax || r->has_long_path || r->has_long_link)
		return err_set(e, ERR_LAYER, "global pax header inside an entry");
	if ((rc = read_pax_text(r, e)) < 0)
		return rc;
	return pax_check_global(buf_span(&r->pax_text), e);
}

/* 1 if the header was one of those in front of an entry, and is dealt with. */
static int
read_extension(struct tar_reader *r, struct err *e)
{
	int rc;

	if (strchr("xgLK", r->header.type) == NULL || r->header.type == '\0')
		return 0;
	start_data(r, r->header.size);
	switch (r->header.type) {
	case 'x':
		rc = read_pax(r, e);
		break;
	case 'g':
		rc = read_global(r, e);
		break;
	case 'L':
		rc = read_long_name(r, r->path, &r->has_long_path, e);
		break;
	default:
		rc = read_long_name(r, r->link, &r->has_long_link, e);
		break;
	}
	if (rc < 0)
		return rc;
	if (r->has_pax && (r->has_long_path || r->has_long_link))
		return err_set(e, ERR_LAYER, "both a pax header and a GNU long name");
	return 1;
}

/*
 * The entry.
 */

static int
set_type(struct tar_reader *r, struct err *e)
{
	size_t len = strlen(r->path);
	bool slash = r->path[len - 1] == '/';

	switch (r->header.type) {
	case '\0':
		r->entry.type = slash ? TAR_DIR : TAR_FILE;
		return 0;
	case '0':
	case '7':
	case 'S':
		r->entry.type = TAR_FILE;
		/* A directory for GNU tar, a file for Go. */
		if (slash)
			return err_set(e, ERR_LAYER, "file with a slash behind its name");
		return 0;
	case '1':
		r->entry.type = TAR_HARDLINK;
		return 0;
	case '2':
		r->entry.type = TAR_SYMLINK;
		return 0;
	case '3':
		r->entry.type = TAR_CHAR;
		return 0;
	case '4':
		r->entry.type = TAR_BLOCK_DEV;
		return 0;
	case '5':
		r->entry.type = TAR_DIR;
		return 0;
	case '6':
		r->entry.type = TAR_FIFO;
		return 0;
	default:
		return err_set(e, ERR_LAYER, "entry of unknown type 0x%02x",
		    (unsigned)(uint8_t)r->header.type);
	}
}

/* From the extended header, the long name (already in place), or the header: in this order. */
static int
set_name(char out[LIMIT_PATH + 1], struct span pax, bool in_place, const char *header,
    struct err *e)
{
	struct span name = pax.p != NULL ? pax : span_str(header);

	if (pax.p == NULL && in_place)
		return 0;
	if (name.len > LIMIT_PATH)
		return err_set(e, ERR_LIMIT, "name of more than %d bytes", LIMIT_PATH);
	if (!span_to_cstr(name, out, LIMIT_PATH + 1))
		return err_set(e, ERR_LAYER, "name holds a NUL");
	return 0;
}

static int
set_names(struct tar_reader *r, struct err *e)
{
	const struct span *pax = r->pax.value;
	struct span path = pax[PAX_SPARSE_NAME].p != NULL ? pax[PAX_SPARSE_NAME] : pax[PAX_PATH];
	int rc;

	if ((rc = set_name(r->path, path, r->has_long_path, r->header.name, e)) < 0 ||
	    (rc = set_name(r->link, pax[PAX_LINKPATH], r->has_long_link, r->header.link, e)) < 0)
		return rc;
	if (r->path[0] == '\0')
		return err_set(e, ERR_LAYER, "entry without a name");
	r->entry.path = r->path;
	return 0;
}

/* A number that a pax record replaces if there is one. */
static int
choose_number(const struct tar_reader *r, enum pax_key key, int64_t header, uint64_t max,
    uint64_t *out, struct err *e)
{
	bool good = header >= 0 && (uint64_t)header <= max;

	*out = (uint64_t)header;
	if (pax_has(&r->pax, key))
		good = span_decimal(r->pax.value[key], max, out);
	return good ? 0 : err_set(e, ERR_LAYER, "size or owner out of range");
}

static int
choose_time(const struct tar_reader *r, enum pax_key key, struct timespec otherwise,
    struct timespec *out, struct err *e)
{
	*out = otherwise;
	if (pax_has(&r->pax, key) && !pax_time(r->pax.value[key], out))
		return err_set(e, ERR_LAYER, "pax header: bad time");
	return 0;
}

static int
set_attributes(struct tar_reader *r, struct err *e)
{
	const struct tar_header *h = &r->header;
	struct timespec header_time = { .tv_sec = h->mtime };
	struct tar_entry *entry = &r->entry;
	uint64_t uid, gid;
	int rc;

	if ((rc = choose_number(r, PAX_UID, h->uid, UINT32_MAX - 1, &uid, e)) < 0 ||
	    (rc = choose_number(r, PAX_GID, h->gid, UINT32_MAX - 1, &gid, e)) < 0 ||
	    (rc = choose_time(r, PAX_MTIME, header_time, &entry->mtime, e)) < 0 ||
	    (rc = choose_time(r, PAX_ATIME, entry->mtime, &entry->atime, e)) < 0)
		return rc;
	if (h->major < 0 || h->major > UINT32_MAX || h->minor < 0 || h->minor > UINT32_MAX)
		return err_set(e, ERR_LAYER, "device number out of range");
	entry->mode = h->mode;
	entry->uid = (uint32_t)uid;
	entry->gid = (uint32_t)gid;
	entry->major = (uint32_t)h->major;
	entry->minor = (uint32_t)h->minor;
	entry->xattrs = r->pax.xattrs;
	entry->nxattrs = r->pax.nxattrs;
	return 0;
}

/*
 * Only files have data. A hard link may claim a size that is not there: all readers skip that, but not
 * in pax archives, where some take the next entries for its data.
 */
static int
check_no_data(const struct tar_reader *r, uint64_t size, struct err *e)
{
	if (size == 0 || (r->entry.type == TAR_HARDLINK && !r->any_pax))
		return 0;
	return err_set(e, ERR_LAYER, "entry has a size but is no file");
}

static int
read_gnu_map(struct tar_reader *r, bool more, struct err *e)
{
	while (more) {
		struct span block;
		int rc = next_block(r, &block, e);

		if (rc == 0)
			return err_set(e, ERR_LAYER, "archive is cut inside a sparse map");
		if (rc < 0 || (rc = sparse_parse_extension(&r->sparse, block, &more, e)) < 0)
			return rc;
	}
	return 0;
}

/* In front of the data, and counted with it. */
static int
read_text_map(struct tar_reader *r, uint64_t *stored, struct err *e)
{
	for (;;) {
		struct span block;
		int rc = *stored < TAR_BLOCK ? 0 : next_block(r, &block, e);

		if (rc == 0)
			return err_set(e, ERR_LAYER, "archive is cut inside a sparse map");
		if (rc < 0)
			return rc;
		*stored -= TAR_BLOCK;
		if ((rc = sparse_feed(&r->sparse, block, e)) != 0)
			return MIN(rc, 0);
	}
}

enum sparse_form { SPARSE_NONE, SPARSE_RECORDS, SPARSE_LIST, SPARSE_TEXT, SPARSE_UNKNOWN };

static enum sparse_form
sparse_form(const struct pax *p)
{
	const struct span *value = p->value;
	bool list = pax_has(p, PAX_SPARSE_MAP), old = pax_has(p, PAX_SPARSE_NUMBLOCKS);
	bool any = list || old || p->sparse.n > 0;

	for (unsigned key = PAX_SPARSE_MAJOR; key <= PAX_SPARSE_MAP; key++)
		any = any || pax_has(p, (enum pax_key)key);
	if (!any)
		return SPARSE_NONE;
	if (pax_has(p, PAX_SPARSE_SIZE) == pax_has(p, PAX_SPARSE_REALSIZE))
		return SPARSE_UNKNOWN;
	if (old && list && p->sparse.n == 0 && !pax_has(p, PAX_SPARSE_MAJOR))
		return SPARSE_LIST;
	if (old && !list && !pax_has(p, PAX_SPARSE_MAJOR))
		return SPARSE_RECORDS;
	if (!old && !list && p->sparse.n == 0 && span_eq_str(value[PAX_SPARSE_MAJOR], "1") &&
	    span_eq_str(value[PAX_SPARSE_MINOR], "0"))
		return SPARSE_TEXT;
	return SPARSE_UNKNOWN;
}

/* Forms 0.0, 0.1 and 1.0; reads the logical size and, of the last, the map. */
static int
read_pax_map(struct tar_reader *r, enum sparse_form form, uint64_t *stored, uint64_t *size,
    struct err *e)
{
	const struct span *value = r->pax.value;
	enum pax_key size_key = pax_has(&r->pax, PAX_SPARSE_SIZE) ?
	    PAX_SPARSE_SIZE : PAX_SPARSE_REALSIZE;
	uint64_t blocks;
	int rc;

	if (form == SPARSE_UNKNOWN || !span_decimal(value[size_key], INT64_MAX, size))
		return err_set(e, ERR_LAYER, "sparse file of an unknown form");
	if (form == SPARSE_TEXT)
		return read_text_map(r, stored, e);
	rc = form == SPARSE_LIST ?
	    sparse_parse_list(&r->pax.sparse, value[PAX_SPARSE_MAP], e) : 0;
	if (rc < 0)
		return rc;
	if (!span_decimal(value[PAX_SPARSE_NUMBLOCKS], SIZE_MAX, &blocks) ||
	    blocks != r->pax.sparse.n)
		return err_set(e, ERR_LAYER, "sparse file: wrong number of segments");
	return 0;
}

static int
read_sparse(struct tar_reader *r, uint64_t *stored, uint64_t *size, struct err *e)
{
	enum sparse_form form = sparse_form(&r->pax);
	struct sparse *map = &r->sparse;
	bool gnu = r->header.type == 'S';
	int rc;

	if (form == SPARSE_NONE && !gnu)
		return 0;
	if (r->entry.type != TAR_FILE || (form != SPARSE_NONE && gnu))
		return err_set(e, ERR_LAYER, "sparse map where none can be");
	if (gnu)
		*size = (uint64_t)r->header.real_size;
	else if ((rc = read_pax_map(r, form, stored, size, e)) < 0)
		return rc;
	if (form == SPARSE_RECORDS || form == SPARSE_LIST)
		map = &r->pax.sparse;
	if ((rc = sparse_check(map, *size, *stored, e)) < 0)
		return rc;
	r->entry.sparse = true;
	r->entry.segments = map->segments;
	r->entry.nsegments = map->n;
	return 0;
}

static int
set_data(struct tar_reader *r, struct err *e)
{
	uint64_t stored, size;
	int rc;

	rc = choose_number(r, PAX_SIZE, (int64_t)r->header.size, LIMIT_LAYER_BYTES, &stored, e);
	if (rc < 0)
		return rc;
	size = stored;
	if ((rc = read_sparse(r, &stored, &size, e)) < 0)
		return rc;
	if (r->entry.type != TAR_FILE) {
		if ((rc = check_no_data(r, size, e)) < 0)
			return rc;
		stored = size = 0;
	}
	r->entry.size = size;
	start_data(r, stored);
	return 0;
}

static int
finish_entry(struct tar_reader *r, struct err *e)
{
	int rc;

	r->entry = (struct tar_entry){ .link = "" };
	if ((rc = set_names(r, e)) < 0)
		return rc;
	if ((rc = set_type(r, e)) < 0 || (rc = set_attributes(r, e)) < 0 ||
	    (rc = set_data(r, e)) < 0)
		return err_wrap(e, "%.200s", r->path);
	if (r->entry.type == TAR_HARDLINK || r->entry.type == TAR_SYMLINK) {
		if (r->link[0] == '\0')
			return err_set(e, ERR_LAYER, "%.200s: link without a target", r->path);
		r->entry.link = r->link;
	}
	return 0;
}

/* Behind one block of zeros only another one may come, or nothing at all. */
static int
check_end(struct tar_reader *r, struct err *e)
{
	struct span block;
	int rc = next_block(r, &block, e);

	if (rc == 1 && !tar_block_is_zero(block))
		return err_set(e, ERR_LAYER, "a lone block of zeros between entries");
	return MIN(rc, 0);
}

/* 1: r->header is the next one, whatever its type; 0: the archive ends here. */
static int
next_header(struct tar_reader *r, struct err *e)
{
	struct span block;
	bool more = false;
	int rc = next_block(r, &block, e);

	if (rc <= 0)
		return rc;
	if (tar_block_is_zero(block))
		return check_end(r, e);
	if ((rc = tar_header_parse(block, &r->header, e)) < 0)
		return rc;
	if (r->header.type == 'S') {
		sparse_reset(&r->sparse);
		if ((rc = sparse_parse_header(&r->sparse, block, &more, e)) < 0 ||
		    (rc = read_gnu_map(r, more, e)) < 0)
			return rc;
	}
	return 1;
}

static void
forget_entry(struct tar_reader *r)
{
	pax_reset(&r->pax);
	sparse_reset(&r->sparse);
	r->has_pax = r->has_long_path = r->has_long_link = false;
}

static int
read_entry(struct tar_reader *r, struct err *e)
{
	int rc;

	forget_entry(r);
	for (;;) {
		if ((rc = next_header(r, e)) < 0)
			return rc;
		if (rc == 0 && (r->has_pax || r->has_long_path || r->has_long_link))
			return err_set(e, ERR_LAYER, "archive ends inside an entry's headers");
		if (rc == 0)
			return 0;
		if ((rc = read_extension(r, e)) < 0)
			return rc;
		if (rc == 0)
			break;
	}
	if (++r->entries > LIMIT_ENTRIES)
		return err_set(e, ERR_LIMIT, "archive of more than %llu entries", LIMIT_ENTRIES);
	rc = finish_entry(r, e);
	return rc < 0 ? rc : 1;
}

int
tar_next(struct tar_reader *r, const struct tar_entry **out, struct err *e)
{
	int rc;

	if (r->ended)
		return 0;
	if ((rc = skip_data(r, e)) < 0)
		return rc;
	rc = read_entry(r, e);
	r->ended = rc <= 0;
	if (rc == 1)
		*out = &r->entry;
	return rc;
}

int
tar_drain(struct tar_reader *r, struct err *e)
{
	ssize_t got;

	do {
		r->pos = r->len;
		got = fill(r, e);
	} while (got > 0);
	return (int)got;
}
