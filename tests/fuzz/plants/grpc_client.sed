# lib/grpc.c: one byte too many is taken for the prefix of a message
s/while (in.len > 0 \&\& m->have < GRPC_PREFIX)/while (in.len > 0 \&\& m->have <= GRPC_PREFIX)/
