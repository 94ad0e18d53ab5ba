/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What change_run promises beside the target itself: what it leaves alone, and how it fails. */
#include "altered.h"
#include "place.h"
#include "rows.h"

#include "engine/nft.h"

#include <arpa/inet.h>
#include <libnftnl/common.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define CHAIN(hook, rules) "chain " hook " {\ntype filter hook " hook " priority 0;\n" rules "\n}\n"

static void legacy_or_skip(void)
{
	if (!engines[ENGINE_XTABLES]) {
		print_message("built without legacy iptables\n");
		skip();
	}
}

/* Loads a ruleset that has to load. */
static void load(const char *program, const char *sets, const char *text)
{
	const struct row row = {.program = program, .sets = sets, .text = text};
	cleanup_buf struct buf err = BUF_INIT;

	if (row_load(&row, &err))
		fail_msg("%s", buf_str(&err));
}

static void lose_all(void)
{
	struct ruleset nothing = {0};

	assert_int_not_equal(place_change(&nothing), CHANGE_LOST);
}

/* Loads a ruleset, captures it and loses it. */
static void capture_of(struct ruleset *rs, const char *program, const char *sets, const char *text)
{
	load(program, sets, text);
	place_capture(rs);
	lose_all();
}

static void assert_live(const struct ruleset *want)
{
	struct ruleset have = {0};
	cleanup_buf struct buf differences = BUF_INIT;

	place_capture_digests(&have);
	ruleset_differences(want, &have, &differences);
	assert_string_equal(buf_str(&differences), "");
	assert_true(ruleset_equal(want, &have));
	ruleset_release(&have);
}

/* All that stock programs list of the live ruleset. Caller frees. */
static char *all_listed(void)
{
	return place_shell("nft -a list ruleset; cat /proc/net/ip_tables_names 2>/dev/null | "
			   "while read t; do iptables-legacy-save -c -t $t | grep -v '^#'; done; ipset save");
}

/* Changes, which has to end like this, and returns what was said. Caller frees. */
static char *change_ends(struct ruleset *live, struct ruleset *target, enum change_result expected)
{
	int listening = place_listen();
	enum change_result result = change_run(live, target, PLACE_WAIT);
	char *said = place_heard(listening);

	if (result != expected)
		fail_msg("ended with %d, not %d: %s", result, expected, said);
	return said;
}

/* As above, and the firewall has to be exactly as it was. */
static char *change_fails(struct ruleset *target, enum change_result expected)
{
	struct ruleset live = {0};
	cleanup_free char *before = all_listed(), *after = NULL;
	char *said;

	place_capture(&live);
	said = change_ends(&live, target, expected);
	assert_live(&live);
	after = all_listed();
	if (expected != CHANGE_UNDONE)
		assert_string_equal(before, after);
	ruleset_release(&live);
	return said;
}

static void nothing_is_sent_if_all_is_equal(void **state)
{
	struct ruleset target = {0}, live = {0};
	uint32_t generation;

	(void)state;
	load("nft", "create s hash:ip\n", "table ip t {\n" CHAIN("input", "counter packets 5 bytes 50") "}\n");
	place_capture(&target);
	generation = target.generation;
	place_capture(&live);
	assert_int_equal(change_run(&live, &target, PLACE_WAIT), CHANGE_NOTHING);
	place_capture(&live);
	assert_int_equal(live.generation, generation);
	ruleset_release(&target);
	ruleset_release(&live);
}

