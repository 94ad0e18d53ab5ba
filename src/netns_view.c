/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#define DUMP_BUFFER (32U << 10)
#define SEND_PIECE (16U << 10)

/* A dump that is being read. */
struct reading {
	struct buf *to;
	unsigned left; /* messages that are still wanted */
};

static int keep_message(const struct nlmsghdr *nlh, void *arg)
{
	struct reading *r = arg;

	if (!r->left)
		return MNL_CB_STOP;
	r->left--;
	buf_add(r->to, nlh, nlh->nlmsg_len);
	buf_add_zero(r->to, MNL_ALIGN(nlh->nlmsg_len) - nlh->nlmsg_len);
	return MNL_CB_OK;
}

/* A dump that was cut off on purpose leaves messages behind: each has a socket of its own. */
static int dump(uint16_t type, const void *header, size_t size, struct reading *reading)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	cleanup_free char *buffer = mem_alloc(DUMP_BUFFER);
	char space[64] __attribute__((aligned(8))) = {0};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(space);
	int r = nl ? 0 : -errno;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	memcpy(mnl_nlmsg_put_extra_header(nlh, size), header, size);
	if (!r && (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
		   mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0))
		r = -errno;
	for (int more = 1; !r && more > MNL_CB_STOP;) {
		ssize_t n = mnl_socket_recvfrom(nl, buffer, DUMP_BUFFER);

		more = n < 0 ? -1 : mnl_cb_run(buffer, (size_t)n, 0, 0, keep_message, reading);
		if (more < 0 && errno != EINTR)
			r = -errno;
	}
	if (nl)
		mnl_socket_close(nl);
	return r;
}

int netns_view_read(struct netns_view *v)
{
	const struct ifinfomsg link = {.ifi_family = AF_UNSPEC};
	const struct ifaddrmsg address = {.ifa_family = AF_UNSPEC};
	struct rtmsg route = {.rtm_family = AF_INET, .rtm_table = RT_TABLE_MAIN};
	int r;

	*v = (struct netns_view){BUF_INIT, BUF_INIT, BUF_INIT};
	r = dump(RTM_GETLINK, &link, sizeof(link), &(struct reading){&v->links, UINT32_MAX});
	if (!r)
		r = dump(RTM_GETADDR, &address, sizeof(address),
			 &(struct reading){&v->addresses, UINT32_MAX});
	if (!r)
		r = dump(RTM_GETROUTE, &route, sizeof(route),
			 &(struct reading){&v->routes, NETNS_ROUTES});
	route.rtm_family = AF_INET6;
	if (!r)
		r = dump(RTM_GETROUTE, &route, sizeof(route),
			 &(struct reading){&v->routes, NETNS_ROUTES});
	/* a kernel without IPv6 has no such routes */
	return r == -EAFNOSUPPORT || r == -EOPNOTSUPP ? 0 : r;
}

void netns_view_release(struct netns_view *v)
{
	buf_release(&v->links);
	buf_release(&v->addresses);
	buf_release(&v->routes);
}

#define each_message(nlh, messages)                                                                \
	for (const struct nlmsghdr *nlh = (const void *)(messages)->data;                          \
	     nlh && (const unsigned char *)nlh < (messages)->data + (messages)->len;               \
	     nlh = (const void *)((const char *)nlh + MNL_ALIGN(nlh->nlmsg_len)))

static const struct nlattr *attribute(const struct nlmsghdr *nlh, size_t header, uint16_t type)
{
	const struct nlattr *a;

	mnl_attr_for_each(a, nlh, header) if (mnl_attr_get_type(a) == type) return a;
	return NULL;
}

static const char *link_name(const struct nlmsghdr *nlh)
{
	const struct nlattr *a = attribute(nlh, sizeof(struct ifinfomsg), IFLA_IFNAME);

	return a ? mnl_attr_get_str(a) : "";
}

void netns_view_names(const struct netns_view *v, struct strlist *names)
{
	each_message(nlh, &v->links) strlist_add(names, link_name(nlh));
}

