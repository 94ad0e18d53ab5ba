/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/ipset.h"

#include <errno.h>
#include <string.h>

/* The attributes of a record (IPSET_ATTR_CMD_MAX). */
static void record_attributes(const struct nlmsghdr *nlh, const struct nlattr **tb)
{
	size_t len;
	const struct nlattr *first = netlink_first(nlh, &len);

	netlink_attributes(first, len, tb, IPSET_ATTR_CMD_MAX);
}

static struct item *add_item(struct items *out, const struct table *t, enum item_kind kind,
			     const char *name, const void *at)
{
	struct item *item = array_grow(&out->item, &out->n, sizeof(*item));

	*item = (struct item){.kind = kind, .name = name};
	item->at = (size_t)((const unsigned char *)at - t->records.data);
	return item;
}

/* Of all that counts of a member, and whether its time ends. */
static struct digest member_digest(struct ipset_digest *d, const struct nlattr *member)
{
	struct digest digest = ipset_member_digest(d, member);

	if (ipset_has_timeout(member))
		digest_add(&digest, digest_of("timeout", 7));
	return digest;
}

/*
 * A member whose remaining time ends is dynamic, and all members of a set that rules write to. The
 * members of a list stand in an order: `end` is the place, from 1, of one that stays.
 */
static void add_member(struct items *out, struct ipset_digest *d, bool written, const char *name,
		       const struct nlattr *member)
{
	struct item *item = add_item(out, d->table, ITEM_ELEMENT, name, member);
	bool timeout = ipset_has_timeout(member);

	item->silent = timeout || written;
	item->key = ipset_member_key(d, member);
	item->digest = member_digest(d, member);
	item->end = d->ordered && !timeout ? d->position : 0;
}

int ipset_items(struct ruleset *rs, const struct table *t, struct items *out)
{
	const struct set_ref *ref = ruleset_set_named(rs, t->name);
	struct ipset_digest d = {.table = (struct table *)t};
	const char *name = NULL;

	ipset_each(nlh, &t->records) {
		const struct nlattr *tb[IPSET_ATTR_CMD_MAX + 1], *member;

		record_attributes(nlh, tb);
		if (ipset_command(nlh) == IPSET_CMD_CREATE) {
			name = netlink_str(tb[IPSET_ATTR_SETNAME]);
			add_item(out, t, ITEM_TABLE, "", nlh)->digest =
				ipset_create_digest(&d, nlh);
		} else if (name && tb[IPSET_ATTR_ADT]) {
			netlink_each_in(member, tb[IPSET_ATTR_ADT])
				add_member(out, &d, ref && ref->written, name, member);
		}
	}
	ipset_digest_release(&d);
	return name ? 0 : -EBADMSG;
}

/* One of two sets that are told apart. */
struct side {
	struct ipset_digest d;
	bool written;
	const char *name; /* in the records */
	const struct nlattr **member; /* that may not be in the other one */
	size_t n;
};

static void list_members(struct side *s, const struct table *t)
{
	const struct nlattr *tb[IPSET_ATTR_CMD_MAX + 1], *member;

	ipset_each(nlh, &t->records) {
		record_attributes(nlh, tb);
		if (ipset_command(nlh) == IPSET_CMD_ADD && tb[IPSET_ATTR_ADT])
			netlink_each_in(member, tb[IPSET_ATTR_ADT])
				*(const struct nlattr **)array_grow(&s->member, &s->n,
								    sizeof(*s->member)) = member;
	}
}

static void side_begin(struct side *s, struct ruleset *rs, const struct table *t, struct items *out)
{
	const struct set_ref *ref = ruleset_set_named(rs, t->name);
	const struct nlmsghdr *create = (const void *)t->records.data;
	const struct nlattr *tb[IPSET_ATTR_CMD_MAX + 1];

	record_attributes(create, tb);
	*s = (struct side){.d.table = (struct table *)t, .written = ref && ref->written,
			   .name = netlink_str(tb[IPSET_ATTR_SETNAME])};
	add_item(out, t, ITEM_TABLE, "", create)->digest = ipset_create_digest(&s->d, create);
	list_members(s, t);
}

static void side_end(struct side *s, struct items *out)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->member[i])
			add_member(out, &s->d, s->written, s->name, s->member[i]);
	free(s->member);
	ipset_digest_release(&s->d);
}

static bool is_same(const struct nlattr *a, const struct nlattr *b)
{
	return a->nla_len == b->nla_len && !memcmp(a, b, a->nla_len);
}

#define GLANCE 8

/* How many members of a, from its i-th on, stand before one that is b's j-th; GLANCE: too many. */
static size_t glance(const struct side *a, size_t i, const struct side *b, size_t j)
{
	size_t ahead = 0;

	while (ahead < GLANCE &&
	       (i + ahead >= a->n || !is_same(a->member[i + ahead], b->member[j])))
		ahead++;
	return ahead;
}

