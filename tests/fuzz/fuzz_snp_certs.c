/* fuzz_snp_certs.c: any bytes as a certificate table; what comes out is JSON. */
#include "lib/base.h"

#include "evidence/snp_report.h"

#include "lib/json.h"
#include "lib/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	autobuf out = BUF(LIMIT_EVIDENCE);
	autojson doc = NULL;
	struct err e;

	if (snp_certs_json((struct span){ bytes, n }, &out, &e) == 0 && json_parse(buf_span(&out), &doc, &e) < 0)
		abort();
	return 0;
}
