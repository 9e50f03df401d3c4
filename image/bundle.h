/*
 * bundle.h: the runtime config.json for an image configuration (image-spec
 * conversion.md). The rootfs is read for /etc/passwd and /etc/group only, inside its root.
 * bundle.c, user.c; the text is written by spec.c
 */
#ifndef IMAGE_BUNDLE_H
#define IMAGE_BUNDLE_H

#include "image/manifest.h"

/* rootfs: O_DIRECTORY descriptor. Appends the JSON text. -ERR_IMAGE (unknown user …). */
int bundle_config(const struct image_config *, int rootfs, struct buf *out,
    struct err *) must_check;

/*
 * "", "uid", "uid:gid", "name", "name:group" … against passwd and group files given as
 * text. A number needs no entry; if it has one, group and home come from there. Additional
 * groups only where no group is asked for. "" is 0:0. Pure. -ERR_IMAGE.
 */
struct bundle_user {
	uint32_t	uid, gid;
	uint32_t	groups[64];	/* additional */
	size_t		ngroups;
	char		home[256];	/* "" when not known */
};
int bundle_user_parse(struct span user, struct span passwd, struct span group,
    struct bundle_user *out, struct err *) must_check;

#endif