/* Interfaces that are being made, and messages that are still to be sent for them. */
struct making {
	const struct netns_view *view;
	const struct strlist *names;
	struct strlist *failed;
	unsigned *indexes; /* sorted, once all are made */
	size_t n;
	struct mnl_socket *nl;
	struct buf messages;
};

static int compare_index(const void *a, const void *b)
{
	unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

	return x < y ? -1 : x > y;
}

static bool is_made(const struct making *m, unsigned index)
{
	for (size_t low = 0, high = m->n; low < high;) {
		size_t middle = low + (high - low) / 2;

		if (m->indexes[middle] == index)
			return true;
		if (m->indexes[middle] < index)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

/* Without NLM_F_ACK: only refusals are answered, and nobody reads them. */
static void send_messages(struct making *m)
{
	if (m->messages.len && m->nl)
		(void)!mnl_socket_sendto(m->nl, m->messages.data, m->messages.len);
	m->messages.len = 0;
}

static void put_message(struct making *m, struct nlmsghdr *nlh, uint16_t flags)
{
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = nlh->nlmsg_pid = 0;
	buf_add(&m->messages, nlh, nlh->nlmsg_len);
	buf_add_zero(&m->messages, MNL_ALIGN(nlh->nlmsg_len) - nlh->nlmsg_len);
	if (m->messages.len >= SEND_PIECE)
		send_messages(m);
}

static struct nlmsghdr *link_message(char *space, const struct nlmsghdr *link)
{
	const struct ifinfomsg *was = mnl_nlmsg_get_payload(link);
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(space);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));

	nlh->nlmsg_type = RTM_NEWLINK;
	ifi->ifi_index = was->ifi_index;
	return nlh;
}

/* An attribute in a message of its own: a refusal costs only itself. */
static void copy_attribute(struct making *m, const struct nlmsghdr *link, uint16_t type)
{
	const struct nlattr *a = attribute(link, sizeof(struct ifinfomsg), type);
	char space[256] __attribute__((aligned(8))) = {0};
	struct nlmsghdr *nlh = link_message(space, link);

	if (!a || mnl_attr_get_payload_len(a) > 32)
		return;
	mnl_attr_put(nlh, type, mnl_attr_get_payload_len(a), mnl_attr_get_payload(a));
	put_message(m, nlh, 0);
}

/* Its IPv6 addresses are copied: it makes none itself. */
static void forbid_addresses(struct making *m, const struct nlmsghdr *link)
{
	char space[256] __attribute__((aligned(8))) = {0};
	struct nlmsghdr *nlh = link_message(space, link);
	struct nlattr *families = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	struct nlattr *ip6 = mnl_attr_nest_start(nlh, AF_INET6);

	mnl_attr_put_u8(nlh, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(nlh, ip6);
	mnl_attr_nest_end(nlh, families);
	put_message(m, nlh, 0);
}

static void bring_up(struct making *m, const struct nlmsghdr *link)
{
	const struct ifinfomsg *was = mnl_nlmsg_get_payload(link);
	char space[256] __attribute__((aligned(8))) = {0};
	struct nlmsghdr *nlh = link_message(space, link);
	struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);

	ifi->ifi_flags = was->ifi_flags & IFF_UP;
	ifi->ifi_change = IFF_UP;
	put_message(m, nlh, 0);
}

static void make_link(struct making *m, const struct nlmsghdr *link)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(link);
	const char *name = link_name(link);
	bool loopback = ifi->ifi_type == ARPHRD_LOOPBACK;
	int r;

	if (!loopback && m->names && !strlist_has(m->names, name))
		return;
	r = loopback ? 0 : netns_make_link(name, (unsigned)ifi->ifi_index);
	if (r) {
		cleanup_free char *why = str_printf("%s: %s", name, strerror(-r));

		strlist_add(m->failed, why);
		return;
	}
	*(unsigned *)array_grow(&m->indexes, &m->n, sizeof(*m->indexes)) = (unsigned)ifi->ifi_index;
	if (loopback)
		return;
	forbid_addresses(m, link);
	copy_attribute(m, link, IFLA_MTU);
	if (ifi->ifi_type == ARPHRD_ETHER)
		copy_attribute(m, link, IFLA_ADDRESS);
	bring_up(m, link);
}

