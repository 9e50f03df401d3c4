# lib/grpc.c: a text is decoded beyond its end
s/i < in\.len && out->len < out->max/i < in.len + 64 \&\& out->len < out->max/
