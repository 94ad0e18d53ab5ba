/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/nft.h"
#include "engine/xtmatch.h"

#include <arpa/inet.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/udata.h>
#include <linux/if_ether.h>
#include <linux/netfilter/nf_nat.h>
#include <string.h>

/* What a register holds of a packet. KNOWN: what its `what` tells if it is asked for. */
enum content { OTHER, KNOWN, IN_NAME, OUT_NAME, IN_INDEX, OUT_INDEX, SOURCE, DESTINATION, FAMILY, ETHER, PROTOCOL };

#define REGISTERS (NFT_REG32_15 + 1)

struct reading {
	const struct ruleset *rs;
	struct nft_index *index;
	struct nft_messages bound; /* rules of the rule's own chains */
	uint8_t family;  /* of the packets; of other tables than ip and ip6 as far as the rule tells */
	struct facts facts;
	struct {
		enum content content;
		const char *what; /* FACT_MATCH; NULL: it was told already */
		unsigned char mask[16];
	} reg[REGISTERS];
};

/* What an expression writes to a register. */
static void load(struct reading *r, uint32_t reg, enum content content, const char *what)
{
	if (reg >= REGISTERS)
		return;
	r->reg[reg].content = content;
	r->reg[reg].what = what;
	memset(r->reg[reg].mask, 0xff, sizeof(r->reg[reg].mask));
}

/* An expression that is not known may have written to any. */
static void forget(struct reading *r)
{
	memset(r->reg, 0, sizeof(r->reg));
}

static void read_meta(struct reading *r, const struct nftnl_expr *e)
{
	static const struct {
		enum content content;
		const char *what, *target; /* if it is asked for, if it is set */
	} keys[] = {
		[NFT_META_IIFNAME] = {IN_NAME, NULL, NULL},
		[NFT_META_OIFNAME] = {OUT_NAME, NULL, NULL},
		[NFT_META_IIF] = {IN_INDEX, NULL, NULL},
		[NFT_META_OIF] = {OUT_INDEX, NULL, NULL},
		[NFT_META_NFPROTO] = {FAMILY, NULL, NULL},
		[NFT_META_PROTOCOL] = {ETHER, NULL, NULL},
		[NFT_META_L4PROTO] = {PROTOCOL, NULL, NULL},
		[NFT_META_MARK] = {KNOWN, "mark", "MARK"},
		[NFT_META_SKUID] = {KNOWN, "owner", NULL},
		[NFT_META_SKGID] = {KNOWN, "owner", NULL},
		[NFT_META_PKTTYPE] = {KNOWN, "pkttype", NULL},
		[NFT_META_NFTRACE] = {OTHER, NULL, "TRACE"},
		[NFT_META_PRIORITY] = {OTHER, NULL, "CLASSIFY"},
	};
	uint32_t key = nftnl_expr_get_u32(e, NFTNL_EXPR_META_KEY);
	bool listed = key < ARRAY_SIZE(keys);

	if (nftnl_expr_is_set(e, NFTNL_EXPR_META_DREG))
		load(r, nftnl_expr_get_u32(e, NFTNL_EXPR_META_DREG), listed ? keys[key].content : OTHER,
		     listed ? keys[key].what : NULL);
	else if (listed && keys[key].target)
		facts_add(&r->facts, FACT_TARGET, keys[key].target);
}

static void read_ct(struct reading *r, const struct nftnl_expr *e)
{
	if (nftnl_expr_is_set(e, NFTNL_EXPR_CT_DREG)) {
		facts_add(&r->facts, FACT_MATCH, "conntrack");
		load(r, nftnl_expr_get_u32(e, NFTNL_EXPR_CT_DREG), KNOWN, NULL);
	} else if (nftnl_expr_get_u32(e, NFTNL_EXPR_CT_KEY) == NFT_CT_MARK) {
		facts_add(&r->facts, FACT_TARGET, "CONNMARK");
	}
}

