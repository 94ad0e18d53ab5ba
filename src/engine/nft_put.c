/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/nft_put.h"
#include "log.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

/* One message holds at most what the kernel puts into one when it dumps. */
#define ELEMENTS_SIZE (30U << 10)

/* Bound chains within bound chains: the kernel takes no more jumps than these. */
#define BOUND_DEPTH 64

static struct nft_copy loader(struct nft_batch *b, const struct nft_side *s)
{
	return (struct nft_copy){.rs = s->names,
				 .index = &s->index,
				 .purpose = NFT_LOAD,
				 .living = s->living,
				 .out = &b->out};
}

static void put_u32(struct nft_batch *b, uint16_t type, uint32_t value)
{
	uint32_t v = htonl(value);

	nft_put(b, type, &v, sizeof(v));
}

static void put_u64(struct nft_batch *b, uint16_t type, uint64_t value)
{
	uint64_t v = htobe64(value);

	nft_put(b, type, &v, sizeof(v));
}

static const struct nft_set *set_of(const struct nft_side *s, const struct nlmsghdr *nlh,
				    unsigned name)
{
	const struct nlattr *tb[4];
	size_t len;
	const struct nlattr *first = netlink_first(nlh, &len);

	netlink_attributes(first, len, tb, 3);
	return nft_find_set(&s->index, netlink_str(tb[name]));
}

/* Logs what a copy has found, with what it is about. */
static int copied(struct nft_batch *b, struct nft_copy *c, size_t at)
{
	if (c->error) {
		cleanup_free char *what = nft_message_label(b, at);

		log_error("cannot load %s: %s", what, buf_str(&c->why));
	}
	buf_release(&c->why);
	return c->error;
}

static int put_record(struct nft_batch *b, const struct nft_side *s, const struct nlmsghdr *nlh,
		      const struct nft_manner *manner, bool without_size)
{
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	bool append = nft_type(nlh) == NFT_MSG_NEWRULE && !manner->before;
	struct nft_copy c = loader(b, s);
	size_t at = nft_message_begin(b, nft_type(nlh), nfg->nfgen_family,
				      NLM_F_CREATE | (append ? NLM_F_APPEND : 0));

	c.chain = manner->chain;
	c.without_policy = manner->without_policy;
	c.without_size = without_size;
	nft_message_place(b, at, manner->place);
	nft_copy_message(&c, nlh);
	if (nft_type(nlh) == NFT_MSG_NEWSET)
		put_u32(b, NFTA_SET_ID, set_of(s, nlh, NFTA_SET_NAME)->id);
	if (manner->before)
		put_u64(b, NFTA_RULE_POSITION, manner->before);
	nft_message_end(b, at);
	return copied(b, &c, at);
}

/* Elements with a counter, a quota: the kernel does not take all of its state back. */
static bool any_has_state(const struct nlattr *list)
{
	const struct nlattr *e, *a;

	netlink_each_in(e, list)
		netlink_each_in(a, e) if (netlink_type(a) == NFTA_SET_ELEM_EXPR ||
					  netlink_type(a) == NFTA_SET_ELEM_EXPRESSIONS) return true;
	return false;
}

static void open_elements(struct nft_elements *e)
{
	struct nft_batch *b = e->b;

	e->at = nft_message_begin(b, e->message, e->side->table->family,
				  e->message == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0);
	nft_put_string(b, NFTA_SET_ELEM_LIST_TABLE, e->side->table->name);
	if (e->side->living && e->set->flags & NFT_SET_ANONYMOUS) {
		nft_put_pattern(&b->out, NFTA_SET_ELEM_LIST_SET, e->set->name);
		put_u32(b, NFTA_SET_ELEM_LIST_SET_ID, e->set->id);
	} else {
		nft_put_string(b, NFTA_SET_ELEM_LIST_SET, e->set->name);
	}
	e->nest = nft_nest_begin(b, NFTA_SET_ELEM_LIST_ELEMENTS);
	e->open = true;
}

static void close_elements(struct nft_elements *e)
{
	if (!e->open)
		return;
	nft_nest_end(e->b, e->nest);
	nft_message_end(e->b, e->at);
	e->open = false;
}

void nft_put_element(struct nft_elements *e, const struct nlattr *element)
{
	struct nft_copy c = loader(e->b, e->side);
	size_t at;
	int r;

	if (e->open && e->b->out.len - e->at > ELEMENTS_SIZE)
		close_elements(e);
	if (!e->open)
		open_elements(e);
	c.set = e->set;
	c.key_only = e->message == NFT_MSG_DELSETELEM;
	at = nft_nest_begin(e->b, NFTA_LIST_ELEM);
	nft_copy_element(&c, element);
	nft_nest_end(e->b, at);
	if (c.error)
		close_elements(e);
	r = copied(e->b, &c, e->at);
	if (!e->error)
		e->error = r;
}

