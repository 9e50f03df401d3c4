/* fuzz_pb.c: protobuf messages of ours; what was read can be written. The first byte says which. */
#include "lib/base.h"

#include "lib/limits.h"
#include "lib/pb.h"

#include "keyprovider/keyprovider.pb-c.h"
#include "lib/ttrpc.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const ProtobufCMessageDescriptor *const types[] = {
		&ttrpc__request__descriptor, &ttrpc__response__descriptor, &keyprovider__json__descriptor,
	};
	autobuf out = BUF(MIB(8));
	struct span in = { data, size };
	struct pb pb = { 0 }, again = { 0 };
	struct err e;
	uint8_t which;

	if (!span_u8(&in, &which))
		return 0;
	if (pb_parse(in, types[which % ARRAY_LEN(types)], "fuzz", &pb, &e) == 0) {
		if (pb_format(pb.message, &out, &e) < 0)
			abort();
		(void)(pb_parse(buf_span(&out), types[which % ARRAY_LEN(types)], "fuzz", &again, &e) < 0);
	}
	pb_free(&again);
	pb_free(&pb);
	if (pb.budget.used != 0)
		abort();
	return 0;
}
