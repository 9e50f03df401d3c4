/* overlay.h: layers of the store, one above the other. */
#ifndef AGENT_OVERLAY_H
#define AGENT_OVERLAY_H

#include "lib/err.h"

#define OVERLAY_OPAQUE	"trusted.overlay.opaque"

int overlay_probe(int store, int stage, struct err *) must_check;
int overlay_mount(int stage, const char *const *layers, size_t n, struct err *) must_check;
int overlay_unmount(int stage, struct err *) must_check;

#endif