static void read_fib(struct reading *r, const struct nftnl_expr *e)
{
	facts_add(&r->facts, FACT_MATCH, "addrtype");
	load(r, nftnl_expr_get_u32(e, NFTNL_EXPR_FIB_DREG), KNOWN, NULL);
}

/* Where fields are in struct iphdr and struct ipv6hdr. Of an address a short prefix needs the first bytes only. */
static const struct field {
	uint8_t family;
	uint32_t offset, length;
	enum content content;
	const char *what;
} fields[] = {
	{NFPROTO_IPV4, 12, 4, SOURCE, NULL},	   {NFPROTO_IPV4, 16, 4, DESTINATION, NULL},
	{NFPROTO_IPV4, 9, 1, PROTOCOL, NULL},	   {NFPROTO_IPV4, 6, 2, KNOWN, "fragment"},
	{NFPROTO_IPV6, 8, 16, SOURCE, NULL},	   {NFPROTO_IPV6, 24, 16, DESTINATION, NULL},
	{NFPROTO_IPV6, 6, 1, PROTOCOL, NULL},
};

/* Ports and flags are part of the protocol that a rule asks for, as with iptables. */
static void read_payload(struct reading *r, const struct nftnl_expr *e)
{
	uint32_t base = nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_BASE);
	uint32_t offset = nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET);
	uint32_t length = nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_LEN);
	uint32_t reg = nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_DREG);

	if (!nftnl_expr_is_set(e, NFTNL_EXPR_PAYLOAD_DREG))
		return;
	load(r, reg, base == NFT_PAYLOAD_TRANSPORT_HEADER ? KNOWN : OTHER, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(fields) && base == NFT_PAYLOAD_NETWORK_HEADER; i++)
		if (fields[i].family == r->family && fields[i].offset == offset && length <= fields[i].length)
			load(r, reg, fields[i].content, fields[i].what);
}

static void read_bitwise(struct reading *r, const struct nftnl_expr *e)
{
	uint32_t from = nftnl_expr_get_u32(e, NFTNL_EXPR_BITWISE_SREG);
	uint32_t to = nftnl_expr_get_u32(e, NFTNL_EXPR_BITWISE_DREG), length = 0;
	const unsigned char *mask = nftnl_expr_get(e, NFTNL_EXPR_BITWISE_MASK, &length);

	if (from >= REGISTERS || to >= REGISTERS)
		return;
	r->reg[to] = r->reg[from];
	for (size_t i = 0; i < sizeof(r->reg[to].mask); i++)
		r->reg[to].mask[i] &= mask && i < length ? mask[i] : 0;
}

/* A name that is compared without its NUL is the beginning of one. */
static void add_link_name(struct facts *f, enum fact_kind kind, const char *name, size_t length)
{
	size_t n = strnlen(name, length);
	cleanup_free char *text = str_printf("%.*s%s", (int)n, name, n == length && n < IFNAMSIZ ? "+" : "");

	facts_add(f, kind, text);
}

static void add_link_index(struct reading *r, enum fact_kind kind, const void *data, size_t length)
{
	const struct link_ref *l;
	uint32_t index = 0;

	memcpy(&index, data, length < sizeof(index) ? length : sizeof(index));
	l = ruleset_link(r->rs, index);
	facts_add(&r->facts, kind, l ? l->name : "");
}

/* The bytes of an address that are compared; the others are any. */
static void add_net(struct reading *r, uint32_t reg, enum fact_kind kind, const void *data, size_t length)
{
	size_t size = r->family == NFPROTO_IPV6 ? 16 : 4;
	unsigned char address[16] = {0}, mask[16] = {0};

	if (length > size)
		length = size;
	memcpy(address, data, length);
	memcpy(mask, r->reg[reg].mask, length);
	facts_add_net(&r->facts, kind, address, mask, size);
}

