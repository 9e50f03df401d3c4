/* pick.h: which layers of an image are meant: "0,2,-1", from 0 at the bottom, negative ones from the top. Pure. */
#ifndef IMAGE_PICK_H
#define IMAGE_PICK_H

#include "lib/buf.h"

/*
 * picked[0..n) say which of n layers list names; an empty list names all. -ERR_USAGE: no number, a layer that
 * the image has not, or one that is named twice.
 */
int layers_pick(struct span list, size_t n, bool picked[], struct err *) must_check;

#endif
