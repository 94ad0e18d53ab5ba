/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/nft.h"
#include "engine/xtmatch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <string.h>

/* Nests are at most a handful deep in anything the kernel accepts. */
#define DEPTH_LIMIT 12

enum context {
	OPAQUE, TABLE, CHAIN, CHAIN_HOOK, RULE, SET, SET_DESCRIPTION, ELEMENT, ELEMENT_KEY, ELEMENT_DATA, OBJECT,
	FLOWTABLE, EXPRESSIONS, EXPRESSION, DATA, VERDICT, COUNTER, QUOTA, LAST, DYNSET, OSF,
	EXTHDR, IMMEDIATE, CMP, RANGE, LOOKUP, OBJREF, XT, LIMIT, TUNNEL, TUNNEL_OPTIONS, CONTEXTS
};

/* What becomes of an attribute. */
enum special {
	COPY,
	BY_NAME,       /* expression data: its context goes by the expression's name */
	BY_TYPE,       /* object data: by the object's type */
	LINK_VALUE,    /* an interface index, if the rule's data flow says so */
	KEY_VALUE,     /* words of a set key */
	DATA_VALUE,    /* an interface index, if the set's data are */
	SET_NAME,      /* compare: an anonymous set counts by content */
	UPDATED_SET,   /* likewise, and a rule adds to it */
	VERDICT_CHAIN, /* compare: a bound chain counts by content; load: by id */
	CHAIN_NAME,    /* load: a bound chain gets an id instead */
	RULE_CHAIN,    /* load: a bound chain by id; another chain, if so wished */
	XT_INFO,       /* ipset indexes of `set` and `SET` */
	MOVE_LAST = XT_INFO, /* what comes behind is moved as it is */
	SET_SIZE,
	INVERT_ONLY,   /* flags of which only bit 0 is the user's */
	UNLESS_ZERO,
	ZERO_AT_END,   /* load: dropped when 0 on the end of an interval */
	EXTHDR_READ,   /* not in a write or strip of an extension header */
	EXTHDR_RANGE,  /* not in a strip */
	POLICY,        /* not where it comes later */
	NESTED_FLAG,   /* load: needs NLA_F_NESTED, dumped without */
	ELEMENT_TIMEOUT
};

#define CMP_DROP 1
#define LOAD_DROP 2
#define DROP (CMP_DROP | LOAD_DROP)

#define ATTRIBUTES 24

