/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/nft.h"

#include <errno.h>
#include <string.h>

/* Bound chains within bound chains: the kernel takes no more jumps than these. */
#define BOUND_DEPTH 64

/* One message holds at most what the kernel puts into one when it dumps. */
#define ELEMENTS_SIZE (30U << 10)

/* A table that pieces are from. */
struct source {
	struct ruleset *from;
	const struct table *table;
	struct nft_index index;
};

/* A table while it is put together, kind by kind. */
struct composing {
	struct ruleset *rs;
	struct source **sources;
	size_t nsources;
	struct source *source; /* of the piece at hand */
	struct strlist named;  /* sets and chains that could be taken for anonymous ones */
	unsigned next;	       /* number of the next name of an anonymous set, bound chain */
	unsigned depth;
	struct buf table, chains, objects, sets, elements, rules;
	size_t message, nest; /* of named elements: where they begin in `elements` */
	const char *filling;  /* the set that the message is of; NULL: none is open */
	int error;
};

static const char *rename_part(void *arg, const char *name, bool chain);

static struct nft_copy mover(struct composing *c, struct buf *out)
{
	return (struct nft_copy){.rs = c->source->from,
				 .into = c->rs,
				 .index = &c->source->index,
				 .purpose = NFT_MOVE,
				 .rename = rename_part,
				 .rename_arg = c,
				 .out = out};
}

static void moved(struct composing *c, struct nft_copy *copy)
{
	if (!c->error)
		c->error = copy->error;
	buf_release(&copy->why);
}

static size_t open_message(struct buf *out, const struct nlmsghdr *like)
{
	size_t at = out->len;

	buf_add(out, like, MNL_NLMSG_HDRLEN + MNL_ALIGN(sizeof(struct nfgenmsg)));
	return at;
}

static void close_message(struct buf *out, size_t at)
{
	((struct nlmsghdr *)(void *)(out->data + at))->nlmsg_len = (uint32_t)(out->len - at);
}

static void move_message(struct composing *c, struct buf *out, const struct nlmsghdr *nlh)
{
	struct nft_copy copy = mover(c, out);
	size_t at = open_message(out, nlh);

	nft_copy_message(&copy, nlh);
	close_message(out, at);
	moved(c, &copy);
}

static void open_elements(struct composing *c, const struct nlmsghdr *like, const char *table,
			  const char *set)
{
	c->message = open_message(&c->elements, like);
	nft_put_text(&c->elements, NFTA_SET_ELEM_LIST_TABLE, table);
	nft_put_text(&c->elements, NFTA_SET_ELEM_LIST_SET, set);
	c->nest = nft_nest_open(&c->elements, NFTA_SET_ELEM_LIST_ELEMENTS | NLA_F_NESTED);
	c->filling = set;
}

static void close_elements(struct composing *c)
{
	if (!c->filling)
		return;
	nft_nest_close(&c->elements, c->nest);
	close_message(&c->elements, c->message);
	c->filling = NULL;
}

static void move_element(struct composing *c, const struct nft_set *set, const struct nlattr *e)
{
	struct nft_copy copy = mover(c, &c->elements);
	size_t at = nft_nest_open(&c->elements, e->nla_type);

	copy.set = set;
	nft_copy_element(&copy, e);
	nft_nest_close(&c->elements, at);
	moved(c, &copy);
}

/* All elements of an anonymous set. */
static void move_elements(struct composing *c, const struct nft_set *set)
{
	for (size_t i = 0; i < set->elements.n; i++) {
		const struct nlattr *tb[NFTA_SET_ELEM_LIST_MAX + 1], *e;
		size_t len;
		const struct nlattr *first = netlink_first(set->elements.m[i], &len);

		netlink_attributes(first, len, tb, NFTA_SET_ELEM_LIST_MAX);
		if (!tb[NFTA_SET_ELEM_LIST_ELEMENTS])
			continue;
		open_elements(c, set->elements.m[i], c->source->table->name, set->moved);
		netlink_each_in(e, tb[NFTA_SET_ELEM_LIST_ELEMENTS]) move_element(c, set, e);
		close_elements(c);
	}
}

