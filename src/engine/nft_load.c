/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/nft_batch.h"
#include "log.h"
#include "order.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

/* A change while its batch is put together. */
struct load {
	struct plan *plan;
	struct nft_batch batch;
	uint32_t ids; /* set and chain ids given out */
	bool stop;    /* something is replaced or removed: chains of policy drop get stoppers */
};

static void delete_table(struct nft_batch *b, const struct table *t)
{
	size_t at = nft_message_begin(b, NFT_MSG_DELTABLE, t->family, 0);

	nft_put_string(b, NFTA_TABLE_NAME, t->name);
	nft_message_end(b, at);
}

static void put_record(struct nft_batch *b, struct nft_copy *c, const struct nlmsghdr *nlh)
{
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	uint16_t flags = NLM_F_CREATE | (nft_type(nlh) == NFT_MSG_NEWRULE ? NLM_F_APPEND : 0);
	size_t at = nft_message_begin(b, nft_type(nlh), nfg->nfgen_family, flags);

	nft_copy_message(c, nlh);
	if (nft_type(nlh) == NFT_MSG_NEWSET) {
		size_t len;
		const struct nlattr *tb[NFTA_SET_MAX + 1];
		const struct nlattr *first = netlink_first(nlh, &len);
		uint32_t id;

		netlink_attributes(first, len, tb, NFTA_SET_MAX);
		id = htonl(nft_find_set(c->index, netlink_str(tb[NFTA_SET_NAME]))->id);
		nft_put(b, NFTA_SET_ID, &id, sizeof(id));
	}
	nft_message_end(b, at);
}

/* Elements with a counter, a quota: the kernel does not take all of its state back. */
static bool any_has_state(const struct nlattr *list)
{
	const struct nlattr *e, *a;

	netlink_each_in(e, list)
		netlink_each_in(a, e)
			if (netlink_type(a) == NFTA_SET_ELEM_EXPR ||
			    netlink_type(a) == NFTA_SET_ELEM_EXPRESSIONS)
				return true;
	return false;
}

/* Elements are copied one by one only where something in them may have to change. */
static void put_elements(struct nft_batch *b, struct nft_copy *c, const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[NFTA_SET_ELEM_LIST_MAX + 1], *e, *list;
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	size_t len, at, nest;
	const struct nlattr *first = netlink_first(nlh, &len);
	const struct nft_set *set;

	netlink_attributes(first, len, tb, NFTA_SET_ELEM_LIST_MAX);
	list = tb[NFTA_SET_ELEM_LIST_ELEMENTS];
	set = nft_find_set(c->index, netlink_str(tb[NFTA_SET_ELEM_LIST_SET]));
	if (!list || !set)
		return;
	at = nft_message_begin(b, NFT_MSG_NEWSETELEM, nfg->nfgen_family, NLM_F_CREATE);
	if (!set->link_fields && !set->data_is_link && !(set->flags & NFT_SET_TIMEOUT) &&
	    !any_has_state(list)) {
		buf_add(&b->out, first, len);
	} else {
		nft_put_string(b, NFTA_SET_ELEM_LIST_TABLE, netlink_str(tb[NFTA_SET_ELEM_LIST_TABLE]));
		nft_put_string(b, NFTA_SET_ELEM_LIST_SET, set->name);
		nest = nft_nest_begin(b, NFTA_SET_ELEM_LIST_ELEMENTS);
		c->set = set;
		netlink_each_in(e, list) {
			size_t element = nft_nest_begin(b, NFTA_LIST_ELEM);

			nft_copy_element(c, e);
			nft_nest_end(b, element);
		}
		c->set = NULL;
		nft_nest_end(b, nest);
	}
	nft_message_end(b, at);
}

/* A table of the target while its messages are put, kind by kind over all tables. */
struct loading {
	const struct table *table;
	struct ruleset *names; /* behind the numbers in its records */
	struct nft_index index;
};

static void note_update(const char *name, void *arg)
{
	struct nft_set *set = nft_find_set(arg, name);

	if (set)
		set->updated = true;
}

/* If a rule adds to it: the kernel would choose a kind that cannot be added to. */
static bool made_in_two_steps(const struct nft_set *set)
{
	return set->sized && !(set->flags & (NFT_SET_EVAL | NFT_SET_ANONYMOUS));
}

