/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/nft_stage.h"

#include "log.h"

#include <errno.h>
#include <string.h>

static struct nft_chain_turn *chain_turn(struct nft_turn *t, const char *name)
{
	struct nft_chain *was = nft_find_chain(&t->old.index, name);
	struct nft_chain *is = nft_find_chain(&t->new.index, name);
	struct nft_chain *known = was ? was : is;
	struct nft_chain_turn *c;

	if (known->turn)
		return &t->chains[known->turn - 1];
	c = array_grow(&t->chains, &t->nchains, sizeof(*c));
	*c = (struct nft_chain_turn){.was = was, .is = is, .name = known->name, .staged = SIZE_MAX};
	if (was)
		c->removed = mem_zalloc(was->messages.n + 1);
	known->turn = t->nchains;
	return c;
}

static size_t old_rules(const struct nft_chain_turn *c)
{
	return c->was ? c->was->messages.n : 0;
}

static const struct nlmsghdr *message_at(const struct nft_side *s, const struct item *item)
{
	return (const void *)(s->table->records.data + item->at);
}

static unsigned number_in(const struct nft_chain *chain, const struct nlmsghdr *rule)
{
	size_t low = 0, high = chain->messages.n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (chain->messages.m[middle] < rule)
			low = middle + 1;
		else
			high = middle;
	}
	return (unsigned)low + 1;
}

/* Rules of chains that are new and have no hook are put as a whole, those of chains that go, go
 * with them. */
static void find_rules(struct nft_turn *t)
{
	for (size_t i = 0; i < t->changes.n; i++) {
		const struct item_change *change = &t->changes.change[i];
		const struct item *item = change->new ? change->new : change->old;
		struct nft_chain_turn *c;

		if (item->kind != ITEM_RULE)
			continue;
		if (!nft_find_chain(&t->new.index, item->name) ||
		    (!nft_find_chain(&t->old.index, item->name) &&
		     !nft_find_chain(&t->new.index, item->name)->base))
			continue;
		c = chain_turn(t, item->name);
		if (change->new) {
			const struct nlmsghdr *rule = message_at(&t->new, item);

			*(struct nft_added *)array_grow(&c->added, &c->nadded, sizeof(*c->added)) =
				(struct nft_added){rule, change->place, number_in(c->is, rule)};
		} else if (c->removed) {
			c->removed[change->place] = true;
		}
	}
}

/* From where on the new rules of a chain are staged. */
static void decide(const struct nft_turn *t, struct nft_chain_turn *c)
{
	size_t end = old_rules(c);

	for (size_t i = 0; i < c->nadded; i++) {
		struct nft_added *a = &c->added[i];

		while (a->place < end && c->removed[a->place])
			a->place++;
		if (a->place < c->staged && nft_rule_is_late(&t->new, a->rule))
			c->staged = a->place;
	}
	/* a chain that is new judges nothing before the switch */
	if (!c->was)
		c->staged = 0;
}

void nft_chains_find(struct nft_turn *t)
{
	for (size_t i = 0; i < t->changes.n; i++) {
		const struct item_change *change = &t->changes.change[i];
		const struct item *item = change->new ? change->new : change->old;

		if (item->kind == ITEM_CHAIN &&
		    (change->old || nft_find_chain(&t->new.index, item->name)->base))
			chain_turn(t, item->name);
	}
	find_rules(t);
	for (size_t i = 0; i < t->nchains; i++)
		decide(t, &t->chains[i]);
}

bool nft_chains_need(const struct nft_turn *t)
{
	for (size_t i = 0; i < t->nchains; i++)
		if (t->chains[i].staged < old_rules(&t->chains[i]))
			return true;
	return false;
}

void nft_chains_release(struct nft_turn *t)
{
	for (size_t i = 0; i < t->nchains; i++) {
		struct nft_chain_turn *c = &t->chains[i];

		free(c->removed);
		free(c->added);
		free(c->handles);
		free(c->copy);
	}
	free(t->chains);
}

/* The rules of a chain as the kernel has them now. */
struct looking {
	const struct nft_turn *turn;
	struct nft_chain_turn *chain;
	struct buf rule;
	size_t n;
};

