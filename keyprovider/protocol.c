/*
 * protocol.c: see protocol.h. The two methods differ in the names of members only: a table has them.
 */
#include "lib/base.h"
#include "keyprovider/protocol.h"

#include "keyprovider/json_bytes.h"
#include "lib/codec.h"

#define NAME	"attestation-agent"	/* under which parameters for us stand */

static const struct {
	const char	*op;		/* value of "op" */
	const char	*params;	/* object in the request */
	const char	*data;		/* member of it */
	const char	*results;	/* object in the answer */
	const char	*result;	/* member of it */
} words[] = {
	[PROVIDER_WRAP]   = { "keywrap", "keywrapparams", "optsdata", "keywrapresults", "annotation" },
	[PROVIDER_UNWRAP] = { "keyunwrap", "keyunwrapparams", "annotation", "keyunwrapresults", "optsdata" },
};

static int
need_secret(const struct buf *b, struct err *e)
{
	return b->secret ? 0 : err_set(e, ERR_BUG, "key provider: a key must go to secret memory");
}

static int
read_op(struct json_val root, enum provider_op wanted, enum provider_op *out, struct err *e)
{
	struct json_val v = json_get(root, "op");

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (!json_str_eq(v, words[i].op))
			continue;
		if (wanted != PROVIDER_AS_ASKED && wanted != (enum provider_op)i)
			return err_set(e, ERR_PARSE, "op is not that of the method that was called");
		*out = (enum provider_op)i;
		return 0;
	}
	return err_set(e, ERR_PARSE, "op is missing, or neither keywrap nor keyunwrap");
}

/* keywrapparams.ec.Parameters of our name: a list with one element. */
static int
read_parameter(struct json_val params, struct buf *out, struct err *e)
{
	struct json_val list = json_get(json_get(json_get(params, "ec"), "Parameters"), NAME);
	struct json_iter it = json_iter(list);

	if (!json_is(list, JSON_ARRAY) || !json_next(&it))
		return err_set(e, ERR_PARSE, "ec.Parameters has nothing for " NAME);
	if (json_count(list) > 1)
		return err_set(e, ERR_UNSUPPORTED, "%zu keys for one provider: a key provider can be given one key "
		    "for each layer", json_count(list));
	return json_bytes(it.val, "ec.Parameters", out, e);
}

/* Clients written in Rust put the JSON of the options there as it is. */
static int
read_data(struct json_val v, enum provider_op op, struct buf *out, struct err *e)
{
	int rc;

	if (op == PROVIDER_WRAP && json_is(v, JSON_STRING) && span_starts(json_raw(v), "\"{"))
		rc = json_str(v, words[op].data, out, e);
	else
		rc = json_bytes(v, words[op].data, out, e);
	if (rc == 0 && out->len == 0)
		rc = err_set(e, ERR_PARSE, "%s is empty", words[op].data);
	return rc;
}

static int
request_read(struct json_val root, enum provider_op wanted, struct provider_request *r, struct err *e)
{
	struct json_val params;
	int rc;

	if (!json_is(root, JSON_OBJECT))
		return err_set(e, ERR_PARSE, "not an object");
	rc = read_op(root, wanted, &r->op, e);
	if (rc < 0)
		return rc;
	params = json_get(root, words[r->op].params);
	if (r->op == PROVIDER_WRAP)
		rc = read_parameter(params, &r->parameter, e);
	return rc < 0 ? rc : read_data(json_get(params, words[r->op].data), r->op, &r->data, e);
}

static int
parse(struct span json, struct json **doc, struct err *e)
{
	if (json.len > LIMIT_PROVIDER_JSON)
		return err_set(e, ERR_LIMIT, "more than %zu bytes", LIMIT_PROVIDER_JSON);
	return json_parse(json, doc, e);
}

int
provider_request_parse(struct span json, enum provider_op op, struct provider_request *out, struct err *e)
{
	cleanup(provider_request_fini) struct provider_request r = {
		.parameter = BUF_SECRET(LIMIT_URI), .data = BUF_SECRET(LIMIT_PACKET),
	};
	autojson doc = NULL;

	if (parse(json, &doc, e) < 0 || request_read(json_root(doc), op, &r, e) < 0)
		return err_wrap(e, "key provider request");
	*out = r;
	r.parameter = r.data = (struct buf)BUF(0);
	return 0;
}

void
provider_request_fini(struct provider_request *r)
{
	buf_free(&r->parameter);
	buf_free(&r->data);
}

/* {"Parameters":{"attestation-agent":["…"]}, and without the last brace: what follows differs. */
static int
add_parameters(struct span parameter, struct buf *out, struct err *e)
{
	int rc = buf_add_str(out, "{\"Parameters\":{\"" NAME "\":[\"", e);

	if (rc == 0)
		rc = base64_encode(parameter, out, e);
	return rc < 0 ? rc : buf_add_str(out, "\"]}", e);
}

/* Every member, as skopeo writes them. */
int
provider_request_format(enum provider_op op, struct span parameter, struct span data, struct buf *out, struct err *e)
{
	static const char *const pieces[][3] = {
		[PROVIDER_WRAP] = {
			"{\"op\":\"keywrap\",\"keywrapparams\":{\"ec\":",
			",\"DecryptConfig\":{\"Parameters\":null}},\"optsdata\":\"",
			"\"},\"keyunwrapparams\":{\"dc\":null,\"annotation\":null}}",
		},
		[PROVIDER_UNWRAP] = {
			"{\"op\":\"keyunwrap\",\"keywrapparams\":{\"ec\":null,\"optsdata\":null},\"keyunwrapparams\":{\"dc\":",
			"},\"annotation\":\"",
			"\"}}",
		},
	};
	autobuf text = BUF_SECRET(out->max);
	int rc = need_secret(out, e);

	if (rc == 0)
		rc = buf_add_str(&text, pieces[op][0], e);
	if (rc == 0)
		rc = add_parameters(parameter, &text, e);
	if (rc == 0)
		rc = buf_add_str(&text, pieces[op][1], e);
	if (rc == 0)
		rc = base64_encode(data, &text, e);
	if (rc == 0)
		rc = buf_add_str(&text, pieces[op][2], e);
	return rc < 0 ? rc : buf_add_span(out, buf_span(&text), e);
}

int
provider_reply_parse(struct span json, enum provider_op op, struct buf *data, struct err *e)
{
	autobuf found = BUF_SECRET(data->max);
	autojson doc = NULL;
	struct json_val v;
	int rc = need_secret(data, e);

	if (rc == 0)
		rc = parse(json, &doc, e);
	if (rc == 0) {
		v = json_get(json_get(json_root(doc), words[op].results), words[op].result);
		rc = json_bytes(v, words[op].result, &found, e);
	}
	if (rc == 0 && found.len == 0)
		rc = err_set(e, ERR_PARSE, "%s is empty", words[op].result);
	if (rc == 0)
		rc = buf_add_span(data, buf_span(&found), e);
	return rc < 0 ? err_wrap(e, "answer of the key provider") : 0;
}

int
provider_reply_format(enum provider_op op, struct span data, struct buf *out, struct err *e)
{
	autobuf text = BUF_SECRET(out->max);
	int rc = need_secret(out, e);

	if (rc == 0)
		rc = buf_addf(&text, e, "{\"%s\":{\"%s\":", words[op].results, words[op].result);
	if (rc == 0)
		rc = json_bytes_format(data, &text, e);
	if (rc == 0)
		rc = buf_add_str(&text, "}}", e);
	return rc < 0 ? rc : buf_add_span(out, buf_span(&text), e);
}