static const struct row {
	uint8_t drop, child, special;
} rows[CONTEXTS][ATTRIBUTES] = {
	[TABLE] = {[NFTA_TABLE_NAME] = {CMP_DROP, 0, 0}},
	[CHAIN] = {[NFTA_CHAIN_TABLE] = {CMP_DROP, 0, 0},
		   [NFTA_CHAIN_NAME] = {CMP_DROP, 0, CHAIN_NAME},
		   [NFTA_CHAIN_COUNTERS] = {CMP_DROP, 0, 0},
		   [NFTA_CHAIN_POLICY] = {0, 0, POLICY},
		   [NFTA_CHAIN_HOOK] = {0, CHAIN_HOOK, 0}},
	[CHAIN_HOOK] = {[NFTA_HOOK_DEV] = {CMP_DROP, 0, 0}, [NFTA_HOOK_DEVS] = {CMP_DROP, 0, 0}},
	[RULE] = {[NFTA_RULE_TABLE] = {CMP_DROP, 0, 0},
		  [NFTA_RULE_CHAIN] = {CMP_DROP, 0, RULE_CHAIN},
		  [NFTA_RULE_EXPRESSIONS] = {0, EXPRESSIONS, 0}},
	[SET] = {[NFTA_SET_TABLE] = {CMP_DROP, 0, 0},
		 [NFTA_SET_NAME] = {CMP_DROP, 0, SET_NAME},
		 [NFTA_SET_DESC] = {0, SET_DESCRIPTION, 0},
		 [NFTA_SET_EXPR] = {0, EXPRESSION, 0},
		 [NFTA_SET_EXPRESSIONS] = {0, EXPRESSIONS, 0}},
	[SET_DESCRIPTION] = {[NFTA_SET_DESC_SIZE] = {0, 0, SET_SIZE}},
	[ELEMENT] = {[NFTA_SET_ELEM_KEY] = {0, ELEMENT_KEY, 0},
		     [NFTA_SET_ELEM_KEY_END] = {0, ELEMENT_KEY, 0},
		     [NFTA_SET_ELEM_DATA] = {0, ELEMENT_DATA, 0},
		     [NFTA_SET_ELEM_TIMEOUT] = {0, 0, ELEMENT_TIMEOUT},
		     [NFTA_SET_ELEM_EXPIRATION] = {CMP_DROP, 0, ZERO_AT_END},
		     [NFTA_SET_ELEM_PAD] = {DROP, 0, 0},
		     [NFTA_SET_ELEM_EXPR] = {0, EXPRESSION, 0},
		     [NFTA_SET_ELEM_EXPRESSIONS] = {0, EXPRESSIONS, 0}},
	[ELEMENT_KEY] = {[NFTA_DATA_VALUE] = {0, 0, KEY_VALUE}},
	[ELEMENT_DATA] = {[NFTA_DATA_VALUE] = {0, 0, DATA_VALUE}, [NFTA_DATA_VERDICT] = {0, VERDICT, 0}},
	[OBJECT] = {[NFTA_OBJ_TABLE] = {CMP_DROP, 0, 0}, [NFTA_OBJ_DATA] = {0, 0, BY_TYPE}},
	[FLOWTABLE] = {[NFTA_FLOWTABLE_TABLE] = {CMP_DROP, 0, 0}},
	[EXPRESSIONS] = {[NFTA_LIST_ELEM] = {0, EXPRESSION, 0}},
	[EXPRESSION] = {[NFTA_EXPR_DATA] = {0, 0, BY_NAME}},
	[DATA] = {[NFTA_DATA_VALUE] = {0, 0, LINK_VALUE}, [NFTA_DATA_VERDICT] = {0, VERDICT, 0}},
	[VERDICT] = {[NFTA_VERDICT_CHAIN] = {0, 0, VERDICT_CHAIN}},
	[COUNTER] = {[NFTA_COUNTER_BYTES] = {CMP_DROP, 0, 0},
		     [NFTA_COUNTER_PACKETS] = {CMP_DROP, 0, 0},
		     [NFTA_COUNTER_PAD] = {DROP, 0, 0}},
	[QUOTA] = {[NFTA_QUOTA_FLAGS] = {0, 0, INVERT_ONLY},
		   [NFTA_QUOTA_PAD] = {DROP, 0, 0},
		   [NFTA_QUOTA_CONSUMED] = {CMP_DROP, 0, 0}},
	[LAST] = {[NFTA_LAST_SET] = {CMP_DROP, 0, 0},
		  [NFTA_LAST_MSECS] = {CMP_DROP, 0, 0},
		  [NFTA_LAST_PAD] = {DROP, 0, 0}},
	[DYNSET] = {[NFTA_DYNSET_SET_NAME] = {0, 0, UPDATED_SET},
		    [NFTA_DYNSET_SET_ID] = {DROP, 0, 0},
		    [NFTA_DYNSET_TIMEOUT] = {0, 0, UNLESS_ZERO},
		    [NFTA_DYNSET_EXPR] = {0, EXPRESSION, 0},
		    [NFTA_DYNSET_PAD] = {DROP, 0, 0},
		    [NFTA_DYNSET_FLAGS] = {DROP, 0, 0}, /* see copy_dynset */
		    [NFTA_DYNSET_EXPRESSIONS] = {0, EXPRESSIONS, 0}},
	[OSF] = {[NFTA_OSF_FLAGS] = {0, 0, UNLESS_ZERO}},
	[EXTHDR] = {[NFTA_EXTHDR_FLAGS] = {0, 0, EXTHDR_READ},
		    [NFTA_EXTHDR_OFFSET] = {0, 0, EXTHDR_RANGE},
		    [NFTA_EXTHDR_LEN] = {0, 0, EXTHDR_RANGE}},
	[IMMEDIATE] = {[NFTA_IMMEDIATE_DATA] = {0, DATA, 0}},
	[CMP] = {[NFTA_CMP_DATA] = {0, DATA, 0}},
	[RANGE] = {[NFTA_RANGE_FROM_DATA] = {0, DATA, 0}, [NFTA_RANGE_TO_DATA] = {0, DATA, 0}},
	[LOOKUP] = {[NFTA_LOOKUP_SET] = {0, 0, SET_NAME}, [NFTA_LOOKUP_SET_ID] = {DROP, 0, 0}},
	[OBJREF] = {[NFTA_OBJREF_SET_NAME] = {0, 0, SET_NAME}, [NFTA_OBJREF_SET_ID] = {DROP, 0, 0}},
	[XT] = {[NFTA_MATCH_INFO] = {0, 0, XT_INFO}},
	[LIMIT] = {[NFTA_LIMIT_PAD] = {DROP, 0, 0}},
	[TUNNEL] = {[NFTA_TUNNEL_KEY_OPTS] = {0, TUNNEL_OPTIONS, 0}},
	[TUNNEL_OPTIONS] = {[NFTA_TUNNEL_KEY_OPTS_GENEVE] = {0, 0, NESTED_FLAG}},
};