static void set_family(struct reading *r, const void *data, size_t length)
{
	uint16_t ether = 0;

	if (length == sizeof(ether)) {
		memcpy(&ether, data, sizeof(ether));
		r->family = ether == htons(ETH_P_IP) ? NFPROTO_IPV4 : ether == htons(ETH_P_IPV6) ? NFPROTO_IPV6 : 0;
	} else {
		r->family = *(const uint8_t *)data;
	}
}

/* What is known of a register only by name; `otherwise`: not even that. */
static void add_what(struct reading *r, uint32_t reg, const char *otherwise)
{
	const char *what = r->reg[reg].content == KNOWN ? r->reg[reg].what : otherwise;

	if (what)
		facts_add(&r->facts, FACT_MATCH, what);
}

static void compare(struct reading *r, uint32_t reg, bool not, const void *data, size_t length)
{
	switch (r->reg[reg].content) {
	case IN_NAME:
		add_link_name(&r->facts, not ? FACT_NOT_IN : FACT_IN, data, length);
		break;
	case OUT_NAME:
		add_link_name(&r->facts, not ? FACT_NOT_OUT : FACT_OUT, data, length);
		break;
	case IN_INDEX:
		add_link_index(r, not ? FACT_NOT_IN : FACT_IN, data, length);
		break;
	case OUT_INDEX:
		add_link_index(r, not ? FACT_NOT_OUT : FACT_OUT, data, length);
		break;
	case SOURCE:
		add_net(r, reg, FACT_SOURCE, data, length);
		break;
	case DESTINATION:
		add_net(r, reg, FACT_DESTINATION, data, length);
		break;
	case FAMILY:
	case ETHER:
		set_family(r, data, length);
		break;
	case PROTOCOL:
		xtmatch_add_protocol(&r->facts, *(const uint8_t *)data);
		break;
	case KNOWN:
	case OTHER:
		add_what(r, reg, "cmp");
		break;
	}
}

static void add_range(struct reading *r, uint32_t reg)
{
	bool net = r->reg[reg].content == SOURCE || r->reg[reg].content == DESTINATION;

	add_what(r, reg, net ? "iprange" : "range");
}

static void read_range(struct reading *r, const struct nftnl_expr *e)
{
	uint32_t reg = nftnl_expr_get_u32(e, NFTNL_EXPR_RANGE_SREG);

	if (reg < REGISTERS)
		add_range(r, reg);
}

static void read_compare(struct reading *r, const struct nftnl_expr *e)
{
	uint32_t reg = nftnl_expr_get_u32(e, NFTNL_EXPR_CMP_SREG), length = 0;
	uint32_t op = nftnl_expr_get_u32(e, NFTNL_EXPR_CMP_OP);
	bool not = op == NFT_CMP_NEQ;
	const void *data = nftnl_expr_get(e, NFTNL_EXPR_CMP_DATA, &length);

	if (reg >= REGISTERS || !data || !length)
		return;
	if (!not && op != NFT_CMP_EQ)
		add_range(r, reg);
	else
		compare(r, reg, not, data, length);
}

static void read_match(struct reading *r, const struct nftnl_expr *e)
{
	const char *name = nftnl_expr_get_str(e, NFTNL_EXPR_MT_NAME);
	uint32_t size = 0;
	const void *info = nftnl_expr_get(e, NFTNL_EXPR_MT_INFO, &size);

	if (name && info)
		xtmatch_add_fact(&r->facts, name, info, size);
}

static void read_target(struct reading *r, const struct nftnl_expr *e)
{
	const char *name = nftnl_expr_get_str(e, NFTNL_EXPR_TG_NAME);

	if (name)
		facts_add(&r->facts, FACT_TARGET, name);
}

static void read_immediate(struct reading *r, const struct nftnl_expr *e)
{
	if (nftnl_expr_is_set(e, NFTNL_EXPR_IMM_DATA))
		load(r, nftnl_expr_get_u32(e, NFTNL_EXPR_IMM_DREG), OTHER, NULL);
	if (!nftnl_expr_is_set(e, NFTNL_EXPR_IMM_VERDICT))
		return;
	switch ((int)nftnl_expr_get_u32(e, NFTNL_EXPR_IMM_VERDICT)) {
	case NF_ACCEPT:
		facts_add(&r->facts, FACT_TARGET, "ACCEPT");
		break;
	case NF_DROP:
		facts_add(&r->facts, FACT_TARGET, "DROP");
		break;
	case NFT_RETURN:
		facts_add(&r->facts, FACT_TARGET, "RETURN");
		break;
	}
}

