/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/nft_stage.h"

#include <string.h>

/* An interval set's element: from its start up to, not including, its end. */
struct span {
	const unsigned char *start, *end; /* end NULL: up to the last key of all */
	size_t length;
};

static const struct nlattr *element_at(const struct nft_side *s, size_t at)
{
	return (const void *)(s->table->records.data + at);
}

static const unsigned char *key_of(const struct nlattr *element, size_t *length)
{
	const struct nlattr *tb[NFTA_SET_ELEM_KEY + 1], *value;

	*length = 0;
	netlink_attributes(netlink_payload(element), netlink_length(element), tb,
			   NFTA_SET_ELEM_KEY);
	if (tb[NFTA_SET_ELEM_KEY])
		netlink_each_in(value, tb[NFTA_SET_ELEM_KEY])
		{
			*length = netlink_length(value);
			return netlink_payload(value);
		}
	return NULL;
}

static struct span span_of(const struct nft_side *s, const struct item *item)
{
	struct span span = {NULL, NULL, 0};
	size_t length;

	span.start = key_of(element_at(s, item->at), &span.length);
	if (item->end)
		span.end = key_of(element_at(s, item->end), &length);
	return span;
}

static int compare_span(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return x->length != y->length ? (x->length < y->length ? -1 : 1)
	       : x->length	      ? memcmp(x->start, y->start, x->length)
				      : 0;
}

/* Spans of what goes, sorted; none meets another. */
struct spans {
	struct span *s;
	size_t n;
};

