/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/ipset.h"

#include <errno.h>
#include <string.h>

void ipset_update_release(struct ipset_update *u)
{
	buf_release(&u->forward);
	buf_release(&u->backward);
}

/* Appends a record that adds a member of t, or deletes it. */
static void put_member(struct buf *records, const struct table *t, const struct item *item, bool add)
{
	struct ipset_writer w = {.records = records};
	size_t at = records->len;
	struct nlmsghdr *nlh;

	ipset_store_member(&w, IPSET_PROTOCOL, t->name, (const void *)(t->records.data + item->at));
	nlh = (void *)(records->data + at);
	if (!add)
		nlh->nlmsg_type = (uint16_t)(NFNL_SUBSYS_IPSET << 8 | IPSET_CMD_DEL);
}

/* What makes `new` of `old` of one member; either may not be there. */
static void put_change(struct buf *records, const struct table *old_table, const struct item *old,
		       const struct table *new_table, const struct item *new)
{
	if (new)
		put_member(records, new_table, new, true);
	else
		put_member(records, old_table, old, false);
}

static int compare_key(const void *a, const void *b)
{
	const struct item *x = *(const struct item *const *)a, *y = *(const struct item *const *)b;

	return memcmp(&x->key, &y->key, sizeof(x->key));
}

/* The members by what they are looked up by. Caller frees. */
static const struct item **sort_members(const struct items *items, size_t *n)
{
	const struct item **sorted = mem_alloc((items->n + 1) * sizeof(*sorted));

	*n = 0;
	for (size_t i = 0; i < items->n; i++)
		if (items->item[i].kind == ITEM_ELEMENT)
			sorted[(*n)++] = &items->item[i];
	qsort(sorted, *n, sizeof(*sorted), compare_key);
	return sorted;
}

static const struct item *find_member(const struct item **sorted, size_t n, const struct item *like)
{
	const struct item **found = bsearch(&like, sorted, n, sizeof(*sorted), compare_key);

	return found ? *found : NULL;
}

static const struct item *header_of(const struct items *items)
{
	return items->n && items->item[0].kind == ITEM_TABLE ? &items->item[0] : NULL;
}

struct mixing {
	struct piece *piece;
	size_t n;
};

static void take(struct mixing *m, struct ruleset *from, const struct table *t,
		 const struct item *item)
{
	*(struct piece *)array_grow(&m->piece, &m->n, sizeof(*m->piece)) =
		(struct piece){from, t, item};
}

static int mix(struct ruleset *now, const struct items *are, struct ruleset *names,
	       const struct table *new, const struct items *wanted, struct ruleset *mixed)
{
	size_t nare, nwanted;
	const struct item **old = sort_members(are, &nare), **future = sort_members(wanted, &nwanted);
	const struct table *t = now->tables;
	struct mixing m = {NULL, 0};
	int r;

	take(&m, names, new, header_of(wanted));
	for (size_t i = 1; i < wanted->n; i++) {
		const struct item *want = &wanted->item[i], *is = find_member(old, nare, want);

		if (is && (digest_equal(is->digest, want->digest) || (is->silent && want->silent)))
			take(&m, now, t, is);
		else
			take(&m, names, new, want);
	}
	for (size_t i = 1; i < are->n; i++)
		if (are->item[i].silent && !find_member(future, nwanted, &are->item[i]))
			take(&m, now, t, &are->item[i]);
	r = ipset_compose(mixed, ruleset_add(mixed, ENGINE_IPSET, new->family, new->name), m.piece,
			  m.n);
	free(m.piece);
	free(old);
	free(future);
	return r;
}

/* All members count, and the name of the set does not: it has been swapped. */
static void make_comparable(struct items *items)
{
	for (size_t i = 0; i < items->n; i++) {
		items->item[i].silent = false;
		items->item[i].name = "";
	}
}

/* One member is one step: packets meet the old set or the new one, and nothing else of it is touched. */
static int put_update(struct ipset_update *u, const struct table *now, struct items *are,
		      struct ruleset *mixed)
{
	struct items become = {0};
	struct item_changes changes = {0};
	int r = ipset_items(mixed, mixed->tables, &become);

	make_comparable(are);
	make_comparable(&become);
	if (!r)
		items_compare(are, &become, &changes);
	if (changes.n == 1) {
		const struct item_change *c = changes.change;

		put_change(&u->forward, now, c->old, mixed->tables, c->new);
		put_change(&u->backward, mixed->tables, c->new, now, c->old);
	}
	item_changes_release(&changes);
	items_release(&become);
	return r;
}

int ipset_mix(struct ruleset *now, struct ruleset *names, const struct table *new,
	      struct ruleset *mixed, struct ipset_update *update)
{
	struct items are = {0}, wanted = {0};
	int r = ipset_items(now, now->tables, &are);

	if (!r)
		r = ipset_items(names, new, &wanted);
	if (!r && digest_equal(header_of(&are)->digest, header_of(&wanted)->digest)) {
		r = mix(now, &are, names, new, &wanted, mixed);
		if (!r)
			r = put_update(update, now->tables, &are, mixed);
		r = r ? r : 1;
	}
	items_release(&are);
	items_release(&wanted);
	return r;
}

int ipset_follow(struct ipset_kernel *k, struct ruleset *early, struct ruleset *late, const char *name)
{
	cleanup_buf struct buf records = BUF_INIT;
	struct items was = {0}, is = {0};
	struct item_changes changes = {0};
	int r = ipset_items(early, early->tables, &was);

	if (!r)
		r = ipset_items(late, late->tables, &is);
	make_comparable(&was);
	make_comparable(&is);
	if (!r)
		items_compare(&was, &is, &changes);
	for (size_t i = 0; i < changes.n; i++)
		put_change(&records, early->tables, changes.change[i].old, late->tables,
			   changes.change[i].new);
	if (!r && records.len)
		r = ipset_send(k, &records, name);
	item_changes_release(&changes);
	items_release(&was);
	items_release(&is);
	return r;
}