static void read_nat(struct reading *r, const struct nftnl_expr *e)
{
	bool source = nftnl_expr_get_u32(e, NFTNL_EXPR_NAT_TYPE) == NFT_NAT_SNAT;

	facts_add(&r->facts, FACT_TARGET, source ? "SNAT" : "DNAT");
}

static void read_log(struct reading *r, const struct nftnl_expr *e)
{
	facts_add(&r->facts, FACT_TARGET, nftnl_expr_is_set(e, NFTNL_EXPR_LOG_GROUP) ? "NFLOG" : "LOG");
}

/* What asks nothing of a packet by itself. */
static void read_nothing(struct reading *r, const struct nftnl_expr *e)
{
	(void)r, (void)e;
}

static const struct {
	const char *name;
	void (*read)(struct reading *r, const struct nftnl_expr *e); /* NULL: it is this fact */
	enum fact_kind kind;
	const char *value;
} expressions[] = {
	{"meta", read_meta, 0, NULL},		{"payload", read_payload, 0, NULL},
	{"bitwise", read_bitwise, 0, NULL},	{"cmp", read_compare, 0, NULL},
	{"range", read_range, 0, NULL},		{"ct", read_ct, 0, NULL},
	{"fib", read_fib, 0, NULL},		{"match", read_match, 0, NULL},
	{"target", read_target, 0, NULL},	{"immediate", read_immediate, 0, NULL},
	{"nat", read_nat, 0, NULL},		{"log", read_log, 0, NULL},
	{"counter", read_nothing, 0, NULL},	{"masq", NULL, FACT_TARGET, "MASQUERADE"},
	{"redir", NULL, FACT_TARGET, "REDIRECT"}, {"reject", NULL, FACT_TARGET, "REJECT"},
	{"queue", NULL, FACT_TARGET, "NFQUEUE"}, {"tproxy", NULL, FACT_TARGET, "TPROXY"},
	{"notrack", NULL, FACT_TARGET, "NOTRACK"},
};

/* One that is not known asks something. */
static int read_expression(struct nftnl_expr *e, void *arg)
{
	const char *name = nftnl_expr_get_str(e, NFTNL_EXPR_NAME);
	struct reading *r = arg;

	for (size_t i = 0; i < ARRAY_SIZE(expressions); i++) {
		if (strcmp(expressions[i].name, name))
			continue;
		if (expressions[i].read)
			expressions[i].read(r, e);
		else
			facts_add(&r->facts, expressions[i].kind, expressions[i].value);
		return 0;
	}
	facts_add(&r->facts, FACT_MATCH, name);
	forget(r);
	return 0;
}

static int read_comment(const struct nftnl_udata *u, void *arg)
{
	struct facts *f = arg;
	const char *value = nftnl_udata_get(u);
	uint8_t length = nftnl_udata_len(u);

	if (nftnl_udata_type(u) == NFTNL_UDATA_RULE_COMMENT && length && !value[length - 1])
		facts_add(f, FACT_COMMENT, value);
	return 0;
}

/* A rule that libnftnl does not understand asks something. */
static void read_message(struct reading *r, const struct nlmsghdr *nlh)
{
	struct nftnl_rule *rule = nftnl_rule_alloc();
	uint32_t size = 0;
	const void *comment;

	if (rule && !nftnl_rule_nlmsg_parse(nlh, rule)) {
		nftnl_expr_foreach(rule, read_expression, r);
		comment = nftnl_rule_get_data(rule, NFTNL_RULE_USERDATA, &size);
		if (comment)
			(void)!nftnl_udata_parse(comment, size, read_comment, &r->facts);
	} else {
		facts_add(&r->facts, FACT_MATCH, "?");
	}
	if (rule)
		nftnl_rule_free(rule);
}

