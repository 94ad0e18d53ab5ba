/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/ipset.h"

#include <errno.h>
#include <string.h>

#define DEFAULT_BUCKET 12
/* Newer than some installed headers. */
#define CREATE_BITMASK 12 /* IPSET_ATTR_BITMASK */
/* An attribute's length is 16 bits. */
#define MESSAGE_LIMIT 65000U

static void add_attribute(struct buf *b, uint16_t type, const void *data, size_t n)
{
	struct nlattr *a = buf_add_zero(b, MNL_ALIGN(sizeof(*a) + n));

	a->nla_len = (uint16_t)(sizeof(*a) + n);
	a->nla_type = type;
	if (n)
		memcpy(a + 1, data, n);
}

static size_t begin_message(struct buf *b, uint8_t command, uint8_t family, uint8_t protocol,
			    const char *name)
{
	size_t start = b->len;
	struct nlmsghdr *nlh =
		buf_add_zero(b, MNL_NLMSG_HDRLEN + MNL_ALIGN(sizeof(struct nfgenmsg)));
	struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);

	nlh->nlmsg_type = (uint16_t)(NFNL_SUBSYS_IPSET << 8 | command);
	nlh->nlmsg_flags = NLM_F_REQUEST;
	nfg->nfgen_family = family;
	nfg->version = NFNETLINK_V0;
	add_attribute(b, IPSET_ATTR_PROTOCOL, &protocol, sizeof(protocol));
	add_attribute(b, IPSET_ATTR_SETNAME, name, strlen(name) + 1);
	return start;
}

static void end_message(struct buf *b, size_t start)
{
	struct nlmsghdr *nlh = (void *)(b->data + start);

	nlh->nlmsg_len = (uint32_t)(b->len - start);
}

static bool is_address(unsigned type, bool member)
{
	return type == IPSET_ATTR_IP || type == IPSET_ATTR_IP_TO ||
	       (member ? type == IPSET_ATTR_IP2 || type == IPSET_ATTR_IP2_TO
		       : type == CREATE_BITMASK);
}

/* What only the kernel knows and takes from nobody. */
static bool is_kept(unsigned type, bool member)
{
	if (member)
		return type != IPSET_ATTR_PAD && type != IPSET_ATTR_CADT_LINENO;
	return type != IPSET_ATTR_ELEMENTS && type != IPSET_ATTR_REFERENCES &&
	       type != IPSET_ATTR_MEMSIZE;
}

static void copy_attribute(struct buf *b, const struct nlattr *a, bool member)
{
	struct nlattr *copy;

	if (!is_kept(mnl_attr_get_type(a), member))
		return;
	copy = buf_add_zero(b, MNL_ALIGN(a->nla_len));
	memcpy(copy, a, a->nla_len);
	if (is_address(mnl_attr_get_type(a), member) && a->nla_len >= 2 * sizeof(*a))
		copy[1].nla_type |= NLA_F_NET_BYTEORDER;
}

/* Copies a nest of attributes, whose length is known when it is done. */
static void copy_nest(struct buf *b, const struct nlattr *nest, bool member)
{
	size_t start = b->len;
	const struct nlattr *a;

	add_attribute(b, NLA_F_NESTED | IPSET_ATTR_DATA, NULL, 0);
	netlink_each(a, mnl_attr_get_payload(nest), mnl_attr_get_payload_len(nest))
		copy_attribute(b, a, member);
	((struct nlattr *)(void *)(b->data + start))->nla_len = (uint16_t)(b->len - start);
}

void ipset_store_create(struct buf *records, const struct nlmsghdr *dump)
{
	static const uint16_t plain[] = {IPSET_ATTR_TYPENAME, IPSET_ATTR_FAMILY,
					 IPSET_ATTR_REVISION};
	const struct nlattr *tb[IPSET_ATTR_CMD_MAX + 1];
	size_t len, start;
	const struct nlattr *first = netlink_first(dump, &len);
	uint8_t protocol, family;

	netlink_attributes(first, len, tb, IPSET_ATTR_CMD_MAX);
	protocol = *(uint8_t *)mnl_attr_get_payload(tb[IPSET_ATTR_PROTOCOL]);
	family = *(uint8_t *)mnl_attr_get_payload(tb[IPSET_ATTR_FAMILY]);
	start = begin_message(records, IPSET_CMD_CREATE, family, protocol,
			      netlink_str(tb[IPSET_ATTR_SETNAME]));
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
		add_attribute(records, plain[i], mnl_attr_get_payload(tb[plain[i]]),
			      mnl_attr_get_payload_len(tb[plain[i]]));
	copy_nest(records, tb[IPSET_ATTR_DATA], false);
	end_message(records, start);
}

