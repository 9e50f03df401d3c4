/* copyjob.c: see copyjob.h. */
#include "lib/base.h"

#include "agent/copyjob.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "agent/destination_setup.h"
#include "agent/key_setup.h"
#include "agent/keyjob.h"
#include "agent/progress.h"
#include "agent/recipients.h"
#include "agent/source_setup.h"
#include "image/manifest.h"
#include "image/ocicrypt.h"
#include "lib/fs.h"
#include "lib/sys.h"

#define REPORT_MAX	MIB(16)	/* of inspect */

struct job {
	const struct copy_options	*opt;
	struct monitor			 m;
	struct source_setup		 source;
	struct destination_setup	 destination;
	struct key_setup		 keys;
	struct key_source		 key_source;
	struct provider_link		 link;
	struct recipients		 recipients;
	struct platform			 platform;
	struct progress			 progress;
	char				 layers[KIB(4)];
	int				 fetch, key, copy;	/* control sockets */
	int				 report;		/* memory that inspect writes to */
	uint32_t			 nlayers;
	char				 digest[160];		/* the result */
	uint32_t			 ndone, nencrypted;
};

static int
join_layers(struct job *j, struct err *e)
{
	const char *const *list = j->opt->layers;
	size_t len = 0;

	for (size_t i = 0; list != NULL && list[i] != NULL; i++) {
		int n = snprintf(j->layers + len, sizeof(j->layers) - len, "%s%s", i > 0 ? "," : "", list[i]);

		if (n < 0 || (size_t)n >= sizeof(j->layers) - len)
			return err_set(e, ERR_USAGE, "--layer: too long");
		len += (size_t)n;
	}
	return 0;
}

static int
open_recipients(struct job *j, struct err *e)
{
	const struct copy_options *o = j->opt;
	int rc = recipients_open(o->recipients, &j->recipients, e);

	if (rc == 0 && recipients_need_keys(&j->recipients) && o->kbc_params == NULL && o->keys.keys == NULL &&
	    !o->keys.sample && o->keyprovider == NULL)
		rc = err_set(e, ERR_USAGE, "a recipient by key provider wants --keys or --aa-kbc-params, where its key is, or "
		    "--keyprovider, which has it");
	return rc;
}

/* Everything that the user named is looked at before anything is made. */
static int
open_named(struct job *j, struct err *e)
{
	static const char *const none[] = { NULL };
	const struct copy_options *o = j->opt;
	int rc = key_setup_open(o->decryption_keys != NULL ? o->decryption_keys : none, o->kbc_params, &j->keys, e);

	if (rc == 0 && o->recipients != NULL)
		rc = open_recipients(j, e);
	if (rc == 0)
		rc = key_source_open(&o->keys, &j->key_source, e);
	if (rc == 0 && o->keyprovider != NULL)
		rc = provider_link_open(o->keyprovider, &j->link, e);
	if (rc == 0)
		rc = source_open(o->source, &j->source, e);
	if (rc == 0)
		rc = join_layers(j, e);
	platform_host(&j->platform);
	if (rc == 0 && o->platform != NULL && platform_parse(span_str(o->platform), &j->platform, e) < 0)
		rc = err_set(e, ERR_USAGE, "--platform: '%s' is not OS/ARCH", o->platform);
	return rc;
}

static int
put_setup(struct msg *m, const struct job *j, struct err *e)
{
	int rc = msg_put_u8(m, (uint8_t)j->opt->action, e);

	if (rc == 0)
		rc = msg_put_str(m, j->source.name, e);
	if (rc == 0)
		rc = msg_put_str(m, j->platform.os, e);
	if (rc == 0)
		rc = msg_put_str(m, j->platform.architecture, e);
	if (rc == 0)
		rc = msg_put_str(m, j->platform.variant, e);
	if (rc == 0)
		rc = msg_put_u8(m, j->opt->platform != NULL, e);
	if (rc == 0)
		rc = msg_put_str(m, j->layers, e);
	return rc < 0 ? rc : msg_put_u8(m, j->opt->json, e);
}

static int
set_up_copy(const struct job *j, struct err *e)
{
	automsg m;
	int rc;

	msg_init(&m, M_COPY_SETUP, 0);
	rc = put_setup(&m, j, e);
	return rc < 0 ? rc : msg_send(j->copy, &m, -1, e);
}

static bool
is_inspect(const struct job *j)
{
	return j->opt->action == ACTION_INSPECT;
}

/* inspect needs neither keys nor a destination. */
static int
start_helpers(struct job *j, int key_a, struct err *e)
{
	int rc;

	if (is_inspect(j)) {
		j->report = memfd_create("report", MFD_CLOEXEC);
		return j->report < 0 ? err_sys(e, "report") : 0;
	}
	if (j->opt->keyprovider != NULL)
		provider_link_use(&j->link, &j->m, &j->key_source);
	rc = key_source_start(&j->key_source, &j->m, key_a, -1, &j->key, e);
	if (rc == 0)
		rc = key_setup_send(&j->keys, j->key, false, e);
	if (rc == 0)
		rc = recipients_send(&j->recipients, j->key, e);
	return rc < 0 ? rc : destination_start(&j->destination, &j->m, e);
}