static void add_references(struct reading *r, const struct nlmsghdr *nlh);

/* What a chain of the rule's own has is the rule's. */
static void add_bound(struct reading *r, struct nft_chain *chain)
{
	if (chain->met)
		return;
	chain->met = true;
	for (size_t i = 0; i < chain->messages.n; i++) {
		*(const struct nlmsghdr **)array_grow(&r->bound.m, &r->bound.n, sizeof(*r->bound.m)) =
			chain->messages.m[i];
		add_references(r, chain->messages.m[i]);
	}
}

static void add_jump(const char *name, void *arg)
{
	struct reading *r = arg;
	struct nft_chain *chain = nft_find_chain(r->index, name);

	if (chain && chain->flags & NFT_CHAIN_BINDING)
		add_bound(r, chain);
	else
		facts_add(&r->facts, FACT_JUMP, name);
}

/* Where the elements of a verdict map lead to. */
static void add_map_jumps(struct reading *r, const struct nlmsghdr *elements)
{
	const struct nlattr *tb[NFTA_SET_ELEM_LIST_MAX + 1], *e;
	size_t len;
	const struct nlattr *first = netlink_first(elements, &len);

	netlink_attributes(first, len, tb, NFTA_SET_ELEM_LIST_MAX);
	if (!tb[NFTA_SET_ELEM_LIST_ELEMENTS])
		return;
	netlink_each_in(e, tb[NFTA_SET_ELEM_LIST_ELEMENTS]) {
		const struct nlattr *chain = netlink_child(
			netlink_child(netlink_child(e, NFTA_SET_ELEM_DATA), NFTA_DATA_VERDICT), NFTA_VERDICT_CHAIN);

		if (chain)
			add_jump(netlink_str(chain), r);
	}
}

static void add_set(const char *name, void *arg)
{
	struct reading *r = arg;
	struct nft_set *set = nft_find_set(r->index, name);

	if (!set || !(set->flags & NFT_SET_ANONYMOUS))
		facts_add(&r->facts, FACT_SET, name);
	else if (set->flags & NFT_SET_MAP)
		for (size_t i = 0; i < set->elements.n; i++)
			add_map_jumps(r, set->elements.m[i]);
}

static void add_ipset(uint16_t index, void *arg)
{
	struct reading *r = arg;
	const struct set_ref *s = ruleset_set(r->rs, index);

	if (s)
		facts_add(&r->facts, FACT_SET, s->name);
}

static void add_references(struct reading *r, const struct nlmsghdr *nlh)
{
	nft_rule_jumps(nlh, add_jump, r);
	nft_rule_sets(nlh, add_set, r);
	nft_rule_ipsets(nlh, add_ipset, r);
}

static void read_rule(struct reading *r, const struct nlmsghdr *nlh)
{
	uint8_t family;

	read_message(r, nlh);
	family = r->family;
	for (size_t i = 0; i < r->bound.n; i++) {
		r->family = family;
		read_message(r, r->bound.m[i]);
	}
}

void nft_facts(const struct ruleset *rs, const struct table *t, const struct items *items,
	       facts_wanted *wanted, rule_facts *fn, void *arg)
{
	struct nft_index x = {0};

	nft_index_records(&x, &t->records);
	for (size_t i = 0; i < items->n; i++) {
		const struct item *item = &items->item[i];
		const struct nlmsghdr *nlh = (const void *)(t->records.data + item->at);
		struct reading r = {.rs = rs, .index = &x, .family = t->family};

		if (item->kind != ITEM_RULE)
			continue;
		add_references(&r, nlh);
		if (wanted && wanted(arg, item, &r.facts))
			read_rule(&r, nlh);
		fn(arg, item, &r.facts);
		facts_release(&r.facts);
		free(r.bound.m);
	}
	nft_index_release(&x);
}
