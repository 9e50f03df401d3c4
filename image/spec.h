/*
 * spec.h: writes a runtime config.json (runtime-spec 1.0.2). It starts from a
 * default that runc and crun accept; members come in the order of the default, lists in
 * the order of the calls, so that equal input gives equal bytes.
 */
#ifndef IMAGE_SPEC_H
#define IMAGE_SPEC_H

#include "lib/buf.h"

struct spec;

int spec_new(struct spec **out, struct err *) must_check;
void spec_free(struct spec *);
void spec_freep(struct spec **);

/*
 * Texts are UTF-8 and are copied. The first argument replaces the default; the last
 * value of an annotation counts. -ERR_NOMEM.
 */
int spec_add_arg(struct spec *, const char *, struct err *) must_check;
int spec_add_env(struct spec *, const char *, struct err *) must_check;
bool spec_has_env(const struct spec *, const char *name);
int spec_add_tmpfs(struct spec *, const char *destination, struct err *) must_check;
int spec_add_group(struct spec *, uint32_t gid, struct err *) must_check;
int spec_set_user(struct spec *, uint32_t uid, uint32_t gid, struct err *) must_check;
int spec_set_cwd(struct spec *, const char *, struct err *) must_check;
int spec_annotate(struct spec *, const char *key, const char *value, struct err *) must_check;

/* Appends the text. */
int spec_write(const struct spec *, struct buf *out, struct err *) must_check;

#endif
