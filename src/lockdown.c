/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lockdown.h"

#include "engine.h"
#include "log.h"

#include <netinet/in.h> /* before the kernel's own */
#include <linux/netfilter.h>
#include <string.h>

static void add_way(struct lockdown *l, uint8_t protocol, uint16_t port)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->ways[i].protocol == protocol && l->ways[i].port == port)
			return;
	if (l->n < LOCKDOWN_WAYS)
		*(struct way_in *)array_grow(&l->ways, &l->n, sizeof(*l->ways)) =
			(struct way_in){protocol, port};
}

static void add_sshd(struct lockdown *l, const char *root)
{
	uint16_t ports[LOCKDOWN_WAYS];
	size_t n = sshd_ports(root, ports);

	for (size_t i = 0; i < n; i++)
		add_way(l, IPPROTO_TCP, ports[i]);
}

/* The configuration has checked them. */
static void find_ways(struct lockdown *l, const char *root, const char *ports)
{
	cleanup_free char *copy = str_dup(ports);

	for (char *rest = copy, *word; (word = strsep(&rest, ", \t"));) {
		if (!strcmp(word, "ssh"))
			add_sshd(l, root);
		else if (strtoul(word, NULL, 10))
			add_way(l, strstr(word, "/udp") ? IPPROTO_UDP : IPPROTO_TCP,
				(uint16_t)strtoul(word, NULL, 10));
	}
}

static char *describe(const struct lockdown *l)
{
	cleanup_buf struct buf text = BUF_INIT;

	for (size_t i = 0; i < l->n; i++)
		buf_printf(&text, "%s%s %u", i ? ", " : "",
			   l->ways[i].protocol == IPPROTO_UDP ? "udp" : "tcp", l->ways[i].port);
	return str_dup(l->n ? buf_str(&text) : "none");
}

int lockdown_make(struct lockdown *l, const char *root, const char *ports)
{
	int r = netns_identify(&l->rs.where);

	if (r)
		return log_errno(r, "cannot identify the network namespace");
	find_ways(l, root, ports);
	l->text = describe(l);
	nft_lockdown(&l->rs, l->ways, l->n);
	return engines_digest(&l->rs, "the lockdown");
}

void lockdown_release(struct lockdown *l)
{
	free(l->ways);
	free(l->text);
	ruleset_release(&l->rs);
	*l = (struct lockdown){0};
}

bool lockdown_is(const struct ruleset *rs)
{
	return ruleset_find(rs, ENGINE_NFT, NFPROTO_INET, NFT_LOCKDOWN_TABLE);
}
