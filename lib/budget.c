/* budget.c: every block has its size in front of it, so that it can be counted and wiped. */
#include "lib/base.h"

#include "lib/budget.h"

#include "lib/secret.h"
#include "lib/sys.h"

enum { HEAD = 16 };	/* keeps the alignment of the allocator */

static size_t
size_of(const uint8_t *block)
{
	size_t size;

	memcpy(&size, block, sizeof(size));
	return size;
}

void *
budget_alloc(struct budget *b, size_t n)
{
	uint8_t *block;
	size_t size;

	if (__builtin_add_overflow(n > 0 ? n : 1, (size_t)HEAD, &size) || size > b->max - b->used)
		return NULL;
	block = sys_alloc(size);
	if (block == NULL)
		return NULL;
	memcpy(block, &size, sizeof(size));
	b->used += size;
	return block + HEAD;
}

/* Never in place: the old bytes have to be wiped wherever they were. */
void *
budget_realloc(struct budget *b, void *old, size_t n)
{
	uint8_t *new = budget_alloc(b, n);

	if (new != NULL && old != NULL) {
		size_t had = size_of((uint8_t *)old - HEAD) - HEAD;

		memcpy(new, old, MIN(had, n));
		budget_free(b, old);
	}
	return new;
}

void
budget_free(struct budget *b, void *p)
{
	uint8_t *block = p;
	size_t size;

	if (block == NULL)
		return;
	block -= HEAD;
	size = size_of(block);
	b->used -= size;
	secret_wipe(block, size);
	sys_free(block);
}
