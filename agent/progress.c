/* progress.c: see progress.h. */
#include "lib/base.h"

#include "agent/progress.h"

#include "lib/sys.h"

#define LINE_EVERY_MS	5000
#define DRAW_EVERY_MS	100
#define EVENT_EVERY_MS	250	/* of one layer */
#define BAR		24
#define SIZE_TEXT	16

static const char *const stage_names[STAGE_COUNT] = {
	[STAGE_ELSEWHERE]	= "elsewhere",
	[STAGE_FETCH]		= "fetch",
	[STAGE_UNPACK]		= "unpack",
	[STAGE_REUSED]		= "reused",
	[STAGE_DONE]		= "done",
};

void
progress_init(struct progress *p, bool json)
{
	memset(p, 0, sizeof(*p));
	p->style = json ? PROGRESS_JSON :
	    isatty(2) == 1 && getenv("TERM") != NULL ? PROGRESS_TERMINAL : PROGRESS_LINES;
	p->start = p->shown = sys_now_ms();
}

static void
format_size(uint64_t bytes, char out[SIZE_TEXT])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double v = (double)bytes;
	size_t u = 0;

	while (v >= 1024 && u + 1 < ARRAY_LEN(units)) {
		v /= 1024;
		u++;
	}
	snprintf(out, SIZE_TEXT, u == 0 ? "%.0f %s" : "%.1f %s", v, units[u]);
}

static uint64_t
rate(uint64_t bytes, int64_t since)
{
	return bytes * 1000 / (uint64_t)MAX(sys_now_ms() - since, 1);
}

static bool
is_over(enum stage s)
{
	return s == STAGE_DONE || s == STAGE_REUSED;
}

/* All layers together. */
struct sum {
	uint32_t	done;
	uint64_t	bytes, of, fetched;	/* fetched: without what was there already */
};

static struct sum
add_up(const struct progress *p)
{
	struct sum s = { 0 };

	for (uint32_t i = 0; i < p->n; i++) {
		const struct progress_layer *l = &p->layers[i];

		s.done += is_over(l->stage);
		s.bytes += l->bytes;
		s.of += l->of;
		s.fetched += l->stage == STAGE_REUSED ? 0 : l->bytes;
	}
	return s;
}

static void
draw(struct progress *p)
{
	struct sum s = add_up(p);
	size_t full = s.of > 0 ? (size_t)((double)s.bytes / (double)s.of * BAR) : BAR;
	char a[SIZE_TEXT], b[SIZE_TEXT], r[SIZE_TEXT], bar[BAR + 1];

	format_size(s.bytes, a);
	format_size(s.of, b);
	format_size(rate(s.fetched, p->start), r);
	memset(bar, ' ', BAR);
	memset(bar, '=', MIN(full, BAR));
	bar[BAR] = '\0';
	if (p->style == PROGRESS_TERMINAL)
		fprintf(stderr, "\r%u of %u layers [%s] %s of %s, %s/s \033[K", s.done, p->n, bar,
		    a, b, r);
	else
		fprintf(stderr, "%u of %u layers: %s of %s, %s/s\n", s.done, p->n, a, b, r);
	p->open = p->style == PROGRESS_TERMINAL;
}

static void
print_layer(const struct progress *p, uint32_t number)
{
	const struct progress_layer *l = &p->layers[number];
	char size[SIZE_TEXT], r[SIZE_TEXT];

	format_size(l->of, size);
	format_size(rate(l->bytes, l->start), r);
	if (l->stage == STAGE_REUSED)
		fprintf(stderr, "layer %u of %u: %s, already there\n", number + 1, p->n, size);
	else
		fprintf(stderr, "layer %u of %u: %s, %s/s\n", number + 1, p->n, size, r);
}

static void
print_event(const struct progress *p, uint32_t number)
{
	const struct progress_layer *l = &p->layers[number];

	printf("{\"event\":\"progress\",\"layer\":%u,\"layers\":%u,\"stage\":\"%s\","
	    "\"bytes\":%" PRIu64 ",\"of\":%" PRIu64 ",\"rate\":%" PRIu64 "}\n", number + 1, p->n,
	    stage_names[l->stage], l->bytes, l->of,
	    l->stage == STAGE_REUSED ? 0 : rate(l->bytes, l->start));
	fflush(stdout);
}

static bool
is_due(const struct progress *p, const struct progress_layer *l, bool news, int64_t now)
{
	switch (p->style) {
	case PROGRESS_JSON:
		return news || now - l->shown >= EVENT_EVERY_MS;
	case PROGRESS_TERMINAL:
		return news || now - p->shown >= DRAW_EVERY_MS;
	case PROGRESS_LINES:
	default:
		return (news && is_over(l->stage)) || now - p->shown >= LINE_EVERY_MS;
	}
}

void
progress_expect(struct progress *p, uint32_t layer, uint64_t size)
{
	assert(layer < LIMIT_LAYERS);
	p->n = MAX(p->n, layer + 1);
	p->layers[layer] = (struct progress_layer){ .of = size };
}

void
progress_update(struct progress *p, uint32_t layer, enum stage stage, uint64_t bytes)
{
	struct progress_layer *l = &p->layers[layer];
	int64_t now = sys_now_ms();
	bool news = l->start == 0 || stage != l->stage;

	assert(layer < p->n && stage < STAGE_COUNT);
	if (l->start == 0 || (stage == STAGE_FETCH && l->stage != STAGE_FETCH))
		l->start = now;
	l->stage = stage;
	l->bytes = is_over(stage) ? l->of : MIN(bytes, l->of);
	if (!is_due(p, l, news, now))
		return;
	l->shown = p->shown = now;
	if (p->style == PROGRESS_JSON)
		print_event(p, layer);
	else if (p->style == PROGRESS_LINES && is_over(stage))
		print_layer(p, layer);
	else
		draw(p);
}

void
progress_end(struct progress *p)
{
	if (p->open)
		fprintf(stderr, "\n");
	p->open = false;
}
