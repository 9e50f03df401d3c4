/* overlay.c: not to be had yet. */
#include "lib/base.h"

#include "agent/overlay.h"

int
overlay_probe(maybe_unused int store, maybe_unused int stage, struct err *e)
{
	return err_set(e, ERR_UNSUPPORTED, "overlay");
}

int
overlay_mount(maybe_unused int stage, maybe_unused const char *const *layers, maybe_unused size_t n, struct err *e)
{
	return err_set(e, ERR_UNSUPPORTED, "overlay");
}

int
overlay_unmount(maybe_unused int stage, maybe_unused struct err *e)
{
	return 0;
}
