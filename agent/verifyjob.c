/*
 * verifyjob.c: starts the roles, gathers what the policy found, and prints it when the verdict is there: as one
 * JSON object, or from the same object for people.
 */
#include "lib/base.h"

#include "agent/verifyjob.h"

#include <json-c/json.h>

#include "agent/key_setup.h"
#include "agent/pull_setup.h"
#include "image/policy.h"

#define NOTE_TEXT	KIB(1)

struct job {
	struct monitor		 m;
	struct source_setup	 source;
	struct pull_setup	 setup;
	struct pull_roles	 roles;
	struct policy_setup	 policy;
	struct key_setup	 keys;
	char			 digest[160];
	struct json_object	*report, *requirements, *signatures;	/* the latter: of the next requirement */
};

static struct json_object *
text(const char *s)
{
	char clean[NOTE_TEXT];

	return json_object_new_string(log_escape(s, strlen(s), clean, sizeof(clean)));
}

static void
take_name(struct job *j, const char *member, const char *value)
{
	json_object_object_add(j->report, member, text(value));
}

static void
take_signature(struct job *j, bool good, const char *where, const char *why)
{
	struct json_object *o = json_object_new_object();

	if (o == NULL)
		return;
	json_object_object_add(o, "where", text(where));
	json_object_object_add(o, "good", json_object_new_boolean(good));
	json_object_object_add(o, "why", text(why));
	json_object_array_add(j->signatures, o);
}

static void
take_requirement(struct job *j, uint32_t number, bool good, const char *type, const char *why)
{
	struct json_object *o = json_object_new_object();

	if (o == NULL)
		return;
	json_object_object_add(o, "number", json_object_new_int((int32_t)(number & INT32_MAX)));
	json_object_object_add(o, "type", text(type));
	json_object_object_add(o, "holds", json_object_new_boolean(good));
	json_object_object_add(o, "why", text(why));
	json_object_object_add(o, "signatures", j->signatures);
	json_object_array_add(j->requirements, o);
	j->signatures = json_object_new_array();
}

static int
take_note(struct job *j, const struct msg *m, struct err *e)
{
	struct msg_reader r = msg_reader(m);
	uint8_t about = msg_get_u8(&r);
	uint32_t number = msg_get_u32(&r);
	bool good = msg_get_u8(&r) != 0;
	char name[NOTE_TEXT], why[NOTE_TEXT];

	msg_get_str(&r, name, sizeof(name));
	msg_get_str(&r, why, sizeof(why));
	if (!msg_get_end(&r) || about >= ABOUT_COUNT)
		return err_set(e, ERR_PROTO, "note that cannot be read");
	switch ((enum policy_about)about) {
	case ABOUT_POLICY:
		take_name(j, "policyDigest", why);
		break;
	case ABOUT_IMAGE:
		take_name(j, "manifest", why);
		break;
	case ABOUT_SCOPE:
		take_name(j, "scope", name);
		break;
	case ABOUT_SIGNATURE:
		take_signature(j, good, name, why);
		break;
	case ABOUT_REQUIREMENT:
		take_requirement(j, number, good, name, why);
		break;
	case ABOUT_COUNT:
		break;
	}
	return 0;
}

static int
take_verdict(struct job *j, const struct msg *m, struct err *e)
{
	struct msg_reader r = msg_reader(m);
	int rc = role_verdict(&r, e);

	if (rc < 0)
		return rc;
	msg_get_str(&r, j->digest, sizeof(j->digest));
	return msg_get_end(&r) ? 0 : err_set(e, ERR_PROTO, "result that cannot be read");
}

static int
await_verdict(struct job *j, struct err *e)
{
	static const struct msg_rule rules[] = {
		POLICY_RULES,
		{ .type = M_POLICY_NOTE, .max_len = KIB(2) },
		{ .type = M_PULL_DONE, .max_len = KIB(1) },
		{ 0 },
	};

	for (;;) {
		automsg m;
		int rc = monitor_await(&j->m, j->roles.pull, rules, &m, e);

		if (rc <= 0)
			return rc < 0 ? rc : monitor_died(&j->m, "the pull process died", e);
		if (m.type == M_PULL_DONE)
			return take_verdict(j, &m, e);
		rc = m.type == M_POLICY_NOTE ? take_note(j, &m, e) :
		    policy_setup_serve(&j->policy, j->roles.pull, &m, e);
		if (rc < 0)
			return rc;
	}
}

