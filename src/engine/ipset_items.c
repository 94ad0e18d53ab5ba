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
	item->digest = ipset_member_digest(d, member);
	if (timeout)
		digest_add(&item->digest, digest_of("timeout", 7));
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
