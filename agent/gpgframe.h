/*
 * gpgframe.h: what the outermost packet of a signature blob may be, before gpg gets it. gpg stops where the data of a
 * compressed packet without a length stops, and says nothing of what lies behind. Only the gpg role links this.
 */
#ifndef AGENT_GPGFRAME_H
#define AGENT_GPGFRAME_H

#include "lib/buf.h"

/*
 * 0: a binary OpenPGP message with nothing behind it, as far as gpg would not see it by itself. -ERR_IMAGE: armoured,
 * clear-signed, something else, or with more data behind it than belongs to it.
 */
int gpgframe_check(struct span blob, struct err *) must_check;

#endif