static void equal_tables_are_not_touched(void **state)
{
	struct ruleset target = {0};
	cleanup_free char *before = NULL, *after = NULL, *sets = NULL;

	(void)state;
	load("nft", "create s hash:ip counters\nadd s 1.1.1.1 packets 1 bytes 1\n",
	     "table ip equal {\ncounter c {\npackets 1 bytes 1\n}\n" CHAIN("input", "counter packets 1 bytes 1") "}\n"
	     "table ip other {\n" CHAIN("forward", "tcp dport 22 accept") "}\n");
	place_capture(&target);
	lose_all();
	load("nft", "create s hash:ip counters\nadd s 1.1.1.1 packets 7 bytes 7\n",
	     "table ip equal {\ncounter c {\npackets 7 bytes 70\n}\n" CHAIN("input", "counter packets 9 bytes 90") "}\n"
	     "table ip other {\n" CHAIN("output", "drop") "}\n");
	before = place_shell("nft -a list table ip equal");
	assert_int_equal(place_change(&target), CHANGE_DONE);
	after = place_shell("nft -a list table ip equal");
	assert_string_equal(before, after);
	sets = place_shell("ipset save");
	assert_non_null(strstr(sets, "add s 1.1.1.1 packets 7 bytes 7"));
	assert_live(&target);
	ruleset_release(&target);
}

