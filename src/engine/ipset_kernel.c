/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/ipset.h"
#include "log.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Unlike a netlink request this loads no module: only ip_set itself has the option. */
static int ask_version(struct ipset_kernel *k)
{
	struct ip_set_req_version version = {.op = IP_SET_OP_VERSION};
	socklen_t n = sizeof(version);

	if (!getsockopt(k->fd, IPPROTO_IP, SO_IP_SET, &version, &n))
		k->protocol = version.version < IPSET_PROTOCOL ? (uint8_t)version.version
							       : IPSET_PROTOCOL;
	else if (errno != ENOPROTOOPT)
		return -errno;
	return 0;
}

/* Any request makes the kernel load the module; the answer says nothing that is needed. */
static void load_module(struct ipset_kernel *k)
{
	struct nlmsghdr *nlh = netlink_header(k->message, NFNL_SUBSYS_IPSET, IPSET_CMD_PROTOCOL,
					      AF_UNSPEC, 0);

	mnl_attr_put_u8(nlh, IPSET_ATTR_PROTOCOL, IPSET_PROTOCOL);
	if (netlink_run(&k->netlink, nlh, NULL, NULL) < 0)
		log_detail("the kernel cannot load ipset");
}

static int open_netlink(struct ipset_kernel *k)
{
	int size = 1 << 20, r = netlink_open(&k->netlink);

	if (r < 0)
		return log_errno(r, "cannot open a netlink socket");
	setsockopt(k->netlink.fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	k->message = mem_zalloc(IPSET_RECORD_LIMIT + MNL_NLMSG_HDRLEN + 256);
	return 0;
}

int ipset_open(struct ipset_kernel *k, bool load)
{
	int r;

	*k = (struct ipset_kernel)IPSET_KERNEL_INIT;
	k->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (k->fd < 0)
		return log_errno(-errno, "cannot open a socket");
	r = ask_version(k);
	if (r < 0)
		return log_errno(r, "cannot ask the kernel for ipsets");
	if (!k->protocol && !load)
		return 0;
	r = open_netlink(k);
	if (r < 0 || k->protocol)
		return r;
	load_module(k);
	r = ask_version(k);
	if (!r && !k->protocol)
		r = -EOPNOTSUPP;
	return r < 0 ? log_errno(r, "the kernel has no ipset") : 0;
}

void ipset_close(struct ipset_kernel *k)
{
	netlink_close(&k->netlink);
	if (k->fd >= 0)
		close(k->fd);
	free(k->message);
	*k = (struct ipset_kernel)IPSET_KERNEL_INIT;
}

uint16_t ipset_index(const struct ipset_kernel *k, const char *name)
{
	struct ip_set_req_get_set ask = {.op = IP_SET_OP_GET_BYNAME, .version = k->protocol};
	socklen_t n = sizeof(ask);

	if (!k->protocol)
		return SET_REF_NONE;
	strncpy(ask.set.name, name, sizeof(ask.set.name) - 1);
	return getsockopt(k->fd, IPPROTO_IP, SO_IP_SET, &ask, &n) < 0 ? SET_REF_NONE
								       : ask.set.index;
}

/* The kernel's own codes, type specific ones for hash, bitmap and list. */
static const struct {
	int code;
	const char *type; /* beginning of the type's name; NULL: all */
	int error;
	const char *words;
} codes[] = {
	{IPSET_ERR_PROTOCOL, NULL, EPROTO, "the kernel speaks another protocol"},
	{IPSET_ERR_FIND_TYPE, NULL, EOPNOTSUPP, "the kernel has no such type of set"},
	{IPSET_ERR_MAX_SETS, NULL, ENOSPC, "the kernel takes no more sets"},
	{IPSET_ERR_BUSY, NULL, EBUSY, "it is in use"},
	{IPSET_ERR_EXIST_SETNAME2, NULL, EEXIST, "a set of that name exists"},
	{IPSET_ERR_TYPE_MISMATCH, NULL, EMEDIUMTYPE, "the types differ"},
	{IPSET_ERR_EXIST, NULL, EEXIST, "a member is there twice"},
	{IPSET_ERR_INVALID_CIDR, NULL, EINVAL, "a prefix length is not valid"},
	{IPSET_ERR_INVALID_NETMASK, NULL, EINVAL, "the netmask is not valid"},
	{IPSET_ERR_INVALID_FAMILY, NULL, EINVAL, "the type does not know the family"},
	{IPSET_ERR_TIMEOUT, NULL, EINVAL, "it was made without timeouts"},
	{IPSET_ERR_REFERENCED, NULL, EBUSY, "something refers to it"},
	{IPSET_ERR_IPADDR_IPV4, NULL, EINVAL, "an IPv4 address is not valid"},
	{IPSET_ERR_IPADDR_IPV6, NULL, EINVAL, "an IPv6 address is not valid"},
	{IPSET_ERR_COUNTER, NULL, EINVAL, "it was made without counters"},
	{IPSET_ERR_COMMENT, NULL, EINVAL, "it was made without comments"},
	{IPSET_ERR_INVALID_MARKMASK, NULL, EINVAL, "the markmask is not valid"},
	{IPSET_ERR_SKBINFO, NULL, EINVAL, "it was made without skbinfo"},
	{IPSET_ERR_TYPE_SPECIFIC, "hash:", ENOSPC, "the hash is full"},
	{IPSET_ERR_TYPE_SPECIFIC + 1, "hash:", EINVAL, "a member is null"},
	{IPSET_ERR_TYPE_SPECIFIC + 2, "hash:", EINVAL, "a protocol is not valid"},
	{IPSET_ERR_TYPE_SPECIFIC, "bitmap:", ERANGE, "a member is out of the range"},
	{IPSET_ERR_TYPE_SPECIFIC + 1, "bitmap:", ERANGE, "the range is too large"},
	{IPSET_ERR_TYPE_SPECIFIC, "list:", ENOENT, "a set that is a member is not there"},
	{IPSET_ERR_TYPE_SPECIFIC + 1, "list:", ELOOP, "a list cannot be a member"},
	{IPSET_ERR_TYPE_SPECIFIC + 4, "list:", ENOSPC, "the list is full"},
	{IPSET_ERR_TYPE_SPECIFIC + 5, "list:", EEXIST, "a member is there twice"},
};

/* Makes an errno of the kernel's answer; *words says what it means. */
static int translate(int r, const char *type, const char **words)
{
	*words = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		if (codes[i].code != -r || (codes[i].type && strncmp(type, codes[i].type,
								     strlen(codes[i].type))))
			continue;
		*words = codes[i].words;
		return -codes[i].error;
	}
	if (r > -IPSET_ERR_PRIVATE)
		return r;
	*words = "the kernel refuses it";
	return -EINVAL;
}

