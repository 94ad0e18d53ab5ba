/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/xtmatch.h"

#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/xt_connlimit.h>
#include <linux/netfilter/xt_recent.h>
#include <string.h>

static const struct {
	const char *name;
	uint8_t revision;
	size_t mask; /* where a union nf_inet_addr is */
} masks[] = {
	{"connlimit", 0, offsetof(struct xt_connlimit_info, mask)},
	{"connlimit", 1, offsetof(struct xt_connlimit_info, mask)},
	{"recent", 1, offsetof(struct xt_recent_mtinfo_v1, mask)},
};

/* iptables fills all of a default mask, but of one that is written out only the IPv4 part. */
void xtmatch_canonical(uint8_t family, const char *name, uint8_t revision, void *data, size_t size)
{
	for (size_t i = 0; i < ARRAY_SIZE(masks); i++)
		if (family == NFPROTO_IPV4 && revision == masks[i].revision &&
		    !strcmp(name, masks[i].name) &&
		    size >= masks[i].mask + sizeof(union nf_inet_addr))
			memset((char *)data + masks[i].mask + sizeof(struct in_addr), 0,
			       sizeof(union nf_inet_addr) - sizeof(struct in_addr));
}