static int
start_roles(struct job *j, struct err *e)
{
	autoclose int fetch_a = -1, fetch_b = -1, key_a = -1, key_b = -1;
	int pair[2], rc;

	rc = msg_pair(pair, e);
	if (rc < 0)
		return rc;
	fetch_a = pair[0];
	fetch_b = pair[1];
	rc = msg_pair(pair, e);
	if (rc < 0)
		return rc;
	key_a = pair[0];
	key_b = pair[1];
	rc = source_start(&j->source, &j->m, fetch_a, &j->fetch, e);
	if (rc == 0 && source_has_net(&j->source))
		rc = net_set_up(j->fetch, j->opt->net, &j->source.ref, e);
	if (rc == 0)
		rc = start_helpers(j, key_a, e);
	if (rc == 0)
		rc = monitor_start(&j->m, ROLE_COPY, (int[]){ fetch_b, key_b, j->source.theirs,
		    j->destination.theirs, j->report }, 5, &j->copy, NULL, e);
	return rc < 0 ? rc : set_up_copy(j, e);
}

/*
 * Serving copy.
 */

static int
take_plan(struct job *j, const struct msg *m, struct err *e)
{
	struct msg_reader r = msg_reader(m);

	j->nlayers = msg_get_u32(&r);
	for (uint32_t i = 0; i < j->nlayers && i < LIMIT_LAYERS; i++)
		progress_expect(&j->progress, i, msg_get_u64(&r));
	return msg_get_end(&r) && j->nlayers <= LIMIT_LAYERS ? 0 : err_set(e, ERR_PROTO, "plan");
}

static void
show_progress(struct job *j, const struct msg *m)
{
	struct msg_reader r = msg_reader(m);
	uint32_t layer = msg_get_u32(&r);
	uint8_t stage = msg_get_u8(&r);
	uint64_t bytes = msg_get_u64(&r);

	if (msg_get_end(&r) && layer < j->nlayers && stage < STAGE_COUNT)
		progress_update(&j->progress, layer, (enum stage)stage, bytes);
}

/* A crypt process that writes to out; with_key: key sends it the layer's. */
static int
start_crypt(struct job *j, uint32_t layer, bool with_key, int out, int *control, struct err *e)
{
	autoclose int link_key = -1, link_crypt = -1;
	int pair[2], rc = msg_pair(pair, e);

	if (rc < 0)
		return rc;
	link_key = pair[0];
	link_crypt = pair[1];
	if (with_key)
		rc = monitor_send_link(j->key, layer, link_key, e);
	base_close(&link_key);
	return rc < 0 ? rc : monitor_start(&j->m, ROLE_CRYPT, (int[]){ out, link_crypt }, 2, control, NULL, e);
}

static int
answer_layer(const struct job *j, uint32_t id, const struct ocicrypt_wrapped *w, int control, struct err *e)
{
	automsg m;
	int rc = 0;

	msg_init(&m, M_COPY_LAYER_FD, id);
	for (int i = 0; i < SCHEME_COUNT && rc == 0; i++)
		rc = msg_put_bytes(&m, buf_span(&w->value[i]), e);
	if (rc < 0)
		return rc;
	msg_put_fd(&m, control);
	return msg_send(j->copy, &m, -1, e);
}

static int
serve_layer(struct job *j, const struct msg *ask, struct err *e)
{
	cleanup(ocicrypt_wrapped_fini) struct ocicrypt_wrapped wrapped = { 0 };
	struct msg_reader r = msg_reader(ask);
	uint32_t layer = msg_get_u32(&r);
	uint8_t how = msg_get_u8(&r);
	struct err failed = { 0 };
	autoclose int control = -1;
	char digest[160];
	int rc = 0;

	msg_get_str(&r, digest, sizeof(digest));
	if (!msg_get_end(&r) || layer >= j->nlayers || how >= COPY_HOW_COUNT || is_inspect(j))
		return err_set(e, ERR_PROTO, "copy asked for something odd");
	if (how == COPY_ENCRYPT)
		rc = keyjob_wrap(&j->m, j->key, layer, digest, &wrapped, &failed);
	if (rc == 0)
		rc = start_crypt(j, layer, how != COPY_AS_IT_IS, ask->fds[0], &control, &failed);
	if (rc < 0)
		return role_answer(j->copy, M_COPY_FAILED, ask->id, &failed, e);
	return answer_layer(j, ask->id, &wrapped, control, e);
}

