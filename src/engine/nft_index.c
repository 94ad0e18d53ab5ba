/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/nft.h"

#include <search.h>
#include <string.h>

/* nftables' datatypes (six bits each in a concatenation), and their lengths where fixed */
enum { TYPE_BITS = 6, TYPE_IFINDEX = 20 };
static const uint8_t type_length[1 << TYPE_BITS] = {
	[2] = 1,  [7] = 4,  [8] = 16, [9] = 6,  [10] = 2, [11] = 2, [12] = 1, [13] = 2, [14] = 1,
	[15] = 1, [16] = 1, [17] = 1, [18] = 8, [19] = 4, [20] = 4, [21] = 2, [22] = 4, [23] = 4,
	[24] = 4, [25] = 4, [26] = 4, [27] = 1, [28] = 4, [29] = 1, [31] = 1, [32] = 1, [33] = 1,
	[34] = 1, [35] = 4, [36] = 1, [37] = 1, [38] = 4, [39] = 1, [40] = 4, [41] = 16, [42] = 1,
};

static uint32_t words(uint32_t length)
{
	return (length + 3) / 4;
}

/* Which 32-bit words of a key of this type are interface indexes. */
static uint32_t link_fields(uint32_t type, uint32_t key_length)
{
	uint32_t total = words(key_length), known = 0, at = 0, fields = 0;
	unsigned unknown = 0;

	if (type == TYPE_IFINDEX)
		return 1;
	if (!(type >> TYPE_BITS) || type >> 30)
		return 0;
	for (uint32_t t = type; t; t >>= TYPE_BITS) {
		known += words(type_length[t & 63]);
		unknown += !type_length[t & 63];
	}
	if (unknown > 1 || known > total)
		return 0;
	/* the first field stands in the highest bits */
	for (int shift = 24; shift >= 0; shift -= TYPE_BITS) {
		uint32_t field = type >> shift & 63;

		if (!field && !(type >> shift))
			continue;
		if (field == TYPE_IFINDEX && at < 32)
			fields |= 1U << at;
		at += type_length[field] ? words(type_length[field]) : total - known;
	}
	return fields;
}

static int compare_set(const void *a, const void *b)
{
	return strcmp(((const struct nft_set *)a)->name, ((const struct nft_set *)b)->name);
}

static int compare_chain(const void *a, const void *b)
{
	return strcmp(((const struct nft_chain *)a)->name, ((const struct nft_chain *)b)->name);
}

struct nft_set *nft_find_set(const struct nft_index *x, const char *name)
{
	struct nft_set key = {.name = name};
	struct nft_set **found = tfind(&key, &x->set_tree, compare_set);

	return found ? *found : NULL;
}

struct nft_chain *nft_find_chain(const struct nft_index *x, const char *name)
{
	struct nft_chain key = {.name = name};
	struct nft_chain **found = tfind(&key, &x->chain_tree, compare_chain);

	return found ? *found : NULL;
}

struct nft_set *nft_index_set(struct nft_index *x, const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[NFTA_SET_MAX + 1], *desc[NFTA_SET_DESC_MAX + 1] = {NULL};
	struct nft_set *s = mem_zalloc(sizeof(*s));
	size_t len;
	const struct nlattr *first = netlink_first(nlh, &len);

	netlink_attributes(first, len, tb, NFTA_SET_MAX);
	if (tb[NFTA_SET_DESC])
		netlink_attributes(netlink_payload(tb[NFTA_SET_DESC]),
				   netlink_length(tb[NFTA_SET_DESC]), desc,
				   NFTA_SET_DESC_MAX);
	s->name = str_dup(netlink_str(tb[NFTA_SET_NAME]));
	s->flags = netlink_u32(tb[NFTA_SET_FLAGS]);
	s->link_fields = link_fields(netlink_u32(tb[NFTA_SET_KEY_TYPE]),
				     netlink_u32(tb[NFTA_SET_KEY_LEN]));
	s->data_is_link = (s->flags & NFT_SET_MAP) &&
			  netlink_u32(tb[NFTA_SET_DATA_TYPE]) == TYPE_IFINDEX;
	s->sized = desc[NFTA_SET_DESC_SIZE] != NULL;
	*(struct nft_set **)array_grow(&x->sets, &x->nsets, sizeof(s)) = s;
	s->id = x->first_id + (uint32_t)x->nsets;
	x->doubled |= *(struct nft_set **)tsearch(s, &x->set_tree, compare_set) != s;
	return s;
}

/* The devices of a hook: NFTA_HOOK_DEV, or the list NFTA_HOOK_DEVS. */
static void hook_devices(const struct nlattr *const *hook, struct strlist *out)
{
	const struct nlattr *list = hook[NFTA_HOOK_DEVS], *a;

	if (!list && hook[NFTA_HOOK_DEV])
		strlist_add(out, netlink_str(hook[NFTA_HOOK_DEV]));
	if (!list)
		return;
	netlink_each_in(a, list)
		strlist_add(out, netlink_str(a));
	strlist_sort(out);
}

