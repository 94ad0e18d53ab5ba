/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/nft.h"

#include <string.h>

/*
 * Attributes nest differently in each kind of expression, but a name is always a string that begins
 * where an attribute's payload does, at a multiple of four, and ends with a NUL.
 */
struct referring {
	struct nft_index index;
	item_reference *fn;
	void *arg;
	struct nft_messages open; /* of anonymous sets and bound chains, still to be searched */
};

static void open_messages(struct referring *r, const struct nft_messages *messages)
{
	for (size_t i = 0; i < messages->n; i++)
		*(const struct nlmsghdr **)array_grow(&r->open.m, &r->open.n, sizeof(*r->open.m)) =
			messages->m[i];
}

/* What belongs to a rule is searched in its place. */
static void meet(struct referring *r, const char *name)
{
	struct nft_set *set = nft_find_set(&r->index, name);
	struct nft_chain *chain = nft_find_chain(&r->index, name);

	if (set && !(set->flags & NFT_SET_ANONYMOUS)) {
		r->fn(r->arg, ITEM_SET, name);
	} else if (set && !set->met) {
		set->met = true;
		open_messages(r, &set->elements);
	}
	if (chain && !(chain->flags & NFT_CHAIN_BINDING)) {
		r->fn(r->arg, ITEM_CHAIN, name);
	} else if (chain && !chain->met) {
		chain->met = true;
		open_messages(r, &chain->messages);
	}
}

static void search(struct referring *r, const void *data, size_t n)
{
	const char *at = data, *end = at + n;

	for (; at < end; at += NLA_ALIGNTO)
		if (*at && memchr(at, '\0', (size_t)(end - at)))
			meet(r, at);
}

static void search_message(struct referring *r, const struct nlmsghdr *nlh)
{
	size_t n;
	const struct nlattr *first = netlink_first(nlh, &n);

	search(r, first, n);
}

static void search_item(struct referring *r, const struct table *t, const struct item *item)
{
	const void *at = t->records.data + item->at;

	if (item->kind == ITEM_ELEMENT)
		search(r, netlink_payload(at), netlink_length(at));
	else if (item->kind == ITEM_RULE)
		search_message(r, at);
}

void nft_refers(const struct table *t, const struct item *const *items, size_t n,
		item_reference *fn, void *arg)
{
	struct referring r = {.fn = fn, .arg = arg};

	nft_index_records(&r.index, &t->records);
	for (size_t i = 0; i < n; i++)
		search_item(&r, t, items[i]);
	while (r.open.n)
		search_message(&r, r.open.m[--r.open.n]);
	free(r.open.m);
	nft_index_release(&r.index);
}