/* The length, its NUL included, tells most names apart. */
#define NAME(s) s, sizeof(s)

static const struct {
	const char *name;
	uint8_t length;
	uint8_t context;
} expressions[] = {
	{NAME("counter"), COUNTER},	{NAME("quota"), QUOTA},	  {NAME("last"), LAST},
	{NAME("dynset"), DYNSET},	{NAME("osf"), OSF},	  {NAME("exthdr"), EXTHDR},
	{NAME("immediate"), IMMEDIATE}, {NAME("cmp"), CMP},	  {NAME("range"), RANGE},
	{NAME("lookup"), LOOKUP},	{NAME("match"), XT},	  {NAME("target"), XT},
	{NAME("limit"), LIMIT},		{NAME("objref"), OBJREF},
};

static void copy_attributes(struct nft_copy *c, enum context context, const struct nlattr *nest,
			    const struct nlattr *first, size_t len);

static void fail(struct nft_copy *c, int error, const char *format, ...) printf_like(3, 4);
static void fail(struct nft_copy *c, int error, const char *format, ...)
{
	va_list ap;

	if (c->error)
		return;
	c->error = error;
	va_start(ap, format);
	buf_vprintf(&c->why, format, ap);
	va_end(ap);
}

static void put_same(struct buf *out, const struct nlattr *a)
{
	nft_put_attribute(out, a->nla_type, netlink_payload(a), netlink_length(a));
}

static void put_u32(struct buf *out, uint16_t type, uint32_t value)
{
	uint32_t v = htonl(value);

	nft_put_attribute(out, type, &v, sizeof(v));
}

/* The index at `at` in c->out: compare: by name; load: the index that the name has now; move: there. */
static void translate_link(struct nft_copy *c, size_t at, bool big_endian, bool end)
{
	uint32_t index;
	const struct link_ref *l;

	memcpy(&index, c->out->data + at, sizeof(index));
	index = (big_endian ? ntohl(index) : index) - end;
	if (!index || index > INT32_MAX)
		return;
	if (c->note)
		ruleset_note_link(c->rs, index);
	if (c->purpose == NFT_MOVE) {
		uint32_t there = ruleset_move_link(c->into, c->rs, index);

		if (!there)
			fail(c, -EXDEV, "interface number %u stands for two", index);
		index = big_endian ? htonl(there + end) : there + end;
		memcpy(c->out->data + at, &index, sizeof(index));
		return;
	}
	l = ruleset_link(c->rs, index);
	if (c->purpose == NFT_COMPARE) {
		if (l && *l->name) {
			memset(c->out->data + at, 0, sizeof(index));
			buf_add(c->out, l->name, sizeof(l->name));
		}
		return;
	}
	if (!l || !l->now) {
		if (l && *l->name)
			fail(c, -ENODEV, "interface '%s' is not there", l->name);
		else
			fail(c, -ENODEV, "interface number %u had no name when it was saved", index);
		return;
	}
	index = big_endian ? htonl(l->now + end) : l->now + end;
	memcpy(c->out->data + at, &index, sizeof(index));
}

/* offset: of the 16-bit index in c->out */
static void translate_set(struct nft_copy *c, size_t offset, bool written)
{
	uint16_t index;
	struct set_ref *s;

	memcpy(&index, c->out->data + offset, sizeof(index));
	if (index == SET_REF_NONE)
		return;
	s = ruleset_set(c->rs, index);
	if (c->purpose == NFT_MOVE) {
		index = ruleset_move_set(c->into, c->rs, index);
		if (index == SET_REF_NONE)
			fail(c, -EXDEV, "an ipset's number stands for two");
		memcpy(c->out->data + offset, &index, sizeof(index));
		return;
	}
	if (c->purpose == NFT_COMPARE) {
		if (!s)
			return;
		s->written |= written;
		memset(c->out->data + offset, 0, sizeof(index));
		buf_add(c->out, s->name, sizeof(s->name));
		return;
	}
	if (!s || s->now == SET_REF_NONE) {
		fail(c, -ENOENT, "ipset '%s' is not there", s ? s->name : "?");
		return;
	}
	memcpy(c->out->data + offset, &s->now, sizeof(s->now));
}