/* Two texts of one program that are equal, or are not, by the definition. */
static const struct pair {
	const char *what, *program, *one, *other;
	bool differ;
} pairs[] = {
	{"counters of rules", "nft", "table ip t {\nchain c {\ncounter packets 1 bytes 1\n}\n}\n",
	 "table ip t {\nchain c {\ncounter packets 2 bytes 2\n}\n}\n", false},
	{"counters of elements", "nft",
	 "table ip t {\nset s {\ntype mark\ncounter\nelements = { 1 counter packets 1 bytes 1 }\n}\n}\n",
	 "table ip t {\nset s {\ntype mark\ncounter\nelements = { 1 counter packets 2 bytes 2 }\n}\n}\n", false},
	{"counter objects", "nft", "table ip t {\ncounter c {\npackets 1 bytes 1\n}\n}\n",
	 "table ip t {\ncounter c {\npackets 2 bytes 2\n}\n}\n", false},
	{"consumed quota", "nft", "table ip t {\nquota q {\n9 mbytes used 1 bytes\n}\n}\n",
	 "table ip t {\nquota q {\n9 mbytes used 2 bytes\n}\n}\n", false},
	{"quota", "nft", "table ip t {\nquota q {\n9 mbytes\n}\n}\n", "table ip t {\nquota q {\n8 mbytes\n}\n}\n", true},
	{"remaining time", "nft",
	 "table ip t {\nset s {\ntype mark\nflags timeout\nelements = { 1 timeout 1h expires 9m }\n}\n}\n",
	 "table ip t {\nset s {\ntype mark\nflags timeout\nelements = { 1 timeout 1h expires 8m }\n}\n}\n", false},
	{"elements with a timeout", "nft",
	 "table ip t {\nset s {\ntype mark\nflags timeout\nelements = { 1 timeout 1h, 9 }\n}\n}\n",
	 "table ip t {\nset s {\ntype mark\nflags timeout\nelements = { 2 timeout 2h, 9 }\n}\n}\n", false},
	{"elements without a timeout beside them", "nft",
	 "table ip t {\nset s {\ntype mark\nflags timeout\nelements = { 1 timeout 1h, 9 }\n}\n}\n",
	 "table ip t {\nset s {\ntype mark\nflags timeout\nelements = { 1 timeout 1h, 8 }\n}\n}\n", true},
	{"elements of a set that a rule adds to", "nft",
	 "table ip t {\nset s {\ntype mark\nflags dynamic\nelements = { 1 }\n}\nchain c {\nadd @s { meta mark }\n}\n}\n",
	 "table ip t {\nset s {\ntype mark\nflags dynamic\nelements = { 2, 3 }\n}\nchain c {\nadd @s { meta mark }\n}\n}\n",
	 false},
	{"order of elements", "nft", "table ip t {\nset s {\ntype mark\nelements = { 1, 2, 3 }\n}\n}\n",
	 "table ip t {\nset s {\ntype mark\nelements = { 3, 1, 2 }\n}\n}\n", false},
	{"order of rules", "nft", "table ip t {\nchain c {\ndrop\naccept\n}\n}\n",
	 "table ip t {\nchain c {\naccept\ndrop\n}\n}\n", true},
	{"order of rules in bound chains", "nft", "table ip t {\nchain c {\njump {\ndrop\naccept\n}\n}\n}\n",
	 "table ip t {\nchain c {\njump {\naccept\ndrop\n}\n}\n}\n", true},
	{"order of tables and chains", "nft", "table ip a {\nchain c {\n}\nchain d {\n}\n}\ntable ip b {\n}\n",
	 "table ip b {\n}\ntable ip a {\nchain d {\n}\nchain c {\n}\n}\n", false},
	{"order of base chains of one priority", "nft",
	 "table ip a {\n" CHAIN("input", "counter") "}\ntable ip b {\n" CHAIN("input", "counter") "}\n",
	 "table ip b {\n" CHAIN("input", "counter") "}\ntable ip a {\n" CHAIN("input", "counter") "}\n", true},
	{"names of anonymous sets and bound chains", "nft",
	 "add table ip t\nadd chain ip t c\nadd rule ip t c meta mark { 1, 2 } drop\n"
	 "add rule ip t c jump { counter; }\n",
	 "add table ip t\nadd chain ip t c\nadd rule ip t c meta mark { 3, 4 } drop\nflush chain ip t c\n"
	 "add rule ip t c jump { drop; }\nadd rule ip t c meta mark { 5, 6 } drop\nflush chain ip t c\n"
	 "add rule ip t c meta mark { 1, 2 } drop\nadd rule ip t c jump { counter; }\n", false},
	{"elements of anonymous sets", "nft", "table ip t {\nchain c {\nmeta mark { 1, 2 } drop\n}\n}\n",
	 "table ip t {\nchain c {\nmeta mark { 1, 3 } drop\n}\n}\n", true},
	{"an empty base chain that accepts", "nft", "table ip t {\n" CHAIN("input", "") "}\n", "table ip t {\n}\n", false},
	{"an empty base chain that drops", "nft", "table ip t {\n" CHAIN("input", "policy drop;") "}\n",
	 "table ip t {\n}\n", true},
	{"an empty chain", "nft", "table ip t {\nchain c {\n}\n}\n", "table ip t {\n}\n", true},
	{"a dormant table", "nft", "table ip t {\nflags dormant;\n}\n", "table ip t {\n}\n", true},
	{"devices of a chain", "nft",
	 "table netdev t {\nchain c {\ntype filter hook ingress devices = { d0, d1 } priority 0; counter;\n}\n}\n",
	 "table netdev t {\nchain c {\ntype filter hook ingress devices = { d1, d0 } priority 0; counter;\n}\n}\n", false},
	{"a device of a chain", "nft",
	 "table netdev t {\nchain c {\ntype filter hook ingress device \"d0\" priority 0; counter;\n}\n}\n",
	 "table netdev t {\nchain c {\ntype filter hook ingress device \"d1\" priority 0; counter;\n}\n}\n", true},
	{"counters of legacy rules and policies", "iptables-legacy",
	 "*filter\n:INPUT DROP [1:1]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n[1:1] -A INPUT -j ACCEPT\nCOMMIT\n",
	 "*filter\n:INPUT DROP [2:2]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n[2:2] -A INPUT -j ACCEPT\nCOMMIT\n",
	 false},
	{"a legacy policy", "iptables-legacy",
	 "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n",
	 "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n", true},
	{"an empty legacy table", "iptables-legacy",
	 "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n", "", false},
	{"order of legacy rules", "ip6tables-legacy",
	 "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp -j DROP\n-A INPUT -j ACCEPT\nCOMMIT\n",
	 "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j ACCEPT\n-A INPUT -p tcp -j DROP\nCOMMIT\n", true},
	{"order and counters of members", "ipset",
	 "create s hash:ip counters\nadd s 1.1.1.1 packets 1 bytes 1\nadd s 2.2.2.2\n",
	 "create s hash:ip counters\nadd s 2.2.2.2\nadd s 1.1.1.1 packets 2 bytes 2\n", false},
	{"members with a timeout", "ipset", "create s hash:ip timeout 60\nadd s 1.1.1.1\n",
	 "create s hash:ip timeout 60\nadd s 2.2.2.2\n", false},
	{"members without a timeout", "ipset", "create s hash:ip timeout 60\nadd s 1.1.1.1 timeout 0\n",
	 "create s hash:ip timeout 60\nadd s 2.2.2.2 timeout 0\n", true},
	{"order of a list", "ipset", "create a hash:ip\ncreate b hash:ip\ncreate l list:set\nadd l a\nadd l b\n",
	 "create a hash:ip\ncreate b hash:ip\ncreate l list:set\nadd l b\nadd l a\n", true},
	{"size of the hash", "ipset", "create s hash:ip hashsize 64\n", "create s hash:ip hashsize 4096\n", false},
	{"most members", "ipset", "create s hash:ip maxelem 64\n", "create s hash:ip maxelem 128\n", true},
	{"type of a set", "ipset", "create s hash:ip\n", "create s hash:net\n", true},
};

