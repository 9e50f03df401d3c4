/* test_quote.c: where quotes end, on real ones; what is none; every cut and every flipped bit. */
#include "lib/base.h"

#include "evidence/quote.h"

#include "tests/lib/mutate.h"
#include "tests/lib/tap.h"
#include "tests/lib/world.h"

static struct err e;

static void
check_real(const char *name, size_t data_at, size_t end)
{
	struct buf b;
	struct span q = vector(name, &b);
	uint8_t other[64];
	size_t size = 0;

	works(quote_size(q, q.p + data_at, &size, &e), "%s", name);
	is_int(size, end, "%s: its end", name);
	memcpy(other, q.p + data_at, 64);
	other[63] ^= 1;
	size = 4711;
	fails(quote_size(q, other, &size, &e), ERR_EVIDENCE, "%s: over other data", name);
	fails(quote_size((struct span){ q.p, end - 1 }, q.p + data_at, &size, &e), ERR_EVIDENCE, "%s: cut off", name);
	is_int(size, 4711, "%s: nothing comes out", name);
	buf_free(&b);
}

static void
refused(struct buf *b, size_t at, uint8_t value, const char *what)
{
	uint8_t was;
	size_t size;

	assert(b->data != NULL);
	was = b->data[at];
	b->data[at] = value;
	fails(quote_size(buf_span(b), b->data + (b->data[0] == 4 ? 568 : 574), &size, &e), ERR_EVIDENCE, "%s", what);
	b->data[at] = was;
}

static void
try_mutant(struct span q, void *arg)
{
	size_t size = 0;

	if (quote_size(q, arg, &size, &e) == 0 && size > q.len)
		abort();
}

int
main(void)
{
	struct buf v4, v5, sgx;
	size_t size;

	check_real("tdx/tdx_quote_4.dat", 568, 4936);
	check_real("tdx/tdx_quote_5.dat", 574, 5006);
	check_real("tdx/cos-113-tdx-quote.dat", 568, 4935);
	check_real("tdx/tdx_prod_quote_SPR_E4.dat", 568, 4935);

	vector("tdx/tdx_quote_4.dat", &v4);
	vector("tdx/tdx_quote_5.dat", &v5);
	vector("tdx/sgx_quote_3.dat", &sgx);
	fails(quote_size(buf_span(&sgx), sgx.data + 368, &size, &e), ERR_EVIDENCE, "a quote of SGX");
	refused(&v4, 4, 0, "version 4 of SGX");
	refused(&v4, 5, 1, "another kind");
	refused(&v5, 0, 6, "version 6");
	refused(&v5, 48, 1, "a body of SGX");
	refused(&v5, 48, 5, "a body that is not known");
	refused(&v5, 49, 1, "a body type of two bytes");
	refused(&v5, 50, 0, "a body of another size");
	refused(&v4, 635, 0xff, "a signature of 4 GiB");
	assert(v4.data != NULL && v5.data != NULL && sgx.data != NULL);
	v4.data[632] = 127;
	v4.data[633] = 0;
	fails(quote_size(buf_span(&v4), v4.data + 568, &size, &e), ERR_EVIDENCE, "a signature that is too short");
	ok(mutate((struct span){ v5.data, 1000 }, 0, try_mutant, v5.data + 574) > 0, "cuts");
	ok(mutate(buf_span(&v5), 710, try_mutant, v5.data + 574) > 0, "flips");
	buf_free(&v4);
	buf_free(&v5);
	buf_free(&sgx);
	return tap_done();
}
