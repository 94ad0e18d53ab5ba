/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/nft_put.h"

#include <string.h>

/* Of base chains of equal priority the kernel asks the one made last first. */
static int compare_making(const void *a, const void *b)
{
	const struct nft_making *x = a, *y = b;

	return x->rank < y->rank ? -1 : x->rank > y->rank;
}

/* The chains whose order matters share out their own places among themselves; the rest stay. */
static void sort_makings(struct nft_making *m, size_t n)
{
	struct nft_making *ranked = NULL;
	size_t nranked = 0, next = 0;

	for (size_t i = 0; i < n; i++)
		if (m[i].rank)
			*(struct nft_making *)array_grow(&ranked, &nranked, sizeof(*ranked)) = m[i];
	if (nranked)
		qsort(ranked, nranked, sizeof(*ranked), compare_making);
	for (size_t i = 0; i < n; i++)
		if (m[i].rank)
			m[i] = ranked[next++];
	free(ranked);
}

static size_t rank_of(const struct strlist *order, const struct nft_side *s, const char *chain)
{
	cleanup_free char *name = NULL;

	if (!order->n)
		return 0;
	name = str_printf("%s %s %s", family_name(s->table->family), s->table->name, chain);
	for (size_t i = 0; i < order->n; i++)
		if (!strcmp(order->s[i], name))
			return i + 1;
	return 0;
}

int nft_put_chains(struct nft_batch *b, struct nft_making *m, size_t n, const struct strlist *order,
		   const struct nft_manner *manner)
{
	int r = 0;

	for (size_t i = 0; i < n; i++)
		m[i].rank = m[i].chain->base ? rank_of(order, m[i].side, m[i].chain->name) : 0;
	sort_makings(m, n);
	for (size_t i = 0; i < n && !r; i++)
		r = nft_put_message(b, m[i].side, m[i].chain->record, manner);
	return r;
}

static int put_all_chains(struct nft_batch *b, const struct nft_side *const *s, size_t n,
			  const struct strlist *order)
{
	struct nft_making *m = NULL;
	size_t nmakings = 0;
	int r;

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < s[i]->index.nchains; j++)
			if (s[i]->index.chains[j]->record)
				*(struct nft_making *)array_grow(&m, &nmakings, sizeof(*m)) =
					(struct nft_making){s[i], s[i]->index.chains[j], 0};
	r = nft_put_chains(b, m, nmakings, order, NULL);
	free(m);
	return r;
}

static int put_others(struct nft_batch *b, const struct nft_side *s, bool tables)
{
	nft_each(nlh, &s->table->records)
	{
		int r = 0;

		if (tables ? nft_type(nlh) == NFT_MSG_NEWTABLE
			   : nft_type(nlh) != NFT_MSG_NEWTABLE && nft_type(nlh) != NFT_MSG_NEWCHAIN)
			r = nft_put_message(b, s, nlh, NULL);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A new chain's policy drop takes effect after its rules do: until then a rule drops. */
static void put_stoppers(struct nft_batch *b, const struct nft_side *s)
{
	for (size_t i = 0; i < s->index.nchains; i++) {
		const struct nft_chain *c = s->index.chains[i];
		const struct nft_verdict stopper = {.family = s->table->family,
						    .table = s->table->name,
						    .chain = c->name,
						    .code = NF_DROP,
						    .noted = true};

		if (c->base && c->policy == NF_DROP)
			nft_put_verdict(b, &stopper);
	}
}

int nft_put_tables(struct nft_batch *b, const struct nft_side *const *s, size_t n,
		   const struct strlist *order, bool stop)
{
	int r = 0;

	for (size_t i = 0; i < n && !r; i++)
		r = put_others(b, s[i], true);
	if (!r)
		r = put_all_chains(b, s, n, order);
	for (size_t i = 0; i < n && !r; i++) {
		r = put_others(b, s[i], false);
		if (!r && stop)
			put_stoppers(b, s[i]);
	}
	return r;
}
