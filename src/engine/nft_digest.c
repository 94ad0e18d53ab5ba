/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/nft.h"

#include <string.h>

/* The digest of one canonical record: what it is, whose, where, and its attributes. */
static struct digest record_digest(struct nft_digest *d, char kind, const char *owner,
				   unsigned position)
{
	buf_add(&d->canon, &kind, 1);
	buf_add(&d->canon, owner, strlen(owner) + 1);
	buf_add(&d->canon, &position, sizeof(position));
	return digest_of(d->canon.data, d->canon.len);
}

/* Ends a copy: what is bad in one record makes the table bad. */
static void copied(struct nft_digest *d, struct nft_copy *c)
{
	if (!d->error)
		d->error = c->error;
	buf_release(&c->why);
}

static void canonical(struct nft_digest *d, const struct nlmsghdr *nlh)
{
	struct nft_copy c = {.rs = d->rs, .index = &d->index, .out = &d->canon, .note = d->note};

	d->canon.len = 0;
	nft_copy_message(&c, nlh);
	copied(d, &c);
}

/* An item of the table; `at`: its message or element. */
static struct item *note_item(struct nft_digest *d, enum item_kind kind, const char *name,
			      struct digest digest, const void *at)
{
	static struct item unwanted;
	struct item *i = d->items ? array_grow(&d->items->item, &d->items->n, sizeof(*i)) : &unwanted;

	*i = (struct item){.kind = kind, .name = name, .digest = digest};
	if (d->items)
		i->at = (size_t)((const unsigned char *)at - d->t->records.data);
	return i;
}

/* The first attributes of a message: 1 is the table's name, 2 what a set, chain or object is called. */
static const char *name_of(const struct nlmsghdr *nlh, unsigned attribute)
{
	const struct nlattr *tb[4];
	size_t len;
	const struct nlattr *first = netlink_first(nlh, &len);

	netlink_attributes(first, len, tb, 3);
	return netlink_str(tb[attribute]);
}

static struct digest object_type(const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[NFTA_OBJ_TYPE + 1];
	uint32_t type[2] = {nft_type(nlh)};
	size_t len;
	const struct nlattr *first = netlink_first(nlh, &len);

	netlink_attributes(first, len, tb, NFTA_OBJ_TYPE);
	if (nft_type(nlh) == NFT_MSG_NEWOBJ)
		type[1] = netlink_u32(tb[NFTA_OBJ_TYPE]);
	return digest_of(type, sizeof(type));
}

/* Whether a table has more than a name. */
static bool is_marked(const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[NFTA_TABLE_USERDATA + 1];
	size_t len;
	const struct nlattr *first = netlink_first(nlh, &len);

	netlink_attributes(first, len, tb, NFTA_TABLE_USERDATA);
	return (tb[NFTA_TABLE_FLAGS] && netlink_u32(tb[NFTA_TABLE_FLAGS])) || tb[NFTA_TABLE_USERDATA];
}

static void feed_plain(struct nft_digest *d, const struct nlmsghdr *nlh)
{
	struct digest digest;

	canonical(d, nlh);
	digest = record_digest(d, (char)nft_type(nlh), "", 0);
	digest_add(&d->t->fixed, digest);
	if (nft_type(nlh) == NFT_MSG_NEWTABLE) {
		d->marked = is_marked(nlh);
		note_item(d, ITEM_TABLE, "", digest, nlh);
	} else {
		d->t->counts.objects++;
		note_item(d, ITEM_OBJECT, name_of(nlh, 2), digest, nlh)->key = object_type(nlh);
	}
}

