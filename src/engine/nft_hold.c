/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/nft_hold.h"
#include "engine/nft_batch.h"
#include "log.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

/* The loopback interface has this index in every namespace. */
#define LOOPBACK 1

bool nft_is_hold(uint8_t family, const char *table)
{
	return family == NFPROTO_INET && !strcmp(table, NFT_HOLD_TABLE);
}

static void put_u32(struct nft_batch *b, uint16_t type, uint32_t value)
{
	value = htonl(value);
	nft_put(b, type, &value, sizeof(value));
}

static size_t message_begin(struct nft_batch *b, uint8_t type, uint16_t flags)
{
	size_t at = nft_message_begin(b, type, NFPROTO_INET, flags);

	/* attribute 1 is the table's name in every kind of message */
	nft_put_string(b, NFTA_TABLE_NAME, NFT_HOLD_TABLE);
	return at;
}

static void put_table(struct nft_batch *b, uint8_t type)
{
	nft_message_end(b, message_begin(b, type, type == NFT_MSG_NEWTABLE ? NLM_F_CREATE : 0));
}

/* An expression of a rule: its element and its data are begun. */
struct expression {
	size_t element, data;
};

static struct expression expression_begin(struct nft_batch *b, const char *name)
{
	struct expression e = {.element = nft_nest_begin(b, NFTA_LIST_ELEM)};

	nft_put_string(b, NFTA_EXPR_NAME, name);
	e.data = nft_nest_begin(b, NFTA_EXPR_DATA);
	return e;
}

static void expression_end(struct nft_batch *b, struct expression e)
{
	nft_nest_end(b, e.data);
	nft_nest_end(b, e.element);
}

/* "meta iif != lo drop", or oif */
static void put_expressions(struct nft_batch *b, enum nft_meta_keys interface)
{
	const uint32_t loopback = LOOPBACK;
	struct expression e = expression_begin(b, "meta");
	size_t value, verdict;

	put_u32(b, NFTA_META_KEY, interface);
	put_u32(b, NFTA_META_DREG, NFT_REG_1);
	expression_end(b, e);
	e = expression_begin(b, "cmp");
	put_u32(b, NFTA_CMP_SREG, NFT_REG_1);
	put_u32(b, NFTA_CMP_OP, NFT_CMP_NEQ);
	value = nft_nest_begin(b, NFTA_CMP_DATA);
	nft_put(b, NFTA_DATA_VALUE, &loopback, sizeof(loopback));
	nft_nest_end(b, value);
	expression_end(b, e);
	e = expression_begin(b, "immediate");
	put_u32(b, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	value = nft_nest_begin(b, NFTA_IMMEDIATE_DATA);
	verdict = nft_nest_begin(b, NFTA_DATA_VERDICT);
	put_u32(b, NFTA_VERDICT_CODE, NF_DROP);
	nft_nest_end(b, verdict);
	nft_nest_end(b, value);
	expression_end(b, e);
}

/* A policy of drop would come into force later than the rule does, and stop loopback too. */
static void put_chain(struct nft_batch *b, const char *name, uint32_t hook,
		      enum nft_meta_keys interface)
{
	size_t at = message_begin(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE), list;

	nft_put_string(b, NFTA_CHAIN_NAME, name);
	list = nft_nest_begin(b, NFTA_CHAIN_HOOK);
	put_u32(b, NFTA_HOOK_HOOKNUM, hook);
	put_u32(b, NFTA_HOOK_PRIORITY, (uint32_t)INT_MIN);
	nft_nest_end(b, list);
	nft_put_string(b, NFTA_CHAIN_TYPE, "filter");
	nft_message_end(b, at);
	at = message_begin(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
	nft_put_string(b, NFTA_RULE_CHAIN, name);
	list = nft_nest_begin(b, NFTA_RULE_EXPRESSIONS);
	put_expressions(b, interface);
	nft_nest_end(b, list);
	nft_message_end(b, at);
}

/* Whether the table is there; -EOPNOTSUPP, not logged: no nf_tables. Loads it if that is possible.
 */
static int look(void)
{
	struct netlink n cleanup_netlink = {.fd = -1};
	char buf[256];
	struct nlmsghdr *nlh =
		netlink_header(buf, NFNL_SUBSYS_NFTABLES, NFT_MSG_GETTABLE, NFPROTO_INET, 0);
	int r = netlink_open(&n);

	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, NFT_HOLD_TABLE);
	if (!r)
		r = netlink_run(&n, nlh, NULL, NULL);
	switch (r) {
	case 0:
		return 1;
	case -ENOENT:
		return 0;
	case -EINVAL:
	case -EOPNOTSUPP:
	case -EPROTONOSUPPORT:
		return -EOPNOTSUPP;
	default:
		return log_errno(r, "cannot look for the table 'inet " NFT_HOLD_TABLE "'");
	}
}

bool nft_there(void)
{
	return look() != -EOPNOTSUPP;
}

int nft_hold_left(void)
{
	int r = netlink_kernel_has("nf_tables") ? look() : 0;

	return r == -EOPNOTSUPP ? 0 : r;
}

int nft_hold(struct watch *w, bool on)
{
	const struct plan plan = {.watch = w};
	struct nft_batch b = {0};
	int r = on ? look() : nft_hold_left();

	if (r < 0 || (!on && !r))
		return r;
	nft_batch_begin(&b);
	/* whatever is there, nothing included, is replaced */
	put_table(&b, NFT_MSG_NEWTABLE);
	put_table(&b, NFT_MSG_DELTABLE);
	if (on) {
		put_table(&b, NFT_MSG_NEWTABLE);
		put_chain(&b, "prerouting", NF_INET_PRE_ROUTING, NFT_META_IIF);
		put_chain(&b, "output", NF_INET_LOCAL_OUT, NFT_META_OIF);
	}
	nft_batch_end(&b);
	r = nft_batch_commit(&b, &plan);
	nft_batch_release(&b);
	return r;
}
