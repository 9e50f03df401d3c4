/*
 * config_role.c: the role that reads one file of settings. A file may be the host's word (initdata, the command line), so it is
 * taken apart where nothing can be reached; what comes out are values that the monitor checks again.
 */
#include "lib/base.h"

#include "agent/config_inside.h"
#include "agent/roles.h"

#include "lib/fs.h"
#include "lib/sys.h"

struct job {
	enum config_what	what;
	enum config_origin	origin;
	unsigned		flags;
};

static int
take_job(const struct msg *m, struct job *out, struct err *e)
{
	struct msg_reader r = msg_reader(m);
	uint8_t what = msg_get_u8(&r), origin = msg_get_u8(&r), flags = msg_get_u8(&r);

	if (!msg_get_end(&r) || what >= CONFIG_WHAT_COUNT || origin >= ORIGIN_COUNT)
		return err_set(e, ERR_PROTO, "request that cannot be read");
	*out = (struct job){ (enum config_what)what, (enum config_origin)origin, flags };
	return 0;
}

/* The command line is judged by what our own file says, which is elsewhere. */
static int
read_cmdline(const struct job *j, struct span text, struct config *c, struct err *e)
{
	autoconfig ours;
	int rc = 0;

	config_init(&ours);
	if (j->flags & CONFIG_TRUSTED)
		rc = config_set(&ours, SET_CMDLINE_MEASURED, SPAN_LIT("true"), ORIGIN_FILE, 0, e);
	if (rc == 0)
		rc = config_read_cmdline(&ours, text, j->flags & CONFIG_IMAGES, e);
	if (rc < 0)
		return rc;
	config_forget(&ours, SET_CMDLINE_MEASURED);
	config_move(c, &ours);
	return 0;
}

static int
read_text(const struct job *j, struct span text, struct config *c, bool *image, struct err *e)
{
	switch (j->what) {
	case CONFIG_OWN:
		return config_read_own(c, text, e);
	case CONFIG_AGENT:
		return config_read_agent(c, text, j->origin, e);
	case CONFIG_HUB:
		return config_read_hub(c, text, j->origin, image, e);
	case CONFIG_KATA:
		return config_read_kata(c, text, e);
	case CONFIG_CMDLINE:
		return read_cmdline(j, text, c, e);
	case CONFIG_WHAT_COUNT:
		break;
	}
	return err_set(e, ERR_PROTO, "request that cannot be read");
}

static int
convert(const struct job *j, const int fds[2], bool *image, struct err *e)
{
	autobuf text = BUF(LIMIT_TOML), out = BUF(CONFIG_FORMATTED);
	autoconfig c;
	int rc;

	config_init(&c);
	rc = fs_read_fd(fds[0], "the file", &text, e);
	if (rc < 0)
		return config_fault(e);
	rc = read_text(j, buf_span(&text), &c, image, e);
	if (rc == 0)
		rc = config_format(&c, &out, e);
	if (rc == 0 && sys_write_all(fds[1], out.data, out.len) < 0)
		rc = err_sys(e, "settings");
	return rc;
}

static int
answer(const struct msg *m, struct err *e)
{
	struct err failed = { 0 };
	bool image = false;
	automsg done;
	struct job j = { 0 };
	int rc = take_job(m, &j, e);

	if (rc < 0)
		return rc;
	if (convert(&j, m->fds, &image, &failed) < 0)
		return role_answer(FD_CONTROL, M_CONFIG_DONE, m->id, &failed, e);
	msg_init(&done, M_CONFIG_DONE, m->id);
	rc = msg_put_u8(&done, 0, e);
	if (rc == 0)
		rc = msg_put_u8(&done, image, e);
	return rc < 0 ? rc : msg_send(FD_CONTROL, &done, -1, e);
}

/* One file, and that is all of its life. */
static int
serve(struct err *e)
{
	static const struct msg_rule rules[] = {
		{ .type = M_CONFIG_READ, .max_len = 16, .fds = 2 }, { 0 },
	};
	automsg m;
	int rc = msg_recv(FD_CONTROL, rules, -1, &m, e);

	return rc == 1 ? answer(&m, e) : rc;
}

const struct role_ops role_config = {
	.name = "config",
	.uid = UID_CONFIG,
	.words = WORD(STDIO) | WORD(FDPASS),
	.max_files = 16,
	.serve = serve,
};
