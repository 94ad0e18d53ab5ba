/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/nft_lockdown.h"
#include "engine/nft.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

/* The loopback interface has this index in every namespace. */
#define LOOPBACK 1
/* As the kernel has them in a register. */
#define CT_ESTABLISHED NF_CT_STATE_BIT(IP_CT_ESTABLISHED)
#define CT_RELATED NF_CT_STATE_BIT(IP_CT_RELATED)

/* What is compared: loaded into a register by one expression. */
enum load { LOAD_NONE, LOAD_META, LOAD_CT, LOAD_TRANSPORT };

struct match {
	enum load load; /* NONE: compares once more what the match before has loaded */
	uint32_t what;  /* the key, the offset in the transport header */
	uint32_t op;
	uint8_t size;
	uint8_t value[4];
};

#define MATCHES 4
#define META(key, ...) {LOAD_META, NFT_META_##key, NFT_CMP_EQ, __VA_ARGS__}
#define TRANSPORT(offset, op, ...) {LOAD_TRANSPORT, offset, NFT_CMP_##op, __VA_ARGS__}

/* linux/in.h, linux/icmpv6.h: numbers of one byte, and ports, in network order. */
static const struct match discovery[MATCHES] = {
	META(NFPROTO, 1, {NFPROTO_IPV6}),
	META(L4PROTO, 1, {IPPROTO_ICMPV6}),
	TRANSPORT(0, GTE, 1, {130}),
	{LOAD_NONE, 0, NFT_CMP_LTE, 1, {137}},
};
static const struct match dhcp4[MATCHES] = {
	META(NFPROTO, 1, {NFPROTO_IPV4}),
	META(L4PROTO, 1, {IPPROTO_UDP}),
	TRANSPORT(0, EQ, 4, {0, 67, 0, 68}),
};
static const struct match dhcp6[MATCHES] = {
	META(NFPROTO, 1, {NFPROTO_IPV6}),
	META(L4PROTO, 1, {IPPROTO_UDP}),
	TRANSPORT(0, EQ, 4, {547 >> 8, 547 & 255, 546 >> 8, 546 & 255}),
};

static void put_u32(struct buf *out, uint16_t type, uint32_t value)
{
	value = htonl(value);
	nft_put_attribute(out, type, &value, sizeof(value));
}

/* Attribute 1 is the table's name in every kind of message. */
static size_t record_begin(struct buf *out, uint8_t type)
{
	size_t at = out->len;
	struct nlmsghdr *nlh = buf_add_zero(out, sizeof(*nlh));
	struct nfgenmsg *nfg;

	nlh->nlmsg_type = (NFNL_SUBSYS_NFTABLES << 8) | type;
	nfg = buf_add_zero(out, sizeof(*nfg));
	nfg->nfgen_family = NFPROTO_INET;
	nft_put_text(out, NFTA_TABLE_NAME, NFT_LOCKDOWN_TABLE);
	return at;
}

static void record_end(struct buf *out, size_t at)
{
	((struct nlmsghdr *)(void *)(out->data + at))->nlmsg_len = (uint32_t)(out->len - at);
}

static void put_table(struct buf *out)
{
	size_t at = record_begin(out, NFT_MSG_NEWTABLE);

	put_u32(out, NFTA_TABLE_FLAGS, 0);
	record_end(out, at);
}

static void put_chain(struct buf *out, const char *name, uint32_t hook)
{
	size_t at = record_begin(out, NFT_MSG_NEWCHAIN), nest;

	nft_put_text(out, NFTA_CHAIN_NAME, name);
	nest = nft_nest_open(out, NFTA_CHAIN_HOOK);
	put_u32(out, NFTA_HOOK_HOOKNUM, hook);
	put_u32(out, NFTA_HOOK_PRIORITY, 0);
	nft_nest_close(out, nest);
	put_u32(out, NFTA_CHAIN_POLICY, NF_DROP);
	nft_put_text(out, NFTA_CHAIN_TYPE, "filter");
	put_u32(out, NFTA_CHAIN_FLAGS, NFT_CHAIN_BASE);
	record_end(out, at);
}

struct expression {
	size_t element, data;
};

static struct expression expression_begin(struct buf *out, const char *name)
{
	struct expression e = {.element = nft_nest_open(out, NFTA_LIST_ELEM)};

	nft_put_text(out, NFTA_EXPR_NAME, name);
	e.data = nft_nest_open(out, NFTA_EXPR_DATA);
	return e;
}

static void expression_end(struct buf *out, struct expression e)
{
	nft_nest_close(out, e.data);
	nft_nest_close(out, e.element);
}