static void feed_chain(struct nft_digest *d, const struct nlmsghdr *nlh)
{
	struct nft_chain *chain = nft_index_chain(&d->index, nlh);
	bool bound = chain->flags & NFT_CHAIN_BINDING;

	canonical(d, nlh);
	for (size_t i = 0; i < chain->devices.n; i++) {
		buf_add(&d->canon, chain->devices.s[i], strlen(chain->devices.s[i]) + 1);
		if (d->note)
			ruleset_note_device(d->rs, chain->devices.s[i]);
	}
	chain->attributes = record_digest(d, 'c', bound ? "" : chain->name, 0);
	if (!bound) {
		strlist_add(&d->t->chains, chain->name);
		d->t->counts.chains++;
		note_item(d, ITEM_CHAIN, name_of(nlh, NFTA_CHAIN_NAME), chain->attributes, nlh);
	}
}

static void feed_set(struct nft_digest *d, const struct nlmsghdr *nlh)
{
	struct nft_set *set = nft_index_set(&d->index, nlh);
	bool anonymous = set->flags & NFT_SET_ANONYMOUS;

	canonical(d, nlh);
	set->attributes = record_digest(d, 's', anonymous ? "" : set->name, 0);
	if (!anonymous) {
		strlist_add(&d->t->sets, set->name);
		d->t->counts.sets++;
		note_item(d, ITEM_SET, name_of(nlh, NFTA_SET_NAME), set->attributes, nlh);
	}
}

/* An end at 0 has no start; nft puts it into a set that it fills, and not into one that it adds to. */
static bool ends_nothing(const struct nlattr *element)
{
	const struct nlattr *tb[NFTA_SET_ELEM_FLAGS + 1], *value;

	netlink_attributes(netlink_payload(element), netlink_length(element), tb, NFTA_SET_ELEM_FLAGS);
	if (!(netlink_u32(tb[NFTA_SET_ELEM_FLAGS]) & NFT_SET_ELEM_INTERVAL_END) ||
	    !tb[NFTA_SET_ELEM_KEY])
		return false;
	netlink_each_in(value, tb[NFTA_SET_ELEM_KEY])
		for (size_t i = 0; i < netlink_length(value); i++)
			if (((const unsigned char *)netlink_payload(value))[i])
				return false;
	return true;
}

static struct digest element_key(struct nft_digest *d, struct nft_copy *c, const struct nlattr *element)
{
	d->canon.len = 0;
	c->key_only = true;
	nft_copy_element(c, element);
	c->key_only = false;
	return digest_of(d->canon.data, d->canon.len);
}

/* The end of an interval has no timeout of its own: it comes and goes with its start, which is dumped next. */
static void count_element(struct nft_set *set, const struct nft_copy *c, struct digest digest)
{
	bool pairs = set->flags & NFT_SET_INTERVAL && set->flags & NFT_SET_TIMEOUT &&
		     !(set->flags & NFT_SET_CONCAT);

	if (set->ended)
		digest_add(c->timed && !c->interval_end ? &set->dynamic : &set->fixed, set->end);
	set->ended = pairs && c->interval_end;
	if (set->ended)
		set->end = digest;
	else
		digest_add(c->timed ? &set->dynamic : &set->fixed, digest);
}

static void feed_elements(struct nft_digest *d, const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[NFTA_SET_ELEM_LIST_MAX + 1], *e;
	size_t len;
	const struct nlattr *first = netlink_first(nlh, &len);
	struct nft_set *set;
	struct nft_copy c = {.rs = d->rs, .index = &d->index, .out = &d->canon, .note = d->note};
	bool anonymous;

	netlink_attributes(first, len, tb, NFTA_SET_ELEM_LIST_MAX);
	set = nft_find_set(&d->index, netlink_str(tb[NFTA_SET_ELEM_LIST_SET]));
	if (!set || !tb[NFTA_SET_ELEM_LIST_ELEMENTS])
		return;
	c.set = set;
	anonymous = set->flags & NFT_SET_ANONYMOUS;
	netlink_each_in(e, tb[NFTA_SET_ELEM_LIST_ELEMENTS]) {
		struct digest digest;
		struct item *item;

		if (ends_nothing(e))
			continue;
		d->canon.len = 0;
		nft_copy_element(&c, e);
		digest = record_digest(d, 'e', anonymous ? "" : set->name, 0);
		count_element(set, &c, digest);
		d->t->counts.elements += !c.interval_end && !anonymous;
		if (!d->items || anonymous)
			continue;
		item = note_item(d, ITEM_ELEMENT, netlink_str(tb[NFTA_SET_ELEM_LIST_SET]), digest, e);
		item->silent = c.timed;
		item->key = element_key(d, &c, e);
	}
	copied(d, &c);
}

