/*
 * uri.h: the names brokers use: resource URIs and aa_kbc_params.
 * Sources: kbs:// form as in the CoCo KBS; kbc params as in the attestation agent.
 */
#ifndef LIB_URI_H
#define LIB_URI_H

#include "lib/buf.h"

/*
 * kbs[+plugin]://[host[:port]]/seg(/seg)*[?query]; 1-8 segments of
 * [A-Za-z0-9_-][A-Za-z0-9_.-]*; plugin "resource" (the default) has three and
 * no query. Nothing is decoded: "%2e" is refused in a path. -ERR_PARSE, or
 * -ERR_LIMIT above LIMIT_URI. The host is syntax only; whether it may be
 * contacted is for the broker to say (only the configured one may).
 */
struct kbs_uri {
	char	host[262];	/* "" when none; with port */
	char	plugin[32];	/* "resource" when none is named */
	char	path[512];	/* segments joined by "/": the key of offline brokers */
	char	query[256];	/* "" when none; as it stands in the URI */
};
int kbs_uri_parse(struct span, struct kbs_uri *out, struct err *) must_check;

/*
 * A key id of an annotation packet: a kbs URI; also the historic forms
 * "/repo/type/tag", "repo/type/tag", "addr/repo/type/tag" and
 * "kbs:///kbs:///…"; *legacy tells when one of those was mapped. Any other,
 * such as the bare id of verdictd's first packets, is refused.
 */
int kbs_uri_parse_kid(struct span, struct kbs_uri *out, bool *legacy, struct err *) must_check;

/*
 * "name::uri", split at the first "::"; name of [A-Za-z0-9_-]; the uri may be
 * empty, else visible ASCII: its form is for the broker to check. -ERR_CONFIG.
 */
struct kbc_params {
	char	name[64];
	char	uri[512];
};
int kbc_params_parse(struct span, struct kbc_params *out, struct err *) must_check;

#endif