static int
take_result(struct job *j, const struct msg *m, struct err *e)
{
	struct msg_reader r = msg_reader(m);
	int rc = role_verdict(&r, e);

	if (rc < 0)
		return rc;
	msg_get_str(&r, j->digest, sizeof(j->digest));
	j->ndone = msg_get_u32(&r);
	j->nencrypted = msg_get_u32(&r);
	return msg_get_end(&r) ? 0 : err_set(e, ERR_PROTO, "result that cannot be read");
}

/* Serves the copy role until its verdict. */
static int
serve_copy(struct job *j, struct err *e)
{
	static const struct msg_rule rules[] = {
		{ .type = M_COPY_PLAN, .max_len = 4 + 8 * LIMIT_LAYERS },
		{ .type = M_COPY_LAYER, .max_len = KIB(1), .fds = 1 },
		{ .type = M_PROGRESS, .max_len = 13 },
		{ .type = M_COPY_DONE, .max_len = KIB(1) },
		{ 0 },
	};

	for (;;) {
		automsg m;
		int rc = monitor_await(&j->m, j->copy, rules, &m, e);

		if (rc == 0)
			return monitor_died(&j->m, "the copy process died", e);
		if (rc < 0)
			return rc;
		if (m.type == M_COPY_DONE)
			return take_result(j, &m, e);
		if (m.type == M_PROGRESS)
			show_progress(j, &m);
		else
			rc = m.type == M_COPY_PLAN ? take_plan(j, &m, e) : serve_layer(j, &m, e);
		if (rc < 0)
			return rc;
	}
}

/*
 * What is printed.
 */

/* What the role wrote, line by line and escaped once more: it may have been taken over. */
static int
print_report(const struct job *j, struct err *e)
{
	autobuf text = BUF(REPORT_MAX), line = BUF(4 * REPORT_MAX);
	struct span rest, one;
	int rc;

	if (lseek(j->report, 0, SEEK_SET) < 0)
		return err_sys(e, "report");
	rc = fs_read_fd(j->report, "report", &text, e);
	if (rc < 0)
		return rc;
	rest = buf_span(&text);
	while (span_split(&rest, '\n', &one)) {
		/* Nothing in four bytes for one. */
		size_t room = 4 * one.len + 8;

		buf_reset(&line);
		rc = buf_reserve(&line, room, e);
		if (rc < 0)
			return rc;
		printf("%s\n", log_escape(one.p, one.len, (char *)line.data, room));
	}
	return 0;
}

static void
print_result(const struct job *j)
{
	if (j->opt->json)
		printf("{\"event\":\"done\",\"manifest\":\"%s\",\"layers\":%u,\"encrypted\":%u}\n", j->digest,
		    j->ndone, j->nencrypted);
	else
		printf("%s\n", j->digest);
	if (j->opt->action == ACTION_ENCRYPT && j->nencrypted < j->ndone)
		log_warning("%u of %u layers are encrypted: a pull refuses such an image, unless it is told "
		    "--allow-mixed-layers", j->nencrypted, j->ndone);
}

/* Afterwards either the image is where it shall be, or nothing is. */
static int
run_roles(struct job *j, struct err *e)
{
	int rc = start_roles(j, e);

	if (rc == 0)
		rc = serve_copy(j, e);
	progress_end(&j->progress);
	base_close(&j->fetch);
	base_close(&j->key);
	base_close(&j->copy);
	monitor_end_all(&j->m);		/* nobody may write any more when the name is given */
	if (rc == 0)
		rc = is_inspect(j) ? print_report(j, e) : destination_finish(&j->destination, e);
	if (rc == 0 && !is_inspect(j))
		print_result(j);
	return rc;
}

static int
run_monitor(struct job *j, struct err *e)
{
	int rc = monitor_open(&j->m, false, e);

	if (rc == 0 && !is_inspect(j))
		rc = destination_open(j->opt->destination, j->opt->net, &j->destination, e);
	if (rc == 0) {
		rc = run_roles(j, e);
		destination_close(&j->destination);
	}
	monitor_close(&j->m);
	return rc;
}

int
copyjob_run(const struct copy_options *o, struct err *e)
{
	struct job j = {
		.opt = o,
		.source = { .fd = -1, .ours = -1, .theirs = -1 },
		.destination = { .ours = -1, .theirs = -1 },
		.key_source = { .fd = -1, .ours = -1 },
		.fetch = -1, .key = -1, .copy = -1, .report = -1,
	};
	int rc = open_named(&j, e);

	if (rc == 0) {
		progress_init(&j.progress, o->json);
		rc = run_monitor(&j, e);
	}
	key_setup_close(&j.keys);
	key_source_close(&j.key_source);
	provider_link_close(&j.link);
	recipients_close(&j.recipients);
	source_close(&j.source);
	base_close(&j.report);
	return rc;
}
