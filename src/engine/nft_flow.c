/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/nft.h"
#include "engine/xtmatch.h"

#include <linux/netfilter/nf_tables_compat.h>
#include <string.h>

/* What a 32-bit register holds. */
enum content { OTHER, LINK, LINK_BIG_ENDIAN, PROTOCOL };

/* Registers 1 to 4 are the 16-byte names of four 32-bit ones each, which start at 8. */
#define SLOTS 20

struct flow {
	struct nft_copy *copy;
	enum content slot[SLOTS];
	const struct nlattr *immediate[SLOTS]; /* value last loaded by `immediate` */
	bool xt;
};

static unsigned slot_of(uint32_t reg)
{
	unsigned slot = reg >= NFT_REG32_00 ? reg - NFT_REG32_00 : reg >= NFT_REG_1 ? (reg - 1) * 4 : SLOTS - 1;

	return slot < SLOTS ? slot : SLOTS - 1;
}

/* Expressions that matter here; dreg: the attribute of the register that one writes. */
enum kind { WRITER, META, FIB, PAYLOAD, IMMEDIATE, COMPARE, RANGE, DUP, FORWARD, BYTEORDER, XT, DYNSET, LOOKUP, OBJREF };

#define NAME(s) s, sizeof(s)

static const struct expression {
	const char *name;
	uint8_t length; /* of the name, its NUL included */
	uint8_t kind, dreg;
} expressions[] = {
	{NAME("payload"), PAYLOAD, NFTA_PAYLOAD_DREG},
	{NAME("meta"), META, NFTA_META_DREG},
	{NAME("cmp"), COMPARE, 0},
	{NAME("immediate"), IMMEDIATE, NFTA_IMMEDIATE_DREG},
	{NAME("lookup"), LOOKUP, NFTA_LOOKUP_DREG},
	{NAME("bitwise"), WRITER, NFTA_BITWISE_DREG},
	{NAME("ct"), WRITER, NFTA_CT_DREG},
	{NAME("match"), XT, 0},
	{NAME("target"), XT, 0},
	{NAME("fib"), FIB, NFTA_FIB_DREG},
	{NAME("range"), RANGE, 0},
	{NAME("byteorder"), BYTEORDER, 0},
	{NAME("dup"), DUP, 0},
	{NAME("fwd"), FORWARD, 0},
	{NAME("exthdr"), WRITER, NFTA_EXTHDR_DREG},
	{NAME("rt"), WRITER, NFTA_RT_DREG},
	{NAME("socket"), WRITER, NFTA_SOCKET_DREG},
	{NAME("hash"), WRITER, NFTA_HASH_DREG},
	{NAME("numgen"), WRITER, NFTA_NG_DREG},
	{NAME("osf"), WRITER, NFTA_OSF_DREG},
	{NAME("tunnel"), WRITER, NFTA_TUNNEL_DREG},
	{NAME("xfrm"), WRITER, NFTA_XFRM_DREG},
	{NAME("dynset"), DYNSET, 0},
	{NAME("objref"), OBJREF, 0},
};

static const struct expression *find_expression(const struct nlattr *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(expressions) && name; i++)
		if (expressions[i].length == netlink_length(name) &&
		    !memcmp(expressions[i].name, netlink_payload(name), expressions[i].length))
			return &expressions[i];
	return NULL;
}

static void write_register(struct flow *f, uint32_t reg, enum content content)
{
	unsigned slot = slot_of(reg), n = reg < NFT_REG32_00 ? 4 : 1;

	for (unsigned i = slot; i < slot + n && i < SLOTS; i++) {
		f->slot[i] = OTHER;
		f->immediate[i] = NULL;
	}
	f->slot[slot] = content;
}

static void note_value(struct flow *f, const struct nlattr *nest, bool big_endian)
{
	struct nft_copy *c = f->copy;
	const struct nlattr *a;

	if (!nest)
		return;
	netlink_each_in(a, nest)
		if (netlink_type(a) == NFTA_DATA_VALUE)
			*(struct nft_link *)array_grow(&c->links, &c->nlinks, sizeof(*c->links)) =
				(struct nft_link){a, big_endian};
}

static enum content payload_content(const struct flow *f, const struct nlattr *const *tb)
{
	uint32_t base = netlink_u32(tb[NFTA_PAYLOAD_BASE]);
	uint32_t offset = netlink_u32(tb[NFTA_PAYLOAD_OFFSET]);

	if (base == NFT_PAYLOAD_NETWORK_HEADER &&
	    ((f->copy->family == NFPROTO_IPV4 && offset == 9) ||
	     (f->copy->family == NFPROTO_IPV6 && offset == 6)))
		return PROTOCOL;
	if (base == NFT_PAYLOAD_LL_HEADER && f->copy->family == NFPROTO_BRIDGE && offset == 12)
		return PROTOCOL;
	return OTHER;
}

