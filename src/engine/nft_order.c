/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/nft.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink_hook.h>
#include <string.h>

/* A place in the stack where chains queue: a hook, a priority, a device where the hook has one. */
struct place {
	uint8_t family; /* ip, ip6, arp, bridge, netdev */
	uint32_t hook;
	int32_t priority;
	const char *device; /* or "" */
	const struct nft_base **bases;
	size_t n;
};

struct places {
	struct place *p;
	size_t n;
};

static void queue_at(struct places *all, uint8_t family, uint32_t hook, const char *device,
		     const struct nft_base *base)
{
	struct place *p = NULL;

	for (size_t i = 0; i < all->n; i++)
		if (all->p[i].family == family && all->p[i].hook == hook &&
		    all->p[i].priority == base->priority && !strcmp(all->p[i].device, device))
			p = &all->p[i];
	if (!p) {
		p = array_grow(&all->p, &all->n, sizeof(*p));
		*p = (struct place){family, hook, base->priority, device, NULL, 0};
	}
	*(const struct nft_base **)array_grow(&p->bases, &p->n, sizeof(*p->bases)) = base;
}

/* An inet chain queues in ip and ip6, except at ingress, which is a device's. */
static void place_base(struct places *all, const struct nft_base *b)
{
	bool ingress = b->family == NFPROTO_INET && b->hook == NF_INET_INGRESS;

	if (ingress || b->family == NFPROTO_NETDEV) {
		for (size_t i = 0; i < b->devices->n; i++)
			queue_at(all, NFPROTO_NETDEV, ingress ? NF_NETDEV_INGRESS : b->hook,
				 b->devices->s[i], b);
	} else if (b->family == NFPROTO_INET) {
		queue_at(all, NFPROTO_IPV4, b->hook, "", b);
		queue_at(all, NFPROTO_IPV6, b->hook, "", b);
	} else {
		queue_at(all, b->family, b->hook, "", b);
	}
}

struct listing {
	const struct place *place;
	struct buf *line;
};

static void list_base(struct buf *line, const struct nft_base *b)
{
	buf_printf(line, " %s %s %s,", family_name(b->family), b->table, b->chain);
}

static int on_hook(const struct nlmsghdr *nlh, void *arg)
{
	struct listing *l = arg;
	const struct nlattr *tb[NFNLA_HOOK_MAX + 1], *info[NFNLA_HOOK_INFO_MAX + 1],
		*desc[NFNLA_CHAIN_MAX + 1];
	size_t len;
	const struct nlattr *first = netlink_first(nlh, &len);

	netlink_attributes(first, len, tb, NFNLA_HOOK_MAX);
	if (!tb[NFNLA_HOOK_CHAIN_INFO])
		return 0;
	netlink_attributes(netlink_payload(tb[NFNLA_HOOK_CHAIN_INFO]),
			   netlink_length(tb[NFNLA_HOOK_CHAIN_INFO]), info,
			   NFNLA_HOOK_INFO_MAX);
	if (!info[NFNLA_HOOK_INFO_DESC])
		return 0;
	netlink_attributes(netlink_payload(info[NFNLA_HOOK_INFO_DESC]),
			   netlink_length(info[NFNLA_HOOK_INFO_DESC]), desc,
			   NFNLA_CHAIN_MAX);
	for (size_t i = 0; i < l->place->n; i++) {
		const struct nft_base *b = l->place->bases[i];

		if (!strcmp(b->table, netlink_str(desc[NFNLA_CHAIN_TABLE])) &&
		    !strcmp(b->chain, netlink_str(desc[NFNLA_CHAIN_NAME])) &&
		    desc[NFNLA_CHAIN_FAMILY] &&
		    mnl_attr_get_u8(desc[NFNLA_CHAIN_FAMILY]) == b->family &&
		    (int32_t)netlink_u32(tb[NFNLA_HOOK_PRIORITY]) == l->place->priority)
			list_base(l->line, b);
	}
	return 0;
}

static int ask_kernel(struct netlink *n, const struct place *p, struct buf *line)
{
	char buf[256];
	struct nlmsghdr *nlh =
		netlink_header(buf, NFNL_SUBSYS_HOOK, NFNL_MSG_HOOK_GET, p->family, NLM_F_DUMP);
	struct listing l = {p, line};

	mnl_attr_put_u32(nlh, NFNLA_HOOK_HOOKNUM, htonl(p->hook));
	if (*p->device)
		mnl_attr_put_strz(nlh, NFNLA_HOOK_DEV, p->device);
	return netlink_run(n, nlh, on_hook, &l);
}

/*
 * A kernel without NFNL_SUBSYS_HOOK does not tell. Of chains with equal priority the
 * one registered last comes first, so the newest table stands first here too.
 */
static void assume(const struct place *p, struct buf *line)
{
	for (size_t i = p->n; i-- > 0;)
		list_base(line, p->bases[i]);
}

int nft_order_capture(struct netlink *n, const struct nft_base *bases, size_t nbases,
		      struct buf *order)
{
	struct places all = {NULL, 0};
	cleanup_strlist struct strlist lines = {NULL, 0};
	bool known = netlink_kernel_has("nfnetlink_hook");

	for (size_t i = 0; i < nbases; i++)
		place_base(&all, &bases[i]);
	for (size_t i = 0; i < all.n; i++) {
		struct place *p = &all.p[i];
		cleanup_buf struct buf line = BUF_INIT, head = BUF_INIT;

		if (p->n > 1) {
			if (!known || ask_kernel(n, p, &line))
				known = false;
			if (!line.len)
				assume(p, &line);
			buf_printf(&head, "%s %u %d%s%s:%.*s", family_name(p->family), p->hook,
				   p->priority, *p->device ? " " : "", p->device,
				   (int)line.len - 1, buf_str(&line));
			strlist_add(&lines, buf_str(&head));
		}
		free(p->bases);
	}
	strlist_sort(&lines);
	for (size_t i = 0; i < lines.n; i++)
		buf_printf(order, "%s\n", lines.s[i]);
	free(all.p);
	return 0;
}