static void copy_xt_info(struct nft_copy *c, const struct nlattr *expression,
			 const struct nlattr *info)
{
	const char *name = netlink_str(netlink_child(expression, NFTA_MATCH_NAME));
	uint32_t revision = netlink_u32(netlink_child(expression, NFTA_MATCH_REV));
	size_t step, at = c->out->len + MNL_ATTR_HDRLEN;
	unsigned n = xtmatch_sets(name, (uint8_t)revision, &step);

	put_same(c->out, info);
	if (c->purpose == NFT_COMPARE)
		xtmatch_canonical(c->family, name, (uint8_t)revision, c->out->data + at,
				  netlink_length(info));
	if (netlink_length(info) < n * step) {
		fail(c, -EBADMSG, "a set match is too short");
		return;
	}
	for (unsigned i = 0; i < n; i++)
		translate_set(c, at + i * step, n > 1);
}

static void copy_name(struct nft_copy *c, const struct nlattr *a, bool updated)
{
	bool by_name = c->purpose == NFT_LOAD && !c->living;
	struct nft_set *s = by_name ? NULL : nft_find_set(c->index, netlink_str(a));

	if (s)
		s->updated |= updated;
	if (!s || !(s->flags & NFT_SET_ANONYMOUS)) {
		put_same(c->out, a);
	} else if (c->living) {
		nft_put_pattern(c->out, a->nla_type, s->name);
	} else if (c->purpose == NFT_MOVE) {
		nft_put_text(c->out, a->nla_type, c->rename(c->rename_arg, s->name, false));
	} else {
		struct digest sum = s->attributes;

		digest_add(&sum, s->fixed);
		nft_put_attribute(c->out, a->nla_type, &sum, sizeof(sum));
	}
}

static const struct nft_chain *bound_chain(const struct nft_copy *c, const struct nlattr *name)
{
	const struct nft_chain *chain = nft_find_chain(c->index, netlink_str(name));

	return chain && chain->flags & NFT_CHAIN_BINDING ? chain : NULL;
}

static void copy_chain_name(struct nft_copy *c, const struct nlattr *a, uint16_t id_type)
{
	const struct nft_chain *bound = bound_chain(c, a);

	if (!bound)
		put_same(c->out, a);
	else if (c->purpose == NFT_LOAD)
		put_u32(c->out, id_type, bound->id);
	else if (c->purpose == NFT_MOVE)
		nft_put_text(c->out, a->nla_type, c->rename(c->rename_arg, bound->name, true));
	else
		nft_put_attribute(c->out, a->nla_type, &bound->digest, sizeof(bound->digest));
}

static void copy_value(struct nft_copy *c, enum special special, const struct nlattr *a)
{
	size_t at = c->out->len + MNL_ATTR_HDRLEN, len = netlink_length(a);
	bool big_endian = c->set && c->set->flags & NFT_SET_INTERVAL;

	put_same(c->out, a);
	if (special == LINK_VALUE) {
		for (size_t i = 0; i < c->nlinks; i++)
			if (c->links[i].value == a && len >= 4)
				translate_link(c, at, c->links[i].big_endian, false);
	} else if (special == DATA_VALUE) {
		if (c->set && c->set->data_is_link && len >= 4)
			translate_link(c, at, false, false);
	} else if (c->set) {
		for (unsigned i = 0; i < 32 && i * 4 + 4 <= len; i++)
			if (c->set->link_fields & 1U << i)
				translate_link(c, at + 4 * i, big_endian, c->interval_end);
	}
}

static enum context expression_context(const struct nlattr *nest)
{
	const struct nlattr *name = netlink_child(nest, NFTA_EXPR_NAME);

	for (size_t i = 0; i < ARRAY_SIZE(expressions) && name; i++)
		if (expressions[i].length == netlink_length(name) &&
		    !memcmp(expressions[i].name, netlink_payload(name), expressions[i].length))
			return expressions[i].context;
	return OPAQUE;
}

static enum context object_context(const struct nlattr *first, size_t len)
{
	const struct nlattr *tb[NFTA_OBJ_MAX + 1];

