/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "foreign_place.h"

struct placing {
	const bool *foreign;
	const size_t *keep; /* where each rule of live is among the new ones; SIZE_MAX: nowhere */
	size_t n, new_n;
};

/* The next rule of ours before (step -1) or behind rule i; n: there is none. */
static size_t neighbour(const struct placing *p, size_t i, int step)
{
	do
		i += (size_t)step;
	while (i < p->n && p->foreign[i]);
	return i < p->n ? i : p->n;
}

static size_t place(const struct placing *p, size_t i)
{
	size_t before = neighbour(p, i, -1), behind = neighbour(p, i, 1);

	if (before == p->n)
		return 0;
	if (p->keep[before] != SIZE_MAX)
		return p->keep[before] + 1;
	if (behind == p->n)
		return p->new_n;
	if (p->keep[behind] != SIZE_MAX)
		return p->keep[behind];
	while (before < p->n && p->keep[before] == SIZE_MAX)
		before = neighbour(p, before, -1);
	return before < p->n ? p->keep[before] + 1 : 0;
}

static size_t *align(const struct item *const *a, size_t na, const struct item *const *b, size_t nb)
{
	struct digest *digests = mem_alloc((na + nb + 1) * sizeof(*digests));
	size_t *keep = mem_alloc((na + 1) * sizeof(*keep));

	for (size_t i = 0; i < na; i++)
		digests[i] = a[i]->digest;
	for (size_t i = 0; i < nb; i++)
		digests[na + i] = b[i]->digest;
	items_align(digests, na, digests + na, nb, keep);
	free(digests);
	return keep;
}

size_t *foreign_places(const struct item *const *live, const bool *foreign, size_t n,
		       const struct item *const *new, size_t new_n)
{
	size_t *slot = mem_alloc((n + 1) * sizeof(*slot)), *keep = align(live, n, new, new_n);
	const struct placing p = {foreign, keep, n, new_n};
	size_t least = 0;

	for (size_t i = 0; i < n; i++) {
		slot[i] = SIZE_MAX;
		if (!foreign[i] || keep[i] != SIZE_MAX)
			continue;
		slot[i] = place(&p, i);
		if (slot[i] < least)
			slot[i] = least;
		least = slot[i];
	}
	free(keep);
	return slot;
}
