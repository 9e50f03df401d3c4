/* destination_registry.c: an image goes to a registry: a net process of its own takes M_STORE. */
#include "lib/base.h"

#include "agent/destination_setup.h"

static int
registry_open(maybe_unused struct destination_setup *d, maybe_unused struct err *e)
{
	return 0;	/* whether it takes the image is seen with the first blob */
}

static int
tell_image(int control, const struct image_ref *ref, struct err *e)
{
	char name[LIMIT_REFERENCE + 1], image[LIMIT_REFERENCE + 16];
	automsg m;
	int rc;

	image_ref_format(ref, name, sizeof(name));
	snprintf(image, sizeof(image), "docker://%s", name);
	msg_init(&m, M_NET_PUSH, 0);
	rc = msg_put_str(&m, image, e);
	return rc < 0 ? rc : msg_send(control, &m, -1, e);
}

static int
registry_start(struct destination_setup *d, struct monitor *m, int *theirs, struct err *e)
{
	autoclose int ours = -1, copy = -1;
	int pair[2], *control = d->state, rc = msg_pair(pair, e);

	if (rc < 0)
		return rc;
	ours = pair[0];
	copy = pair[1];
	rc = monitor_start(m, ROLE_NET, &ours, 1, control, NULL, e);
	if (rc == 0)
		rc = tell_image(*control, &d->ref, e);
	if (rc == 0)
		rc = net_set_up(*control, d->net, &d->ref, e);
	if (rc == 0)
		*theirs = fd_steal(&copy);
	return rc;
}

static void
registry_close(struct destination_setup *d)
{
	int *control = d->state;

	if (*control > 0)	/* zeroed until it is started */
		base_close(control);
}

const struct destination_ops destination_registry = {
	.transport = TRANSPORT_DOCKER,
	.state_size = sizeof(int),
	.open = registry_open,
	.start = registry_start,
	.close = registry_close,
};