/* What an expression loads: an interface index, the transport protocol, or something else. */
static enum content loaded(const struct flow *f, enum kind kind, const struct nlattr *const *tb)
{
	uint32_t key;

	switch (kind) {
	case META:
		key = netlink_u32(tb[NFTA_META_KEY]);
		if (key == NFT_META_IIF || key == NFT_META_OIF || key == NFT_META_SDIF)
			return LINK;
		return key == NFT_META_L4PROTO ? PROTOCOL : OTHER;
	case FIB:
		return netlink_u32(tb[NFTA_FIB_RESULT]) == NFT_FIB_RESULT_OIF &&
				       !(netlink_u32(tb[NFTA_FIB_FLAGS]) & NFTA_FIB_F_PRESENT)
			       ? LINK
			       : OTHER;
	case PAYLOAD:
		return payload_content(f, tb);
	default:
		return OTHER;
	}
}

/* The kernel takes a bridge's protocol as the two bytes in the order of the header. */
static void note_protocol(struct flow *f, const struct nlattr *const *tb)
{
	const struct nlattr *nest = tb[NFTA_CMP_DATA], *a;
	struct nft_copy *c = f->copy;

	if (c->compat >= 0 || !nest)
		return;
	netlink_each_in(a, nest) {
		const uint8_t *value = netlink_payload(a);
		uint16_t wide;

		if (netlink_length(a) == 1) {
			c->compat = *value;
		} else if (netlink_length(a) == 2) {
			memcpy(&wide, value, sizeof(wide));
			c->compat = wide;
		}
	}
	c->compat_inverted = netlink_u32(tb[NFTA_CMP_OP]) == NFT_CMP_NEQ;
}

static void compare(struct flow *f, const struct nlattr *const *tb)
{
	enum content content = f->slot[slot_of(netlink_u32(tb[NFTA_CMP_SREG]))];

	if (content == PROTOCOL)
		note_protocol(f, tb);
	else if (content != OTHER)
		note_value(f, tb[NFTA_CMP_DATA], content == LINK_BIG_ENDIAN);
}

static void range(struct flow *f, const struct nlattr *const *tb)
{
	enum content content = f->slot[slot_of(netlink_u32(tb[NFTA_RANGE_SREG]))];

	if (content != LINK && content != LINK_BIG_ENDIAN)
		return;
	note_value(f, tb[NFTA_RANGE_FROM_DATA], content == LINK_BIG_ENDIAN);
	note_value(f, tb[NFTA_RANGE_TO_DATA], content == LINK_BIG_ENDIAN);
}

static void send_to(struct flow *f, const struct nlattr *reg)
{
	const struct nlattr *value = reg ? f->immediate[slot_of(netlink_u32(reg))] : NULL;

	note_value(f, value, false);
}

static void byteorder(struct flow *f, const struct nlattr *const *tb)
{
	enum content source = f->slot[slot_of(netlink_u32(tb[NFTA_BYTEORDER_SREG]))];

	write_register(f, netlink_u32(tb[NFTA_BYTEORDER_DREG]),
		       source == LINK ? LINK_BIG_ENDIAN : source == LINK_BIG_ENDIAN ? LINK : OTHER);
}

#define EXPRESSION_MAX 11

static void step(void *arg, const struct expression *e, const struct nlattr *const *tb)
{
	struct flow *f = arg;
	uint32_t reg;

	switch (e->kind) {
	case COMPARE:
		compare(f, tb);
		break;
	case RANGE:
		range(f, tb);
		break;
	case DUP:
		send_to(f, tb[NFTA_DUP_SREG_DEV]);
		break;
	case FORWARD:
		send_to(f, tb[NFTA_FWD_SREG_DEV]);
		break;
	case BYTEORDER:
		byteorder(f, tb);
		break;
	case XT:
		f->xt = true;
		break;
	default:
		if (!e->dreg || !tb[e->dreg])
			break;
		reg = netlink_u32(tb[e->dreg]);
		write_register(f, reg, loaded(f, e->kind, tb));
		if (e->kind == IMMEDIATE)
			f->immediate[slot_of(reg)] = tb[NFTA_IMMEDIATE_DATA];
	}
}

