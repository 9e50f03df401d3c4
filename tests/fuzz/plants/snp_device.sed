# evidence/snp.c: there is room for what the host wants, not for the pages that the kernel is told of
/^make_room(/,/^}/s/buf_reserve(&c->certs, room/buf_reserve(\&c->certs, need/
