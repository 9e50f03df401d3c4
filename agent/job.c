/*
 * job.c: a pull of the daemon, in a process of its own: settings to the options of a pull, and a monitor below the monitor. It
 * has the rights that the daemon has, and as that one it reads messages of fixed form and nothing foreign.
 */
#include "lib/base.h"

#include <poll.h>

#include "agent/config.h"
#include "agent/credentials.h"
#include "agent/keyjob.h"
#include "agent/pulljob.h"
#include "agent/staging.h"
#include "agent/store.h"
#include "image/reference.h"
#include "lib/fs.h"

#define SWEEPS	20

struct order {
	struct config	config;
	char		image[LIMIT_REFERENCE + 16], bundle[LIMIT_PATH + 1];
	uint16_t	what;		/* M_JOB_PULL, M_JOB_SWEEP or M_JOB_CREDENTIALS */
	char		plain_http[NET_PLAIN_HTTP_MAX + 1];
};

static const char *
get(const struct config *c, enum setting s)
{
	const char *text = config_get(c, s);

	return text[0] != '\0' ? text : NULL;
}

/* Lines of a list, "," between. */
static int
join_list(const struct config *c, enum setting s, char *out, size_t size, struct err *e)
{
	const char *at = "";
	char line[LIMIT_PATH + 1];
	size_t len = 0;

	while (config_next(config_get(c, s), &at, line, sizeof(line))) {
		int n = snprintf(out + len, size - len, "%s%s", len > 0 ? "," : "", line);

		if ((size_t)n >= size - len)
			return err_set(e, ERR_CONFIG, "%s: too long", settings[s].name);
		len += (size_t)n;
	}
	out[len] = '\0';
	return 0;
}

static void
set_net_options(const struct order *o, struct net_options *net)
{
	const struct config *c = &o->config;

	net->from_settings = true;
	net->ca = get(c, SET_IMAGE_CA);
	net->authfile = get(c, SET_IMAGE_AUTH);
	net->no_creds = net->authfile == NULL;
	net->registries_text = get(c, SET_IMAGE_REGISTRIES_TEXT);
	net->registries = net->registries_text == NULL ? get(c, SET_IMAGE_REGISTRIES) : NULL;
	net->https_proxy = config_get(c, SET_IMAGE_HTTPS_PROXY);
	net->http_proxy = config_get(c, SET_IMAGE_HTTP_PROXY);
	net->no_proxy = config_get(c, SET_IMAGE_NO_PROXY);
	net->plain_http = o->plain_http;
}

static int
set_options(struct order *o, struct pulljob_options *p, struct err *e)
{
	const struct config *c = &o->config;
	int rc = join_list(c, SET_REGISTRY_INSECURE, o->plain_http, sizeof(o->plain_http), e);

	if (rc < 0)
		return rc;
	p->image = o->image;
	p->bundle = o->bundle;
	p->policy = get(c, SET_IMAGE_POLICY);
	p->policy_text = get(c, SET_IMAGE_POLICY_TEXT);
	p->signatures.sigstore = get(c, SET_IMAGE_SIGSTORE);
	p->signatures.sigstore_text = get(c, SET_IMAGE_SIGSTORE_TEXT);
	p->signatures.gpg = get(c, SET_IMAGE_GPG);
	p->kbc_params = get(c, SET_KBC);
	p->distrusted_broker = !config_measured(c, SET_KBC);
	p->work_dir = get(c, SET_IMAGE_WORK_DIR);
	p->store = get(c, SET_IMAGE_STORE);
	p->snapshot = get(c, SET_IMAGE_SNAPSHOT);
	p->at_once = get(c, SET_IMAGE_AT_ONCE);
	p->window_log = get(c, SET_IMAGE_WINDOW_LOG);
	/* Where nobody says anything it depends on our rights. */
	p->device_nodes = c->v[SET_IMAGE_DEVICES].text;
	p->trusted = get(c, SET_STORAGE_TRUSTED);
	p->measure = get(c, SET_MEASURE_PULL);
	p->tee = get(c, SET_TEE);
	p->mixed = config_true(c, SET_IMAGE_MIXED);
	p->ctr = config_true(c, SET_IMAGE_CTR);
	p->quiet = p->no_links = p->mount_point = true;
	p->image_fd = JOB_FD_IMAGE;
	set_net_options(o, &p->net);
	return 0;
}

/* A caller has no business with files of this machine. */
static int
check_image(const char *image, struct err *e)
{
	struct image_ref ref;
	int rc = image_ref_parse(span_str(image), &ref, e);

	if (rc == 0 && ref.transport != TRANSPORT_DOCKER)
		return err_set(e, ERR_PARSE, "%s: only images of registries are pulled for callers", image);
	return rc;
}