static void index_table(struct load *d, struct loading *l)
{
	bool sized = false;

	l->index.first_id = d->ids;
	nft_each(nlh, &l->table->records) {
		if (nft_type(nlh) == NFT_MSG_NEWSET)
			sized |= made_in_two_steps(nft_index_set(&l->index, nlh));
		else if (nft_type(nlh) == NFT_MSG_NEWCHAIN)
			nft_index_chain(&l->index, nlh);
		else if (nft_type(nlh) == NFT_MSG_NEWRULE && sized)
			nft_rule_updates(nlh, note_update, &l->index);
	}
	d->ids += (uint32_t)(l->index.nsets + l->index.nchains);
}

static int put_one(struct load *d, const struct loading *l, const struct nlmsghdr *nlh)
{
	struct nft_copy c = {
		.rs = l->names, .index = &l->index, .purpose = NFT_LOAD, .out = &d->batch.out};
	size_t at = d->batch.out.len;
	int r = 0;

	if (nft_type(nlh) == NFT_MSG_NEWSETELEM) {
		put_elements(&d->batch, &c, nlh);
	} else {
		const struct nlattr *tb[NFTA_SET_MAX + 1];
		const struct nft_set *set = NULL;
		size_t len;
		const struct nlattr *first = netlink_first(nlh, &len);

		netlink_attributes(first, len, tb, NFTA_SET_MAX);
		if (nft_type(nlh) == NFT_MSG_NEWSET)
			set = nft_find_set(&l->index, netlink_str(tb[NFTA_SET_NAME]));
		if (set && set->updated && made_in_two_steps(set)) {
			c.without_size = true;
			put_record(&d->batch, &c, nlh);
			c.without_size = false;
		}
		put_record(&d->batch, &c, nlh);
	}
	if (c.error) {
		cleanup_free char *what = nft_message_label(&d->batch, at);

		log_error("cannot load %s: %s", what, buf_str(&c.why));
		r = c.error;
	}
	buf_release(&c.why);
	return r;
}

/* A chain to be made. Of those with equal priority the last one made is asked first. */
struct making {
	const struct loading *loading;
	const struct nlmsghdr *nlh;
	size_t rank; /* place in the order of making, from 1; 0: does not matter */
};

static int compare_making(const void *a, const void *b)
{
	const struct making *x = a, *y = b;

	return x->rank < y->rank ? -1 : x->rank > y->rank;
}

/* The chains whose order matters share out their own places among themselves; the rest stay. */
static void sort_makings(struct making *m, size_t n)
{
	struct making *ranked = NULL;
	size_t nranked = 0, next = 0;

	for (size_t i = 0; i < n; i++)
		if (m[i].rank)
			*(struct making *)array_grow(&ranked, &nranked, sizeof(*ranked)) = m[i];
	if (nranked)
		qsort(ranked, nranked, sizeof(*ranked), compare_making);
	for (size_t i = 0; i < n; i++)
		if (m[i].rank)
			m[i] = ranked[next++];
	free(ranked);
}

static size_t rank_of(const struct strlist *order, const struct table *t, const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[NFTA_CHAIN_MAX + 1];
	size_t len;
	const struct nlattr *first = netlink_first(nlh, &len);
	cleanup_free char *name = NULL;

	netlink_attributes(first, len, tb, NFTA_CHAIN_MAX);
	if (!tb[NFTA_CHAIN_HOOK] || !order->n)
		return 0;
	name = str_printf("%s %s %s", family_name(t->family), t->name,
			  netlink_str(tb[NFTA_CHAIN_NAME]));
	for (size_t i = 0; i < order->n; i++)
		if (!strcmp(order->s[i], name))
			return i + 1;
	return 0;
}

static int put_chains(struct load *d, const struct loading *l, size_t n)
{
	cleanup_strlist struct strlist order = {NULL, 0};
	struct making *makings = NULL;
	size_t nmakings = 0;
	int r = 0;

	order_making(&d->plan->target->order, &order);
	for (size_t i = 0; i < n; i++)
		nft_each(nlh, &l[i].table->records) {
			struct making *m;

			if (nft_type(nlh) != NFT_MSG_NEWCHAIN)
				continue;
			m = array_grow(&makings, &nmakings, sizeof(*makings));
			*m = (struct making){&l[i], nlh, rank_of(&order, l[i].table, nlh)};
		}
	sort_makings(makings, nmakings);
	for (size_t i = 0; i < nmakings && !r; i++)
		r = put_one(d, makings[i].loading, makings[i].nlh);
	free(makings);
	return r;
}