static void equal_or_not(void **state)
{
	const struct pair *p = *state;
	struct ruleset one = {0}, other = {0};

	if (strstr(p->program, "legacy"))
		legacy_or_skip();
	capture_of(&one, p->program, NULL, p->one);
	place_move(true);
	capture_of(&other, p->program, NULL, p->other);
	assert_int_equal(ruleset_equal(&one, &other), !p->differ);
	ruleset_release(&one);
	ruleset_release(&other);
}

/* From one ruleset to another, and back. */
static const struct turn {
	const char *what, *program;
	const char *one, *other, *sets_one, *sets_other;
} turns[] = {
	{"policy drop, with other rules", "nft",
	 "table inet t {\n" CHAIN("input", "policy drop; tcp dport 22 accept") CHAIN("forward", "policy drop;") "}\n",
	 "table inet t {\n" CHAIN("input", "policy drop; tcp dport 23 accept\nudp dport 53 accept") "}\n", NULL, NULL},
	{"policy accept, then drop", "nft", "table ip t {\n" CHAIN("input", "policy accept; counter") "}\n",
	 "table ip t {\n" CHAIN("input", "policy drop; counter") "}\n", NULL, NULL},
	{"a set's type", "nft", "table ip t {\nset s {\ntype mark\nelements = { 1 }\n}\nchain c {\nmeta mark @s drop\n}\n}\n",
	 "table ip t {\nset s {\ntype ipv4_addr\nflags interval\nelements = { 10.0.0.0/8 }\n}\n"
	 "chain c {\nip saddr @s drop\n}\n}\n", NULL, NULL},
	{"anonymous sets and bound chains", "nft",
	 "table ip t {\nchain c {\nmeta mark { 1, 2 } jump {\ncounter\n}\n}\n}\n",
	 "table ip t {\nchain c {\ncounter\nmeta mark { 1, 3 } jump {\ndrop\n}\nmeta mark { 5-9 } accept\n}\n}\n", NULL, NULL},
	{"a table's family", "nft", "table ip t {\n" CHAIN("input", "drop") "}\n",
	 "table inet t {\n" CHAIN("input", "drop") "}\n", NULL, NULL},
	{"a name that a table, a chain and a set share", "nft",
	 "table ip t {\nset t {\ntype mark\n}\nchain t {\nmeta mark @t\n}\n}\n",
	 "table ip t {\nmap t {\ntype mark : verdict\nelements = { 1 : jump u }\n}\nchain u {\n}\nchain t {\nmeta mark vmap @t\n}\n}\n",
	 NULL, NULL},
	{"iptables-nft", "iptables-nft",
	 "*filter\n:INPUT DROP [0:0]\n:a - [0:0]\n-A INPUT -p tcp -j a\n-A a -m limit --limit 5/min -j ACCEPT\nCOMMIT\n",
	 "*filter\n:INPUT ACCEPT [0:0]\n:b - [0:0]\n-A INPUT -p udp -j b\n-A b -m comment --comment x -j DROP\nCOMMIT\n",
	 NULL, NULL},
	{"legacy chains", "iptables-legacy",
	 "*filter\n:INPUT DROP [0:0]\n:a - [0:0]\n-A INPUT -p tcp -j a\n-A a -j ACCEPT\nCOMMIT\n"
	 "*raw\n:PREROUTING DROP [0:0]\nCOMMIT\n",
	 "*filter\n:INPUT ACCEPT [0:0]\n:b - [0:0]\n:a - [0:0]\n-A INPUT -j b\n-A b -g a\nCOMMIT\n"
	 "*nat\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -p tcp -j REDIRECT\nCOMMIT\n", NULL, NULL},
	{"legacy IPv6", "ip6tables-legacy", "*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -j ACCEPT\nCOMMIT\n",
	 "*mangle\n:INPUT ACCEPT [0:0]\n-A INPUT -s ::1/128 -j DROP\nCOMMIT\n", NULL, NULL},
	{"members of a set that rules name", "iptables-legacy",
	 "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m set --match-set s src -j DROP\nCOMMIT\n",
	 "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m set --match-set s dst -j DROP\nCOMMIT\n",
	 "create s hash:ip\nadd s 1.1.1.1\nadd s 2.2.2.2\n", "create s hash:ip\nadd s 2.2.2.2\nadd s 3.3.3.3\n"},
	{"type of a set that rules name", "iptables-nft",
	 "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m set --match-set s src -j DROP\nCOMMIT\n",
	 "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m set --match-set s src -j ACCEPT\nCOMMIT\n",
	 "create s hash:ip\nadd s 1.1.1.1\n", "create s hash:net family inet\nadd s 10.0.0.0/8\n"},
	{"sets that come and go with their rules", "iptables-legacy",
	 "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m set --match-set a src -j DROP\nCOMMIT\n",
	 "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m set --match-set b src -j DROP\nCOMMIT\n",
	 "create a hash:ip\ncreate c hash:ip\n", "create c hash:ip\nadd c 1.1.1.1\ncreate b hash:ip\n"},
	{"lists of sets", "ipset", "create a hash:ip\ncreate l list:set\nadd l a\n",
	 "create b hash:net\ncreate a hash:ip\ncreate l list:set\nadd l b\nadd l a\n", NULL, NULL},
};

