# lib/grpc.c: the units of time are looked through beyond their end
s/i < ARRAY_LEN(units)/i <= ARRAY_LEN(units)/
