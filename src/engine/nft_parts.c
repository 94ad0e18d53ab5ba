/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/nft.h"

#include <errno.h>
#include <string.h>

/* Attribute number `type` of a message. */
static const struct nlattr *attribute(const struct nlmsghdr *nlh, unsigned type)
{
	const struct nlattr *tb[NFTA_CHAIN_MAX + 1];
	size_t len;
	const struct nlattr *first = netlink_first(nlh, &len);

	netlink_attributes(first, len, tb, NFTA_CHAIN_MAX);
	return tb[type];
}

static struct part *part_add(struct parts *out, const struct nlmsghdr *nlh, unsigned name)
{
	struct part *p = array_grow(&out->part, &out->n, sizeof(*p));

	p->name = netlink_str(attribute(nlh, name));
	return p;
}

static bool judges_input(const struct table *t, const struct nlmsghdr *nlh,
			 const struct nft_chain *c)
{
	return (t->family == NFPROTO_IPV4 || t->family == NFPROTO_IPV6 ||
		t->family == NFPROTO_INET) &&
	       c->hook == NF_INET_LOCAL_IN &&
	       !strcmp(netlink_str(attribute(nlh, NFTA_CHAIN_TYPE)), "filter");
}

/* The places in `out` stand beside those in the index: by name both ways. */
struct places {
	struct nft_index index;
	size_t *chains, *sets;
};

static void take_chain(const struct table *t, const struct nlmsghdr *nlh, struct places *p,
		       struct parts *out)
{
	const struct nft_chain *c = nft_index_chain(&p->index, nlh);
	size_t n = p->index.nchains - 1;
	struct part *part;

	*(size_t *)array_grow(&p->chains, &n, sizeof(n)) = out->n;
	if (c->flags & NFT_CHAIN_BINDING)
		return;
	part = part_add(out, nlh, NFTA_CHAIN_NAME);
	part->base = c->base;
	part->input = c->base && judges_input(t, nlh, c);
	part->content = c->policy != NF_ACCEPT;
}

static void take_set(const struct nlmsghdr *nlh, struct places *p, struct parts *out)
{
	const struct nft_set *s = nft_index_set(&p->index, nlh);
	size_t n = p->index.nsets - 1;

	*(size_t *)array_grow(&p->sets, &n, sizeof(n)) = out->n;
	if (!(s->flags & NFT_SET_ANONYMOUS))
		part_add(out, nlh, NFTA_SET_NAME)->set = true;
}

static void fill_chain(const struct nlmsghdr *nlh, const struct places *p, struct parts *out)
{
	const char *name = netlink_str(attribute(nlh, NFTA_RULE_CHAIN));
	const struct nft_chain *c = nft_find_chain(&p->index, name);

	if (p->chains && c && !(c->flags & NFT_CHAIN_BINDING))
		out->part[p->chains[c->id - 1]].content = true;
}

static void fill_set(const struct nlmsghdr *nlh, const struct places *p, struct parts *out)
{
	const char *name = netlink_str(attribute(nlh, NFTA_SET_ELEM_LIST_SET));
	const struct nft_set *s = nft_find_set(&p->index, name);

	if (p->sets && s && !(s->flags & NFT_SET_ANONYMOUS))
		out->part[p->sets[s->id - 1]].content = true;
}

int nft_parts(const struct table *t, struct parts *out)
{
	struct places p = {.chains = NULL};

	if (!nft_records_ok(&t->records))
		return -EBADMSG;
	nft_each(nlh, &t->records)
	{
		if (nft_type(nlh) == NFT_MSG_NEWCHAIN)
			take_chain(t, nlh, &p, out);
		else if (nft_type(nlh) == NFT_MSG_NEWSET)
			take_set(nlh, &p, out);
		else if (nft_type(nlh) == NFT_MSG_NEWSETELEM)
			fill_set(nlh, &p, out);
		else if (nft_type(nlh) == NFT_MSG_NEWRULE)
			fill_chain(nlh, &p, out);
	}
	nft_index_release(&p.index);
	free(p.chains);
	free(p.sets);
	return 0;
}
