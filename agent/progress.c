/* progress.c: see progress.h. */
#include "lib/base.h"

#include "agent/progress.h"

#include "lib/sys.h"

#define LINE_EVERY_MS	5000
#define BAR		24

void
progress_init(struct progress *p)
{
	*p = (struct progress){ .terminal = isatty(2) == 1 && getenv("TERM") != NULL };
}

static void
format_size(uint64_t bytes, char out[16])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double v = (double)bytes;
	size_t u = 0;

	while (v >= 1024 && u + 1 < ARRAY_LEN(units)) {
		v /= 1024;
		u++;
	}
	snprintf(out, 16, u == 0 ? "%.0f %s" : "%.1f %s", v, units[u]);
}

static void
draw(struct progress *p, uint32_t layers, uint64_t bytes, uint64_t of, uint64_t rate)
{
	char a[16], b[16], r[16], bar[BAR + 1];
	size_t full = of > 0 ? (size_t)((double)bytes / (double)of * BAR) : BAR;

	format_size(bytes, a);
	format_size(of, b);
	format_size(rate, r);
	memset(bar, ' ', BAR);
	memset(bar, '=', MIN(full, BAR));
	bar[BAR] = '\0';
	if (p->terminal)
		fprintf(stderr, "\rlayer %u/%u [%s] %s of %s, %s/s \033[K", p->layer, layers,
		    bar, a, b, r);
	else
		fprintf(stderr, "layer %u of %u: %s of %s, %s/s\n", p->layer, layers, a, b, r);
	p->open = p->terminal;
}

void
progress_update(struct progress *p, uint32_t layer, uint32_t layers, uint64_t bytes, uint64_t of)
{
	int64_t now = sys_now_ms();
	uint64_t ms;

	if (p->layer != layer + 1) {
		p->layer = layer + 1;
		p->layer_start = p->shown = now;
	}
	if (p->complete == p->layer)
		return;
	if (bytes == of)
		p->complete = p->layer;
	else if (now - p->shown < (p->terminal ? 100 : LINE_EVERY_MS))
		return;
	p->shown = now;
	ms = (uint64_t)MAX(now - p->layer_start, 1);
	draw(p, layers, bytes, of, bytes * 1000 / ms);
	if (p->terminal && bytes == of)
		progress_end(p);
}

void
progress_end(struct progress *p)
{
	if (p->open)
		fprintf(stderr, "\n");
	p->open = false;
}