static int
run_roles(struct job *j, const struct verify_options *o, struct err *e)
{
	int rc = pull_roles_start(&j->roles, &j->m, &j->source, -1, -1, e);

	if (rc == 0 && source_has_net(&j->source))
		rc = net_set_up(j->roles.net, o->net, &j->source.ref, e);
	if (rc == 0)
		rc = key_setup_send(&j->keys, j->roles.key, false, e);
	policy_setup_begin(&j->policy, &j->m, j->roles.key, j->keys.kbc_params != NULL);
	if (rc == 0)
		rc = pull_setup_send(&j->setup, &j->policy, j->source.name, j->roles.pull, e);
	return rc < 0 ? rc : await_verdict(j, e);
}

static const char *
member(struct json_object *o, const char *name)
{
	struct json_object *v = json_object_object_get(o, name);

	return v != NULL ? json_object_get_string(v) : "-";
}

static bool
is_true(struct json_object *o, const char *name)
{
	return json_object_get_boolean(json_object_object_get(o, name));
}

static void
print_requirement(struct json_object *r)
{
	struct json_object *signatures = json_object_object_get(r, "signatures");

	printf("requirement %s, %s: %s%s\n", member(r, "number"), member(r, "type"),
	    is_true(r, "holds") ? "" : "does not hold: ", member(r, "why"));
	for (size_t i = 0; i < json_object_array_length(signatures); i++) {
		struct json_object *s = json_object_array_get_idx(signatures, i);

		printf("  signature %zu, %s: %s\n", i + 1, member(s, "where"), member(s, "why"));
	}
}

static void
print_report(const struct job *j, const struct err *failed)
{
	printf("image:    %s\npolicy:   %s (%s)\nmanifest: %s\nscope:    %s\n", member(j->report, "image"),
	    member(j->report, "policy"), member(j->report, "policyDigest"), member(j->report, "manifest"),
	    member(j->report, "scope"));
	for (size_t i = 0; i < json_object_array_length(j->requirements); i++)
		print_requirement(json_object_array_get_idx(j->requirements, i));
	printf("%s\n", failed == NULL ? "accepted" : "refused");
}

static void
print_json(struct job *j, const struct err *failed)
{
	struct json_object *o;

	json_object_object_add(j->report, "accepted", json_object_new_boolean(failed == NULL));
	if (failed != NULL) {
		o = json_object_new_object();
		json_object_object_add(o, "code", json_object_new_string(err_name(failed->code)));
		json_object_object_add(o, "message", text(failed->msg));
		json_object_object_add(j->report, "error", o);
	}
	printf("%s\n", json_object_to_json_string_ext(j->report, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

static void
print_verdict(struct job *j, const struct verify_options *o, const struct err *failed)
{
	if (o->json)
		print_json(j, failed);
	else if (o->explain)
		print_report(j, failed);
	else if (failed == NULL)
		printf("%s\n", j->digest);
}

static int
open_job(struct job *j, const struct verify_options *o, struct err *e)
{
	static const char *const no_keys[] = { NULL };
	int rc = key_setup_open(no_keys, o->kbc_params, &j->keys, e);

	if (rc == 0)
		rc = source_open(o->image, &j->source, e);
	if (rc < 0)
		return rc;
	j->setup = (struct pull_setup){ .policy = o->policy, .mixed = o->mixed, .verify = true, .window_log = 10 };
	platform_host(&j->setup.platform);
	if (o->platform != NULL && platform_parse(span_str(o->platform), &j->setup.platform, e) < 0)
		return err_set(e, ERR_USAGE, "--platform: '%s' is not OS/ARCH", o->platform);
	j->report = json_object_new_object();
	j->requirements = json_object_new_array();
	j->signatures = json_object_new_array();
	if (j->report == NULL || j->requirements == NULL || j->signatures == NULL)
		return err_set(e, ERR_NOMEM, "report");
	take_name(j, "image", j->source.name);
	take_name(j, "policy", o->policy != NULL ? o->policy : POLICY_DEFAULT);
	json_object_object_add(j->report, "requirements", j->requirements);
	return 0;
}

int
verify_run(const struct verify_options *o, struct err *e)
{
	struct job j = { .source = { .fd = -1, .ours = -1, .theirs = -1 }, .roles = PULL_ROLES,
	    .policy = POLICY_SETUP(o->signatures) };
	int rc = open_job(&j, o, e);

	if (rc == 0)
		rc = monitor_open(&j.m, false, e);
	if (rc == 0) {
		j.setup.root_mode = j.m.root_mode;
		rc = run_roles(&j, o, e);
		print_verdict(&j, o, rc < 0 ? e : NULL);
		policy_setup_close(&j.policy);
		pull_roles_close(&j.roles);
		monitor_close(&j.m);
	}
	key_setup_close(&j.keys);
	source_close(&j.source);
	json_object_put(j.report);
	json_object_put(j.signatures);
	return rc;
}