static const char *
store_of(const struct order *o)
{
	const char *store = get(&o->config, SET_IMAGE_STORE);

	return store != NULL ? store : PULL_STORE_DEFAULT;
}

static int
pull(struct order *o, struct pulljob_result *out, struct err *e)
{
	struct pulljob_options p = PULLJOB_OPTIONS;
	int rc = check_image(o->image, e);

	if (rc == 0)
		rc = set_options(o, &p, e);
	if (rc == 0)
		rc = store_of_this_boot(store_of(o), STORE_BOOT_ID, e);
	return rc < 0 ? rc : pulljob_run(&p, out, e);
}

/* Layers in the store were made by the killed one, too. Its roles die a moment after it, and hold its lock until then. */
static void
sweep(const struct order *o)
{
	const char *store = store_of(o);

	for (int i = 0; i < SWEEPS; i++) {
		bool bundle = staging_sweep(o->bundle, get(&o->config, SET_IMAGE_WORK_DIR));

		if (staging_sweep(store, store) && bundle)
			return;
		(void)poll(NULL, 0, 200);
	}
}

static int
write_credentials(const struct order *o, struct monitor *m, struct err *e)
{
	autoclose int key = -1;
	int rc = monitor_open_image(m, JOB_FD_IMAGE, false, e);

	if (rc == 0)
		rc = keyjob_start(m, get(&o->config, SET_KBC), &key, e);
	return rc < 0 ? rc : credentials_write(m, key, config_get(&o->config, SET_KBC_CREDENTIALS), e);
}

/* Nobody waits for the result; what fails is in the log. */
static void
credentials(const struct order *o)
{
	struct monitor m;
	struct err e = { 0 };

	if (write_credentials(o, &m, &e) < 0)
		log_error("not all files of %s are there: %s", settings[SET_KBC_CREDENTIALS].name, e.msg);
	monitor_close(&m);
}

static int
take_settings(struct order *o, int fd, struct err *e)
{
	autobuf text = BUF(CONFIG_FORMATTED);
	int rc = fs_read_fd(fd, "settings", &text, e);

	return rc < 0 ? rc : config_parse(buf_span(&text), &o->config, e);
}

/* Settings, then what to do: 0 when both are there. */
static int
take_order(struct order *o, struct err *e)
{
	static const struct msg_rule rules[] = {
		{ .type = M_JOB_CONFIG, .fds = 1 },
		{ .type = M_JOB_PULL, .max_len = KIB(8) },
		{ .type = M_JOB_SWEEP, .max_len = KIB(8) },
		{ .type = M_JOB_CREDENTIALS },
		{ 0 },
	};

	for (;;) {
		struct msg_reader r;
		automsg m;
		int rc = msg_recv(FD_CONTROL, rules, -1, &m, e);

		if (rc <= 0)
			return rc < 0 ? rc : err_set(e, ERR_CRASH, "no order");
		if (m.type == M_JOB_CONFIG) {
			rc = take_settings(o, m.fds[0], e);
			if (rc < 0)
				return rc;
			continue;
		}
		r = msg_reader(&m);
		o->what = m.type;
		if (m.type == M_JOB_PULL)
			msg_get_str(&r, o->image, sizeof(o->image));
		if (m.type != M_JOB_CREDENTIALS)
			msg_get_str(&r, o->bundle, sizeof(o->bundle));
		return msg_get_end(&r) ? 0 : err_set(e, ERR_PROTO, "order that cannot be read");
	}
}

static int
answer(const struct pulljob_result *r, struct err *e)
{
	automsg m;
	int rc;

	msg_init(&m, M_JOB_DONE, 0);
	rc = msg_put_u8(&m, 0, e);
	if (rc == 0)
		rc = msg_put_str(&m, r->digest, e);
	return rc < 0 ? rc : msg_send(FD_CONTROL, &m, -1, e);
}

static int
serve(struct err *e)
{
	struct pulljob_result result;
	static struct order o;
	struct err failed = { 0 };
	int rc;

	config_init(&o.config);
	rc = take_order(&o, e);
	if (rc == 0 && o.what == M_JOB_SWEEP)
		sweep(&o);
	else if (rc == 0 && o.what == M_JOB_CREDENTIALS)
		credentials(&o);
	else if (rc == 0 && pull(&o, &result, &failed) == 0)
		rc = answer(&result, e);
	else if (rc == 0)
		rc = role_answer(FD_CONTROL, M_JOB_DONE, 0, &failed, e);
	config_fini(&o.config);
	return rc;
}

const struct role_ops role_job = {
	.name = "job",
	.monitor = true,
	.serve = serve,
};
