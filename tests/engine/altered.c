/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "altered.h"

#include "engine/nft.h"
#include "engine/xtables.h"

#include <ctype.h>
#include <linux/netfilter/ipset/ip_set.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Over all rows, by path. */
static struct strlist noticed, met;

/* A capture, and a copy of it in which one table's records can be altered. */
struct trial {
	const struct ruleset *original;
	struct ruleset copy;
	struct table *table; /* of the copy, with records */
	struct digest dynamic;
	unsigned hits; /* alterations of this record that make a difference */
};

int altered_digest(struct ruleset *rs, struct table *t)
{
	int r = engines[t->engine]->digest(rs, t);

	ruleset_finish(rs);
	return r;
}

/* Whether the altered records are still well-formed, and differ in what counts. */
static bool differs(struct trial *t)
{
	return !altered_digest(&t->copy, t->table) &&
	       (!ruleset_equal(t->original, &t->copy) ||
		!digest_equal(t->dynamic, t->table->dynamic));
}

/* Whether any of n bytes makes a difference, or records that are found bad. */
static bool flip(struct trial *t, size_t at, size_t n)
{
	bool difference = false, bad = false;

	for (size_t i = 0; i < n && !difference; i++) {
		t->table->records.data[at + i] ^= 1;
		difference = differs(t);
		bad |= altered_digest(&t->copy, t->table) < 0;
		t->table->records.data[at + i] ^= 1;
	}
	t->hits += difference;
	return difference || bad;
}

static size_t offset_of(const struct trial *t, const void *p)
{
	return (size_t)((const unsigned char *)p - t->table->records.data);
}

/* The kernel does not mark its nests: whatever can be read as attributes is one. */
static bool looks_nested(const struct nlattr *nest)
{
	const struct nlattr *a, *first = mnl_attr_get_payload(nest);
	size_t len = mnl_attr_get_payload_len(nest), seen = 0;
	bool content = false;

	netlink_each(a, first, len) {
		if (mnl_attr_get_type(a) > 40 || !mnl_attr_get_type(a))
			return false;
		content |= mnl_attr_get_payload_len(a) > 0;
		seen += MNL_ALIGN(a->nla_len);
	}
	return content && seen >= len;
}

/* The name of an expression (NFTA_EXPR_NAME, NFTA_EXPR_DATA), or NULL. */
static const char *expression_name(const struct nlattr *nest)
{
	const struct nlattr *tb[NFTA_EXPR_MAX + 1];
	const char *name;

	netlink_attributes(mnl_attr_get_payload(nest), mnl_attr_get_payload_len(nest), tb,
			   NFTA_EXPR_MAX);
	name = netlink_str(tb[NFTA_EXPR_NAME]);
	if (!islower((unsigned char)*name) || (tb[NFTA_EXPR_DATA] && !looks_nested(tb[NFTA_EXPR_DATA])))
		return NULL;
	return name;
}

static void alter_attribute(struct trial *t, const char *path, const struct nlattr *a)
{
	const struct nlattr *inner;
	const char *expression;
	cleanup_free char *here = NULL;

	if (!mnl_attr_get_payload_len(a))
		return;
	if (!looks_nested(a)) {
		here = str_printf("%s %u", path, mnl_attr_get_type(a));
		strlist_add_once(&met, here);
		if (flip(t, offset_of(t, mnl_attr_get_payload(a)), mnl_attr_get_payload_len(a)))
			strlist_add_once(&noticed, here);
		return;
	}
	expression = expression_name(a);
	here = expression ? str_printf("expression %s", expression)
			  : str_printf("%s %u", path, mnl_attr_get_type(a));
	netlink_each(inner, (const struct nlattr *)mnl_attr_get_payload(a),
		     mnl_attr_get_payload_len(a))
		alter_attribute(t, here, inner);
}

static char *message_path(const struct table *table, const struct nlmsghdr *nlh)
{
	static const char *const names[NFT_MSG_MAX] = {
		[NFT_MSG_NEWTABLE] = "table",	  [NFT_MSG_NEWCHAIN] = "chain",
		[NFT_MSG_NEWOBJ] = "object",	  [NFT_MSG_NEWFLOWTABLE] = "flowtable",
		[NFT_MSG_NEWSET] = "set",	  [NFT_MSG_NEWSETELEM] = "elements",
		[NFT_MSG_NEWRULE] = "rule",
	};
	const struct nlattr *tb[NFTA_OBJ_MAX + 1];
	size_t len;
	const struct nlattr *first = netlink_first(nlh, &len);

	if (table->engine != ENGINE_NFT)
		return str_dup(nft_type(nlh) == IPSET_CMD_ADD ? "ipset member" : "ipset");
	if (nft_type(nlh) != NFT_MSG_NEWOBJ)
		return str_dup(names[nft_type(nlh)]);
	netlink_attributes(first, len, tb, NFTA_OBJ_MAX);
	return str_printf("object %u", netlink_u32(tb[NFTA_OBJ_TYPE]));
}