/* Calls fn for each expression of a rule that matters here, with its attributes. */
static void each_expression(const struct nlmsghdr *rule,
			    void (*fn)(void *arg, const struct expression *e,
				       const struct nlattr *const *tb),
			    void *arg)
{
	const struct nlattr *tb[NFTA_RULE_MAX + 1], *element;
	size_t len;
	const struct nlattr *first = netlink_first(rule, &len);

	netlink_attributes(first, len, tb, NFTA_RULE_MAX);
	if (!tb[NFTA_RULE_EXPRESSIONS])
		return;
	netlink_each_in(element, tb[NFTA_RULE_EXPRESSIONS]) {
		const struct nlattr *parts[NFTA_EXPR_MAX + 1], *data[EXPRESSION_MAX + 1];
		const struct expression *e;

		netlink_attributes(netlink_payload(element), netlink_length(element), parts,
				   NFTA_EXPR_MAX);
		e = find_expression(parts[NFTA_EXPR_NAME]);
		if (!e || !parts[NFTA_EXPR_DATA])
			continue;
		netlink_attributes(netlink_payload(parts[NFTA_EXPR_DATA]),
				   netlink_length(parts[NFTA_EXPR_DATA]), data, EXPRESSION_MAX);
		fn(arg, e, data);
	}
}

void nft_rule_flow(struct nft_copy *c, const struct nlmsghdr *rule)
{
	struct flow f = {.copy = c};

	each_expression(rule, step, &f);
	if (!f.xt)
		c->compat = -1;
}

struct named {
	void (*fn)(const char *name, void *arg);
	void *arg;
};

static void jump_of(void *arg, const struct expression *e, const struct nlattr *const *tb)
{
	struct named *named = arg;
	const struct nlattr *data[NFTA_DATA_MAX + 1], *verdict[NFTA_VERDICT_MAX + 1];

	if (e->kind != IMMEDIATE || !tb[NFTA_IMMEDIATE_DATA])
		return;
	netlink_attributes(netlink_payload(tb[NFTA_IMMEDIATE_DATA]),
			   netlink_length(tb[NFTA_IMMEDIATE_DATA]), data, NFTA_DATA_MAX);
	if (!data[NFTA_DATA_VERDICT])
		return;
	netlink_attributes(netlink_payload(data[NFTA_DATA_VERDICT]),
			   netlink_length(data[NFTA_DATA_VERDICT]), verdict,
			   NFTA_VERDICT_MAX);
	if (verdict[NFTA_VERDICT_CHAIN])
		named->fn(netlink_str(verdict[NFTA_VERDICT_CHAIN]), named->arg);
}

void nft_rule_jumps(const struct nlmsghdr *nlh, void (*fn)(const char *chain, void *arg), void *arg)
{
	struct named named = {fn, arg};

	each_expression(nlh, jump_of, &named);
}

static void update_of(void *arg, const struct expression *e, const struct nlattr *const *tb)
{
	struct named *named = arg;

	if (e->kind == DYNSET)
		named->fn(netlink_str(tb[NFTA_DYNSET_SET_NAME]), named->arg);
}

void nft_rule_updates(const struct nlmsghdr *nlh, void (*fn)(const char *set, void *arg), void *arg)
{
	struct named named = {fn, arg};

	each_expression(nlh, update_of, &named);
}

static void set_of(void *arg, const struct expression *e, const struct nlattr *const *tb)
{
	struct named *named = arg;
	const struct nlattr *set = e->kind == LOOKUP   ? tb[NFTA_LOOKUP_SET]
				   : e->kind == DYNSET ? tb[NFTA_DYNSET_SET_NAME]
				   : e->kind == OBJREF ? tb[NFTA_OBJREF_SET_NAME]
						       : NULL;

	if (set)
		named->fn(netlink_str(set), named->arg);
}

void nft_rule_sets(const struct nlmsghdr *nlh, void (*fn)(const char *set, void *arg), void *arg)
{
	struct named named = {fn, arg};

	each_expression(nlh, set_of, &named);
}

struct numbered {
	void (*fn)(uint16_t index, void *arg);
	void *arg;
};

/* The attributes of a match and of a target have the same numbers. */
static void ipset_of(void *arg, const struct expression *e, const struct nlattr *const *tb)
{
	struct numbered *numbered = arg;
	size_t step;
	unsigned n;

	if (e->kind != XT || !tb[NFTA_MATCH_INFO])
		return;
	n = xtmatch_sets(netlink_str(tb[NFTA_MATCH_NAME]), (uint8_t)netlink_u32(tb[NFTA_MATCH_REV]), &step);
	for (unsigned i = 0; i < n && (i + 1) * step <= netlink_length(tb[NFTA_MATCH_INFO]); i++) {
		uint16_t index;

		memcpy(&index, (const char *)netlink_payload(tb[NFTA_MATCH_INFO]) + i * step, sizeof(index));
		numbered->fn(index, numbered->arg);
	}
}

void nft_rule_ipsets(const struct nlmsghdr *nlh, void (*fn)(uint16_t index, void *arg), void *arg)
{
	struct numbered numbered = {fn, arg};

	each_expression(nlh, ipset_of, &numbered);
}