static int put_others(struct load *d, const struct loading *l, bool tables)
{
	nft_each(nlh, &l->table->records) {
		int r = 0;

		if (tables ? nft_type(nlh) == NFT_MSG_NEWTABLE
			   : nft_type(nlh) != NFT_MSG_NEWTABLE && nft_type(nlh) != NFT_MSG_NEWCHAIN)
			r = put_one(d, l, nlh);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A new chain's policy drop takes effect after its rules do: until then a rule drops. */
static void put_stoppers(struct nft_batch *b, const struct loading *l)
{
	for (size_t i = 0; i < l->index.nchains; i++) {
		const struct nft_chain *c = l->index.chains[i];
		uint32_t reg = htonl(NFT_REG_VERDICT), drop = htonl(NF_DROP);
		size_t at, list, element, data, value, verdict;

		if (!c->base || c->policy != NF_DROP)
			continue;
		at = nft_message_begin(b, NFT_MSG_NEWRULE, l->table->family,
				   NLM_F_CREATE | NLM_F_APPEND | NLM_F_ECHO);
		nft_put_string(b, NFTA_RULE_TABLE, l->table->name);
		nft_put_string(b, NFTA_RULE_CHAIN, c->name);
		list = nft_nest_begin(b, NFTA_RULE_EXPRESSIONS);
		element = nft_nest_begin(b, NFTA_LIST_ELEM);
		nft_put_string(b, NFTA_EXPR_NAME, "immediate");
		data = nft_nest_begin(b, NFTA_EXPR_DATA);
		nft_put(b, NFTA_IMMEDIATE_DREG, &reg, sizeof(reg));
		value = nft_nest_begin(b, NFTA_IMMEDIATE_DATA);
		verdict = nft_nest_begin(b, NFTA_DATA_VERDICT);
		nft_put(b, NFTA_VERDICT_CODE, &drop, sizeof(drop));
		nft_nest_end(b, verdict);
		nft_nest_end(b, value);
		nft_nest_end(b, data);
		nft_nest_end(b, element);
		nft_nest_end(b, list);
		nft_message_end(b, at);
	}
}

static int put_tables(struct load *d, struct loading *l, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n; i++)
		index_table(d, &l[i]);
	for (size_t i = 0; i < n && !r; i++)
		r = put_others(d, &l[i], true);
	if (!r)
		r = put_chains(d, l, n);
	for (size_t i = 0; i < n && !r; i++) {
		r = put_others(d, &l[i], false);
		if (!r && d->stop)
			put_stoppers(&d->batch, &l[i]);
	}
	return r;
}

/* The whole change as one batch. */
static int build(struct load *d)
{
	struct plan *plan = d->plan;
	struct loading *l = NULL;
	size_t n = 0;
	int r;

	nft_batch_begin(&d->batch);
	for (size_t i = 0; i < plan->nsteps; i++) {
		if (plan->steps[i].old) {
			delete_table(&d->batch, plan->steps[i].old);
			d->stop = true;
		}
		if (plan->steps[i].new)
			*(struct loading *)array_grow(&l, &n, sizeof(*l)) =
				(struct loading){.table = plan->steps[i].new, .names = plan->steps[i].names};
	}
	r = put_tables(d, l, n);
	for (size_t i = 0; i < n; i++)
		nft_index_release(&l[i].index);
	free(l);
	nft_batch_end(&d->batch);
	return r;
}

/* The second batch: the policies are in force, the stoppers go. */
static int remove_stoppers(const struct nft_batch *first, const struct plan *plan)
{
	struct nft_batch b = {0};
	int r;

	if (!first->nstoppers)
		return 0;
	nft_batch_begin(&b);
	for (size_t i = 0; i < first->nstoppers; i++) {
		const struct nft_stopper *s = &first->stoppers[i];
		size_t at = nft_message_begin(&b, NFT_MSG_DELRULE, s->family, 0);
		uint64_t handle = htobe64(s->handle);

		nft_put_string(&b, NFTA_RULE_TABLE, s->table);
		nft_put_string(&b, NFTA_RULE_CHAIN, s->chain);
		nft_put(&b, NFTA_RULE_HANDLE, &handle, sizeof(handle));
		nft_message_end(&b, at);
	}
	nft_batch_end(&b);
	r = nft_batch_commit(&b, plan);
	nft_batch_release(&b);
	return r;
}

int nft_change(struct plan *plan)
{
	struct load d = {.plan = plan};
	int r;

	if (!plan->nsteps)
		return 0;
	if (plan->generation_check)
		d.batch.generation = &plan->live->generation;
	r = build(&d);
	if (!r) {
		r = nft_batch_commit(&d.batch, plan);
		plan->touched = !r || r == -ENOBUFS;
	}
	if (plan->touched)
		log_set_state(STATE_UNDOING);
	if (!r)
		r = remove_stoppers(&d.batch, plan);
	nft_batch_release(&d.batch);
	return r;
}
