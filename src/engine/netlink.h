/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * netlink - a socket to the kernel's netfilter, requests and dumps (libmnl)
 *
 * The socket belongs to the network namespace in which it was opened.
 * Functions return 0 or -errno and log nothing.
 */
#ifndef FWSNAP_NETLINK_H
#define FWSNAP_NETLINK_H

#include "buf.h"

#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>

struct netlink {
	int fd;
	uint32_t seq;
	void *answer; /* NETLINK_ANSWER bytes */
};

/* The kernel never puts more than 32 KiB into one piece of a dump. */
#define NETLINK_ANSWER (64U << 10)

/*
 * Whether the kernel has a part of this name ("nf_tables", "ip_set") built in or loaded: asking it by
 * netlink would load the module, which looking must not do.
 */
bool netlink_kernel_has(const char *module);

must_check int netlink_open(struct netlink *n);
void netlink_close(struct netlink *n);
#define cleanup_netlink __attribute__((cleanup(netlink_close)))

/*
 * Starts a message of a netfilter subsystem in buf (at least 256 bytes). The flags
 * get NLM_F_REQUEST, the sequence number is set by netlink_run.
 */
struct nlmsghdr *netlink_header(void *buf, uint8_t subsystem, uint8_t message, uint8_t family,
				uint16_t flags);

/* Sees each message of an answer; 0, or -errno to end it early. */
typedef int netlink_callback(const struct nlmsghdr *nlh, void *arg);

/*
 * Sends the request and hands each message of the answer to fn (NULL: none is
 * expected). With NLM_F_DUMP it reads until the dump's end (-EINTR: fn saw all of it, but something
 * changed meanwhile, perhaps in what was dumped), else until the acknowledgement, which it asks for.
 */
must_check int netlink_run(struct netlink *n, struct nlmsghdr *request, netlink_callback *fn,
			   void *arg);

/* Attributes of a message or a nest by type into tb[max + 1]; others are passed over. */
void netlink_attributes(const struct nlattr *first, size_t len, const struct nlattr **tb,
			unsigned max);
/* The attributes of a netfilter message, behind its nfgenmsg. */
const struct nlattr *netlink_first(const struct nlmsghdr *nlh, size_t *len);

/* Values of attributes, bounded by their length: 0 or "" if a is NULL, too short or not terminated. */
uint32_t netlink_u32(const struct nlattr *a); /* from network order */
uint64_t netlink_u64(const struct nlattr *a);
const char *netlink_str(const struct nlattr *a);

/* Walking attributes, in hostile or trusted bytes alike; the hot paths of large rulesets are here. */
static inline const void *netlink_payload(const struct nlattr *a)
{
	return (const char *)a + NLA_HDRLEN;
}

static inline size_t netlink_length(const struct nlattr *a)
{
	return a->nla_len - (size_t)NLA_HDRLEN;
}

static inline unsigned netlink_type(const struct nlattr *a)
{
	return a->nla_type & NLA_TYPE_MASK;
}

static inline bool netlink_ok(const struct nlattr *a, const char *end)
{
	return (const char *)a < end && (size_t)(end - (const char *)a) >= sizeof(*a) &&
	       a->nla_len >= sizeof(*a) && a->nla_len <= end - (const char *)a;
}

static inline const struct nlattr *netlink_next(const struct nlattr *a)
{
	return (const struct nlattr *)(const void *)((const char *)a + NLA_ALIGN(a->nla_len));
}

#define netlink_each(a, first, len)                                                                \
	for ((a) = (first); netlink_ok((a), (const char *)(first) + (len)); (a) = netlink_next(a))
/* The same over the attributes inside a nest. */
#define netlink_each_in(a, nest)                                                                   \
	netlink_each(a, (const struct nlattr *)netlink_payload(nest), netlink_length(nest))

/* The first attribute of this type within another one; NULL: there is none, or nothing to look in. */
const struct nlattr *netlink_child(const struct nlattr *nest, unsigned type);

#endif