static void there_and_back(void **state)
{
	const struct turn *t = *state;
	const struct row row = {.program = t->program};
	struct ruleset one = {0}, other = {0};
	cleanup_free char *before = NULL, *after = NULL;

	if (strstr(t->program, "legacy"))
		legacy_or_skip();
	capture_of(&other, t->program, t->sets_other, t->other);
	place_move(false);
	load(t->program, t->sets_one, t->one);
	before = row_listing(&row);
	place_capture(&one);
	assert_int_equal(place_change(&other), CHANGE_DONE);
	assert_live(&other);
	assert_int_equal(place_change(&one), CHANGE_DONE);
	assert_live(&one);
	after = row_listing(&row);
	/* a legacy table once made stays, empty */
	if (!strstr(t->program, "legacy"))
		assert_string_equal(before, after);
	ruleset_release(&one);
	ruleset_release(&other);
}

/* Makes the table `ip owned` for as long as the socket, which is returned, is open. */
static struct netlink own_table(void)
{
	char batch[1024] = {0};
	struct netlink n;
	struct nlmsghdr *nlh;
	char *at = batch;
	uint32_t sequence = 0;

	assert_int_equal(netlink_open(&n), 0);
	at += nftnl_batch_begin(at, sequence++)->nlmsg_len;
	nlh = nftnl_nlmsg_build_hdr(at, NFT_MSG_NEWTABLE, NFPROTO_IPV4, NLM_F_CREATE | NLM_F_ACK, sequence++);
	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, "owned");
	mnl_attr_put_u32(nlh, NFTA_TABLE_FLAGS, htonl(NFT_TABLE_F_OWNER));
	at += nlh->nlmsg_len;
	at += nftnl_batch_end(at, sequence)->nlmsg_len;
	assert_int_equal(send(n.fd, batch, (size_t)(at - batch), 0), at - batch);
	return n;
}

