/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "item.h"

#include <string.h>

void items_release(struct items *i)
{
	free(i->item);
	*i = (struct items){0};
}

void item_changes_release(struct item_changes *c)
{
	free(c->change);
	*c = (struct item_changes){0};
}

/* Rows of the middle's table: lengths of the longest common subsequences of what is behind. */
struct middle {
	const struct digest *a, *b;
	size_t na, nb;
	uint16_t *length;
};

static uint16_t *length_at(const struct middle *m, size_t i, size_t j)
{
	return &m->length[i * (m->nb + 1) + j];
}

static void measure_middle(const struct middle *m)
{
	for (size_t i = m->na; i-- > 0;)
		for (size_t j = m->nb; j-- > 0;) {
			uint16_t down = *length_at(m, i + 1, j), right = *length_at(m, i, j + 1);

			if (digest_equal(m->a[i], m->b[j]))
				*length_at(m, i, j) = (uint16_t)(*length_at(m, i + 1, j + 1) + 1);
			else
				*length_at(m, i, j) = down >= right ? down : right;
		}
}

static void align_middle(const struct middle *m, size_t head, size_t *keep)
{
	size_t i = 0, j = 0;

	measure_middle(m);
	while (i < m->na && j < m->nb) {
		if (digest_equal(m->a[i], m->b[j]))
			keep[i++] = head + j++;
		else if (*length_at(m, i + 1, j) >= *length_at(m, i, j + 1))
			i++;
		else
			j++;
	}
}

void items_align(const struct digest *a, size_t na, const struct digest *b, size_t nb, size_t *keep)
{
	size_t head = 0, tail = 0;
	struct middle m;

	for (size_t i = 0; i < na; i++)
		keep[i] = SIZE_MAX;
	while (head < na && head < nb && digest_equal(a[head], b[head])) {
		keep[head] = head;
		head++;
	}
	while (tail < na - head && tail < nb - head &&
	       digest_equal(a[na - tail - 1], b[nb - tail - 1])) {
		tail++;
		keep[na - tail] = nb - tail;
	}
	m = (struct middle){a + head, b + head, na - head - tail, nb - head - tail, NULL};
	if (!m.na || !m.nb || m.na > ITEMS_ALIGN_LIMIT || m.nb > ITEMS_ALIGN_LIMIT)
		return;
	m.length = mem_zalloc((m.na + 1) * (m.nb + 1) * sizeof(*m.length));
	align_middle(&m, head, keep + head);
	free(m.length);
}

/* Items sorted by what they are, so that both sides can be walked side by side. */
struct entry {
	const struct item *item;
	size_t index;
};

static int compare_group(const struct item *a, const struct item *b)
{
	return a->kind != b->kind ? (a->kind < b->kind ? -1 : 1) : strcmp(a->name, b->name);
}

static int compare_identity(const struct item *a, const struct item *b)
{
	int r = compare_group(a, b);

	return r ? r : memcmp(&a->key, &b->key, sizeof(a->key));
}

static int compare_entry(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int r = compare_identity(x->item, y->item);

	return r ? r : x->index < y->index ? -1 : x->index > y->index;
}

static struct entry *sort_items(const struct items *items)
{
	struct entry *e = mem_alloc((items->n + 1) * sizeof(*e));

	for (size_t i = 0; i < items->n; i++)
		e[i] = (struct entry){&items->item[i], i};
	qsort(e, items->n, sizeof(*e), compare_entry);
	return e;
}

/* A change with what it is sorted by. */
struct ranked {
	struct item_change change;
	size_t group, order;
};

/* One side of a group: what is of the same kind and chain or set. */
struct side {
	const struct entry *e;
	size_t n;
	bool fed; /* the set of the elements */
};

struct comparing {
	size_t group; /* rank of the group at hand */
	struct ranked *found;
	size_t nfound;
};

static void found(struct comparing *c, struct item_change change, size_t order)
{
	struct ranked *r = array_grow(&c->found, &c->nfound, sizeof(*r));

	*r = (struct ranked){change, c->group, order};
}

static void added(struct comparing *c, const struct entry *new, size_t place)
{
	found(c, (struct item_change){NULL, new->item, place}, new->index);
}

static void removed(struct comparing *c, const struct entry *old, size_t place)
{
	found(c, (struct item_change){old->item, NULL, place}, old->index);
}

