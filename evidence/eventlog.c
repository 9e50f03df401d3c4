/* eventlog.c: walks records by their lengths; what the events say is the verifier's matter. */
#include "lib/base.h"

#include "evidence/eventlog.h"

#include <fcntl.h>

#include "evidence/bytes.h"
#include "lib/crypto.h"
#include "lib/fs.h"

enum {
	EV_NO_ACTION	= 3,
	EV_EVENT_TAG	= 6,
	DIGESTS_MAX	= 8,		/* in one record */
	AAEL_TAG	= 0x4141454c,
};

/* TCG's numbers of algorithms. */
static const struct {
	uint16_t	id, size;
	int		alg;		/* enum hash_alg; -1: none that we make */
} algorithms[] = {
	{ 0x0004, 20, -1 }, { 0x000b, 32, HASH_SHA256 }, { 0x000c, 48, HASH_SHA384 }, { 0x000d, 64, HASH_SHA512 },
	{ 0x0012, 32, HASH_SM3 },
};

static int
malformed(struct err *e)
{
	return err_set(e, ERR_EVIDENCE, "event log: a record that is cut off or malformed");
}

static bool
take_le32(struct span *in, uint32_t *out)
{
	struct span bytes;

	if (!span_take(in, 4, &bytes))
		return false;
	*out = le32(bytes.p);
	return true;
}

static bool
take_digest(struct span *in)
{
	struct span id, digest;

	if (!span_take(in, 2, &id))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(algorithms); i++)
		if (algorithms[i].id == le16(id.p))
			return span_take(in, algorithms[i].size, &digest);
	return false;
}

/* The first record of a log has the form of TCG 1.2: one SHA-1 digest of zeros. */
static bool
take_header(struct span *in)
{
	struct span fixed, data;

	return span_take(in, 32, &fixed) && le32(fixed.p + 4) == EV_NO_ACTION && span_take(in, le32(fixed.p + 28), &data);
}

static bool
take_record(struct span *in)
{
	uint32_t index, type, digests, size;
	struct span event;

	if (!take_le32(in, &index) || !take_le32(in, &type) || !take_le32(in, &digests) || digests > DIGESTS_MAX)
		return false;
	while (digests-- > 0)
		if (!take_digest(in))
			return false;
	return take_le32(in, &size) && span_take(in, size, &event);
}

/* The unused rest of the area. */
static bool
at_end(struct span in)
{
	static const uint8_t zeros[8];
	static const uint8_t ones[8] = { 255, 255, 255, 255, 255, 255, 255, 255 };
	size_t n = MIN(in.len, sizeof(ones));

	return n == 0 || memcmp(in.p, ones, n) == 0 || memcmp(in.p, zeros, n) == 0;
}

int
eventlog_end(struct span ccel, size_t *end, struct err *e)
{
	struct span in = ccel;

	if (!at_end(in) && !take_header(&in))
		return malformed(e);
	while (!at_end(in))
		if (!take_record(&in))
			return malformed(e);
	*end = ccel.len - in.len;
	return 0;
}

int
eventlog_check(struct span aael, struct err *e)
{
	while (aael.len > 0)
		if (!take_record(&aael))
			return malformed(e);
	return 0;
}

/* What verifiers expect in front of records of ours where the firmware has no log. */
static const uint8_t own_header[69] = {
	[4] = EV_NO_ACTION, [28] = 0x25, [56] = 2, [60] = 0x0c, [62] = 48, [64] = 0x12, [66] = 32,
};

int
eventlog_join(struct span ccel, struct span aael, struct buf *out, struct err *e)
{
	static const uint8_t end_mark[8] = { 255, 255, 255, 255, 255, 255, 255, 255 };
	size_t end = 0;
	int rc = eventlog_end(ccel, &end, e);

	if (rc == 0)
		rc = eventlog_check(aael, e);
	if (rc < 0 || (end == 0 && aael.len == 0))
		return rc;
	rc = end > 0 ? buf_add(out, ccel.p, end, e) : buf_add(out, own_header, sizeof(own_header), e);
	if (rc == 0)
		rc = buf_add_span(out, aael, e);
	return rc < 0 ? rc : buf_add(out, end_mark, sizeof(end_mark), e);
}

