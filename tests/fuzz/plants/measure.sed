# evidence/measure.c: what the register will hold is copied with all that follows it
s/memcpy(out->expected, expected.p, expected.len);/memcpy(out->expected, expected.p, expected.len + in.len);/