/* Keeps the members that stand from i on, so many, behind those that were kept. */
static void keep(struct side *s, size_t *kept, size_t *i, size_t count)
{
	for (; count; count--)
		s->member[(*kept)++] = s->member[(*i)++];
}

/* Sets that are alike are mostly dumped in the same order: that is quicker than to look up each. */
static void skip_common(struct side *a, struct side *b)
{
	size_t i = 0, j = 0, kept_a = 0, kept_b = 0;

	while (i < a->n && j < b->n) {
		size_t before_a = glance(a, i, b, j), before_b = before_a ? glance(b, j, a, i) : 0;

		if (before_a < GLANCE || before_b < GLANCE) {
			keep(a, &kept_a, &i, before_a <= before_b ? before_a : 0);
			keep(b, &kept_b, &j, before_a <= before_b ? 0 : before_b);
			i++;
			j++;
		} else {
			keep(a, &kept_a, &i, 1);
			keep(b, &kept_b, &j, 1);
		}
	}
	keep(a, &kept_a, &i, a->n - i);
	keep(b, &kept_b, &j, b->n - j);
	a->n = kept_a;
	b->n = kept_b;
}

/* Members by their digests, in a table of which at least half is free. */
struct known {
	struct known_member {
		struct digest digest;
		const struct nlattr **member;
	} *slot;
	size_t mask;
};

static void known_alloc(struct known *k, size_t n)
{
	size_t size = 2;

	while (size < 2 * n)
		size *= 2;
	*k = (struct known){mem_zalloc(size * sizeof(*k->slot)), size - 1};
}

/* Where it is, or would be. */
static struct known_member *known_find(const struct known *k, struct digest digest)
{
	size_t i = digest.low & k->mask;

	while (k->slot[i].member && !digest_equal(k->slot[i].digest, digest))
		i = (i + 1) & k->mask;
	return &k->slot[i];
}

/* Takes out of both what they have in common in any order. */
static void drop_common(struct side *a, struct side *b)
{
	struct known k;

	known_alloc(&k, a->n + 1);
	for (size_t i = 0; i < a->n; i++) {
		struct digest digest = member_digest(&a->d, a->member[i]);

		*known_find(&k, digest) = (struct known_member){digest, &a->member[i]};
	}
	for (size_t i = 0; i < b->n; i++) {
		struct known_member *m = known_find(&k, member_digest(&b->d, b->member[i]));

		if (m->member)
			*m->member = b->member[i] = NULL;
	}
	free(k.slot);
}

void ipset_items_apart(struct ruleset *was, const struct table *old, struct items *olds,
		       struct ruleset *is, const struct table *new, struct items *news)
{
	struct side a, b;

	side_begin(&a, was, old, olds);
	side_begin(&b, is, new, news);
	skip_common(&a, &b);
	drop_common(&a, &b);
	side_end(&a, olds);
	side_end(&b, news);
}

/* Places are of one list of pieces or another: a tie is broken by where it stands here. */
static int compare_place(const void *a, const void *b)
{
	const struct piece *const *x = a, *const *y = b;

	if ((*x)->item->end != (*y)->item->end)
		return (*x)->item->end < (*y)->item->end ? -1 : 1;
	return *x < *y ? -1 : *x > *y;
}

static const void *piece_at(const struct piece *p)
{
	return p->table->records.data + p->item->at;
}

static void put_members(struct table *t, const struct nlmsghdr *create,
			const struct piece *const *members, size_t n)
{
	struct ipset_writer w = {.records = &t->records};
	const struct nlattr *tb[IPSET_ATTR_CMD_MAX + 1];
	uint8_t protocol;

	record_attributes(create, tb);
	protocol = *(const uint8_t *)netlink_payload(tb[IPSET_ATTR_PROTOCOL]);
	for (size_t i = 0; i < n; i++) {
		const struct nlattr *member = piece_at(members[i]);

		if (ipset_writer_full(&w, member))
			ipset_writer_close(&w);
		ipset_store_member(&w, protocol, t->name, member);
	}
}

int ipset_compose(struct ruleset *rs, struct table *t, const struct piece *pieces, size_t n)
{
	const struct piece **members = mem_alloc((n + 1) * sizeof(*members));
	const struct nlmsghdr *create = NULL;
	size_t nmembers = 0;

	for (size_t i = 0; i < n; i++) {
		if (pieces[i].item->kind == ITEM_TABLE)
			create = piece_at(&pieces[i]);
		else
			members[nmembers++] = &pieces[i];
	}
	if (create) {
		buf_add(&t->records, create, create->nlmsg_len);
		qsort(members, nmembers, sizeof(*members), compare_place);
		put_members(t, create, members, nmembers);
	}
	free(members);
	t->size = t->records.len;
	return create ? ipset_digest(rs, t) : -EBADMSG;
}