int nft_elements_end(struct nft_elements *e)
{
	close_elements(e);
	return e->error;
}

/* Elements are copied one by one only where something in them may have to change. */
static int put_elements(struct nft_batch *b, const struct nft_side *s, const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[NFTA_SET_ELEM_LIST_MAX + 1], *e, *list;
	size_t len, at;
	const struct nlattr *first = netlink_first(nlh, &len);
	struct nft_elements all = {.b = b, .side = s, .message = NFT_MSG_NEWSETELEM};

	netlink_attributes(first, len, tb, NFTA_SET_ELEM_LIST_MAX);
	list = tb[NFTA_SET_ELEM_LIST_ELEMENTS];
	all.set = nft_find_set(&s->index, netlink_str(tb[NFTA_SET_ELEM_LIST_SET]));
	if (!list || !all.set)
		return 0;
	if (!all.set->link_fields && !all.set->data_is_link &&
	    !(all.set->flags & NFT_SET_TIMEOUT) && !any_has_state(list) &&
	    !(s->living && all.set->flags & NFT_SET_ANONYMOUS)) {
		at = nft_message_begin(b, NFT_MSG_NEWSETELEM, s->table->family, NLM_F_CREATE);
		buf_add(&b->out, first, len);
		nft_message_end(b, at);
		return 0;
	}
	netlink_each_in(e, list) nft_put_element(&all, e);
	return nft_elements_end(&all);
}

/* If a rule adds to it: the kernel would choose a kind that cannot be added to. */
static bool made_in_two_steps(const struct nft_set *set)
{
	return set->updated && set->sized && !(set->flags & (NFT_SET_EVAL | NFT_SET_ANONYMOUS));
}

int nft_put_message(struct nft_batch *b, const struct nft_side *s, const struct nlmsghdr *nlh,
		    const struct nft_manner *manner)
{
	static const struct nft_manner as_it_stands;
	int r = 0;

	if (nft_type(nlh) == NFT_MSG_NEWSETELEM)
		return put_elements(b, s, nlh);
	if (!manner)
		manner = &as_it_stands;
	if (nft_type(nlh) == NFT_MSG_NEWSET && made_in_two_steps(set_of(s, nlh, NFTA_SET_NAME)))
		r = put_record(b, s, nlh, manner, true);
	return r ? r : put_record(b, s, nlh, manner, false);
}

int nft_put_set(struct nft_batch *b, const struct nft_side *s, const struct nft_set *set)
{
	int r = nft_put_message(b, s, set->record, NULL);

	for (size_t i = 0; i < set->elements.n && !r; i++)
		r = put_elements(b, s, set->elements.m[i]);
	return r;
}

/* What a rule brings along, while it is put. */
struct bringing {
	struct nft_batch *b;
	const struct nft_side *side;
	unsigned depth;
	int error;
};

static void put_with_parts(struct bringing *p, const struct nlmsghdr *nlh,
			   const struct nft_manner *manner);

static void bring_chain(const char *name, void *arg)
{
	struct bringing *p = arg;
	const struct nft_chain *chain = nft_find_chain(&p->side->index, name);

	if (!chain || !(chain->flags & NFT_CHAIN_BINDING) || p->error)
		return;
	if (++p->depth > BOUND_DEPTH)
		p->error = -EBADMSG;
	else
		p->error = nft_put_message(p->b, p->side, chain->record, NULL);
	for (size_t i = 0; i < chain->messages.n && !p->error; i++)
		put_with_parts(p, chain->messages.m[i], NULL);
	p->depth--;
}

static void bring_set(const char *name, void *arg)
{
	struct bringing *p = arg;
	const struct nft_set *set = nft_find_set(&p->side->index, name);

	if (set && set->flags & NFT_SET_ANONYMOUS && !p->error)
		p->error = nft_put_set(p->b, p->side, set);
}

static void put_with_parts(struct bringing *p, const struct nlmsghdr *nlh,
			   const struct nft_manner *manner)
{
	nft_rule_jumps(nlh, bring_chain, p);
	nft_rule_sets(nlh, bring_set, p);
	if (!p->error)
		p->error = nft_put_message(p->b, p->side, nlh, manner);
}

int nft_put_rule(struct nft_batch *b, const struct nft_side *s, const struct nlmsghdr *nlh,
		 const struct nft_manner *manner)
{
	struct bringing p = {.b = b, .side = s};

	put_with_parts(&p, nlh, manner);
	return p.error;
}

struct lateness {
	const struct nft_side *side;
	unsigned depth;
	bool late;
};

static void look_at_set(const char *name, void *arg)
{
	struct lateness *l = arg;
	const struct nft_set *set = nft_find_set(&l->side->index, name);

	l->late |= set && set->flags & NFT_SET_ANONYMOUS && set->flags & NFT_SET_INTERVAL;
}