static bool meets(const struct spans *gone, struct span new)
{
	size_t low = 0, high = gone->n;

	/* the last one that begins before the new one ends */
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct span *g = &gone->s[middle];

		if (!new.end || memcmp(g->start, new.end, new.length) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low &&
	       (!gone->s[low - 1].end || memcmp(gone->s[low - 1].end, new.start, new.length) > 0);
}

/* The changes of one set, which stand together. */
struct set_turn {
	const struct nft_turn *turn;
	const struct nft_set *was, *is;
	const struct item_change *change;
	size_t n;
	struct spans gone;
	bool any_gone;
};

static void find_gone(struct set_turn *s)
{
	bool spans = s->was->flags & NFT_SET_INTERVAL && !(s->was->flags & NFT_SET_CONCAT);

	for (size_t i = 0; i < s->n; i++) {
		const struct item_change *c = &s->change[i];

		if (!c->old || c->new)
			continue;
		s->any_gone = true;
		if (spans && key_of(element_at(&s->turn->old, c->old->at), &(size_t){0}))
			*(struct span *)array_grow(&s->gone.s, &s->gone.n, sizeof(struct span)) =
				span_of(&s->turn->old, c->old);
	}
	if (s->gone.n)
		qsort(s->gone.s, s->gone.n, sizeof(*s->gone.s), compare_span);
}

/*
 * What the kernel does not take beside what goes comes with the commit that deletes it: intervals
 * that overlap, more than the set's size. Such a commit changes a set from one content to the other
 * at once.
 */
static bool comes_late(const struct set_turn *s, const struct item_change *c)
{
	struct span span;

	if (c->old)
		return true;
	if (!s->any_gone)
		return false;
	if (s->is->sized || s->is->flags & NFT_SET_CONCAT)
		return s->is->sized || s->is->flags & NFT_SET_INTERVAL;
	if (!s->gone.n)
		return false;
	span = span_of(&s->turn->new, c->new);
	return span.start && meets(&s->gone, span);
}

static void put_item(struct nft_elements *e, const struct item *item)
{
	/* between others the kernel takes no end whose start is not there */
	nft_put_element(e, element_at(e->side, item->at));
	if (item->end)
		nft_put_element(e, element_at(e->side, item->end));
}

static int put_set(struct nft_stage *stage, struct set_turn *s)
{
	struct nft_batch *last = &stage->batch[NFT_SWITCH];
	struct nft_elements early = {.b = nft_stage_batch(stage),
				     .side = &s->turn->new,
				     .set = s->is,
				     .message = NFT_MSG_NEWSETELEM};
	struct nft_elements gone = {
		.b = last, .side = &s->turn->old, .set = s->was, .message = NFT_MSG_DELSETELEM};
	struct nft_elements late = {
		.b = last, .side = &s->turn->new, .set = s->is, .message = NFT_MSG_NEWSETELEM};
	int r;

	find_gone(s);
	for (size_t i = 0; i < s->n; i++)
		if (s->change[i].new && !comes_late(s, &s->change[i]))
			put_item(&early, s->change[i].new);
	r = nft_elements_end(&early);
	for (size_t i = 0; i < s->n; i++)
		if (s->change[i].old)
			put_item(&gone, s->change[i].old);
	if (!r)
		r = nft_elements_end(&gone);
	for (size_t i = 0; i < s->n; i++)
		if (s->change[i].new &&comes_late(s, &s->change[i]))
			put_item(&late, s->change[i].new);
	if (!r)
		r = nft_elements_end(&late);
	free(s->gone.s);
	return r;
}

static const struct item *item_of(const struct item_change *c)
{
	return c->new ? c->new : c->old;
}

int nft_elements_put(struct nft_stage *stage, struct nft_turn *t)
{
	int r = 0;

	for (size_t i = 0, n; i < t->changes.n && !r; i += n) {
		const struct item_change *c = &t->changes.change[i];
		struct set_turn s = {.turn = t, .change = c};

		n = 1;
		if (item_of(c)->kind != ITEM_ELEMENT)
			continue;
		while (i + n < t->changes.n && item_of(&c[n])->kind == ITEM_ELEMENT &&
		       !strcmp(item_of(&c[n])->name, item_of(c)->name))
			n++;
		s.n = n;
		s.was = nft_find_set(&t->old.index, item_of(c)->name);
		s.is = nft_find_set(&t->new.index, item_of(c)->name);
		if (s.was && s.is)
			r = put_set(stage, &s);
	}
	return r;
}

/* The chain that an element leads to; NULL: none. */
static const char *chain_of(const struct nlattr *element)
{
	const struct nlattr *tb[NFTA_SET_ELEM_DATA + 1], *data, *verdict;

	netlink_attributes(netlink_payload(element), netlink_length(element), tb,
			   NFTA_SET_ELEM_DATA);
	if (!tb[NFTA_SET_ELEM_DATA])
		return NULL;
	netlink_each_in(data, tb[NFTA_SET_ELEM_DATA])
	{
		if (netlink_type(data) != NFTA_DATA_VERDICT)
			continue;
		netlink_each_in(verdict, data)
		{
			if (netlink_type(verdict) == NFTA_VERDICT_CHAIN)
				return netlink_str(verdict);
		}
	}
	return NULL;
}

bool nft_elements_jump(const struct nft_turn *t)
{
	for (size_t i = 0; i < t->changes.n; i++) {
		const struct item_change *c = &t->changes.change[i];
		const char *chain;

		if (!c->new || c->old || c->new->kind != ITEM_ELEMENT ||
		    !nft_find_set(&t->old.index, c->new->name))
			continue;
		chain = chain_of(element_at(&t->new, c->new->at));
		if (chain && !nft_find_chain(&t->old.index, chain))
			return true;
	}
	return false;
}

static bool has_object(const struct items *items, const char *name)
{
	for (size_t i = 0; i < items->n; i++)
		if (items->item[i].kind == ITEM_OBJECT && !strcmp(items->item[i].name, name))
			return true;
	return false;
}

void nft_elements_let_go(struct nft_turn *t)
{
	for (size_t i = 0; i < t->olds.n; i++) {
		struct item *item = &t->olds.item[i];
		const struct nlattr *element, *tb[NFTA_SET_ELEM_OBJREF + 1];
		const char *chain;

		if (item->kind != ITEM_ELEMENT || !item->silent)
			continue;
		element = element_at(&t->old, item->at);
		netlink_attributes(netlink_payload(element), netlink_length(element), tb,
				   NFTA_SET_ELEM_OBJREF);
		chain = chain_of(element);
		if ((chain && !nft_find_chain(&t->new.index, chain)) ||
		    (tb[NFTA_SET_ELEM_OBJREF] &&
		     !has_object(&t->news, netlink_str(tb[NFTA_SET_ELEM_OBJREF]))))
			item->silent = false;
	}
}
