/*
 * destination_layout.c: an image goes to an OCI layout in a directory: everything is made in a staging directory, and
 * named when no role lives any more.
 */
#include "lib/base.h"

#include "agent/destination_setup.h"
#include "agent/layout_out.h"

struct layout_state {
	struct layout_out	out;
	struct digest		manifest;
	uint64_t		size;
};

static int
layout_open(struct destination_setup *d, struct err *e)
{
	struct layout_state *s = d->state;

	return layout_out_open(d->ref.dir, d->ref.tag, &s->out, e);
}

static int
layout_begin(struct destination_setup *d, maybe_unused enum store_what what, maybe_unused const char *digest,
    maybe_unused uint64_t size, int *fd, struct err *e)
{
	struct layout_state *s = d->state;

	return layout_out_begin(&s->out, fd, e);
}

static int
layout_end(struct destination_setup *d, const struct digest *digest, maybe_unused uint64_t size, struct err *e)
{
	struct layout_state *s = d->state;

	return layout_out_end(&s->out, digest, e);
}

static int
layout_commit(struct destination_setup *d, maybe_unused const char *media_type, const struct digest *manifest,
    uint64_t size, maybe_unused struct err *e)
{
	struct layout_state *s = d->state;

	s->manifest = *manifest;
	s->size = size;
	return 0;
}

static int
layout_finish(struct destination_setup *d, struct err *e)
{
	struct layout_state *s = d->state;

	return layout_out_commit(&s->out, &s->manifest, (size_t)s->size, e);
}

static void
layout_close(struct destination_setup *d)
{
	struct layout_state *s = d->state;

	layout_out_close(&s->out);
}

const struct destination_ops destination_layout = {
	.transport = TRANSPORT_OCI,
	.state_size = sizeof(struct layout_state),
	.open = layout_open,
	.begin = layout_begin,
	.end = layout_end,
	.commit = layout_commit,
	.finish = layout_finish,
	.close = layout_close,
};
