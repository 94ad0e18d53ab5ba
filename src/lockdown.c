/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lockdown.h"

#include "engine/nft_hold.h"
#include "log.h"
#include "rehearse.h"

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

static void put_ways(const struct lockdown *l, struct buf *out)
{
	for (size_t i = 0; i < l->n; i++)
		buf_printf(out, "-A " NFT_LOCKDOWN_TABLE " -p %s --dport %u -j ACCEPT\n",
			   l->ways[i].protocol == IPPROTO_UDP ? "udp" : "tcp", l->ways[i].port);
}

/* What nft_lockdown makes, for iptables-legacy-restore or ip6tables-legacy-restore. */
static void put_text(const struct lockdown *l, bool six, struct buf *out)
{
	buf_printf(out, "# Load with: ip%stables-legacy-restore < FILE\n*filter\n:INPUT DROP [0:0]\n"
			":FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n:" NFT_LOCKDOWN_TABLE " - [0:0]\n"
			"-A INPUT -j " NFT_LOCKDOWN_TABLE "\n"
			"-A " NFT_LOCKDOWN_TABLE " -i lo -j ACCEPT\n"
			"-A " NFT_LOCKDOWN_TABLE " -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
			"-A " NFT_LOCKDOWN_TABLE " -p udp --sport %d --dport %d -j ACCEPT\n",
		   six ? "6" : "", six ? 547 : 67, six ? 546 : 68);
	for (int type = 130; six && type <= 137; type++)
		buf_printf(out, "-A " NFT_LOCKDOWN_TABLE " -p ipv6-icmp --icmpv6-type %d -j ACCEPT\n", type);
	put_ways(l, out);
	buf_add_str(out, "COMMIT\n");
}

static int make_legacy(struct lockdown *l)
{
	struct ruleset nothing = {.where = l->rs.where};
	struct rehearse_file files[] = {{.name = "the lockdown", .kind = TEXT_IPTABLES},
					{.name = "the lockdown", .kind = TEXT_IP6TABLES}};
	struct rehearsal rehearsal = {.live = &nothing, .files = files, .nfiles = ARRAY_SIZE(files)};
	int r;

	put_text(l, false, &files[0].content);
	put_text(l, true, &files[1].content);
	r = rehearse(&rehearsal);
	if (!r) {
		ruleset_release(&l->rs);
		l->rs = rehearsal.candidate;
		rehearsal.candidate = (struct ruleset){0};
	}
	rehearsal_release(&rehearsal);
	rehearse_file_release(&files[0]);
	rehearse_file_release(&files[1]);
	return r;
}

int lockdown_make(struct lockdown *l, const char *root, const char *ports)
{
	int r = netns_identify(&l->rs.where);

	if (r)
		return log_errno(r, "cannot identify the network namespace");
	find_ways(l, root, ports);
	l->text = describe(l);
	if (!nft_there())
		return make_legacy(l);
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
	for (size_t i = 0; i < rs->ntables; i++)
		if (rs->tables[i].engine == ENGINE_XTABLES &&
		    strlist_has(&rs->tables[i].chains, NFT_LOCKDOWN_TABLE))
			return true;
	return ruleset_find(rs, ENGINE_NFT, NFPROTO_INET, NFT_LOCKDOWN_TABLE);
}