static void feed_rule(struct nft_digest *d, const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[NFTA_RULE_MAX + 1];
	size_t len;
	const struct nlattr *first = netlink_first(nlh, &len);
	const char *name;
	struct nft_chain *chain;
	size_t whole;

	netlink_attributes(first, len, tb, NFTA_RULE_MAX);
	name = netlink_str(tb[NFTA_RULE_CHAIN]);
	chain = d->last && !strcmp(d->last->name, name) ? d->last : nft_find_chain(&d->index, name);
	if (!chain)
		return;
	d->last = chain;
	canonical(d, nlh);
	whole = d->canon.len;
	if (chain->flags & NFT_CHAIN_BINDING) {
		digest_add(&chain->digest, record_digest(d, 'r', "", chain->rules++));
	} else {
		digest_add(&d->t->fixed, record_digest(d, 'r', chain->name, chain->rules++));
		if (d->items)
			note_item(d, ITEM_RULE, name, digest_of(d->canon.data, whole), nlh);
	}
	d->t->counts.rules++;
}

struct digest nft_rule_digest(struct ruleset *rs, const struct nft_index *x, const struct nlmsghdr *rule)
{
	cleanup_buf struct buf canon = BUF_INIT;
	struct nft_copy c = {.rs = rs, .index = x, .out = &canon};

	nft_copy_message(&c, rule);
	buf_release(&c.why);
	return digest_of(canon.data, canon.len);
}

void nft_digest_feed(struct nft_digest *d, const struct nlmsghdr *nlh)
{
	switch (nft_type(nlh)) {
	case NFT_MSG_NEWCHAIN:
		feed_chain(d, nlh);
		break;
	case NFT_MSG_NEWSET:
		feed_set(d, nlh);
		break;
	case NFT_MSG_NEWSETELEM:
		feed_elements(d, nlh);
		break;
	case NFT_MSG_NEWRULE:
		feed_rule(d, nlh);
		break;
	default:
		feed_plain(d, nlh);
	}
}

bool nft_chain_absent(const struct nft_chain *c)
{
	return c->base && !c->rules && c->policy == NF_ACCEPT;
}

/* It has base chains, and they and all else equal nothing. */
static bool table_absent(const struct nft_digest *d)
{
	bool absent = !d->marked && d->index.nchains && !d->index.nsets && !d->t->counts.objects;

	for (size_t i = 0; i < d->index.nchains && absent; i++)
		absent = nft_chain_absent(d->index.chains[i]);
	return absent;
}

void nft_digest_end(struct nft_digest *d)
{
	d->t->empty = table_absent(d);
	for (size_t i = 0; i < d->index.nchains; i++) {
		const struct nft_chain *c = d->index.chains[i];

		if (!(c->flags & NFT_CHAIN_BINDING) && !nft_chain_absent(c))
			digest_add(&d->t->fixed, c->attributes);
	}
	for (size_t i = 0; i < d->index.nsets; i++) {
		struct nft_set *s = d->index.sets[i];

		if (s->ended)
			digest_add(&s->fixed, s->end);
		s->ended = false;
		/* an anonymous set counted with the rule that it belongs to */
		if (s->flags & NFT_SET_ANONYMOUS)
			continue;
		digest_add(&d->t->fixed, s->attributes);
		digest_add(s->updated ? &d->t->dynamic : &d->t->fixed, s->fixed);
		digest_add(&d->t->dynamic, s->dynamic);
	}
	buf_release(&d->canon);
}