bool ipset_writer_full(const struct ipset_writer *w, const struct nlattr *member)
{
	return w->open && w->records->len - w->message + member->nla_len > MESSAGE_LIMIT;
}

void ipset_writer_close(struct ipset_writer *w)
{
	w->open = false;
}

static void writer_open(struct ipset_writer *w, uint8_t protocol, const char *name)
{
	static const uint32_t line;

	w->message = begin_message(w->records, IPSET_CMD_ADD, 0, protocol, name);
	add_attribute(w->records, IPSET_ATTR_LINENO, &line, sizeof(line));
	w->nest = w->records->len;
	add_attribute(w->records, NLA_F_NESTED | IPSET_ATTR_ADT, NULL, 0);
	w->open = true;
}

const struct nlattr *ipset_store_member(struct ipset_writer *w, uint8_t protocol, const char *name,
					const struct nlattr *member)
{
	size_t start;

	if (!w->open)
		writer_open(w, protocol, name);
	start = w->records->len;
	copy_nest(w->records, member, true);
	((struct nlattr *)(void *)(w->records->data + w->nest))->nla_len =
		(uint16_t)(w->records->len - w->nest);
	end_message(w->records, w->message);
	return (const void *)(w->records->data + start);
}

static bool counts(const struct nlattr *a, bool member)
{
	unsigned type = mnl_attr_get_type(a);

	if (!is_kept(type, member))
		return false;
	if (member)
		return type != IPSET_ATTR_TIMEOUT && type != IPSET_ATTR_BYTES &&
		       type != IPSET_ATTR_PACKETS;
	if (type == IPSET_ATTR_BUCKETSIZE)
		return mnl_attr_get_payload_len(a) < 1 ||
		       *(uint8_t *)mnl_attr_get_payload(a) != DEFAULT_BUCKET;
	return type != IPSET_ATTR_HASHSIZE && type != IPSET_ATTR_INITVAL;
}

/* Attributes that count, by type: the kernel need not always dump them in the same order. */
static void canonical(struct buf *out, const struct nlattr *nest, bool member)
{
	const struct nlattr *tb[IPSET_ATTR_ADT_MAX + 1], *a;

	netlink_attributes(mnl_attr_get_payload(nest), mnl_attr_get_payload_len(nest), tb,
			   IPSET_ATTR_ADT_MAX);
	for (unsigned type = 1; type <= IPSET_ATTR_ADT_MAX; type++) {
		a = tb[type];
		if (a && counts(a, member))
			buf_add(out, a, a->nla_len);
	}
}

/* The attributes of a CREATE record. */
static void create_attributes(const struct nlmsghdr *create, const struct nlattr **tb)
{
	size_t len;
	const struct nlattr *first = netlink_first(create, &len);

	netlink_attributes(first, len, tb, IPSET_ATTR_CMD_MAX);
}

struct digest ipset_create_digest(struct ipset_digest *d, const struct nlmsghdr *create)
{
	const struct nlattr *tb[IPSET_ATTR_CMD_MAX + 1];
	struct buf *b = &d->scratch;
	const char *type;

	create_attributes(create, tb);
	type = netlink_str(tb[IPSET_ATTR_TYPENAME]);
	d->ordered = !strcmp(type, "list:set");
	d->mac_is_data = !strcmp(type, "bitmap:ip,mac");
	b->len = 0;
	buf_printf(b, "%s %u ", type, *(uint8_t *)mnl_attr_get_payload(tb[IPSET_ATTR_FAMILY]));
	canonical(b, tb[IPSET_ATTR_DATA], false);
	return digest_of(b->data, b->len);
}

void ipset_digest_create(struct ipset_digest *d, const struct nlmsghdr *create)
{
	const struct nlattr *tb[IPSET_ATTR_CMD_MAX + 1];
	struct table *t = d->table;

	create_attributes(create, tb);
	free(t->type);
	t->type = str_dup(netlink_str(tb[IPSET_ATTR_TYPENAME]));
	t->family = *(uint8_t *)mnl_attr_get_payload(tb[IPSET_ATTR_FAMILY]);
	t->counts.sets = 1;
	digest_add(&t->fixed, ipset_create_digest(d, create));
}

bool ipset_has_timeout(const struct nlattr *member)
{
	const struct nlattr *a;

	netlink_each(a, mnl_attr_get_payload(member), mnl_attr_get_payload_len(member))
		if (mnl_attr_get_type(a) == IPSET_ATTR_TIMEOUT)
			return netlink_u32(a);
	return false;
}

struct digest ipset_member_digest(struct ipset_digest *d, const struct nlattr *member)
{
	struct buf *b = &d->scratch;

