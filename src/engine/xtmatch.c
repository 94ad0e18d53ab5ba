/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/xtmatch.h"

#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/xt_connlimit.h>
#include <linux/netfilter/xt_recent.h>
#include <linux/netfilter/xt_set.h>
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

unsigned xtmatch_sets(const char *name, uint8_t revision, size_t *step)
{
	*step = revision ? sizeof(struct xt_set_info) : sizeof(struct xt_set_info_v0);
	if (!strcmp(name, "set"))
		return 1;
	if (strcmp(name, "SET"))
		return 0;
	return revision < 3 ? 2 : 3;
}

void xtmatch_add_fact(struct facts *f, const char *name, const void *data, size_t size)
{
	if (!strcmp(name, "comment")) {
		cleanup_free char *text = str_printf("%.*s", (int)size, (const char *)data);

		facts_add(f, FACT_COMMENT, text);
	} else {
		facts_add(f, FACT_MATCH, name);
	}
}

void xtmatch_add_protocol(struct facts *f, uint8_t protocol)
{
	static const struct {
		uint8_t number;
		const char *name;
	} names[] = {
		{IPPROTO_TCP, "tcp"},	{IPPROTO_UDP, "udp"},	  {IPPROTO_SCTP, "sctp"},
		{IPPROTO_ICMP, "icmp"}, {IPPROTO_ICMPV6, "icmp6"},
	};
	cleanup_free char *number = str_printf("%u", protocol);
	const char *name = number;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].number == protocol)
			name = names[i].name;
	if (protocol)
		facts_add(f, FACT_MATCH, name);
}