static void look_at_chain(const char *name, void *arg)
{
	struct lateness *l = arg;
	const struct nft_chain *chain = nft_find_chain(&l->side->index, name);

	if (!chain || !(chain->flags & NFT_CHAIN_BINDING) || ++l->depth > BOUND_DEPTH)
		return;
	for (size_t i = 0; i < chain->messages.n && !l->late; i++) {
		nft_rule_sets(chain->messages.m[i], look_at_set, l);
		nft_rule_jumps(chain->messages.m[i], look_at_chain, l);
	}
	l->depth--;
}

bool nft_rule_is_late(const struct nft_side *s, const struct nlmsghdr *nlh)
{
	struct lateness l = {.side = s};

	nft_rule_sets(nlh, look_at_set, &l);
	nft_rule_jumps(nlh, look_at_chain, &l);
	return l.late;
}

/* As nft writes a comment: its type, its length, and the text with its NUL. */
static const char passing_mark[] = "\0\x07" "fwsnap";

void nft_put_verdict(struct nft_batch *b, const struct nft_verdict *v)
{
	size_t at = nft_message_begin(b, NFT_MSG_NEWRULE, v->family,
				      NLM_F_CREATE | (v->before ? 0 : NLM_F_APPEND) |
					      (v->noted ? NLM_F_ECHO : 0));
	size_t list, element, data, value, verdict;

	nft_put_string(b, NFTA_RULE_TABLE, v->table);
	nft_put_string(b, NFTA_RULE_CHAIN, v->chain);
	if (v->before)
		put_u64(b, NFTA_RULE_POSITION, v->before);
	list = nft_nest_begin(b, NFTA_RULE_EXPRESSIONS);
	element = nft_nest_begin(b, NFTA_LIST_ELEM);
	nft_put_string(b, NFTA_EXPR_NAME, "immediate");
	data = nft_nest_begin(b, NFTA_EXPR_DATA);
	put_u32(b, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	value = nft_nest_begin(b, NFTA_IMMEDIATE_DATA);
	verdict = nft_nest_begin(b, NFTA_DATA_VERDICT);
	put_u32(b, NFTA_VERDICT_CODE, (uint32_t)v->code);
	if (v->target)
		nft_put_string(b, NFTA_VERDICT_CHAIN, v->target);
	nft_nest_end(b, verdict);
	nft_nest_end(b, value);
	nft_nest_end(b, data);
	nft_nest_end(b, element);
	nft_nest_end(b, list);
	nft_put(b, NFTA_RULE_USERDATA, passing_mark, sizeof(passing_mark));
	nft_message_end(b, at);
}

bool nft_rule_is_passing(const struct nlmsghdr *rule)
{
	const struct nlattr *tb[NFTA_RULE_MAX + 1];
	size_t len;
	const struct nlattr *first = netlink_first(rule, &len), *mark;

	netlink_attributes(first, len, tb, NFTA_RULE_MAX);
	mark = tb[NFTA_RULE_USERDATA];
	return mark && netlink_length(mark) == sizeof(passing_mark) &&
	       !memcmp(netlink_payload(mark), passing_mark, sizeof(passing_mark));
}

void nft_put_delete(struct nft_batch *b, uint8_t message, const struct table *t, const char *name,
		    uint32_t type)
{
	/* attribute 1 is the table, what has a name has it as 2, but for chains */
	uint16_t attribute = message == NFT_MSG_DELCHAIN ? NFTA_CHAIN_NAME : 2;
	size_t at = nft_message_begin(b, message, t->family, 0);

	nft_put_string(b, NFTA_TABLE_NAME, t->name);
	if (name)
		nft_put_string(b, attribute, name);
	if (message == NFT_MSG_DELOBJ)
		put_u32(b, NFTA_OBJ_TYPE, type);
	nft_message_end(b, at);
}

void nft_put_delete_rule(struct nft_batch *b, uint8_t family, const char *table, const char *chain,
			 uint64_t handle, unsigned place)
{
	size_t at = nft_message_begin(b, NFT_MSG_DELRULE, family, 0);

	nft_message_place(b, at, place);
	nft_put_string(b, NFTA_RULE_TABLE, table);
	nft_put_string(b, NFTA_RULE_CHAIN, chain);
	if (handle)
		put_u64(b, NFTA_RULE_HANDLE, handle);
	nft_message_end(b, at);
}

void nft_put_policy(struct nft_batch *b, const struct table *t, const char *chain, uint32_t policy)
{
	size_t at = nft_message_begin(b, NFT_MSG_NEWCHAIN, t->family, 0);

	nft_put_string(b, NFTA_CHAIN_TABLE, t->name);
	nft_put_string(b, NFTA_CHAIN_NAME, chain);
	put_u32(b, NFTA_CHAIN_POLICY, policy);
	nft_message_end(b, at);
}
