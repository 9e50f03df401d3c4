/* destination_setup.c: which kind of destination it is, and M_STORE for those that the monitor serves. */
#include "lib/base.h"

#include "agent/destination_setup.h"

#include <poll.h>

#include "lib/sys.h"

static const struct destination_ops *const kinds[] = {
	&destination_layout, &destination_archive, &destination_registry,
};

static const struct destination_ops *
find(enum transport t)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (kinds[i]->transport == t)
			return kinds[i];
	return NULL;
}

/* What a new image cannot be called. */
static int
check_name(const char *operand, const struct destination_setup *d, struct err *e)
{
	if (d->ref.transport == TRANSPORT_DOCKER_ARCHIVE)
		return err_set(e, ERR_UNSUPPORTED, "%s: what docker save writes has no room for annotations, where the "
		    "wrapped keys stand; write oci-archive:FILE", operand);
	if (d->ops == NULL)
		return err_set(e, ERR_UNSUPPORTED, "%s: %s: cannot be written", operand,
		    image_ref_transport(d->ref.transport));
	if (d->ref.has_digest)
		return err_set(e, ERR_USAGE, "%s: the digest of a new image is not known before; give a tag", operand);
	if (d->ref.tag[0] == '@')
		return err_set(e, ERR_USAGE, "%s: @N names an image that is there, not a new one", operand);
	return 0;
}

/* In place, since a kind may keep pointers into the structure. */
int
destination_open(const char *operand, const struct net_options *net, struct destination_setup *d,
    struct err *e)
{
	int rc;

	*d = (struct destination_setup){ .net = net, .ours = -1, .theirs = -1 };
	rc = image_ref_parse(span_str(operand), &d->ref, e);
	if (rc < 0)
		return rc;
	d->ops = find(d->ref.transport);
	rc = check_name(operand, d, e);
	if (rc < 0)
		return rc;
	d->state = sys_alloc(d->ops->state_size);
	if (d->state == NULL)
		return err_set(e, ERR_NOMEM, "destination");
	rc = d->ops->open(d, e);
	d->open = rc == 0;
	if (rc < 0)
		destination_close(d);
	return rc;
}

void
destination_close(struct destination_setup *d)
{
	if (d->open)
		d->ops->close(d);
	d->open = false;
	sys_free(d->state);
	d->state = NULL;
	base_close(&d->ours);
	base_close(&d->theirs);
}

static int
answer_fd(const struct destination_setup *d, uint32_t id, int fd, struct err *e)
{
	automsg m;

	msg_init(&m, M_STORE_FD, id);
	msg_put_fd(&m, fd);
	return msg_send(d->ours, &m, -1, e);
}

static int
serve_begin(struct destination_setup *d, const struct msg *ask, struct err *e)
{
	struct msg_reader r = msg_reader(ask);
	struct err failed = { 0 };
	autoclose int fd = -1;
	automsg there;
	char digest[160];
	uint8_t what = msg_get_u8(&r);
	uint64_t size;
	int rc;

	msg_get_str(&r, digest, sizeof(digest));
	size = msg_get_u64(&r);
	if (!msg_get_end(&r) || what >= STORE_WHAT_COUNT)
		return err_set(e, ERR_PROTO, "copy asked for something odd");
	rc = d->ops->begin(d, (enum store_what)what, digest, size, &fd, &failed);
	if (rc < 0)
		return role_answer(d->ours, M_STORE_DONE, ask->id, &failed, e);
	if (rc == 0)
		return answer_fd(d, ask->id, fd, e);
	msg_init(&there, M_STORE_THERE, ask->id);
	return msg_send(d->ours, &there, -1, e);
}

static int
serve_end(struct destination_setup *d, const struct msg *ask, struct err *e)
{
	struct msg_reader r = msg_reader(ask);
	struct err failed = { 0 };
	struct digest digest;
	char media_type[128] = "", text[160];
	uint64_t size;
	int rc;

	if (ask->type == M_STORE_COMMIT)
		msg_get_str(&r, media_type, sizeof(media_type));
	msg_get_str(&r, text, sizeof(text));
	size = msg_get_u64(&r);
	/* Whatever the source had, what is written is known by its SHA-256. */
	if (!msg_get_end(&r) || digest_parse(span_str(text), &digest, e) < 0 || digest.alg != HASH_SHA256)
		return err_set(e, ERR_PROTO, "copy told something odd");
	if (ask->type == M_STORE_COMMIT)
		rc = d->ops->commit(d, media_type, &digest, size, &failed);
	else
		rc = d->ops->end(d, &digest, size, &failed);
	d->committed = ask->type == M_STORE_COMMIT && rc == 0;
	return role_answer(d->ours, M_STORE_DONE, ask->id, rc < 0 ? &failed : NULL, e);
}

/* Whatever goes wrong here closes the socket, and copy will say so. */
static void
on_copy(void *arg, maybe_unused int fd, maybe_unused short revents)
{
	static const struct msg_rule rules[] = {
		{ .type = M_STORE, .max_len = KIB(1) },
		{ .type = M_STORE_END, .max_len = KIB(1) },
		{ .type = M_STORE_COMMIT, .max_len = KIB(1) },
		{ 0 },
	};
	struct destination_setup *d = arg;
	struct err ignored;
	automsg m;
	int rc = msg_recv(d->ours, rules, 0, &m, &ignored);

	if (rc == -ERR_TIMEOUT)
		return;
	if (rc > 0)
		rc = (m.type == M_STORE ? serve_begin(d, &m, &ignored) : serve_end(d, &m, &ignored)) < 0 ? 0 : 1;
	if (rc > 0)
		return;
	loop_unwatch(d->loop, d->ours);
	base_close(&d->ours);
	base_close(&d->theirs);
}

int
destination_start(struct destination_setup *d, struct monitor *m, struct err *e)
{
	int pair[2], rc;

	if (d->ops->start != NULL)
		return d->ops->start(d, m, &d->theirs, e);
	rc = msg_pair(pair, e);
	if (rc < 0)
		return rc;
	d->ours = pair[0];
	d->theirs = pair[1];
	d->loop = m->loop;
	return loop_watch(m->loop, d->ours, POLLIN, on_copy, d, e);
}

int
destination_finish(struct destination_setup *d, struct err *e)
{
	/* Where another process served, copy's word that it was committed is all there is. */
	if (d->ops->start == NULL && !d->committed)
		return err_set(e, ERR_BUG, "an image that was not committed");
	return d->ops->finish != NULL ? d->ops->finish(d, e) : 0;
}