static int
read_log(const struct evidence_env *env, const char *path, struct buf *out, struct err *e)
{
	autoclose int fd = env->open(env->arg, path, O_RDONLY);

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : err_sys_as(e, ERR_EVIDENCE, "event log: %s", path);
	return fs_read_fd(fd, path, out, e);
}

int
eventlog_read(const struct evidence_env *env, struct buf *out, struct err *e)
{
	autobuf ccel = BUF(LIMIT_EVENT_LOG), aael = BUF(LIMIT_EVENT_LOG);
	int rc = read_log(env, EVENTLOG_CCEL, &ccel, e);

	if (rc == 0)
		rc = read_log(env, EVENTLOG_AAEL, &aael, e);
	return rc < 0 ? rc : eventlog_join(buf_span(&ccel), buf_span(&aael), out, e);
}

unsigned
eventlog_register(unsigned pcr)
{
	if (pcr == 1 || pcr == 7)
		return 1;
	if (pcr >= 2 && pcr <= 6)
		return 2;
	return pcr >= 8 && pcr <= 15 ? 3 : 4;
}

static uint16_t
algorithm_id(int alg)
{
	for (size_t i = 0; i < ARRAY_LEN(algorithms); i++)
		if (algorithms[i].alg == alg)
			return algorithms[i].id;
	return 0;
}

static bool
is_word(const char *s)
{
	return *s != '\0' && strpbrk(s, " \t\n\v\f\r") == NULL;
}

int
eventlog_text(const char *domain, const char *operation, const char *content, struct buf *text, struct err *e)
{
	if (!is_word(domain) || !is_word(operation) || strchr(content, '\n') != NULL)
		return err_set(e, ERR_USAGE, "event: domain and operation are one word each, content is one line");
	if (strlen(domain) + strlen(operation) + strlen(content) + 2 > EVENTLOG_TEXT)
		return err_set(e, ERR_LIMIT, "event: more than %d bytes", EVENTLOG_TEXT);
	return buf_addf(text, e, "%s %s %s", domain, operation, content);
}

/* Tag, length, text. */
static int
make_event(struct span text, struct buf *out, struct err *e)
{
	uint8_t head[8];
	int rc;

	put_le(head, AAEL_TAG, 4);
	put_le(head + 4, text.len, 4);
	rc = buf_add(out, head, sizeof(head), e);
	return rc < 0 ? rc : buf_add_span(out, text, e);
}

int
eventlog_record(unsigned number, int alg, struct span text, struct buf *record, uint8_t digest[64], struct err *e)
{
	autobuf event = BUF(8 + EVENTLOG_TEXT), made = BUF(record->max);
	uint8_t head[14], size[4];
	int rc = make_event(text, &event, e);

	if (rc == 0)
		rc = hash_once((enum hash_alg)alg, buf_span(&event), digest, e);
	if (rc < 0)
		return rc;
	put_le(head, number, 4);
	put_le(head + 4, EV_EVENT_TAG, 4);
	put_le(head + 8, 1, 4);
	put_le(head + 12, algorithm_id(alg), 2);
	put_le(size, event.len, 4);
	rc = buf_add(&made, head, sizeof(head), e);
	if (rc == 0)
		rc = buf_add(&made, digest, hash_size((enum hash_alg)alg), e);
	if (rc == 0)
		rc = buf_add(&made, size, sizeof(size), e);
	if (rc == 0)
		rc = buf_add_span(&made, buf_span(&event), e);
	return rc < 0 ? rc : buf_add_span(record, buf_span(&made), e);
}