struct nft_chain *nft_index_chain(struct nft_index *x, const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[NFTA_CHAIN_MAX + 1], *hook[NFTA_HOOK_MAX + 1];
	struct nft_chain *c = mem_zalloc(sizeof(*c));
	size_t len;
	const struct nlattr *first = netlink_first(nlh, &len);

	netlink_attributes(first, len, tb, NFTA_CHAIN_MAX);
	c->name = str_dup(netlink_str(tb[NFTA_CHAIN_NAME]));
	c->flags = netlink_u32(tb[NFTA_CHAIN_FLAGS]);
	c->policy = tb[NFTA_CHAIN_POLICY] ? netlink_u32(tb[NFTA_CHAIN_POLICY]) : NF_ACCEPT;
	if (tb[NFTA_CHAIN_HOOK]) {
		netlink_attributes(netlink_payload(tb[NFTA_CHAIN_HOOK]),
				   netlink_length(tb[NFTA_CHAIN_HOOK]), hook,
				   NFTA_HOOK_MAX);
		c->base = true;
		c->hook = netlink_u32(hook[NFTA_HOOK_HOOKNUM]);
		c->priority = (int32_t)netlink_u32(hook[NFTA_HOOK_PRIORITY]);
		hook_devices(hook, &c->devices);
	}
	*(struct nft_chain **)array_grow(&x->chains, &x->nchains, sizeof(c)) = c;
	c->id = x->first_id + (uint32_t)x->nchains;
	x->doubled |= *(struct nft_chain **)tsearch(c, &x->chain_tree, compare_chain) != c;
	return c;
}

static void add_message(struct nft_messages *list, const struct nlmsghdr *nlh)
{
	*(const struct nlmsghdr **)array_grow(&list->m, &list->n, sizeof(nlh)) = nlh;
}

/* Attribute 2 is the set's, the chain's name in messages of elements and rules. */
static const char *owner_name(const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[3];
	size_t len;
	const struct nlattr *first = netlink_first(nlh, &len);

	netlink_attributes(first, len, tb, 2);
	return netlink_str(tb[2]);
}

static const char *chain_name(const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[NFTA_CHAIN_NAME + 1];
	size_t len;
	const struct nlattr *first = netlink_first(nlh, &len);

	netlink_attributes(first, len, tb, NFTA_CHAIN_NAME);
	return netlink_str(tb[NFTA_CHAIN_NAME]);
}

void nft_index_records(struct nft_index *x, const struct buf *records)
{
	nft_each(nlh, records) {
		if (nft_type(nlh) == NFT_MSG_NEWCHAIN)
			nft_index_chain(x, nlh);
		else if (nft_type(nlh) == NFT_MSG_NEWSET)
			nft_index_set(x, nlh);
	}
	nft_index_messages(x, records);
}

void nft_index_messages(struct nft_index *x, const struct buf *records)
{
	struct nft_chain *chain = NULL;
	struct nft_set *set;

	nft_each(nlh, records) {
		switch (nft_type(nlh)) {
		case NFT_MSG_NEWCHAIN:
			chain = nft_find_chain(x, chain_name(nlh));
			chain->record = nlh;
			break;
		case NFT_MSG_NEWSET:
			nft_find_set(x, owner_name(nlh))->record = nlh;
			break;
		case NFT_MSG_NEWSETELEM:
			set = nft_find_set(x, owner_name(nlh));
			if (set)
				add_message(&set->elements, nlh);
			break;
		case NFT_MSG_NEWRULE:
			if (!chain || strcmp(chain->name, owner_name(nlh)))
				chain = nft_find_chain(x, owner_name(nlh));
			if (chain)
				add_message(&chain->messages, nlh);
			break;
		default:
			break;
		}
	}
}

static void forget(void *item)
{
	(void)item; /* the arrays own the items */
}

void nft_index_release(struct nft_index *x)
{
	tdestroy(x->set_tree, forget);
	tdestroy(x->chain_tree, forget);
	for (size_t i = 0; i < x->nsets; i++) {
		free((char *)x->sets[i]->name);
		free(x->sets[i]->elements.m);
		free(x->sets[i]->moved);
		free(x->sets[i]);
	}
	for (size_t i = 0; i < x->nchains; i++) {
		free((char *)x->chains[i]->name);
		strlist_release(&x->chains[i]->devices);
		free(x->chains[i]->messages.m);
		free(x->chains[i]->moved);
		free(x->chains[i]);
	}
	free(x->sets);
	free(x->chains);
	*x = (struct nft_index){0};
}