static int on_rule(const struct nlmsghdr *nlh, void *arg)
{
	struct looking *l = arg;
	const struct nft_side *old = &l->turn->old;
	const struct nft_messages *rules = &l->chain->was->messages;
	const struct nlattr *tb[NFTA_RULE_MAX + 1];
	size_t len;
	const struct nlattr *first = netlink_first(nlh, &len);
	struct digest now, then;

	if (l->n == rules->n)
		return -ERESTART;
	l->rule.len = 0;
	nft_store(&l->rule, nlh);
	now = nft_rule_digest(old->names, &old->index, (const void *)l->rule.data);
	then = nft_rule_digest(old->names, &old->index, rules->m[l->n]);
	if (!digest_equal(now, then))
		return -ERESTART;
	netlink_attributes(first, len, tb, NFTA_RULE_MAX);
	l->chain->handles[l->n++] = netlink_u64(tb[NFTA_RULE_HANDLE]);
	return 0;
}

static bool needs_handles(const struct nft_chain_turn *c)
{
	bool any = false;

	if (!c->was || !c->is)
		return false;
	for (size_t i = 0; i < old_rules(c); i++)
		any |= c->removed[i];
	for (size_t i = 0; i < c->nadded; i++)
		any |= c->added[i].place < old_rules(c);
	return any;
}

static int look_up(struct nft_stage *s, const struct nft_turn *t, struct nft_chain_turn *c)
{
	cleanup_free char *buf = mem_zalloc(1024);
	struct nlmsghdr *nlh = netlink_header(buf, NFNL_SUBSYS_NFTABLES, NFT_MSG_GETRULE,
					      t->old.table->family, NLM_F_DUMP);
	struct looking l = {.turn = t, .chain = c};
	int r;

	c->handles = mem_zalloc((old_rules(c) + 1) * sizeof(*c->handles));
	mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, t->old.table->name);
	mnl_attr_put_strz(nlh, NFTA_RULE_CHAIN, c->name);
	r = netlink_run(&s->netlink, nlh, on_rule, &l);
	buf_release(&l.rule);
	/* a commit came in between: one to this table makes the next batch fail */
	if (r == -EINTR)
		r = 0;
	if (r == -ENOENT || (!r && l.n != old_rules(c)))
		r = -ERESTART;
	if (r && r != -ERESTART)
		return log_errno(r, "cannot read chain '%s'", c->name);
	return r;
}

int nft_chains_look_up(struct nft_stage *s, struct nft_turn *t)
{
	int r = 0;

	for (size_t i = 0; i < t->nchains && !r; i++)
		if (needs_handles(&t->chains[i]))
			r = look_up(s, t, &t->chains[i]);
	return r;
}

/* The temporary chain: all that a packet would meet from the first staged rule on. */
static int put_copy(struct nft_stage *s, struct nft_turn *t, struct nft_chain_turn *c)
{
	struct nft_batch *b = &s->batch[NFT_PREPARE];
	struct nft_manner there = {.chain = c->copy};
	size_t at = nft_message_begin(b, NFT_MSG_NEWCHAIN, t->old.table->family, NLM_F_CREATE);
	int r = 0;

	nft_put_string(b, NFTA_CHAIN_TABLE, t->old.table->name);
	nft_put_string(b, NFTA_CHAIN_NAME, c->copy);
	nft_message_end(b, at);
	for (size_t i = c->staged; i < old_rules(c) && !r; i++) {
		there.place = (unsigned)i + 1;
		r = nft_put_rule(b, &t->old, c->was->messages.m[i], &there);
	}
	nft_put_delete(&s->late, NFT_MSG_DELCHAIN, t->old.table, c->copy, 0);
	return r;
}

/* What keeps packets from the staged rules. */
static int put_guard(struct nft_stage *s, struct nft_turn *t, struct nft_chain_turn *c)
{
	const struct table *table = t->new.table;
	struct nft_verdict v = {
		.family = table->family, .table = table->name, .chain = c->name, .noted = true};

	if (c->staged == SIZE_MAX)
		return 0;
	if (c->staged < old_rules(c)) {
		do {
			free(c->copy);
			c->copy = str_printf("fwsnap_%u", s->temporary++);
		} while (nft_find_chain(&t->old.index, c->copy) ||
			 nft_find_chain(&t->new.index, c->copy));
		v.code = NFT_GOTO;
		v.target = c->copy;
		v.before = c->handles[c->staged];
		nft_put_verdict(nft_stage_batch(s), &v);
		return put_copy(s, t, c);
	}
	v.code = !c->is->base ? NFT_RETURN : c->was ? (int32_t)c->was->policy : NF_ACCEPT;
	nft_put_verdict(nft_stage_batch(s), &v);
	return 0;
}

