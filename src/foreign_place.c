/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "foreign_place.h"

#include <string.h>

struct placing {
	const struct foreign_rules *live, *new;
	size_t *keep; /* where each rule of live is among the new ones; SIZE_MAX: nowhere */
	bool last;
};

/* The next rule of ours before (step -1) or behind rule i; n: there is none. */
static size_t neighbour(const struct placing *p, size_t i, int step)
{
	do
		i += (size_t)step;
	while (i < p->live->n && p->live->foreign[i]);
	return i < p->live->n ? i : p->live->n;
}

static size_t place(const struct placing *p, size_t i)
{
	size_t none = p->live->n, before = neighbour(p, i, -1), behind = neighbour(p, i, 1);

	if (before == none)
		return behind == none && p->last ? p->new->n : 0;
	if (behind == none)
		return p->new->n;
	if (p->keep[before] != SIZE_MAX)
		return p->keep[before] + 1;
	if (p->keep[behind] != SIZE_MAX)
		return p->keep[behind];
	while (before != none && p->keep[before] == SIZE_MAX)
		before = neighbour(p, before, -1);
	return before != none ? p->keep[before] + 1 : 0;
}

/* Which rules of ours, or which foreign ones, and what they are. Caller frees both. */
static size_t choose(const struct foreign_rules *all, bool foreign, size_t **which, struct digest **digests)
{
	size_t n = 0;

	*which = mem_alloc((all->n + 1) * sizeof(**which));
	*digests = mem_alloc((all->n + 1) * sizeof(**digests));
	for (size_t i = 0; i < all->n; i++)
		if (all->foreign[i] == foreign) {
			(*which)[n] = i;
			(*digests)[n++] = all->item[i]->digest;
		}
	return n;
}

/* Ours and foreign rules each by themselves: that one moved past the other is no reason to lose either. */
static void align(struct placing *p, bool foreign)
{
	cleanup_free size_t *a = NULL, *b = NULL, *keep = NULL;
	cleanup_free struct digest *x = NULL, *y = NULL;
	size_t na = choose(p->live, foreign, &a, &x), nb = choose(p->new, foreign, &b, &y);

	keep = mem_alloc((na + 1) * sizeof(*keep));
	items_align(x, na, y, nb, keep);
	for (size_t i = 0; i < na; i++)
		p->keep[a[i]] = keep[i] == SIZE_MAX ? SIZE_MAX : b[keep[i]];
}

/* A rule of the target by what it is. */
struct known {
	struct digest digest;
	size_t place;
};

static int compare_known(const void *a, const void *b)
{
	return memcmp(&((const struct known *)a)->digest, &((const struct known *)b)->digest, sizeof(struct digest));
}

/* Takes one of these that is left; they are sorted. */
static void meet(struct known *left, size_t *n, const struct known *like, bool *met)
{
	struct known *found = *n ? bsearch(like, left, *n, sizeof(*left), compare_known) : NULL;

	if (!found)
		return;
	met[found->place] = true;
	memmove(found, found + 1, (size_t)(left + *n - (found + 1)) * sizeof(*left));
	--*n;
}

/* Foreign rules that are in both, but in another order, or too many to be aligned. */
static void meet_moved(const struct placing *p, bool *met)
{
	cleanup_free struct known *left = mem_alloc((p->new->n + 1) * sizeof(*left));
	size_t n = 0;

	for (size_t i = 0; i < p->new->n; i++)
		if (p->new->foreign[i] && !met[i])
			left[n++] = (struct known){p->new->item[i]->digest, i};
	if (n)
		qsort(left, n, sizeof(*left), compare_known);
	for (size_t i = 0; n && i < p->live->n; i++)
		if (p->live->foreign[i] && p->keep[i] == SIZE_MAX)
			meet(left, &n, &(struct known){p->live->item[i]->digest, 0}, met);
}

size_t *foreign_places(const struct foreign_rules *live, const struct foreign_rules *new, bool last, bool *met)
{
	struct placing p = {live, new, mem_alloc((live->n + 1) * sizeof(*p.keep)), last};
	size_t *slot = mem_alloc((live->n + 1) * sizeof(*slot)), least = 0;

	align(&p, false);
	align(&p, true);
	for (size_t i = 0; i < live->n; i++) {
		slot[i] = SIZE_MAX;
		if (!live->foreign[i])
			continue;
		if (p.keep[i] != SIZE_MAX)
			met[p.keep[i]] = true;
		slot[i] = p.keep[i] != SIZE_MAX ? p.keep[i] : place(&p, i);
		if (slot[i] < least)
			slot[i] = least;
		least = slot[i];
	}
	meet_moved(&p, met);
	free(p.keep);
	return slot;
}