static void a_table_that_is_owned_is_left_out_and_left_alone(void **state)
{
	struct netlink owner cleanup_netlink = own_table();
	struct ruleset target = {0}, live = {0};
	cleanup_free char *listed = NULL;

	(void)state;
	load("nft", NULL, "table ip t {\n" CHAIN("input", "drop") "}\n");
	place_capture(&target);
	assert_int_equal(target.ntables, 1);
	assert_int_equal(target.owned.n, 1);
	assert_string_equal(target.owned.s[0], "ip owned");
	lose_all();
	assert_int_equal(place_change(&target), CHANGE_DONE);
	listed = place_shell("nft list tables");
	assert_non_null(strstr(listed, "table ip owned"));
	assert_non_null(strstr(listed, "table ip t"));
	ruleset_release(&target);
	ruleset_release(&live);
}

static void the_table_that_holds_is_never_captured(void **state)
{
	struct ruleset rs = {0}, nothing = {0};

	(void)state;
	place_nft("table inet fwsnap_hold {\n" CHAIN("input", "drop") "}\n");
	place_capture(&rs);
	assert_int_equal(rs.ntables, 0);
	assert_true(ruleset_equal(&rs, &nothing));
	place_nft("table ip fwsnap_hold {\nchain c {\n}\n}\n");
	place_capture(&rs);
	assert_int_equal(rs.ntables, 1);
	ruleset_release(&rs);
}

static void a_stale_view_changes_nothing(void **state)
{
	struct ruleset target = {0}, live = {0}, now = {0};
	cleanup_free char *said = NULL;

	(void)state;
	capture_of(&target, "nft", NULL, "table ip t {\n" CHAIN("input", "drop") "}\n");
	place_capture(&live);
	place_nft("table ip quicker {\n" CHAIN("input", "accept") "}\n");
	place_capture(&now);
	said = change_ends(&live, &target, CHANGE_STALE);
	assert_string_equal(said, "");
	assert_live(&now);
	ruleset_release(&target);
	ruleset_release(&live);
	ruleset_release(&now);
}

#define NFT_PART "table ip t {\nset s {\ntype mark\nelements = { 1 }\n}\n" CHAIN("input", "policy drop; counter packets 5 bytes 50") "}\n"

/* A target of sets, nft and legacy. */
static void target_of_all(struct ruleset *target)
{
	load("nft", "create s hash:ip\nadd s 1.1.1.1\n", "table ip t {\n" CHAIN("output", "drop") "}\ntable ip u {\n}\n");
	load("iptables-legacy", NULL,
	     "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m set --match-set s src -j DROP\nCOMMIT\n"
	     "*mangle\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp -m limit --limit 5/sec -j DROP\nCOMMIT\n");
	place_capture(target);
	place_move(false);
}

static void live_of_all(void)
{
	load("nft", "create other hash:net\nadd other 10.0.0.0/8\ncreate mine hash:ip\n", NFT_PART);
	load("iptables-legacy", NULL,
	     "*filter\n:INPUT DROP [3:300]\n[7:70] -A INPUT -m set --match-set mine src -j ACCEPT\nCOMMIT\n");
}

static void a_legacy_table_without_its_ipset_undoes_all(void **state)
{
	struct ruleset target = {0};
	cleanup_free char *said = NULL, *counters = NULL;
	struct table *set;

	(void)state;
	legacy_or_skip();
	target_of_all(&target);
	live_of_all();
	set = ruleset_find(&target, ENGINE_IPSET, 0, "s");
	*set->name = 'x';
	said = change_fails(&target, CHANGE_UNDONE);
	assert_non_null(strstr(said, "'s'"));
	counters = all_listed();
	assert_non_null(strstr(counters, "packets 5 bytes 50"));
	assert_non_null(strstr(counters, "[7:70]"));
	ruleset_release(&target);
}