/* A copy less what the kernel counts or decides itself. */
static struct nlmsghdr *copy_without(char *space, const struct nlmsghdr *nlh, size_t header,
				     const uint16_t *left_out, size_t n)
{
	struct nlmsghdr *copy = mnl_nlmsg_put_header(space);
	const struct nlattr *a;

	copy->nlmsg_type = nlh->nlmsg_type;
	memcpy(mnl_nlmsg_put_extra_header(copy, header), mnl_nlmsg_get_payload(nlh), header);
	mnl_attr_for_each(a, nlh, header)
	{
		bool skip = false;

		for (size_t i = 0; i < n; i++)
			skip = skip || mnl_attr_get_type(a) == left_out[i];
		if (!skip)
			mnl_attr_put(copy, a->nla_type, mnl_attr_get_payload_len(a),
				     mnl_attr_get_payload(a));
	}
	return copy;
}

static void add_address(struct making *m, const struct nlmsghdr *address)
{
	static const uint16_t left_out[] = {IFA_CACHEINFO, IFA_FLAGS};
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(address);
	cleanup_free char *space = mem_zalloc(address->nlmsg_len + 64);
	struct nlmsghdr *nlh;

	if (!is_made(m, ifa->ifa_index))
		return;
	nlh = copy_without(space, address, sizeof(*ifa), left_out, ARRAY_SIZE(left_out));
	((struct ifaddrmsg *)mnl_nlmsg_get_payload(nlh))->ifa_flags = IFA_F_NODAD;
	put_message(m, nlh, NLM_F_CREATE | NLM_F_EXCL);
}

static bool route_is_wanted(const struct making *m, const struct nlmsghdr *route)
{
	const struct rtmsg *rt = mnl_nlmsg_get_payload(route);
	const struct nlattr *out = attribute(route, sizeof(*rt), RTA_OIF);
	bool near = !attribute(route, sizeof(*rt), RTA_GATEWAY);

	if (rt->rtm_table != RT_TABLE_MAIN || rt->rtm_flags & RTM_F_CLONED)
		return false;
	if (!m->names)
		return true;
	return (near || !rt->rtm_dst_len) && (!out || is_made(m, mnl_attr_get_u32(out)));
}

static void add_route(struct making *m, const struct nlmsghdr *route)
{
	static const uint16_t left_out[] = {RTA_CACHEINFO, RTA_PREF, RTA_EXPIRES};
	cleanup_free char *space = NULL;
	struct nlmsghdr *nlh;

	if (!route_is_wanted(m, route))
		return;
	space = mem_zalloc(route->nlmsg_len + 64);
	nlh = copy_without(space, route, sizeof(struct rtmsg), left_out, ARRAY_SIZE(left_out));
	((struct rtmsg *)mnl_nlmsg_get_payload(nlh))->rtm_flags &= RTNH_F_ONLINK;
	put_message(m, nlh, NLM_F_CREATE | NLM_F_EXCL);
}

void netns_view_make(const struct netns_view *v, const struct strlist *names,
		     struct strlist *failed)
{
	struct making m = {.view = v, .names = names, .failed = failed};

	m.nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	each_message(link, &v->links) make_link(&m, link);
	send_messages(&m);
	if (m.n)
		qsort(m.indexes, m.n, sizeof(*m.indexes), compare_index);
	each_message(address, &v->addresses) add_address(&m, address);
	send_messages(&m);
	/* those by way of a gateway need the others first */
	for (int far = 0; far <= 1; far++) {
		each_message(route, &v->routes) if (!attribute(route, sizeof(struct rtmsg),
							       RTA_GATEWAY) == !far)
			add_route(&m, route);
		send_messages(&m);
	}
	if (m.nl)
		mnl_socket_close(m.nl);
	buf_release(&m.messages);
	free(m.indexes);
}
