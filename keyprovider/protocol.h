/*
 * protocol.h: the JSON of ocicrypt's key provider protocol, for both sides: who is asked to wrap or unwrap a layer's
 * key, and who asks. Implementations differ in how they write bytes; every form is read, and what is
 * written is what all of them read. The same over gRPC, ttrpc and standard input. Pure.
 * Sources: ocicrypt docs/keyprovider.md; what skopeo, coco_keyprovider and the attestation agent send (tests/vectors).
 */
#ifndef KEYPROVIDER_PROTOCOL_H
#define KEYPROVIDER_PROTOCOL_H

#include "lib/buf.h"
#include "lib/limits.h"

/* The first two: values of M_CALL (agent/roles.h). */
enum provider_op {
	PROVIDER_WRAP,
	PROVIDER_UNWRAP,
	PROVIDER_AS_ASKED,	/* the transport does not tell: the request does */
};

/*
 * A request may hold more than is read of it: skopeo sends all its keys and passwords to every provider. Hence all
 * of it belongs in secret memory, also the text that is parsed.
 */
struct provider_request {
	enum provider_op	op;
	struct buf		parameter;	/* wrap: what stands behind "provider:attestation-agent:"; unwrap: "" */
	struct buf		data;		/* wrap: the layer's private options; unwrap: the annotation packet */
};

/*
 * op: what the method said; "op" must say the same. -ERR_PARSE; -ERR_UNSUPPORTED for several parameters: an answer
 * holds one packet, and one recipient would be left out unseen. Which broker the caller names for unwrapping is not
 * looked at: he has no say in that.
 */
int provider_request_parse(struct span json, enum provider_op, struct provider_request *out, struct err *) must_check;
/* parameter: for unwrapping "NAME::URI" or "". out is secret, as for all that follow. */
int provider_request_format(enum provider_op, struct span parameter, struct span data, struct buf *out,
    struct err *) must_check;
void provider_request_fini(struct provider_request *);

/* data: wrap: the annotation packet, or whatever that provider calls so; unwrap: the private options. Not empty. */
int provider_reply_parse(struct span json, enum provider_op, struct buf *data, struct err *) must_check;
int provider_reply_format(enum provider_op, struct span data, struct buf *out, struct err *) must_check;

#endif