/* A rule, and before it what it brings along. */
static void move_rule(struct composing *c, const struct nlmsghdr *nlh)
{
	cleanup_buf struct buf rule = BUF_INIT;

	move_message(c, &rule, nlh);
	buf_add(&c->rules, rule.data, rule.len);
}

/* "__set4" by its kind and a number that is free. */
static char *fresh_name(struct composing *c, const char *name)
{
	size_t n = strlen(name);
	char *fresh = NULL;

	while (n && name[n - 1] >= '0' && name[n - 1] <= '9')
		n--;
	do {
		free(fresh);
		fresh = str_printf("%.*s%u", (int)n, name, c->next++);
	} while (strlist_has(&c->named, fresh));
	return fresh;
}

static const char *rename_set(struct composing *c, struct nft_set *set)
{
	if (set->moved)
		return set->moved;
	set->moved = fresh_name(c, set->name);
	move_message(c, &c->sets, set->record);
	move_elements(c, set);
	return set->moved;
}

static const char *rename_chain(struct composing *c, struct nft_chain *chain)
{
	if (chain->moved)
		return chain->moved;
	chain->moved = fresh_name(c, chain->name);
	move_message(c, &c->chains, chain->record);
	if (++c->depth > BOUND_DEPTH)
		c->error = -EBADMSG;
	for (size_t i = 0; i < chain->messages.n && !c->error; i++)
		move_rule(c, chain->messages.m[i]);
	c->depth--;
	return chain->moved;
}

/* Called where a rule names it for the first time: it comes along. */
static const char *rename_part(void *arg, const char *name, bool chain)
{
	struct composing *c = arg;

	return chain ? rename_chain(c, nft_find_chain(&c->source->index, name))
		     : rename_set(c, nft_find_set(&c->source->index, name));
}

static const struct nlattr *element_at(const struct piece *p, size_t at)
{
	return (const void *)(p->table->records.data + at);
}

static void add_element(struct composing *c, const struct piece *p)
{
	const struct nft_set *set = nft_find_set(&c->source->index, p->item->name);

	if (c->filling &&
	    (strcmp(c->filling, p->item->name) || c->elements.len - c->message > ELEMENTS_SIZE))
		close_elements(c);
	if (!c->filling)
		open_elements(c, set->elements.m[0], p->table->name, p->item->name);
	if (p->item->end)
		move_element(c, set, element_at(p, p->item->end));
	move_element(c, set, element_at(p, p->item->at));
}

static struct source *source_of(struct composing *c, const struct piece *p)
{
	struct source *s;

	for (size_t i = c->nsources; i-- > 0;)
		if (c->sources[i]->table == p->table)
			return c->sources[i];
	s = mem_zalloc(sizeof(*s));
	*s = (struct source){.from = p->from, .table = p->table};
	nft_index_records(&s->index, &p->table->records);
	*(struct source **)array_grow(&c->sources, &c->nsources, sizeof(s)) = s;
	return s;
}

static void note_devices(struct composing *c, const struct nft_chain *chain)
{
	for (size_t i = 0; i < chain->devices.n; i++)
		ruleset_note_device(c->rs, chain->devices.s[i]);
}

/* Of a base chain, which has one. */
static void accept_by_policy(struct buf *chains, size_t at)
{
	const struct nlattr *tb[NFTA_CHAIN_POLICY + 1];
	const uint32_t policy = htonl(NF_ACCEPT);
	size_t len;
	const struct nlattr *first = netlink_first((const void *)(chains->data + at), &len);

	netlink_attributes(first, len, tb, NFTA_CHAIN_POLICY);
	if (tb[NFTA_CHAIN_POLICY] && netlink_length(tb[NFTA_CHAIN_POLICY]) == sizeof(policy))
		memcpy((char *)(uintptr_t)netlink_payload(tb[NFTA_CHAIN_POLICY]), &policy, sizeof(policy));
}

static void add_chain(struct composing *c, const struct piece *p, const struct nlmsghdr *nlh)
{
	size_t at = c->chains.len;

	move_message(c, &c->chains, nlh);
	if (p->accept)
		accept_by_policy(&c->chains, at);
	note_devices(c, nft_find_chain(&c->source->index, p->item->name));
}