static void compare_rules(struct comparing *c, const struct side *old, const struct side *new)
{
	struct digest *digests = mem_alloc((old->n + new->n + 1) * sizeof(*digests));
	size_t *keep = mem_alloc((old->n + 1) * sizeof(*keep)), next = 0;

	for (size_t i = 0; i < old->n; i++)
		digests[i] = old->e[i].item->digest;
	for (size_t i = 0; i < new->n; i++)
		digests[old->n + i] = new->e[i].item->digest;
	items_align(digests, old->n, digests + old->n, new->n, keep);
	for (size_t i = 0; i < old->n; i++) {
		if (keep[i] == SIZE_MAX) {
			removed(c, &old->e[i], i);
			continue;
		}
		for (; next < keep[i]; next++)
			added(c, &new->e[next], i);
		next++;
	}
	for (; next < new->n; next++)
		added(c, &new->e[next], old->n);
	free(keep);
	free(digests);
}

static bool is_silent(const struct item *item, const struct side *other)
{
	return item->silent && (!item->fed || other->fed);
}

static void compare_others(struct comparing *c, const struct side *old, const struct side *new)
{
	size_t i = 0, j = 0;

	while (i < old->n || j < new->n) {
		const struct entry *a = i < old->n ? &old->e[i] : NULL;
		const struct entry *b = j < new->n ? &new->e[j] : NULL;
		int order = !a ? 1 : !b ? -1 : compare_identity(a->item, b->item);

		if (order < 0 && !is_silent(a->item, new))
			removed(c, a, 0);
		else if (order > 0 && !is_silent(b->item, old))
			added(c, b, 0);
		else if (!order && !digest_equal(a->item->digest, b->item->digest) &&
			 !(a->item->kind == ITEM_ELEMENT && is_silent(a->item, new) &&
			   is_silent(b->item, old)))
			found(c, (struct item_change){a->item, b->item, 0}, b->index);
		i += order <= 0;
		j += order >= 0;
	}
}

static size_t group_length(const struct entry *e, size_t n)
{
	size_t i = 0;

	while (i < n && !compare_group(e[0].item, e[i].item))
		i++;
	return i;
}

static size_t first_index(const struct side *s)
{
	size_t least = SIZE_MAX;

	for (size_t i = 0; i < s->n; i++)
		if (s->e[i].index < least)
			least = s->e[i].index;
	return least;
}

static int compare_found(const void *wanted, const void *entry)
{
	return compare_group(wanted, ((const struct entry *)entry)->item);
}

/* Whether rules add to the set of an element, or it is not there to tell. */
static bool is_fed(const struct entry *e, size_t n, const struct item *element)
{
	const struct item set = {.kind = ITEM_SET, .name = element->name};
	const struct entry *found = n ? bsearch(&set, e, n, sizeof(*e), compare_found) : NULL;

	return !found || found->item->fed;
}

static int compare_ranked(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;
	const struct item *xi = x->change.new ? x->change.new : x->change.old;
	const struct item *yi = y->change.new ? y->change.new : y->change.old;

	if (xi->kind != yi->kind)
		return xi->kind < yi->kind ? -1 : 1;
	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	if (x->change.place != y->change.place)
		return x->change.place < y->change.place ? -1 : 1;
	if (!x->change.new != !y->change.new)
		return x->change.new ? 1 : -1;
	return x->order < y->order ? -1 : x->order > y->order;
}

void items_compare(const struct items *old, const struct items *new, struct item_changes *out)
{
	struct entry *a = sort_items(old), *b = sort_items(new);
	struct comparing c = {0};
	size_t i = 0, j = 0;

	while (i < old->n || j < new->n) {
		int order = i == old->n ? 1 : j == new->n ? -1 : compare_group(a[i].item, b[j].item);
		struct side was = {a + i, order <= 0 ? group_length(a + i, old->n - i) : 0, false};
		struct side is = {b + j, order >= 0 ? group_length(b + j, new->n - j) : 0, false};
		const struct item *item = (is.n ? is.e : was.e)->item;

		c.group = is.n ? first_index(&is) : new->n + first_index(&was);
		if (item->kind == ITEM_ELEMENT) {
			was.fed = is_fed(a, old->n, item);
			is.fed = is_fed(b, new->n, item);
		}
		if (item->kind == ITEM_RULE)
			compare_rules(&c, &was, &is);
		else
			compare_others(&c, &was, &is);
		i += was.n;
		j += is.n;
	}
	if (c.nfound)
		qsort(c.found, c.nfound, sizeof(*c.found), compare_ranked);
	for (i = 0; i < c.nfound; i++)
		*(struct item_change *)array_grow(&out->change, &out->n, sizeof(*out->change)) =
			c.found[i].change;
	free(c.found);
	free(a);
	free(b);
}