/* Logs "cannot DO 'x': why" unless quiet. */
static int answered(int r, const char *type, const char *deed, const char *name, bool quiet)
{
	const char *words;

	if (!r)
		return 0;
	r = translate(r, type, &words);
	if (!quiet && words)
		log_error("cannot %s ipset '%s': %s", deed, name, words);
	else if (!quiet)
		log_errno(r, "cannot %s ipset '%s'", deed, name);
	return r;
}

static struct nlmsghdr *begin(struct ipset_kernel *k, uint8_t command, const char *name)
{
	struct nlmsghdr *nlh =
		netlink_header(k->message, NFNL_SUBSYS_IPSET, command, AF_UNSPEC, 0);

	mnl_attr_put_u8(nlh, IPSET_ATTR_PROTOCOL, k->protocol);
	if (name)
		mnl_attr_put_strz(nlh, IPSET_ATTR_SETNAME, name);
	return nlh;
}

int ipset_destroy(struct ipset_kernel *k, const char *name, bool quiet)
{
	int r = netlink_run(&k->netlink, begin(k, IPSET_CMD_DESTROY, name), NULL, NULL);

	return answered(r, "", "remove", name, quiet);
}

int ipset_swap(struct ipset_kernel *k, const char *a, const char *b, bool quiet)
{
	struct nlmsghdr *nlh = begin(k, IPSET_CMD_SWAP, a);

	mnl_attr_put_strz(nlh, IPSET_ATTR_SETNAME2, b);
	return answered(netlink_run(&k->netlink, nlh, NULL, NULL), "", "replace", b, quiet);
}

int ipset_rename(struct ipset_kernel *k, const char *from, const char *to)
{
	struct nlmsghdr *nlh = begin(k, IPSET_CMD_RENAME, from);

	mnl_attr_put_strz(nlh, IPSET_ATTR_SETNAME2, to);
	return answered(netlink_run(&k->netlink, nlh, NULL, NULL), "", "rename", to, false);
}