static void put_meta(struct buf *out, const struct match *m)
{
	struct expression e = expression_begin(out, "meta");

	put_u32(out, NFTA_META_KEY, m->what);
	put_u32(out, NFTA_META_DREG, NFT_REG_1);
	expression_end(out, e);
}

static void put_ct(struct buf *out, const struct match *m)
{
	struct expression e = expression_begin(out, "ct");

	put_u32(out, NFTA_CT_DREG, NFT_REG_1);
	put_u32(out, NFTA_CT_KEY, m->what);
	expression_end(out, e);
}

static void put_transport(struct buf *out, const struct match *m)
{
	struct expression e = expression_begin(out, "payload");

	put_u32(out, NFTA_PAYLOAD_DREG, NFT_REG_1);
	put_u32(out, NFTA_PAYLOAD_BASE, NFT_PAYLOAD_TRANSPORT_HEADER);
	put_u32(out, NFTA_PAYLOAD_OFFSET, m->what);
	put_u32(out, NFTA_PAYLOAD_LEN, m->size);
	expression_end(out, e);
}

static void put_match(struct buf *out, const struct match *m)
{
	struct expression e;
	size_t value;

	if (m->load == LOAD_META)
		put_meta(out, m);
	else if (m->load == LOAD_CT)
		put_ct(out, m);
	else if (m->load == LOAD_TRANSPORT)
		put_transport(out, m);
	e = expression_begin(out, "cmp");
	put_u32(out, NFTA_CMP_SREG, NFT_REG_1);
	put_u32(out, NFTA_CMP_OP, m->op);
	value = nft_nest_open(out, NFTA_CMP_DATA);
	nft_put_attribute(out, NFTA_DATA_VALUE, m->value, m->size);
	nft_nest_close(out, value);
	expression_end(out, e);
}

static void put_accept(struct buf *out)
{
	struct expression e = expression_begin(out, "immediate");
	size_t value, verdict;

	put_u32(out, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	value = nft_nest_open(out, NFTA_IMMEDIATE_DATA);
	verdict = nft_nest_open(out, NFTA_DATA_VERDICT);
	put_u32(out, NFTA_VERDICT_CODE, NF_ACCEPT);
	nft_nest_close(out, verdict);
	nft_nest_close(out, value);
	expression_end(out, e);
}

/* What matches all of it comes in. */
static void put_rule(struct buf *out, const struct match m[static MATCHES])
{
	size_t at = record_begin(out, NFT_MSG_NEWRULE), nest;

	nft_put_text(out, NFTA_RULE_CHAIN, "input");
	nest = nft_nest_open(out, NFTA_RULE_EXPRESSIONS);
	for (size_t i = 0; i < MATCHES && m[i].size; i++)
		put_match(out, &m[i]);
	put_accept(out);
	nft_nest_close(out, nest);
	record_end(out, at);
}

/* Numbers of four bytes, in the host's order. */
static void put_number_rule(struct buf *out, enum load load, uint32_t what, uint32_t value)
{
	struct match m[MATCHES] = {{load, what, NFT_CMP_EQ, sizeof(value), {0}}};

	memcpy(m[0].value, &value, sizeof(value));
	put_rule(out, m);
}

static void put_way(struct buf *out, const struct way_in *way)
{
	const struct match m[MATCHES] = {
		META(L4PROTO, 1, {way->protocol}),
		TRANSPORT(2, EQ, 2, {(uint8_t)(way->port >> 8), (uint8_t)way->port}),
	};

	put_rule(out, m);
}

void nft_lockdown(struct ruleset *rs, const struct way_in *ways, size_t n)
{
	struct table *t = ruleset_add(rs, ENGINE_NFT, NFPROTO_INET, NFT_LOCKDOWN_TABLE);
	struct buf *out = &t->records;

	ruleset_note_link(rs, LOOPBACK);
	put_table(out);
	put_chain(out, "input", NF_INET_LOCAL_IN);
	put_chain(out, "forward", NF_INET_FORWARD);
	put_number_rule(out, LOAD_META, NFT_META_IIF, LOOPBACK);
	put_number_rule(out, LOAD_CT, NFT_CT_STATE, CT_ESTABLISHED);
	put_number_rule(out, LOAD_CT, NFT_CT_STATE, CT_RELATED);
	put_rule(out, discovery);
	put_rule(out, dhcp4);
	put_rule(out, dhcp6);
	for (size_t i = 0; i < n; i++)
		put_way(out, &ways[i]);
	t->size = out->len;
}
