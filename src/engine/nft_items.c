/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/nft_put.h"

#include <errno.h>
#include <string.h>

/* An end of an interval while it looks for its other one. */
struct bound {
	size_t item;
	const void *key;
	size_t length;
	bool end;
};

static struct bound bound_of(const struct table *t, const struct items *items, size_t item)
{
	const struct nlattr *e = (const void *)(t->records.data + items->item[item].at), *value;
	const struct nlattr *tb[NFTA_SET_ELEM_FLAGS + 1];
	struct bound b = {.item = item};

	netlink_attributes(netlink_payload(e), netlink_length(e), tb, NFTA_SET_ELEM_FLAGS);
	b.end = netlink_u32(tb[NFTA_SET_ELEM_FLAGS]) & NFT_SET_ELEM_INTERVAL_END;
	if (!tb[NFTA_SET_ELEM_KEY])
		return b;
	netlink_each_in(value, tb[NFTA_SET_ELEM_KEY])
	{
		b.key = netlink_payload(value);
		b.length = netlink_length(value);
	}
	return b;
}

/* By key; where one interval ends and the next begins, the end comes first. */
static int compare_bound(const void *a, const void *b)
{
	const struct bound *x = a, *y = b;
	size_t n = x->length < y->length ? x->length : y->length;
	int r = n ? memcmp(x->key, y->key, n) : 0;

	if (r || x->length != y->length)
		return r ? r : x->length < y->length ? -1 : 1;
	return x->end == y->end ? 0 : x->end ? -1 : 1;
}

/* Makes one item of a start and the end behind it. */
static void join(struct item *start, struct item *end)
{
	struct digest keys[] = {start->key, end->key};

	start->key = digest_of(keys, sizeof(keys));
	digest_add(&start->digest, end->digest);
	start->end = end->at;
	end->name = NULL;
}

static void join_intervals(const struct table *t, struct items *items, size_t first, size_t n)
{
	struct bound *bounds = mem_alloc((n + 1) * sizeof(*bounds));

	for (size_t i = 0; i < n; i++)
		bounds[i] = bound_of(t, items, first + i);
	qsort(bounds, n, sizeof(*bounds), compare_bound);
	for (size_t i = 0; i + 1 < n; i++)
		if (!bounds[i].end && bounds[i].length && bounds[i + 1].end)
			join(&items->item[bounds[i].item], &items->item[bounds[i + 1].item]);
	free(bounds);
}

/* Drops the items that are part of others now. */
static void close_gaps(struct items *items)
{
	size_t n = 0;

	for (size_t i = 0; i < items->n; i++)
		if (items->item[i].name)
			items->item[n++] = items->item[i];
	items->n = n;
}

/* The elements of a set come together. */
static void join_ends(const struct table *t, const struct nft_index *x, struct items *items)
{
	for (size_t i = 0, n; i < items->n; i += n) {
		const struct item *item = &items->item[i];
		const struct nft_set *set;

		n = 1;
		if (item->kind != ITEM_ELEMENT)
			continue;
		while (i + n < items->n && items->item[i + n].kind == ITEM_ELEMENT &&
		       !strcmp(items->item[i + n].name, item->name))
			n++;
		set = nft_find_set(x, item->name);
		if (set && set->flags & NFT_SET_INTERVAL && !(set->flags & NFT_SET_CONCAT))
			join_intervals(t, items, i, n);
	}
	close_gaps(items);
}

/* The chain's message. */
static bool is_filter(const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[NFTA_CHAIN_MAX + 1];
	size_t len;
	const struct nlattr *first = netlink_first(nlh, &len);

	netlink_attributes(first, len, tb, NFTA_CHAIN_MAX);
	return !strcmp(netlink_str(tb[NFTA_CHAIN_TYPE]), "filter");
}

static void describe_chain(const struct table *t, const struct nft_chain *c, struct item *item)
{
	bool packets = t->family == NFPROTO_IPV4 || t->family == NFPROTO_IPV6 ||
		       t->family == NFPROTO_INET;

	item->passing = !strncmp(item->name, NFT_PASSING_CHAIN, strlen(NFT_PASSING_CHAIN));
	item->silent = nft_chain_absent(c);
	item->base = c->base;
	item->input = c->base && packets && c->hook == NF_INET_LOCAL_IN &&
		      is_filter((const void *)(t->records.data + item->at));
}

static void describe(const struct table *t, const struct nft_index *x, struct items *items)
{
	for (size_t i = 0; i < items->n; i++) {
		struct item *item = &items->item[i];

		if (item->kind == ITEM_RULE)
			item->passing = nft_rule_is_passing((const void *)(t->records.data + item->at));
		else if (item->kind == ITEM_CHAIN)
			describe_chain(t, nft_find_chain(x, item->name), item);
		else if (item->kind == ITEM_SET)
			item->fed = nft_find_set(x, item->name)->updated;
		else if (item->kind == ITEM_ELEMENT && !item->silent)
			item->silent = item->fed = nft_find_set(x, item->name)->updated;
	}
}

int nft_take_apart(struct ruleset *rs, const struct table *t, struct items *out,
		   struct nft_index *x)
{
	struct table counted = {.engine = t->engine, .family = t->family, .records = t->records};
	struct nft_digest d = {.rs = rs, .t = &counted, .index = *x, .items = out};

	if (!nft_table_ok(t))
		return -EBADMSG;
	nft_each(nlh, &t->records) nft_digest_feed(&d, nlh);
	nft_digest_end(&d);
	join_ends(t, &d.index, out);
	describe(t, &d.index, out);
	nft_index_messages(&d.index, &t->records);
	strlist_release(&counted.chains);
	strlist_release(&counted.sets);
	*x = d.index;
	if (d.error)
		items_release(out);
	return d.error;
}

int nft_items(struct ruleset *rs, const struct table *t, struct items *out)
{
	struct nft_index x = {0};
	int r = nft_take_apart(rs, t, out, &x);

	nft_index_release(&x);
	return r;
}