/* The table has to differ without this record, or to be no table. */
static void assert_missed(struct trial *t, size_t at, size_t n)
{
	struct buf *records = &t->table->records;

	memmove(records->data + at, records->data + at + n, records->len - at - n);
	records->len -= n;
	assert_true(differs(t) || altered_digest(&t->copy, t->table) < 0);
}

/* The kernel ends the elements of a set with a message that has none. */
static bool has_elements(const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[NFTA_SET_ELEM_LIST_MAX + 1], *list;
	size_t len;
	const struct nlattr *first = netlink_first(nlh, &len);

	netlink_attributes(first, len, tb, NFTA_SET_ELEM_LIST_MAX);
	list = tb[NFTA_SET_ELEM_LIST_ELEMENTS];
	return list && mnl_attr_get_payload_len(list);
}

static void alter_messages(struct trial *t)
{
	uint64_t kinds = 0, counting = 0;
	const struct nlmsghdr *last = NULL;
	bool nft = t->table->engine == ENGINE_NFT;

	nft_each(nlh, &t->table->records) {
		cleanup_free char *path = message_path(t->table, nlh);
		const struct nlattr *a;
		size_t len;
		const struct nlattr *first = netlink_first(nlh, &len);

		if (nft && nft_type(nlh) == NFT_MSG_NEWSETELEM && !has_elements(nlh))
			continue;
		t->hits = 0;
		netlink_each(a, first, len)
			alter_attribute(t, path, a);
		kinds |= UINT64_C(1) << nft_type(nlh);
		counting |= t->hits ? UINT64_C(1) << nft_type(nlh) : 0;
		last = nlh;
	}
	assert_int_equal(kinds, counting);
	if (last)
		assert_missed(t, offset_of(t, last), last->nlmsg_len);
	else
		fail_msg("there is no record");
}

#ifdef HAVE_LEGACY
/* A rule has parts: its own, then each match and the target. */
static void alter_entry(struct trial *t, const struct xt_record *r)
{
	const struct xt_family *f = xt_family(t->table->family);
	const char *entry = xt_record_entry(r);
	size_t next = xt_next_offset(f, entry), at = f->size;

	assert_true(flip(t, offset_of(t, entry), f->target_offset));
	while (at < next) {
		/* matches and targets begin alike */
		const struct xt_entry_match *part = (const void *)(entry + at);
		size_t data = part->u.match_size - sizeof(*part);

		if (data && !flip(t, offset_of(t, part->data), data))
			fail_msg("nothing in the data of '%s' counts", part->u.user.name);
		at += part->u.match_size;
	}
}

static void alter_legacy(struct trial *t)
{
	const unsigned char *end = t->table->records.data + t->table->records.len;
	const struct xt_record *r = (const void *)t->table->records.data, *last = NULL;

	for (; (const unsigned char *)r < end; r = xt_record_next(r)) {
		if (r->kind == XT_RULE || !(r->flags & XT_CHAIN_BUILTIN))
			last = r;
		if (r->kind == XT_RULE)
			alter_entry(t, r);
		else
			assert_true(flip(t, offset_of(t, r + 1), r->length - sizeof(*r)));
	}
	if (last)
		assert_missed(t, offset_of(t, last), last->length);
}

#else
static void alter_legacy(struct trial *t)
{
	(void)t;
}
#endif

static void alter_table(const struct ruleset *rs, size_t i)
{
	struct trial t = {.original = rs};

	ruleset_outline(rs, &t.copy);
	t.table = &t.copy.tables[i];
	t.dynamic = t.table->dynamic;
	buf_add(&t.table->records, rs->tables[i].records.data, rs->tables[i].records.len);
	assert_false(differs(&t));
	if (t.table->engine == ENGINE_XTABLES)
		alter_legacy(&t);
	else
		alter_messages(&t);
	ruleset_release(&t.copy);
}

void altered_check(const struct ruleset *rs)
{
	for (size_t i = 0; i < rs->ntables; i++)
		alter_table(rs, i);
}

void altered_unnoticed(struct strlist *out)
{
	for (size_t i = 0; i < met.n; i++)
		if (!strlist_has(&noticed, met.s[i]))
			strlist_add(out, met.s[i]);
	strlist_sort(out);
	strlist_release(&met);
	strlist_release(&noticed);
}
