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

static void feed_plain(struct nft_digest *d, const struct nlmsghdr *nlh)
{
	canonical(d, nlh);
	digest_add(&d->t->fixed, record_digest(d, (char)nft_type(nlh), "", 0));
	d->t->counts.objects += nft_type(nlh) != NFT_MSG_NEWTABLE;
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
	}
}

static void feed_set(struct nft_digest *d, const struct nlmsghdr *nlh)
{
	struct nft_set *set = nft_index_set(&d->index, nlh);
	bool anonymous = set->flags & NFT_SET_ANONYMOUS;

	canonical(d, nlh);
	set->attributes = record_digest(d, 's', anonymous ? "" : set->name, 0);
	d->t->counts.sets += !anonymous;
}

static void feed_elements(struct nft_digest *d, const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[NFTA_SET_ELEM_LIST_MAX + 1], *e;
	size_t len;
	const struct nlattr *first = netlink_first(nlh, &len);
	struct nft_set *set;
	struct nft_copy c = {.rs = d->rs, .index = &d->index, .out = &d->canon, .note = d->note};

	netlink_attributes(first, len, tb, NFTA_SET_ELEM_LIST_MAX);
	set = nft_find_set(&d->index, netlink_str(tb[NFTA_SET_ELEM_LIST_SET]));
	if (!set || !tb[NFTA_SET_ELEM_LIST_ELEMENTS])
		return;
	c.set = set;
	netlink_each_in(e, tb[NFTA_SET_ELEM_LIST_ELEMENTS]) {
		struct digest digest;

		d->canon.len = 0;
		nft_copy_element(&c, e);
		digest = record_digest(d, 'e', set->flags & NFT_SET_ANONYMOUS ? "" : set->name, 0);
		digest_add(c.timed ? &set->dynamic : &set->fixed, digest);
		d->t->counts.elements += !c.interval_end && !(set->flags & NFT_SET_ANONYMOUS);
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

	netlink_attributes(first, len, tb, NFTA_RULE_MAX);
	name = netlink_str(tb[NFTA_RULE_CHAIN]);
	chain = d->last && !strcmp(d->last->name, name) ? d->last : nft_find_chain(&d->index, name);
	if (!chain)
		return;
	d->last = chain;
	canonical(d, nlh);
	if (chain->flags & NFT_CHAIN_BINDING)
		digest_add(&chain->digest, record_digest(d, 'r', "", chain->rules++));
	else
		digest_add(&d->t->fixed, record_digest(d, 'r', chain->name, chain->rules++));
	d->t->counts.rules++;
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

void nft_digest_end(struct nft_digest *d)
{
	for (size_t i = 0; i < d->index.nchains; i++) {
		const struct nft_chain *c = d->index.chains[i];

		if (!(c->flags & NFT_CHAIN_BINDING) && !nft_chain_absent(c))
			digest_add(&d->t->fixed, c->attributes);
	}
	for (size_t i = 0; i < d->index.nsets; i++) {
		const struct nft_set *s = d->index.sets[i];

		/* an anonymous set counted with the rule that it belongs to */
		if (s->flags & NFT_SET_ANONYMOUS)
			continue;
		digest_add(&d->t->fixed, s->attributes);
		digest_add(s->updated ? &d->t->dynamic : &d->t->fixed, s->fixed);
		digest_add(&d->t->dynamic, s->dynamic);
	}
	buf_release(&d->canon);
}