	b->len = 0;
	if (d->ordered && !ipset_has_timeout(member)) {
		buf_add(b, &d->position, sizeof(d->position));
		d->position++;
	}
	canonical(b, member, true);
	return digest_of(b->data, b->len);
}

/* Whether the kernel looks a member up by this attribute; what else it has can change. */
static bool is_key(const struct ipset_digest *d, unsigned type)
{
	switch (type) {
	case IPSET_ATTR_ETHER:
		return !d->mac_is_data;
	case IPSET_ATTR_CADT_FLAGS:
	case IPSET_ATTR_TIMEOUT:
	case IPSET_ATTR_COMMENT:
	case IPSET_ATTR_SKBMARK:
	case IPSET_ATTR_SKBPRIO:
	case IPSET_ATTR_SKBQUEUE:
		return false;
	default:
		return true;
	}
}

struct digest ipset_member_key(struct ipset_digest *d, const struct nlattr *member)
{
	struct buf *b = &d->scratch;
	const struct nlattr *a;
	uint32_t flags = 0;

	b->len = 0;
	netlink_each(a, mnl_attr_get_payload(member), mnl_attr_get_payload_len(member)) {
		if (mnl_attr_get_type(a) == IPSET_ATTR_CADT_FLAGS)
			flags = netlink_u32(a) & IPSET_FLAG_PHYSDEV;
		if (counts(a, true) && is_key(d, mnl_attr_get_type(a)))
			buf_add(b, a, a->nla_len);
	}
	buf_add(b, &flags, sizeof(flags));
	return digest_of(b->data, b->len);
}

void ipset_digest_member(struct ipset_digest *d, const struct nlattr *member)
{
	digest_add(ipset_has_timeout(member) ? &d->table->dynamic : &d->table->members,
		   ipset_member_digest(d, member));
	d->table->counts.elements++;
}

void ipset_digest_release(struct ipset_digest *d)
{
	buf_release(&d->scratch);
}

bool ipset_create_ok(const struct nlattr *const *tb)
{
	return tb[IPSET_ATTR_PROTOCOL] && mnl_attr_get_payload_len(tb[IPSET_ATTR_PROTOCOL]) &&
	       tb[IPSET_ATTR_FAMILY] && mnl_attr_get_payload_len(tb[IPSET_ATTR_FAMILY]) &&
	       tb[IPSET_ATTR_REVISION] && tb[IPSET_ATTR_DATA] &&
	       *netlink_str(tb[IPSET_ATTR_TYPENAME]) && *netlink_str(tb[IPSET_ATTR_SETNAME]);
}

static int digest_record(struct ipset_digest *d, const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[IPSET_ATTR_CMD_MAX + 1], *member, *nest;
	size_t len;
	const struct nlattr *first = netlink_first(nlh, &len);

	netlink_attributes(first, len, tb, IPSET_ATTR_CMD_MAX);
	if (ipset_command(nlh) == IPSET_CMD_CREATE && !d->table->counts.sets &&
	    ipset_create_ok(tb)) {
		ipset_digest_create(d, nlh);
		return 0;
	}
	nest = tb[IPSET_ATTR_ADT];
	if (ipset_command(nlh) != IPSET_CMD_ADD || !d->table->counts.sets || !nest)
		return -EBADMSG;
	netlink_each(member, mnl_attr_get_payload(nest), mnl_attr_get_payload_len(nest))
		ipset_digest_member(d, member);
	return 0;
}

int ipset_digest(struct ruleset *rs, struct table *t)
{
	struct ipset_digest d = {.table = t};
	const struct nlmsghdr *nlh = (const void *)t->records.data;
	int r = 0;

	(void)rs;
	t->fixed = t->dynamic = t->members = (struct digest){0, 0};
	t->counts = (struct table_counts){0};
	t->empty = false;
	for (size_t left = t->records.len; !r && left; left -= nlh->nlmsg_len,
		    nlh = (const void *)((const char *)nlh + nlh->nlmsg_len)) {
		if (left < sizeof(*nlh) || nlh->nlmsg_len > left ||
		    nlh->nlmsg_len < mnl_nlmsg_size(sizeof(struct nfgenmsg)) ||
		    nlh->nlmsg_len % MNL_ALIGNTO || nlh->nlmsg_len > IPSET_RECORD_LIMIT ||
		    nlh->nlmsg_type >> 8 != NFNL_SUBSYS_IPSET)
			r = -EBADMSG;
		else
			r = digest_record(&d, nlh);
		if (r)
			break;
	}
	if (!t->counts.sets)
		r = -EBADMSG;
	ipset_digest_release(&d);
	return r;
}