static int put_added(struct nft_stage *s, struct nft_turn *t, const struct nft_chain_turn *c)
{
	int r = 0;

	for (size_t i = 0; i < c->nadded && !r; i++) {
		const struct nft_added *a = &c->added[i];
		bool staged = a->place >= c->staged;
		struct nft_manner manner = {
			.before = a->place < old_rules(c) ? c->handles[a->place] : 0,
			.place = a->number,
		};

		r = nft_put_rule(staged ? nft_stage_batch(s) : &s->batch[NFT_SWITCH], &t->new,
				 a->rule, &manner);
	}
	return r;
}

/* A policy takes effect behind the rules of its commit: until then a rule does as it will. */
static void put_policy(struct nft_stage *s, const struct nft_turn *t,
		       const struct nft_chain_turn *c)
{
	uint32_t before = c->was ? c->was->policy : NF_ACCEPT;
	const struct table *table = t->new.table;
	const struct nft_verdict v = {.family = table->family,
				      .table = table->name,
				      .chain = c->name,
				      .code = (int32_t)c->is->policy,
				      .noted = true};

	if (!c->is->base || c->is->policy == before)
		return;
	nft_put_verdict(&s->batch[NFT_SWITCH], &v);
	nft_put_policy(&s->batch[NFT_POLICY], table, c->name, c->is->policy);
}

static bool is_shut(const struct nft_chain *c)
{
	return c->base && c->policy != NF_ACCEPT;
}

/* As if it were not there: no rules; in a base chain one that accepts, until the policy does. */
static void end_chain(struct nft_stage *s, const struct table *table, const struct nft_chain *c)
{
	struct nft_batch *b = &s->batch[s->linger ? NFT_POLICY : NFT_SWITCH];
	const struct nft_verdict accept = {
		.family = table->family, .table = table->name, .chain = c->name, .code = NF_ACCEPT};

	if (c->messages.n)
		nft_put_delete_rule(b, table->family, table->name, c->name, 0, 0);
	if (!is_shut(c))
		return;
	nft_put_verdict(b, &accept);
	nft_put_policy(&s->batch[NFT_POLICY], table, c->name, NF_ACCEPT);
}

void nft_chains_remove(struct nft_stage *s, struct nft_turn *t)
{
	for (size_t i = 0; i < t->nchains; i++) {
		const struct nft_chain_turn *c = &t->chains[i];

		if (!c->is)
			nft_put_delete(is_shut(c->was) ? &s->batch[NFT_CLEAN] : nft_stage_late(s),
				       NFT_MSG_DELCHAIN, t->old.table, c->name, 0);
	}
}

void nft_chains_end(struct nft_stage *s, const struct nft_side *old)
{
	bool shut = false;

	for (size_t i = 0; i < old->index.nchains; i++)
		shut |= is_shut(old->index.chains[i]);
	for (size_t i = 0; i < old->index.nchains && shut; i++)
		if (old->index.chains[i]->base)
			end_chain(s, old->table, old->index.chains[i]);
	nft_put_delete(shut ? &s->batch[NFT_CLEAN] : nft_stage_late(s), NFT_MSG_DELTABLE, old->table,
		       NULL, 0);
}

void nft_chains_move(const struct nft_turn *t, bool *come, bool *go)
{
	for (size_t i = 0; i < t->nchains; i++) {
		const struct nft_chain_turn *c = &t->chains[i];

		*come |= !c->was && c->is->base;
		*go |= !c->is && c->was->base;
	}
}

int nft_chains_put(struct nft_stage *s, struct nft_turn *t)
{
	int r = 0;

	for (size_t i = 0; i < t->nchains && !r; i++) {
		struct nft_chain_turn *c = &t->chains[i];

		if (!c->is) {
			end_chain(s, t->old.table, c->was);
			continue;
		}
		r = put_guard(s, t, c);
		if (!r)
			r = put_added(s, t, c);
		for (size_t j = 0; j < old_rules(c) && !r; j++)
			if (c->removed[j])
				nft_put_delete_rule(&s->batch[NFT_SWITCH], t->old.table->family,
						    t->old.table->name, c->name, c->handles[j],
						    (unsigned)j + 1);
		if (!r)
			put_policy(s, t, c);
	}
	return r;
}
