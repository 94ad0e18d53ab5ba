/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/nft_stage.h"

#include <string.h>

/* Whether a chain differs in more than its policy. */
static bool chain_remade(const struct nft_turn *t, const char *name)
{
	struct digest digest[2];

	for (int i = 0; i < 2; i++) {
		const struct nft_side *s = i ? &t->new : &t->old;
		const struct nft_chain *chain = nft_find_chain(&s->index, name);
		cleanup_buf struct buf canon = BUF_INIT;
		struct nft_copy c = {
			.rs = s->names, .index = &s->index, .out = &canon, .without_policy = true};

		nft_copy_message(&c, chain->record);
		for (size_t j = 0; j < chain->devices.n; j++)
			buf_add(&canon, chain->devices.s[j], strlen(chain->devices.s[j]) + 1);
		buf_release(&c.why);
		digest[i] = digest_of(canon.data, canon.len);
	}
	return !digest_equal(digest[0], digest[1]);
}

/* Notes what of a table cannot be staged: things that the kernel only makes anew. */
bool nft_stage_refuses(struct plan *plan, const struct nft_turn *t)
{
	static const char *const kinds[] = {
		[ITEM_CHAIN] = "chain", [ITEM_OBJECT] = "object", [ITEM_SET] = "set"};
	bool found = false;

	for (size_t i = 0; i < t->changes.n; i++) {
		const struct item_change *c = &t->changes.change[i];
		cleanup_free char *label = table_label(t->new.table), *line = NULL;

		if (!c->old || !c->new || c->new->kind == ITEM_ELEMENT)
			continue;
		if (c->new->kind == ITEM_CHAIN && !chain_remade(t, c->new->name))
			continue;
		line = c->new->kind == ITEM_TABLE
			       ? str_printf("%s: its flags or comment changed", label)
			       : str_printf("%s: %s '%s': its declaration changed", label,
					    kinds[c->new->kind], c->new->name);
		strlist_add(&plan->unstaged, line);
		found = true;
	}
	return found;
}

static bool is_new_set(const struct nft_turn *t, const char *name)
{
	return !nft_find_set(&t->old.index, name);
}

/* Not bound: that comes with its rule. What counts as absent is made all the same: it was there. */
static bool is_new_chain(const struct nft_turn *t, const struct nft_chain *c)
{
	return !(c->flags & NFT_CHAIN_BINDING) && !nft_find_chain(&t->old.index, c->name);
}

static int prepare_chains(struct nft_stage *s, const struct strlist *order)
{
	const struct nft_manner manner = {.without_policy = true};
	struct nft_making *m = NULL;
	size_t n = 0;
	int r;

	for (size_t i = 0; i < s->nturns; i++)
		for (size_t j = 0; j < s->turns[i].new.index.nchains; j++) {
			const struct nft_chain *c = s->turns[i].new.index.chains[j];

			if (!s->turns[i].whole && is_new_chain(&s->turns[i], c))
				*(struct nft_making *)array_grow(&m, &n, sizeof(*m)) =
					(struct nft_making){&s->turns[i].new, c, 0};
		}
	r = nft_put_chains(&s->batch[NFT_PREPARE], m, n, order, &manner);
	free(m);
	return r;
}

static int prepare_table(struct nft_stage *s, struct nft_turn *t)
{
	int r = 0;

	if (t->old.table)
		return 0;
	nft_each(nlh, &t->new.table->records) if (nft_type(nlh) == NFT_MSG_NEWTABLE && !r) r =
		nft_put_message(&s->batch[NFT_PREPARE], &t->new, nlh, NULL);
	return r;
}

/* Objects, sets with their elements. */
static int prepare_parts(struct nft_stage *s, struct nft_turn *t)
{
	struct nft_batch *b = &s->batch[NFT_PREPARE];
	int r = 0;

	for (size_t i = 0; i < t->changes.n && !r; i++) {
		const struct item *new = t->changes.change[i].new;

		if (!new || t->changes.change[i].old)
			continue;
		if (new->kind == ITEM_OBJECT)
			r = nft_put_message(b, &t->new,
					    (const void *)(t->new.table->records.data + new->at),
					    NULL);
		else if (new->kind == ITEM_SET && is_new_set(t, new->name))
			r = nft_put_set(b, &t->new, nft_find_set(&t->new.index, new->name));
	}
	return r;
}