static void a_legacy_table_that_the_kernel_refuses_undoes_all(void **state)
{
	struct ruleset target = {0};
	cleanup_free char *said = NULL, *counters = NULL;
	struct table *mangle;
	char *match;

	(void)state;
	legacy_or_skip();
	target_of_all(&target);
	live_of_all();
	mangle = ruleset_find(&target, ENGINE_XTABLES, NFPROTO_IPV4, "mangle");
	match = memmem(mangle->records.data, mangle->records.len, "limit", 6);
	assert_non_null(match);
	*match = 'x';
	assert_int_equal(altered_digest(&target, mangle), 0);
	said = change_fails(&target, CHANGE_UNDONE);
	if (!strstr(said, "ximit"))
		fail_msg("%s", said);
	counters = all_listed();
	assert_non_null(strstr(counters, "packets 5 bytes 50"));
	assert_non_null(strstr(counters, "[7:70]"));
	ruleset_release(&target);
}

static void an_nft_table_that_the_kernel_refuses_changes_nothing(void **state)
{
	struct ruleset target = {0};
	cleanup_free char *said = NULL;
	struct table *t;
	char *name;

	(void)state;
	capture_of(&target, "nft", NULL, "table ip t {\nchain c {\ncounter\nmeta mark set 5\n}\n}\n");
	t = ruleset_find(&target, ENGINE_NFT, NFPROTO_IPV4, "t");
	name = memmem(t->records.data, t->records.len, "meta", 5);
	assert_non_null(name);
	*name = 'x';
	assert_int_equal(altered_digest(&target, t), 0);
	load("nft", NULL, NFT_PART);
	said = change_fails(&target, CHANGE_REFUSED);
	assert_non_null(strstr(said, "rule 2 of chain 'c' in table 'ip t'"));
	ruleset_release(&target);
}

static void an_interface_that_is_gone_is_named_and_changes_nothing(void **state)
{
	struct ruleset target = {0};
	cleanup_free char *said = NULL;

	(void)state;
	load("nft", NULL, "table ip t {\nchain c {\ncounter\niif \"d1\" drop\n}\n}\n");
	place_capture(&target);
	place_move(false);
	load("nft", NULL, NFT_PART);
	said = change_fails(&target, CHANGE_REFUSED);
	assert_non_null(strstr(said, "rule 2 of chain 'c' in table 'ip t'"));
	assert_non_null(strstr(said, "interface 'd1'"));
	ruleset_release(&target);
}

/* As above, of the element of a set. */
static void an_interface_that_is_gone_from_a_set_changes_nothing(void **state)
{
	struct ruleset target = {0};
	cleanup_free char *said = NULL;

	(void)state;
	load("nft", NULL, "table ip t {\nset s {\ntype ipv4_addr . iface_index\nelements = { 1.1.1.1 . \"d2\" }\n}\n}\n");
	place_capture(&target);
	place_move(false);
	load("nft", NULL, NFT_PART);
	said = change_fails(&target, CHANGE_REFUSED);
	assert_non_null(strstr(said, "set 's' in table 'ip t'"));
	assert_non_null(strstr(said, "interface 'd2'"));
	ruleset_release(&target);
}

static void the_rules_that_stop_meanwhile_are_gone(void **state)
{
	struct ruleset target = {0};
	cleanup_free char *want = NULL, *have = NULL;

	(void)state;
	load("nft", NULL, "table inet t {\n" CHAIN("input", "policy drop; tcp dport 22 accept") CHAIN("output", "policy drop;") "}\n");
	want = place_shell("nft list ruleset");
	place_capture(&target);
	place_nft("flush ruleset\ntable inet t {\n" CHAIN("input", "policy drop; tcp dport 23 accept") "}\n");
	assert_int_equal(place_change(&target), CHANGE_DONE);
	have = place_shell("nft list ruleset");
	assert_string_equal(want, have);
	ruleset_release(&target);
}

#define THREE(rule)                                                                                \
	"table ip b {\n" CHAIN("input", "counter") "}\ntable inet a {\n" CHAIN("input", rule)      \
	"}\ntable ip c {\n" CHAIN("input", "counter") CHAIN("output", "counter") "}\n"