	netlink_attributes(first, len, tb, NFTA_OBJ_MAX);
	switch (netlink_u32(tb[NFTA_OBJ_TYPE])) {
	case NFT_OBJECT_COUNTER:
		return COUNTER;
	case NFT_OBJECT_QUOTA:
		return QUOTA;
	case NFT_OBJECT_TUNNEL:
		return TUNNEL;
	default:
		return OPAQUE;
	}
}

static void copy_nest(struct nft_copy *c, enum context context, const struct nlattr *a,
		      uint16_t raw_type)
{
	size_t at;

	if (context == OPAQUE) {
		nft_put_attribute(c->out, raw_type, netlink_payload(a), netlink_length(a));
		return;
	}
	if (c->depth >= DEPTH_LIMIT) {
		fail(c, -EBADMSG, "nested too deep");
		return;
	}
	c->depth++;
	at = nft_nest_open(c->out, raw_type);
	copy_attributes(c, context, a, netlink_payload(a), netlink_length(a));
	nft_nest_close(c->out, at);
	c->depth--;
}

static bool zero(const struct nlattr *a)
{
	const unsigned char *p = netlink_payload(a);

	for (size_t i = 0; i < netlink_length(a); i++)
		if (p[i])
			return false;
	return true;
}

/* A write to an extension header has a source register, a strip neither. */
static bool exthdr_keeps(const struct nlattr *nest, enum special special)
{
	bool reads = netlink_child(nest, NFTA_EXTHDR_DREG), writes = netlink_child(nest, NFTA_EXTHDR_SREG);

	return reads || (special == EXTHDR_RANGE && writes);
}

static void copy_special(struct nft_copy *c, enum special special, const struct nlattr *nest,
			 const struct nlattr *a, enum context by_type)
{
	switch (c->purpose == NFT_MOVE && special > MOVE_LAST ? COPY : special) {
	case BY_NAME:
		copy_nest(c, expression_context(nest), a, a->nla_type);
		break;
	case BY_TYPE:
		copy_nest(c, by_type, a, a->nla_type);
		break;
	case LINK_VALUE:
	case KEY_VALUE:
	case DATA_VALUE:
		copy_value(c, special, a);
		break;
	case SET_NAME:
	case UPDATED_SET:
		copy_name(c, a, special == UPDATED_SET);
		break;
	case VERDICT_CHAIN:
		copy_chain_name(c, a, NFTA_VERDICT_CHAIN_ID);
		break;
	case RULE_CHAIN:
		if (c->chain)
			nft_put_text(c->out, a->nla_type, c->chain);
		else
			copy_chain_name(c, a, NFTA_RULE_CHAIN_ID);
		break;
	case CHAIN_NAME:
		copy_chain_name(c, a, NFTA_CHAIN_ID);
		break;
	case SET_SIZE:
		if (!c->without_size)
			put_same(c->out, a);
		break;
	case XT_INFO:
		copy_xt_info(c, nest, a);
		break;
	case INVERT_ONLY:
		put_u32(c->out, a->nla_type, netlink_u32(a) & 1);
		break;
	case ELEMENT_TIMEOUT:
		c->timed |= !zero(a);
		if (!c->interval_end || !zero(a))
			put_same(c->out, a);
		break;
	case ZERO_AT_END:
		if (!c->interval_end || !zero(a))
			put_same(c->out, a);
		break;
	case POLICY:
		if (!c->without_policy)
			put_same(c->out, a);
		break;
	case UNLESS_ZERO:
		if (!zero(a))
			put_same(c->out, a);
		break;
	case EXTHDR_READ:
	case EXTHDR_RANGE:
		if (exthdr_keeps(nest, special))
			put_same(c->out, a);
		break;
	case NESTED_FLAG:
		copy_nest(c, OPAQUE, a, a->nla_type | NLA_F_NESTED);
		break;
	case COPY:
		put_same(c->out, a);
		break;
	}
}

/* The dump leaves out that an expression list is there (NFT_DYNSET_F_EXPR). */
static void finish_dynset(struct nft_copy *c, const struct nlattr *nest)
{
	uint32_t flags = netlink_u32(netlink_child(nest, NFTA_DYNSET_FLAGS)) & NFT_DYNSET_F_INV;

	if (c->purpose == NFT_LOAD && netlink_child(nest, NFTA_DYNSET_EXPRESSIONS))
		flags |= NFT_DYNSET_F_EXPR;
	if (flags)
		put_u32(c->out, NFTA_DYNSET_FLAGS, flags);
}