/* The rules of chains that nothing leads to yet. */
static int prepare_rules(struct nft_stage *s, struct nft_turn *t)
{
	int r = 0;

	for (size_t i = 0; i < t->new.index.nchains; i++) {
		const struct nft_chain *c = t->new.index.chains[i];
		struct nft_manner manner = {.place = 0};

		if (c->base || !is_new_chain(t, c))
			continue;
		for (size_t j = 0; j < c->messages.n && !r; j++) {
			manner.place = (unsigned)j + 1;
			r = nft_put_rule(&s->batch[NFT_PREPARE], &t->new, c->messages.m[j],
					 &manner);
		}
	}
	return r;
}

static uint32_t object_type(const struct nft_turn *t, const struct item *item, bool *flowtable)
{
	const struct nlmsghdr *nlh = (const void *)(t->old.table->records.data + item->at);
	const struct nlattr *tb[NFTA_OBJ_TYPE + 1];
	size_t len;
	const struct nlattr *first = netlink_first(nlh, &len);

	netlink_attributes(first, len, tb, NFTA_OBJ_TYPE);
	*flowtable = nft_type(nlh) == NFT_MSG_NEWFLOWTABLE;
	return *flowtable ? 0 : netlink_u32(tb[NFTA_OBJ_TYPE]);
}

/* What is no longer wanted: sets, whose elements refer to objects and chains, before these. */
static void remove_sets(struct nft_stage *s, const struct nft_turn *t)
{
	for (size_t i = 0; i < t->changes.n; i++) {
		const struct item_change *c = &t->changes.change[i];

		if (!c->new && c->old->kind == ITEM_SET)
			nft_put_delete(nft_stage_late(s), NFT_MSG_DELSET, t->old.table, c->old->name, 0);
	}
}

static void remove_objects(struct nft_stage *s, const struct nft_turn *t)
{
	for (size_t i = 0; i < t->changes.n; i++) {
		const struct item_change *c = &t->changes.change[i];
		bool flowtable;
		uint32_t type;

		if (c->new || c->old->kind != ITEM_OBJECT)
			continue;
		type = object_type(t, c->old, &flowtable);
		nft_put_delete(nft_stage_late(s), flowtable ? NFT_MSG_DELFLOWTABLE : NFT_MSG_DELOBJ,
			       t->old.table, c->old->name, type);
	}
}

static int put_turn(struct nft_stage *s, struct nft_turn *t)
{
	int r;

	if (!t->new.table) {
		nft_chains_end(s, &t->old);
		return 0;
	}
	r = prepare_parts(s, t);
	if (!r)
		r = prepare_rules(s, t);
	if (!r)
		r = nft_elements_put(s, t);
	if (!r)
		r = nft_chains_put(s, t);
	remove_sets(s, t);
	remove_objects(s, t);
	nft_chains_remove(s, t);
	return r;
}

static bool base_chains_move(const struct nft_stage *s)
{
	bool come = false, go = false;

	for (size_t i = 0; i < s->nturns; i++)
		if (!s->turns[i].whole)
			nft_chains_move(&s->turns[i], &come, &go);
	return come && go;
}

int nft_stage_put(struct nft_stage *s, const struct strlist *order)
{
	int r = 0;

	s->linger = base_chains_move(s);
	for (size_t i = 0; i < s->nturns; i++)
		s->apart |= !s->turns[i].whole &&
			    (nft_chains_need(&s->turns[i]) || nft_elements_jump(&s->turns[i]));
	for (size_t i = 0; i < s->nturns && !r; i++)
		if (s->turns[i].new.table && !s->turns[i].whole)
			r = prepare_table(s, &s->turns[i]);
	if (!r)
		r = prepare_chains(s, order);
	for (size_t i = 0; i < s->nturns && !r; i++)
		if (!s->turns[i].whole)
			r = nft_chains_look_up(s, &s->turns[i]);
	for (size_t i = 0; i < s->nturns && !r; i++)
		if (!s->turns[i].whole)
			r = put_turn(s, &s->turns[i]);
	return r;
}