static void add_piece(struct composing *c, const struct piece *p)
{
	const struct nlmsghdr *nlh = (const void *)(p->table->records.data + p->item->at);

	c->source = source_of(c, p);
	switch (p->item->kind) {
	case ITEM_TABLE:
		move_message(c, &c->table, nlh);
		break;
	case ITEM_CHAIN:
		add_chain(c, p, nlh);
		break;
	case ITEM_OBJECT:
		move_message(c, &c->objects, nlh);
		break;
	case ITEM_SET:
		move_message(c, &c->sets, nlh);
		break;
	case ITEM_ELEMENT:
		add_element(c, p);
		break;
	case ITEM_RULE:
		close_elements(c);
		move_rule(c, nlh);
		break;
	case ITEM_KINDS:
		break;
	}
}

static const struct nlattr *value_of(const struct nlattr *element)
{
	const struct nlattr *tb[NFTA_SET_ELEM_KEY + 1], *value;

	netlink_attributes(netlink_payload(element), netlink_length(element), tb,
			   NFTA_SET_ELEM_KEY);
	if (tb[NFTA_SET_ELEM_KEY])
		netlink_each_in(value, tb[NFTA_SET_ELEM_KEY]) return value;
	return NULL;
}

/* The last one first: as the kernel dumps intervals, and takes their ends before their starts. */
static int compare_element(const void *a, const void *b)
{
	const struct piece *p = a, *q = b;
	const struct nlattr *x = value_of(element_at(p, p->item->at));
	const struct nlattr *y = value_of(element_at(q, q->item->at));

	if (!x || !y || netlink_length(x) != netlink_length(y))
		return !x != !y ? (x ? -1 : 1) : 0;
	return memcmp(netlink_payload(y), netlink_payload(x), netlink_length(x));
}

/* All elements of one set, which may come from several tables. */
static void add_elements(struct composing *c, const struct piece *pieces, size_t n)
{
	struct piece *sorted = mem_alloc(n * sizeof(*sorted));
	const struct nft_set *set;

	memcpy(sorted, pieces, n * sizeof(*sorted));
	c->source = source_of(c, pieces);
	set = nft_find_set(&c->source->index, pieces->item->name);
	if (set->flags & NFT_SET_INTERVAL && !(set->flags & NFT_SET_CONCAT))
		qsort(sorted, n, sizeof(*sorted), compare_element);
	for (size_t i = 0; i < n && !c->error; i++)
		add_piece(c, &sorted[i]);
	free(sorted);
}

static size_t same_set(const struct piece *pieces, size_t n)
{
	size_t i = 1;

	while (i < n && pieces[i].item->kind == ITEM_ELEMENT &&
	       !strcmp(pieces[i].item->name, pieces[0].item->name))
		i++;
	return i;
}

static void compose_release(struct composing *c)
{
	for (size_t i = 0; i < c->nsources; i++) {
		nft_index_release(&c->sources[i]->index);
		free(c->sources[i]);
	}
	free(c->sources);
	strlist_release(&c->named);
}

int nft_compose(struct ruleset *rs, struct table *t, const struct piece *pieces, size_t n)
{
	struct composing c = {.rs = rs};
	struct buf *parts[] = {&c.table, &c.chains, &c.objects, &c.sets, &c.elements, &c.rules};

	for (size_t i = 0; i < n; i++)
		if ((pieces[i].item->kind == ITEM_SET || pieces[i].item->kind == ITEM_CHAIN) &&
		    !strncmp(pieces[i].item->name, "__", 2))
			strlist_add(&c.named, pieces[i].item->name);
	for (size_t i = 0, same; i < n && !c.error; i += same) {
		same = 1;
		if (pieces[i].item->kind == ITEM_ELEMENT)
			add_elements(&c, pieces + i, same = same_set(pieces + i, n - i));
		else
			add_piece(&c, &pieces[i]);
	}
	close_elements(&c);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		buf_add(&t->records, parts[i]->data, parts[i]->len);
		buf_release(parts[i]);
	}
	t->size = t->records.len;
	compose_release(&c);
	return c.error ? c.error : engine_nft.digest(rs, t);
}