/* A record under another name: what is behind PROTOCOL and SETNAME is the same. */
static int send_record(struct ipset_kernel *k, const struct nlmsghdr *record, const char *name)
{
	struct nlmsghdr *nlh = begin(k, ipset_command(record), name);
	const struct nlattr *a;
	size_t len;
	const struct nlattr *first = netlink_first(record, &len);

	if (ipset_command(record) == IPSET_CMD_CREATE)
		nlh->nlmsg_flags |= NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK;
	netlink_each(a, first, len)
	{
		if (mnl_attr_get_type(a) == IPSET_ATTR_PROTOCOL ||
		    mnl_attr_get_type(a) == IPSET_ATTR_SETNAME)
			continue;
		memcpy(mnl_nlmsg_get_payload_tail(nlh), a, a->nla_len);
		nlh->nlmsg_len += MNL_ALIGN(a->nla_len);
	}
	return netlink_run(&k->netlink, nlh, NULL, NULL);
}

static int see_revision(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *tb[IPSET_ATTR_CMD_MAX + 1];
	size_t len;
	const struct nlattr *first = netlink_first(nlh, &len);

	netlink_attributes(first, len, tb, IPSET_ATTR_CMD_MAX);
	if (tb[IPSET_ATTR_REVISION])
		*(int *)arg = *(uint8_t *)mnl_attr_get_payload(tb[IPSET_ATTR_REVISION]);
	return 0;
}

/* The newest revision of a type that this kernel has, or -1. */
static int newest_revision(struct ipset_kernel *k, const struct nlattr **create)
{
	struct nlmsghdr *nlh = begin(k, IPSET_CMD_TYPE, NULL);
	int revision = -1;

	mnl_attr_put_strz(nlh, IPSET_ATTR_TYPENAME, netlink_str(create[IPSET_ATTR_TYPENAME]));
	mnl_attr_put_u8(nlh, IPSET_ATTR_FAMILY, *(uint8_t *)mnl_attr_get_payload(create[IPSET_ATTR_FAMILY]));
	return netlink_run(&k->netlink, nlh, see_revision, &revision) < 0 ? -1 : revision;
}

/*
 * A newer kernel made it of a newer revision of its type; if it needs nothing that came with that, an older one is as
 * good, and if it does, the kernel refuses the attribute or the comparison finds it missing.
 */
static int create_older(struct ipset_kernel *k, const struct nlmsghdr *record, const char *name)
{
	cleanup_buf struct buf copy = BUF_INIT;
	const struct nlattr *tb[IPSET_ATTR_CMD_MAX + 1];
	uint8_t *revision;
	size_t len;
	const struct nlattr *first;
	int newest;

	buf_add(&copy, record, record->nlmsg_len);
	first = netlink_first((const struct nlmsghdr *)(const void *)copy.data, &len);
	netlink_attributes(first, len, tb, IPSET_ATTR_CMD_MAX);
	newest = newest_revision(k, tb);
	revision = mnl_attr_get_payload(tb[IPSET_ATTR_REVISION]);
	if (newest < 0 || newest >= *revision)
		return -IPSET_ERR_FIND_TYPE;
	*revision = (uint8_t)newest;
	return send_record(k, (const struct nlmsghdr *)(const void *)copy.data, name);
}

int ipset_make(struct ipset_kernel *k, const struct table *t, const char *name)
{
	bool made = false;
	int r = 0;

	ipset_each(record, &t->records) {
		r = send_record(k, record, name);
		if (r == -IPSET_ERR_FIND_TYPE && !made)
			r = create_older(k, record, name);
		if (r < 0)
			break;
		made = true;
	}
	r = answered(r, t->type, made ? "fill" : "create", t->name, false);
	if (r < 0 && made && ipset_destroy(k, name, true) < 0)
		log_warning("ipset '%s' stays behind", name);
	return r;
}

int ipset_send(struct ipset_kernel *k, const char *type, const struct buf *records,
	       const char *name)
{
	int r = 0;

	ipset_each(record, records) {
		r = r ? r : send_record(k, record, name);
	}
	return answered(r, type, "change", name, false);
}

int ipset_dump(struct ipset_kernel *k, const char *name, netlink_callback *fn, void *arg)
{
	struct nlmsghdr *nlh = begin(k, IPSET_CMD_LIST, name && *name ? name : NULL);

	if (name && !*name)
		mnl_attr_put_u32(nlh, IPSET_ATTR_FLAGS | NLA_F_NET_BYTEORDER,
				 htonl(IPSET_FLAG_LIST_SETNAME));
	nlh->nlmsg_flags |= NLM_F_DUMP;
	return netlink_run(&k->netlink, nlh, fn, arg);
}
