/* fuzz_csv.c: any page as a report: checked against its own data and nonce; and as JSON, as it would be if its MAC were good. */
#include "lib/base.h"

#include "evidence/csv_report.h"

#include "lib/crypto.h"
#include "lib/json.h"
#include "lib/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	autobuf opened = BUF(CSV_REPORT_SIZE), out = BUF(LIMIT_EVIDENCE);
	struct span page = { bytes, n };
	autojson doc = NULL;
	struct err e;
	char chip[65];

	if (n != CSV_REPORT_SIZE || crypto_init(&e) < 0)
		return 0;
	for (int masked = 0; masked < 2; masked++) {
		uint8_t bound[64 + CSV_MNONCE];

		for (size_t i = 0; i < sizeof(bound); i++)
			bound[i] = bytes[64 + i] ^ (masked ? bytes[188 + i % 4] : 0);
		buf_reset(&opened);
		(void)(csv_report_open(page, bound, bound + 64, &opened, &e) < 0);
	}
	if (csv_chip_id(page, chip, &e) == 0 && strlen(chip) > 64)
		abort();
	if (csv_json(page, (struct span){ bytes, CSV_HSK_CEK_SIZE }, (struct span){ bytes, 10 }, &out, &e) < 0 ||
	    json_parse(buf_span(&out), &doc, &e) < 0)
		abort();
	return 0;
}
