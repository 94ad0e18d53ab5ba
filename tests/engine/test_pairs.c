/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pairs of rulesets: equal or not by the definition of ruleset.h; changed into each other. */
#include "place.h"
#include "rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define CHAIN(hook, rules) "chain " hook " {\ntype filter hook " hook " priority 0;\n" rules "\n}\n"

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
	{"an empty base chain that accepts", "nft", "table ip t {\nchain c {\n}\n" CHAIN("input", "") "}\n",
	 "table ip t {\nchain c {\n}\n}\n", false},
	{"a table of nothing but those", "nft", "table ip t {\n" CHAIN("input", "") CHAIN("output", "") "}\n", "", false},
	{"a table of nothing", "nft", "table ip t {\n}\n", "", true},
	{"a dormant table of empty base chains", "nft", "table ip t {\nflags dormant;\n" CHAIN("input", "") "}\n", "", true},
	{"a set beside empty base chains", "nft", "table ip t {\n" CHAIN("input", "") "set s {\ntype mark\n}\n}\n", "", true},
	{"a table that iptables looked at", "iptables-nft", "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\nCOMMIT\n", "#\n", false},
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
		place_legacy_or_skip();
	row_capture_and_lose(&one, p->program, NULL, p->one);
	place_move(true);
	row_capture_and_lose(&other, p->program, NULL, p->other);
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
		place_legacy_or_skip();
	row_capture_and_lose(&other, t->program, t->sets_other, t->other);
	place_move(false);
	row_load_well(t->program, t->sets_one, t->one);
	before = row_listing(&row);
	place_capture(&one);
	assert_int_equal(place_change(&other), CHANGE_DONE);
	place_assert_live(&other);
	assert_int_equal(place_change(&one), CHANGE_DONE);
	place_assert_live(&one);
	after = row_listing(&row);
	/* a legacy table once made stays, empty */
	if (!strstr(t->program, "legacy"))
		assert_string_equal(before, after);
	ruleset_release(&one);
	ruleset_release(&other);
}

/* A test for each row of a table, named by what it has. */
#define ADD_ROWS(tests, n, rows, function)                                                         \
	for (size_t i_ = 0; i_ < ARRAY_SIZE(rows); i_++)                                           \
	*(struct CMUnitTest *)array_grow(&(tests), &(n), sizeof(*(tests))) =                       \
		(struct CMUnitTest){str_printf(#function ": %s", (rows)[i_].what), function,       \
				    place_setup, place_teardown, (void *)(uintptr_t)&(rows)[i_]}

/* test_pairs [PATTERN]: only tests of that name */
int main(int argc, char **argv)
{
	struct CMUnitTest *tests = NULL;
	size_t n = 0;

	ADD_ROWS(tests, n, pairs, equal_or_not);
	ADD_ROWS(tests, n, turns, there_and_back);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return _cmocka_run_group_tests("pairs", tests, n, NULL, NULL);
}
