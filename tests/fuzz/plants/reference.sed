# image/reference.c: the first byte of a tag that is empty
/^image_ref_tag_ok(/,/^}/s/s\.len == 0 || //
