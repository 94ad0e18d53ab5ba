/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/nft.h"

void nft_store(struct buf *records, const struct nlmsghdr *nlh)
{
	static const uint32_t never[NFT_MSG_MAX] = {
		[NFT_MSG_NEWTABLE] = 1U << NFTA_TABLE_HANDLE | 1U << NFTA_TABLE_USE |
				     1U << NFTA_TABLE_PAD | 1U << NFTA_TABLE_OWNER,
		[NFT_MSG_NEWCHAIN] = 1U << NFTA_CHAIN_HANDLE | 1U << NFTA_CHAIN_USE |
				     1U << NFTA_CHAIN_PAD,
		[NFT_MSG_NEWRULE] = 1U << NFTA_RULE_HANDLE | 1U << NFTA_RULE_POSITION |
				    1U << NFTA_RULE_PAD,
		[NFT_MSG_NEWSET] = 1U << NFTA_SET_HANDLE | 1U << NFTA_SET_PAD | 1U << NFTA_SET_ID |
				   1U << NFT_SET_ATTR_TYPE | 1U << NFT_SET_ATTR_COUNT,
		[NFT_MSG_NEWOBJ] = 1U << NFTA_OBJ_HANDLE | 1U << NFTA_OBJ_USE | 1U << NFTA_OBJ_PAD,
		[NFT_MSG_NEWFLOWTABLE] = 1U << NFTA_FLOWTABLE_HANDLE | 1U << NFTA_FLOWTABLE_USE |
					 1U << NFTA_FLOWTABLE_PAD,
	};
	size_t start = records->len, len;
	const struct nlattr *first = netlink_first(nlh, &len), *a;
	struct nlmsghdr *kept;

	buf_add(records, nlh, MNL_NLMSG_HDRLEN + MNL_ALIGN(sizeof(struct nfgenmsg)));
	netlink_each(a, first, len) {
		unsigned type = netlink_type(a);

		if (type < 32 && never[nft_type(nlh)] & 1U << type)
			continue;
		buf_add(records, a, a->nla_len);
		buf_add_zero(records, MNL_ALIGN(a->nla_len) - a->nla_len);
	}
	kept = (struct nlmsghdr *)(void *)(records->data + start);
	kept->nlmsg_len = (uint32_t)(records->len - start);
	kept->nlmsg_flags = 0;
	kept->nlmsg_seq = 0;
	kept->nlmsg_pid = 0;
}

bool nft_records_ok(const struct buf *records)
{
	size_t at = 0, least = MNL_NLMSG_HDRLEN + MNL_ALIGN(sizeof(struct nfgenmsg));

	while (at < records->len) {
		const struct nlmsghdr *nlh = (const void *)(records->data + at);

		if (records->len - at < least || nlh->nlmsg_len < least ||
		    nlh->nlmsg_len > records->len - at || nlh->nlmsg_len % NLMSG_ALIGNTO ||
		    nlh->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES)
			return false;
		switch (nft_type(nlh)) {
		case NFT_MSG_NEWTABLE:
		case NFT_MSG_NEWCHAIN:
		case NFT_MSG_NEWRULE:
		case NFT_MSG_NEWSET:
		case NFT_MSG_NEWSETELEM:
		case NFT_MSG_NEWOBJ:
		case NFT_MSG_NEWFLOWTABLE:
			break;
		default:
			return false;
		}
		at += nlh->nlmsg_len;
	}
	return true;
}
