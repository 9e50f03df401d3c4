/* fuzz_eventlog.c: any bytes as the firmware's log and, from a marked place on, ours; what is joined ends where it says. */
#include "lib/base.h"

#include "evidence/eventlog.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static const char mark[] = "--AAEL--";
	const uint8_t *at = memmem(bytes, n, mark, 8);
	size_t split = at != NULL ? (size_t)(at - bytes) : n, end = 0;
	struct span ccel = { bytes, split }, aael = { bytes + split, 0 };
	autobuf out = BUF(LIMIT_EVENT_LOG);
	struct err e;

	if (at != NULL)
		aael = (struct span){ at + 8, n - split - 8 };
	if (eventlog_join(ccel, aael, &out, &e) < 0 || out.len == 0)
		return 0;
	if (eventlog_end(buf_span(&out), &end, &e) < 0)
		abort();
	return 0;
}