/* What looks a set up that has no name yet does it by id. */
static void finish_lookup(struct nft_copy *c, enum context context, const struct nlattr *nest)
{
	static const struct {
		uint8_t name, id;
	} attributes[CONTEXTS] = {
		[LOOKUP] = {NFTA_LOOKUP_SET, NFTA_LOOKUP_SET_ID},
		[OBJREF] = {NFTA_OBJREF_SET_NAME, NFTA_OBJREF_SET_ID},
		[DYNSET] = {NFTA_DYNSET_SET_NAME, NFTA_DYNSET_SET_ID},
	};
	const struct nlattr *name = attributes[context].name ? netlink_child(nest, attributes[context].name) : NULL;
	const struct nft_set *s = name ? nft_find_set(c->index, netlink_str(name)) : NULL;

	if (s && s->flags & NFT_SET_ANONYMOUS)
		put_u32(c->out, attributes[context].id, s->id);
}

static bool is_key(unsigned type)
{
	return type == NFTA_SET_ELEM_KEY || type == NFTA_SET_ELEM_KEY_END || type == NFTA_SET_ELEM_FLAGS;
}

/* nest: the attribute that holds first, NULL on the message's own level */
static void copy_attributes(struct nft_copy *c, enum context context, const struct nlattr *nest,
			    const struct nlattr *first, size_t len)
{
	static const uint8_t drops[] = {[NFT_COMPARE] = CMP_DROP, [NFT_LOAD] = LOAD_DROP, [NFT_MOVE] = 0};
	enum context by_type = context == OBJECT ? object_context(first, len) : OPAQUE;
	const struct nlattr *a;

	netlink_each(a, first, len) {
		static const struct row plain;
		unsigned type = netlink_type(a);
		const struct row *row = type < ATTRIBUTES ? &rows[context][type] : &plain;

		if (row->drop & drops[c->purpose] ||
		    (c->key_only && context == ELEMENT && !is_key(type)))
			continue;
		if (row->child)
			copy_nest(c, row->child, a, a->nla_type);
		else
			copy_special(c, row->special, nest, a, by_type);
	}
	if (context == DYNSET && c->purpose != NFT_MOVE)
		finish_dynset(c, nest);
	if (c->living)
		finish_lookup(c, context, nest);
}

void nft_copy_element(struct nft_copy *c, const struct nlattr *element)
{
	c->interval_end = netlink_u32(netlink_child(element, NFTA_SET_ELEM_FLAGS)) &
			  NFT_SET_ELEM_INTERVAL_END;
	/* a timeout that is the set's is not dumped, what remains of it is */
	c->timed = !c->interval_end && netlink_child(element, NFTA_SET_ELEM_EXPIRATION);
	copy_attributes(c, ELEMENT, element, netlink_payload(element), netlink_length(element));
}

static void put_compat(struct nft_copy *c)
{
	size_t at = nft_nest_open(c->out, NFTA_RULE_COMPAT | NLA_F_NESTED);

	put_u32(c->out, NFTA_RULE_COMPAT_PROTO, (uint32_t)c->compat);
	put_u32(c->out, NFTA_RULE_COMPAT_FLAGS, c->compat_inverted ? NFT_RULE_COMPAT_F_INV : 0);
	nft_nest_close(c->out, at);
}

void nft_copy_message(struct nft_copy *c, const struct nlmsghdr *nlh)
{
	static const uint8_t contexts[] = {
		[NFT_MSG_NEWTABLE] = TABLE, [NFT_MSG_NEWCHAIN] = CHAIN,
		[NFT_MSG_NEWRULE] = RULE,   [NFT_MSG_NEWSET] = SET,
		[NFT_MSG_NEWOBJ] = OBJECT,  [NFT_MSG_NEWFLOWTABLE] = FLOWTABLE,
	};
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	size_t len;
	const struct nlattr *first = netlink_first(nlh, &len);

	c->compat = -1;
	c->family = nfg->nfgen_family;
	if (nft_type(nlh) == NFT_MSG_NEWRULE)
		nft_rule_flow(c, nlh);
	copy_attributes(c, contexts[nft_type(nlh)], NULL, first, len);
	if (c->purpose == NFT_LOAD && c->compat >= 0)
		put_compat(c);
	free(c->links);
	c->links = NULL;
	c->nlinks = 0;
}