static void base_chains_of_one_priority_stay_in_order(void **state)
{
	struct ruleset target = {0};
	cleanup_free char *want = NULL, *have = NULL;

	(void)state;
	load("nft", NULL, THREE("drop"));
	want = place_shell("nft list hooks");
	place_capture(&target);
	assert_true(target.order.len > 0);
	place_nft("flush ruleset\n" THREE("accept"));
	assert_int_equal(place_change(&target), CHANGE_DONE);
	assert_live(&target);
	have = place_shell("nft list hooks");
	assert_string_equal(want, have);
	ruleset_release(&target);
}

static void counters_come_back(void **state)
{
	static const char *const counted[] = {
		"counter packets 5 bytes 50", "1 counter packets 6 bytes 60", "used 7 bytes",
		"add mine 1.1.1.1 packets 8 bytes 80", ":INPUT DROP [3:300]", "[7:70] -A INPUT",
	};
	struct ruleset target = {0};
	cleanup_free char *listed = NULL;

	(void)state;
	legacy_or_skip();
	load("nft", "create mine hash:ip counters\nadd mine 1.1.1.1 packets 8 bytes 80\n",
	     "table ip t {\nquota q {\n1 mbytes used 7 bytes\n}\n"
	     "set s {\ntype mark\ncounter\nelements = { 1 counter packets 6 bytes 60 }\n}\n"
	     "chain c {\ncounter packets 5 bytes 50\n}\n}\n");
	load("iptables-legacy", NULL,
	     "*filter\n:INPUT DROP [3:300]\n[7:70] -A INPUT -m set --match-set mine src -j ACCEPT\nCOMMIT\n");
	place_capture(&target);
	lose_all();
	assert_int_equal(place_change(&target), CHANGE_DONE);
	listed = all_listed();
	for (size_t i = 0; i < ARRAY_SIZE(counted); i++)
		if (!strstr(listed, counted[i]))
			fail_msg("'%s' is not in:\n%s", counted[i], listed);
	ruleset_release(&target);
}

/* A test for each row of a table, named by its first member. */
#define ADD_ROWS(tests, n, rows, function)                                                         \
	for (size_t i_ = 0; i_ < ARRAY_SIZE(rows); i_++)                                           \
	*(struct CMUnitTest *)array_grow(&(tests), &(n), sizeof(*(tests))) =                       \
		(struct CMUnitTest){str_printf(#function ": %s", (rows)[i_].what), function,       \
				    place_setup, place_teardown, (void *)(uintptr_t)&(rows)[i_]}
#define PLACED(function) cmocka_unit_test_setup_teardown(function, place_setup, place_teardown)

/* test_change [PATTERN]: only tests of that name */
int main(int argc, char **argv)
{
	const struct CMUnitTest single[] = {
		PLACED(nothing_is_sent_if_all_is_equal),
		PLACED(equal_tables_are_not_touched),
		PLACED(a_table_that_is_owned_is_left_out_and_left_alone),
		PLACED(the_table_that_holds_is_never_captured),
		PLACED(a_stale_view_changes_nothing),
		PLACED(a_legacy_table_without_its_ipset_undoes_all),
		PLACED(a_legacy_table_that_the_kernel_refuses_undoes_all),
		PLACED(an_nft_table_that_the_kernel_refuses_changes_nothing),
		PLACED(an_interface_that_is_gone_is_named_and_changes_nothing),
		PLACED(an_interface_that_is_gone_from_a_set_changes_nothing),
		PLACED(counters_come_back),
		PLACED(the_rules_that_stop_meanwhile_are_gone),
		PLACED(base_chains_of_one_priority_stay_in_order),
	};
	struct CMUnitTest *tests = NULL;
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(single); i++)
		*(struct CMUnitTest *)array_grow(&tests, &n, sizeof(*tests)) = single[i];
	ADD_ROWS(tests, n, pairs, equal_or_not);
	ADD_ROWS(tests, n, turns, there_and_back);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return _cmocka_run_group_tests("change", tests, n, NULL, NULL);
}
