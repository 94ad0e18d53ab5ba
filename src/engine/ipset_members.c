/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/ipset.h"

#include <errno.h>
#include <string.h>

void ipset_update_release(struct ipset_update *u)
{
	buf_release(&u->join);
	buf_release(&u->part);
	buf_release(&u->rejoin);
	buf_release(&u->unjoin);
}

static const struct nlattr *member_at(const struct table *t, const struct item *item)
{
	return (const void *)(t->records.data + item->at);
}

static void put_member(struct ipset_writer *w, const struct table *t, const struct item *item)
{
	if (ipset_writer_full(w, member_at(t, item)))
		ipset_writer_close(w);
	ipset_store_member(w, IPSET_PROTOCOL, t->name, member_at(t, item));
}

/* Makes records that delete members of those that add them. */
static void make_deletions(struct buf *records, size_t at)
{
	while (at < records->len) {
		struct nlmsghdr *nlh = (void *)(records->data + at);

		nlh->nlmsg_type = (uint16_t)(NFNL_SUBSYS_IPSET << 8 | IPSET_CMD_DEL);
		at += nlh->nlmsg_len;
	}
}

/* Appends what makes `new` of `old` of one member; either may not be there. */
static void put_change(struct buf *records, const struct table *old_table, const struct item *old,
		       const struct table *new_table, const struct item *new)
{
	struct ipset_writer w = {.records = records};
	size_t at = records->len;

	put_member(&w, new ? new_table : old_table, new ? new : old);
	if (!new)
		make_deletions(records, at);
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
		(struct piece){.from = from, .table = t, .item = item};
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

int ipset_mix(struct ruleset *now, struct ruleset *names, const struct table *new,
	      struct ruleset *mixed)
{
	struct items are = {0}, wanted = {0};
	int r = ipset_items(now, now->tables, &are);

	if (!r)
		r = ipset_items(names, new, &wanted);
	if (!r && digest_equal(header_of(&are)->digest, header_of(&wanted)->digest)) {
		r = mix(now, &are, names, new, &wanted, mixed);
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
		r = ipset_send(k, late->tables->type, &records, name);
	item_changes_release(&changes);
	items_release(&was);
	items_release(&is);
	return r;
}

/* The two ends of a change in place, and what it comes to. */
struct updating {
	const struct table *old, *new;
	struct ipset_writer join, part, rejoin, unjoin;
	size_t added, removed, altered;
	bool nomatch; /* among them is one that takes out of a larger one */
};

static bool takes_out(const struct table *t, const struct item *item)
{
	const struct nlattr *a;

	netlink_each_in(a, member_at(t, item))
		if (mnl_attr_get_type(a) == IPSET_ATTR_CADT_FLAGS)
			return netlink_u32(a) & IPSET_FLAG_NOMATCH;
	return false;
}

static void update_wanted(struct updating *u, const struct item *is, const struct item *want)
{
	if (is && (digest_equal(is->digest, want->digest) || (is->silent && want->silent)))
		return;
	put_member(&u->join, u->new, want);
	if (is)
		put_member(&u->rejoin, u->old, is);
	else
		put_member(&u->unjoin, u->new, want);
	u->added += !is;
	u->altered += is != NULL;
	u->nomatch |= takes_out(u->new, want) || (is && takes_out(u->old, is));
}

static void update_unwanted(struct updating *u, const struct item *is)
{
	if (is->silent)
		return;
	put_member(&u->part, u->old, is);
	put_member(&u->rejoin, u->old, is);
	u->removed++;
	u->nomatch |= takes_out(u->old, is);
}

static void update_members(struct updating *u, const struct items *are, const struct items *wanted)
{
	size_t nare, nwanted;
	const struct item **old = sort_members(are, &nare), **new = sort_members(wanted, &nwanted);

	for (size_t i = 0; i < nwanted; i++)
		update_wanted(u, find_member(old, nare, new[i]), new[i]);
	for (size_t i = 0; i < nare; i++)
		if (!find_member(new, nwanted, old[i]))
			update_unwanted(u, old[i]);
	free(old);
	free(new);
}

/* How many members there can be; 0: no limit. */
static uint32_t room_of(const struct table *t)
{
	const struct nlattr *tb[IPSET_ATTR_CMD_MAX + 1], *a;
	size_t len;
	const struct nlattr *first = netlink_first((const void *)t->records.data, &len);

	netlink_attributes(first, len, tb, IPSET_ATTR_CMD_MAX);
	netlink_each_in(a, tb[IPSET_ATTR_DATA])
		if (mnl_attr_get_type(a) == IPSET_ATTR_MAXELEM)
			return netlink_u32(a);
	return 0;
}

/*
 * Old and new members together answer as both sets do where those agree, unless members take out of
 * larger ones; one member by itself is one step.
 */
static bool is_gradual(const struct updating *u)
{
	uint32_t room = room_of(u->new);

	if (room && u->old->counts.elements + u->added > room)
		return false;
	return !u->nomatch || u->added + u->removed + u->altered == 1;
}

bool ipset_update(struct ruleset *now, const struct table *old, struct ruleset *names,
		  const struct table *new, struct ipset_update *update)
{
	struct updating u = {old, new, .join.records = &update->join, .part.records = &update->part,
			     .rejoin.records = &update->rejoin, .unjoin.records = &update->unjoin};
	struct items are = {0}, wanted = {0};
	bool gradual = false;

	ipset_items_apart(now, old, &are, names, new, &wanted);
	/* a list has an order */
	if (digest_equal(header_of(&are)->digest, header_of(&wanted)->digest) &&
	    strcmp(new->type, "list:set") != 0) {
		update_members(&u, &are, &wanted);
		make_deletions(&update->part, 0);
		make_deletions(&update->unjoin, 0);
		gradual = is_gradual(&u);
	}
	items_release(&are);
	items_release(&wanted);
	return gradual;
}
