/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/nft.h"

#include <errno.h>
#include <string.h>

/* A message of another table would be loaded into that one. */
static bool belongs(const struct table *t, const struct nlmsghdr *nlh)
{
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[2];
	size_t len;
	const struct nlattr *first = netlink_first(nlh, &len);

	netlink_attributes(first, len, tb, 1);
	/* attribute 1 is the table's name in every kind of message */
	return nfg->nfgen_family == t->family && !strcmp(netlink_str(tb[1]), t->name);
}

bool nft_table_ok(const struct table *t)
{
	if (!nft_records_ok(&t->records))
		return false;
	nft_each(nlh, &t->records)
		if (!belongs(t, nlh))
			return false;
	return true;
}

static int digest(struct ruleset *rs, struct table *t)
{
	struct nft_digest d = {.rs = rs, .t = t};

	t->fixed = t->dynamic = (struct digest){0, 0};
	t->counts = (struct table_counts){0};
	strlist_release(&t->chains);
	strlist_release(&t->sets);
	if (!nft_table_ok(t))
		return -EBADMSG;
	nft_each(nlh, &t->records)
		nft_digest_feed(&d, nlh);
	nft_digest_end(&d);
	nft_index_release(&d.index);
	return d.error;
}

const struct engine engine_nft = {
	.name = "nft",
	.capture = nft_capture,
	.change = nft_change,
	.digest = digest,
	.items = nft_items,
	.compose = nft_compose,
	.refers = nft_refers,
	.facts = nft_facts,
};
