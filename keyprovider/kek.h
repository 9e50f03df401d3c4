/*
 * kek.h: the text of a file that holds one wrapping key.
 */
#ifndef KEYPROVIDER_KEK_H
#define KEYPROVIDER_KEK_H

#include "lib/buf.h"

#define KEK_SIZE	32
#define KEK_FILE_MAX	256

/*
 * Exactly 32 bytes are the key itself. Else base64 or lower-case hex of them, with or without a line end. Appended to a
 * secret buffer. -ERR_CONFIG, quoting nothing.
 */
int kek_parse(struct span text, struct buf *kek, struct err *) must_check;

#endif
