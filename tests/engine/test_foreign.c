/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is foreign is cut out of what is ours, and grafted into whatever the rules are to become. */
#include "place.h"
#include "rows.h"

#include "foreign.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define ROOT "/run/root"
#define DESCRIPTION                                                                                \
	"owner = Theirs\nrepair = theirs --again\ntable = name=theirs-table\nchain = name=theirs-*\n"  \
	"set = name=theirs-*\nuser-chain = name=users\nuser-set = name=filled\n"                      \
	"rule = table=filter,t chain=FORWARD,forward in=d0 out=d1 target=ACCEPT bare=yes\n"           \
	"relies = table=filter,t chain=FORWARD,forward\n"

static int described(void **state)
{
	int r = place_setup(state);

	if (r)
		return r;
	free(place_shell("mkdir -p " ROOT "/etc/fwsnap/foreign.d && printf '" DESCRIPTION
			 "' >" ROOT "/etc/fwsnap/foreign.d/theirs"));
	return 0;
}

static void read_descriptions(struct foreign *f)
{
	assert_int_equal(foreign_read(f, ROOT, "auto"), 0);
}

static void assert_same(const char *what, const struct ruleset *want, const struct ruleset *have)
{
	cleanup_buf struct buf differences = BUF_INIT;

	ruleset_differences(want, have, &differences);
	if (!ruleset_equal(want, have))
		fail_msg("%s: %s", what, buf_str(&differences));
}

static void graft(const struct foreign *f, struct ruleset *live, struct ruleset *target, struct ruleset *out,
		  const char *dropped)
{
	struct foreign_notes notes = {.dropped = {NULL, 0}};
	cleanup_buf struct buf lines = BUF_INIT;

	assert_int_equal(foreign_graft(f, live, target, false, out, &notes), 0);
	for (size_t i = 0; i < notes.dropped.n; i++)
		buf_printf(&lines, "%s%s", i ? "\n" : "", notes.dropped.s[i]);
	assert_string_equal(buf_str(&lines), dropped ? dropped : "");
	foreign_notes_release(&notes);
}

static void assert_changed(enum change_result result)
{
	assert_true(result == CHANGE_DONE || result == CHANGE_NOTHING);
}

/* A ruleset and its sets; what is NULL is not there. */
struct text {
	const char *rules, *sets;
};

static void load(const char *program, const struct text *t)
{
	row_load_well(program, t->sets, t->rules ? t->rules : !strcmp(program, "nft") ? "" : "#\n");
}

static void capture(const char *program, const struct text *t, struct ruleset *rs)
{
	load(program, t);
	place_capture(rs);
	place_lose();
}

#define FILTER(chains, rules)                                                                      \
	"*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n" chains rules "COMMIT\n"
#define DROP(chains, rules)                                                                        \
	"*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n" chains rules "COMMIT\n"
#define NAT(chains, rules)                                                                         \
	"*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n" \
	chains rules "COMMIT\n"
#define BANS ":theirs-in - [0:0]\n"
#define BANNED "-A theirs-in -s 192.0.2.1 -j DROP\n-A theirs-in -j RETURN\n"
#define BAN "-A INPUT -j theirs-in\n"
#define A "-A INPUT -s 10.0.0.1 -j ACCEPT\n"
#define B "-A INPUT -s 10.0.0.2 -j ACCEPT\n"
#define C "-A INPUT -s 10.0.0.3 -j ACCEPT\n"
#define USERS ":users - [0:0]\n"
#define TO_USERS "-A FORWARD -j users\n"
#define OURS_IN_USERS "-A users -s 10.0.0.1 -j DROP\n"
#define RETURN "-A users -j RETURN\n"
#define SET_OURS "create ours hash:ip\nadd ours 10.0.0.1\n"
#define SET_THEIRS "create theirs-bans hash:ip timeout 600\nadd theirs-bans 192.0.2.1\n"
#define SET_FILLED "create filled hash:ip\n"

/*
 * What is live, what of it is ours, what it is to become, and what it becomes. ours.rules NULL: not compared.
 */
static const struct row_of_four {
	const char *what;
	struct text live, ours, target, want;
	const char *dropped; /* rules that are left out */
} of_iptables[] = {
	{"what stood first stays first", {FILTER(BANS, BANNED BAN A B), NULL}, {FILTER("", A B), NULL},
	 {FILTER("", C A B), NULL}, {FILTER(BANS, BANNED BAN C A B), NULL}, NULL},
	{"what stood last stays last", {FILTER(BANS, BANNED A B BAN), NULL}, {FILTER("", A B), NULL},
	 {FILTER("", A B C), NULL}, {FILTER(BANS, BANNED A B C BAN), NULL}, NULL},
	{"between rules of ours that stay", {FILTER(BANS, BANNED A BAN B), NULL}, {FILTER("", A B), NULL},
	 {FILTER("", C A B C), NULL}, {FILTER(BANS, BANNED C A BAN B C), NULL}, NULL},
	{"behind a rule of ours whose other neighbour goes", {FILTER(BANS, BANNED A BAN B), NULL}, {NULL, NULL},
	 {FILTER("", C A), NULL}, {FILTER(BANS, BANNED C A BAN), NULL}, NULL},
	{"before a rule of ours whose other neighbour goes", {FILTER(BANS, BANNED A BAN B), NULL}, {NULL, NULL},
	 {FILTER("", C B), NULL}, {FILTER(BANS, BANNED C BAN B), NULL}, NULL},
	{"all of ours is replaced", {FILTER(BANS, BANNED BAN A B), NULL}, {NULL, NULL}, {FILTER("", C), NULL},
	 {FILTER(BANS, BANNED BAN C), NULL}, NULL},
	{"all of ours goes", {FILTER(BANS, BANNED BAN A B), NULL}, {NULL, NULL}, {NULL, NULL},
	 {FILTER(BANS, BANNED BAN), NULL}, NULL},
	{"several in a row", {FILTER(BANS ":theirs-2 - [0:0]\n", BANNED A "-A INPUT -j theirs-2\n" BAN "-A INPUT -g theirs-2\n" B), NULL},
	 {FILTER("", A B), NULL}, {FILTER("", A C B), NULL},
	 {FILTER(BANS ":theirs-2 - [0:0]\n", BANNED A "-A INPUT -j theirs-2\n" BAN "-A INPUT -g theirs-2\n" C B), NULL}, NULL},
	{"before what was put in front of it there", {FILTER(BANS, BANNED BAN A), NULL}, {NULL, NULL},
	 {FILTER(BANS, BANNED C BAN A), NULL}, {FILTER(BANS, BANNED C BAN A), NULL}, NULL},
	{"another program's rules of the target go", {FILTER("", A), NULL}, {FILTER("", A), NULL},
	 {FILTER(BANS, BANNED BAN A B), NULL}, {FILTER("", A B), NULL}, NULL},
	{"another program's rules of live win", {FILTER(BANS, "-A theirs-in -s 192.0.2.2 -j DROP\n" BAN A), NULL},
	 {NULL, NULL}, {FILTER(BANS, BANNED A BAN B), NULL},
	 {FILTER(BANS, "-A theirs-in -s 192.0.2.2 -j DROP\n" A BAN B), NULL}, NULL},
	{"a policy of ours goes with our rules", {DROP(BANS, BANNED BAN A), NULL}, {DROP("", A), NULL}, {NULL, NULL},
	 {FILTER(BANS, BANNED BAN), NULL}, NULL},
	{"a policy of ours comes", {FILTER(BANS, BANNED BAN), NULL}, {FILTER("", ""), NULL}, {DROP("", A), NULL},
	 {DROP(BANS, BANNED BAN A), NULL}, NULL},
	{"a table that only they have rules in", {NAT(BANS, "-A PREROUTING -j theirs-in\n") FILTER("", A), NULL},
	 {FILTER("", A), NULL}, {FILTER("", B), NULL}, {NAT(BANS, "-A PREROUTING -j theirs-in\n") FILTER("", B), NULL}, NULL},
	{"a rule outside their chains, by its description",
	 {FILTER("", "-A FORWARD -i d0 -o d1 -j ACCEPT\n-A FORWARD -i d0 -o d1 -p tcp -j ACCEPT\n-A FORWARD -i d0 -j ACCEPT\n"), NULL},
	 {NULL, NULL}, {FILTER("", "-A FORWARD -i d2 -j ACCEPT\n"), NULL}, {FILTER("", "-A FORWARD -i d2 -j ACCEPT\n"), NULL}, NULL},
	{"the same, beside their chain",
	 {FILTER(BANS, "-A FORWARD -i d0 -o d1 -j ACCEPT\n-A FORWARD -i d0 -o d1 -p tcp -j ACCEPT\n-A FORWARD -i d0 -j ACCEPT\n"), NULL},
	 {FILTER("", "-A FORWARD -i d0 -o d1 -p tcp -j ACCEPT\n-A FORWARD -i d0 -j ACCEPT\n"), NULL},
	 {FILTER("", "-A FORWARD -i d2 -j ACCEPT\n"), NULL}, {FILTER(BANS, "-A FORWARD -i d0 -o d1 -j ACCEPT\n-A FORWARD -i d2 -j ACCEPT\n"), NULL}, NULL},
	{"a rule of ours that jumps to their chain is theirs", {FILTER(BANS, BANNED "-A INPUT -s 10.0.0.9 -j theirs-in\n" A), NULL},
	 {FILTER("", A), NULL}, {FILTER("", A), NULL}, {FILTER(BANS, BANNED "-A INPUT -s 10.0.0.9 -j theirs-in\n" A), NULL}, NULL},
	{"their chain jumps to one of ours", {FILTER(BANS ":ours - [0:0]\n", "-A theirs-in -j ours\n-A ours -j DROP\n" BAN A), NULL},
	 {FILTER(":ours - [0:0]\n", "-A ours -j DROP\n" A), NULL}, {FILTER("", A), NULL},
	 {FILTER(BANS ":ours - [0:0]\n", "-A theirs-in -j ours\n" BAN A), NULL}, NULL},
	{"a chain for users without rules", {FILTER(USERS, TO_USERS RETURN), NULL}, {FILTER("", ""), NULL}, {FILTER("", A), NULL},
	 {FILTER(USERS, TO_USERS RETURN A), NULL}, NULL},
	{"rules of ours come into a chain for users", {FILTER(USERS, TO_USERS RETURN), NULL}, {FILTER("", ""), NULL},
	 {FILTER(USERS, OURS_IN_USERS), NULL}, {FILTER(USERS, TO_USERS OURS_IN_USERS RETURN), NULL}, NULL},
	{"rules of ours in a chain for users change", {FILTER(USERS, TO_USERS OURS_IN_USERS RETURN), NULL},
	 {FILTER(USERS, OURS_IN_USERS), NULL}, {FILTER(USERS, OURS_IN_USERS "-A users -j ACCEPT\n"), NULL},
	 {FILTER(USERS, TO_USERS OURS_IN_USERS "-A users -j ACCEPT\n" RETURN), NULL}, NULL},
	{"rules of ours leave a chain for users", {FILTER(USERS, TO_USERS OURS_IN_USERS RETURN), NULL},
	 {FILTER(USERS, OURS_IN_USERS), NULL}, {NULL, NULL}, {FILTER(USERS, TO_USERS RETURN), NULL}, NULL},
	{"rules of ours in a chain for users whose program is not there", {FILTER("", A), NULL}, {FILTER("", A), NULL},
	 {FILTER(USERS, OURS_IN_USERS), NULL}, {FILTER(USERS, OURS_IN_USERS), NULL}, NULL},
	{"a rule of ours leads to a chain for users", {FILTER(USERS, TO_USERS "-A INPUT -i d0 -j users\n" RETURN), NULL},
	 {FILTER(USERS, "-A INPUT -i d0 -j users\n"), NULL}, {FILTER(USERS, "-A INPUT -i d1 -j users\n"), NULL},
	 {FILTER(USERS, TO_USERS "-A INPUT -i d1 -j users\n" RETURN), NULL}, NULL},
	{"a rule of ours leads to a chain that is not there", {FILTER("", A), NULL}, {NULL, NULL},
	 {FILTER(USERS, A "-A INPUT -i d1 -j users\n" B), NULL}, {FILTER("", A B), NULL},
	 "a rule of %s INPUT, which refers to 'users'"},
	{"their ipset", {FILTER(BANS, "-A theirs-in -m set --match-set theirs-bans src -j DROP\n" BAN A), SET_THEIRS SET_OURS},
	 {FILTER("", A), SET_OURS}, {FILTER("", B), NULL},
	 {FILTER(BANS, "-A theirs-in -m set --match-set theirs-bans src -j DROP\n" BAN B), SET_THEIRS}, NULL},
	{"a rule with their ipset is theirs", {FILTER("", "-A INPUT -m set --match-set theirs-bans src -j DROP\n" A), SET_THEIRS},
	 {FILTER("", A), NULL}, {NULL, NULL}, {FILTER("", "-A INPUT -m set --match-set theirs-bans src -j DROP\n"), SET_THEIRS}, NULL},
	{"their chain looks into an ipset of ours", {FILTER(BANS, "-A theirs-in -m set --match-set ours src -j DROP\n" BAN A), SET_OURS},
	 {FILTER("", A), SET_OURS}, {FILTER("", A), NULL},
	 {FILTER(BANS, "-A theirs-in -m set --match-set ours src -j DROP\n" BAN A), SET_OURS}, NULL},
	{"a rule of ours looks into an ipset that they fill",
	 {FILTER("", "-A INPUT -m set --match-set filled src -j DROP\n" A), SET_FILLED "add filled 192.0.2.1\n"},
	 {FILTER("", "-A INPUT -m set --match-set filled src -j DROP\n" A), SET_FILLED},
	 {FILTER("", B "-A INPUT -m set --match-set filled src -j DROP\n"), SET_FILLED "add filled 192.0.2.2\n"},
	 {FILTER("", B "-A INPUT -m set --match-set filled src -j DROP\n"), SET_FILLED "add filled 192.0.2.1\n"}, NULL},
	{"a rule of ours looks into an ipset that is not there", {FILTER("", A), NULL}, {NULL, NULL},
	 {FILTER("", A "-A INPUT -m set --match-set filled src -j DROP\n" B), SET_FILLED}, {FILTER("", A B), NULL},
	 "a rule of %s INPUT, which refers to 'filled'"},
};

#define T(text) "table inet t {\n" text "}\n"
#define IN(rules) "chain input {\ntype filter hook input priority 0;\n" rules "\n}\n"
#define IN_DROP(rules) "chain input {\ntype filter hook input priority 0; policy drop;\n" rules "\n}\n"
#define THEIRS_IN "chain theirs-in {\nip saddr 192.0.2.1 drop\nip saddr { 192.0.2.2, 192.0.2.3 } drop\n}\n"
#define THEIRS_TABLE "table inet theirs-table {\nset bans {\ntype ipv4_addr\nelements = { 192.0.2.1 }\n}\nchain c {\ntype filter hook input priority -1;\nip saddr @bans drop\n}\n}\n"
#define THEIRS_SET "set theirs-bans {\ntype ipv4_addr\nflags interval\nelements = { 192.0.2.0/24, 198.51.100.1 }\n}\n"
#define FILLED(elements) "set filled {\ntype ipv4_addr\n" elements "}\n"
#define OURS_SET(elements) "set ours {\ntype ipv4_addr\nelements = { " elements " }\n}\n"
#define BASE(table, rule) "table inet " table " {\nchain c {\ntype filter hook input priority 0;\n" rule "\n}\n}\n"

static const struct row_of_four of_nft[] = {
	{"a table of theirs", {THEIRS_TABLE T(IN("tcp dport 22 accept")), NULL}, {T(IN("tcp dport 22 accept")), NULL},
	 {T(IN("tcp dport 23 accept")), NULL}, {THEIRS_TABLE T(IN("tcp dport 23 accept")), NULL}, NULL},
	{"a table of theirs of the target goes", {"", NULL}, {"", NULL}, {THEIRS_TABLE T(IN("tcp dport 22 accept")), NULL},
	 {T(IN("tcp dport 22 accept")), NULL}, NULL},
	{"a table of theirs of live wins", {THEIRS_TABLE, NULL}, {"", NULL},
	 {"table inet theirs-table {\nchain d {\ntype filter hook input priority 5; policy drop;\n}\n}\n", NULL}, {THEIRS_TABLE, NULL}, NULL},
	{"a flush", {THEIRS_TABLE T(THEIRS_IN THEIRS_SET IN_DROP("ip saddr @theirs-bans drop\njump theirs-in\ntcp dport 22 accept")), NULL},
	 {T(IN_DROP("tcp dport 22 accept")), NULL}, {NULL, NULL},
	 {THEIRS_TABLE T(THEIRS_IN THEIRS_SET IN("ip saddr @theirs-bans drop\njump theirs-in")), NULL}, NULL},
	{"rules with sets and chains of their own",
	 {T(THEIRS_IN IN("iif { \"d0\", \"d1\" } jump theirs-in\ntcp dport { 22, 80 } accept\nmeta mark 1 jump {\nip saddr { 1.1.1.1, 2.2.2.2 } jump theirs-in\n}")), NULL},
	 {T(IN("tcp dport { 22, 80 } accept")), NULL}, {T(IN("udp dport { 53, 123 } accept\ntcp dport { 22, 80 } accept")), NULL},
	 {T(THEIRS_IN IN("iif { \"d0\", \"d1\" } jump theirs-in\nudp dport { 53, 123 } accept\ntcp dport { 22, 80 } accept\nmeta mark 1 jump {\nip saddr { 1.1.1.1, 2.2.2.2 } jump theirs-in\n}")), NULL}, NULL},
	{"a jump by a map of the rule's own", {T(THEIRS_IN IN("tcp dport vmap { 22 : jump theirs-in, 80 : accept }\ncounter")), NULL},
	 {T(IN("counter")), NULL}, {T(IN("drop")), NULL}, {T(THEIRS_IN IN("tcp dport vmap { 22 : jump theirs-in, 80 : accept }\ndrop")), NULL}, NULL},
	{"a base chain of theirs", {T("chain theirs-c {\ntype filter hook forward priority 0; policy drop;\n}\n" IN("drop")), NULL},
	 {T(IN("drop")), NULL}, {NULL, NULL}, {T("chain theirs-c {\ntype filter hook forward priority 0; policy drop;\n}\n"), NULL}, NULL},
	{"their chain leads to one of ours", {T("chain ours {\ndrop\n}\nchain theirs-in {\njump ours\n}\n" IN("jump theirs-in\ncounter")), NULL},
	 {T("chain ours {\ndrop\n}\n" IN("counter")), NULL}, {T(IN("counter")), NULL},
	 {T("chain ours {\n}\nchain theirs-in {\njump ours\n}\n" IN("jump theirs-in\ncounter")), NULL}, NULL},
	{"their chain looks into a set of ours", {T(OURS_SET("1.1.1.1, 2.2.2.2") "chain theirs-in {\nip saddr @ours drop\n}\n" IN("jump theirs-in\ncounter")), NULL},
	 {T(OURS_SET("1.1.1.1, 2.2.2.2") IN("counter")), NULL}, {T(IN("counter")), NULL},
	 {T(OURS_SET("1.1.1.1, 2.2.2.2") "chain theirs-in {\nip saddr @ours drop\n}\n" IN("jump theirs-in\ncounter")), NULL}, NULL},
	{"a rule of ours looks into a set that they fill", {T(FILLED("elements = { 1.1.1.1 }\n") IN("ip saddr @filled drop")), NULL},
	 {T(FILLED("") IN("ip saddr @filled drop")), NULL}, {T(FILLED("elements = { 2.2.2.2 }\n") IN("ip daddr @filled drop")), NULL},
	 {T(FILLED("elements = { 1.1.1.1 }\n") IN("ip daddr @filled drop")), NULL}, NULL},
	{"a rule of ours looks into a set that is not there", {T(IN("counter")), NULL}, {NULL, NULL},
	 {T(FILLED("") IN("counter\nip saddr @filled drop")), NULL}, {T(IN("counter")), NULL}, "a rule of inet t input, which refers to 'filled'"},
	{"a map of ours leads to a chain for users",
	 {T("chain users {\nreturn\n}\nmap ours {\ntype inet_service : verdict\nelements = { 22 : jump users, 80 : accept }\n}\n" IN("tcp dport vmap @ours")), NULL},
	 {T("chain users {\n}\nmap ours {\ntype inet_service : verdict\nelements = { 22 : jump users, 80 : accept }\n}\n" IN("tcp dport vmap @ours")), NULL},
	 {NULL, NULL}, {T("chain users {\nreturn\n}\n"), NULL}, NULL},
	{"a map of ours leads to a chain that is not there", {T(IN("drop")), NULL}, {NULL, NULL},
	 {T("chain users {\nreturn\n}\nmap ours {\ntype inet_service : verdict\nelements = { 22 : jump users }\n}\n" IN("tcp dport vmap @ours")), NULL},
	 {T("chain users {\n}\nmap ours {\ntype inet_service : verdict\nelements = { 22 : jump users }\n}\n" IN("tcp dport vmap @ours")), NULL}, NULL},
	{"their map leads to a chain of ours",
	 {T("chain ours {\ndrop\n}\nmap theirs-map {\ntype inet_service : verdict\nelements = { 22 : jump ours, 80 : accept }\n}\n" IN("tcp dport vmap @theirs-map\naccept")), NULL},
	 {T("chain ours {\ndrop\n}\n" IN("accept")), NULL}, {T(IN("accept")), NULL},
	 {T("chain ours {\n}\nmap theirs-map {\ntype inet_service : verdict\nelements = { 22 : jump ours, 80 : accept }\n}\n" IN("tcp dport vmap @theirs-map\naccept")), NULL}, NULL},
	{"base chains of equal priority", {BASE("a", "counter") THEIRS_TABLE "table inet theirs-2 {\nchain theirs-c {\ntype filter hook input priority 0;\ndrop\n}\n}\n" BASE("b", "counter"), NULL},
	 {BASE("a", "counter") BASE("b", "counter"), NULL}, {BASE("a", "drop") BASE("b", "drop"), NULL},
	 {BASE("a", "drop") THEIRS_TABLE "table inet theirs-2 {\nchain theirs-c {\ntype filter hook input priority 0;\ndrop\n}\n}\n" BASE("b", "drop"), NULL}, NULL},
	{"elements with a timeout", {T("set theirs-bans {\ntype ipv4_addr\nflags timeout\nelements = { 192.0.2.1 timeout 1h }\n}\n" IN("ip saddr @theirs-bans drop\ncounter")), NULL},
	 {T(IN("counter")), NULL}, {T(IN("accept")), NULL},
	 {T("set theirs-bans {\ntype ipv4_addr\nflags timeout\nelements = { 192.0.2.1 timeout 1h }\n}\n" IN("ip saddr @theirs-bans drop\naccept")), NULL}, NULL},
};

struct grafted_case {
	const struct row_of_four *row;
	const char *program;
};

static void assert_cut(const struct foreign *f, struct ruleset *live, struct ruleset *ours, bool known)
{
	struct ruleset cut = {0}, again = {0}, back = {0};

	assert_int_equal(foreign_cut(f, live, &cut, NULL), 0);
	if (known)
		assert_same("ours", ours, &cut);
	assert_int_equal(foreign_cut(f, &cut, &again, NULL), 0);
	assert_same("cut again", &cut, &again);
	graft(f, live, &cut, &back, NULL);
	assert_same("what is saved, restored", live, &back);
	ruleset_release(&cut);
	ruleset_release(&again);
	ruleset_release(&back);
}

/* What is ours can be loaded alone. */
static void assert_loads_alone(const struct foreign *f, struct ruleset *live)
{
	struct ruleset cut = {0};

	assert_int_equal(foreign_cut(f, live, &cut, NULL), 0);
	place_lose();
	assert_changed(place_change(&cut));
	place_assert_live(&cut);
	ruleset_release(&cut);
}

/* As the row has it, with the table's label. */
static char *dropped_of(const struct grafted_case *c)
{
	return c->row->dropped ? str_printf(c->row->dropped, strstr(c->program, "legacy") ? "legacy ip filter" : "ip filter")
			       : NULL;
}

static void what_is_foreign_stays(void **state)
{
	const struct grafted_case *c = *state;
	const struct row_of_four *row = c->row;
	struct ruleset live = {0}, ours = {0}, target = {0}, want = {0}, made = {0}, same = {0};
	cleanup_free char *dropped = dropped_of(c);
	struct foreign f = {0};

	if (strstr(c->program, "legacy"))
		place_legacy_or_skip();
	read_descriptions(&f);
	capture(c->program, &row->ours, &ours);
	capture(c->program, &row->target, &target);
	capture(c->program, &row->want, &want);
	load(c->program, &row->live);
	place_capture(&live);
	foreign_look(&f, &live);
	foreign_look(&f, &target);
	assert_cut(&f, &live, &ours, row->ours.rules);
	graft(&f, &live, &target, &made, dropped);
	assert_same("becomes", &want, &made);
	graft(&f, &made, &target, &same, dropped);
	assert_same("again", &made, &same);
	assert_changed(place_change_from(&live, &made));
	place_assert_live(&want);
	assert_loads_alone(&f, &live);
	foreign_release(&f);
	ruleset_release(&live);
	ruleset_release(&ours);
	ruleset_release(&target);
	ruleset_release(&want);
	ruleset_release(&made);
	ruleset_release(&same);
}

/* What is foreign keeps its counters, and does not even get another handle. */
static void foreign_objects_are_not_touched(void **state)
{
	struct ruleset target = {0}, live = {0}, made = {0};
	cleanup_free char *before = NULL, *after = NULL, *ours = NULL;
	struct foreign f = {0};

	(void)state;
	read_descriptions(&f);
	capture("nft", &(struct text){T(IN("udp dport 53 accept\ntcp dport 23 accept")), NULL}, &target);
	place_nft(T(THEIRS_SET "chain theirs-in {\nip saddr { 1.1.1.1, 2.2.2.2 } counter packets 7 bytes 70 drop\n}\n"
		    IN("ip saddr @theirs-bans counter packets 9 bytes 90 drop\njump theirs-in\ntcp dport 22 accept")));
	before = place_shell("nft -a list ruleset | grep -e theirs -e counter -e elements");
	place_capture(&live);
	foreign_look(&f, &live);
	graft(&f, &live, &target, &made, NULL);
	assert_int_equal(place_change_from(&live, &made), CHANGE_DONE);
	after = place_shell("nft -a list ruleset | grep -e theirs -e counter -e elements");
	assert_string_equal(before, after);
	ours = place_shell("nft list ruleset | grep dport");
	assert_non_null(strstr(ours, "udp dport 53"));
	assert_null(strstr(ours, "dport 22"));
	foreign_release(&f);
	ruleset_release(&target);
	ruleset_release(&live);
	ruleset_release(&made);
}

/* A snapshot of another boot: the same names, other numbers, of interfaces and of ipsets. */
static void numbers_of_another_boot_are_those_of_this_one(void **state)
{
	const struct text old = {T(IN("iif \"d0\" accept\niif { \"d1\", \"d2\" } drop\n")), NULL};
	const struct text old_xt = {FILTER("", A "-A INPUT -m set --match-set ours src -j DROP\n"), SET_FILLED SET_OURS};
	const struct text now = {T(THEIRS_IN IN("iif \"d2\" jump theirs-in\niif { \"d0\", \"d1\" } jump theirs-in\n")), NULL};
	const struct text now_xt = {FILTER("", "-A INPUT -m set --match-set theirs-bans src -j DROP\n"), SET_THEIRS};
	struct ruleset target = {0}, live = {0}, want = {0}, made = {0};
	struct foreign f = {0};

	(void)state;
	read_descriptions(&f);
	load("nft", &old);
	load("iptables-nft", &old_xt);
	place_capture(&target);
	place_move(true);
	load("nft", &(struct text){T(THEIRS_IN IN("iif \"d2\" jump theirs-in\niif { \"d0\", \"d1\" } jump theirs-in\niif \"d0\" accept\niif { \"d1\", \"d2\" } drop\n")), NULL});
	load("iptables-nft", &(struct text){FILTER("", "-A INPUT -m set --match-set theirs-bans src -j DROP\n" A
						   "-A INPUT -m set --match-set ours src -j DROP\n"), SET_THEIRS SET_OURS});
	place_capture(&want);
	place_lose();
	/* the order of base chains is the target's */
	load("iptables-nft", &now_xt);
	load("nft", &now);
	place_capture(&live);
	foreign_look(&f, &live);
	foreign_look(&f, &target);
	graft(&f, &live, &target, &made, NULL);
	assert_same("becomes", &want, &made);
	assert_int_equal(place_change_from(&live, &made), CHANGE_DONE);
	place_assert_live(&made);
	foreign_release(&f);
	ruleset_release(&target);
	ruleset_release(&live);
	ruleset_release(&want);
	ruleset_release(&made);
}

/* Undoing a change, after others did something to what it made, or to what it left. */

#define NAT_OURS "table ip nat {\nchain POSTROUTING {\ntype nat hook postrouting priority 100;\nip saddr 10.0.0.0/8 masquerade\n}\n}\n"
#define BANS_AND(elements, rules)                                                                  \
	T("set theirs-bans {\ntype ipv4_addr\n" elements "}\nchain theirs-in {\nip saddr 192.0.2.9 drop\n}\n" \
	  IN("ip saddr @theirs-bans drop\njump theirs-in\n" rules))

static const struct undone {
	const char *what, *before, *after;
	const char *others; /* what they do meanwhile */
	const char *want;
} undos[] = {
	{"a chain of theirs in a table that the change made", "", NAT_OURS,
	 "nft 'add chain ip nat theirs-c; add rule ip nat theirs-c counter; add rule ip nat POSTROUTING jump theirs-c'",
	 "table ip nat {\nchain theirs-c {\ncounter\n}\nchain POSTROUTING {\ntype nat hook postrouting priority 100;\njump theirs-c\n}\n}\n"},
	{"a set of theirs in a table that the change made", "", T(IN("tcp dport 22 accept")),
	 "nft 'add set inet t theirs-s { type mark; elements = { 1, 2 }; }; insert rule inet t input meta mark @theirs-s drop'",
	 T("set theirs-s {\ntype mark\nelements = { 1, 2 }\n}\n" IN("meta mark @theirs-s drop"))},
	{"a table of theirs", T(IN("tcp dport 22 accept")), T(IN("tcp dport 23 accept")), "nft 'add table inet theirs-table; add set inet theirs-table s { type mark; elements = { 1 }; }'",
	 T(IN("tcp dport 22 accept")) "table inet theirs-table {\nset s {\ntype mark\nelements = { 1 }\n}\n}\n"},
	{"a ban comes", BANS_AND("elements = { 192.0.2.1 }\n", "tcp dport 22 accept"), BANS_AND("elements = { 192.0.2.1 }\n", "tcp dport 23 accept"),
	 "nft 'add element inet t theirs-bans { 192.0.2.2 }; insert rule inet t theirs-in ip saddr 192.0.2.3 drop'",
	 T("set theirs-bans {\ntype ipv4_addr\nelements = { 192.0.2.1, 192.0.2.2 }\n}\nchain theirs-in {\nip saddr 192.0.2.3 drop\nip saddr 192.0.2.9 drop\n}\n"
	   IN("ip saddr @theirs-bans drop\njump theirs-in\ntcp dport 22 accept"))},
	{"a ban goes", BANS_AND("elements = { 192.0.2.1 }\n", "tcp dport 22 accept"), BANS_AND("elements = { 192.0.2.1 }\n", "tcp dport 23 accept"),
	 "nft 'delete element inet t theirs-bans { 192.0.2.1 }; flush chain inet t theirs-in'",
	 T("set theirs-bans {\ntype ipv4_addr\n}\nchain theirs-in {\n}\n" IN("ip saddr @theirs-bans drop\njump theirs-in\ntcp dport 22 accept"))},
	{"they go altogether", BANS_AND("elements = { 192.0.2.1 }\n", "tcp dport 22 accept"), BANS_AND("elements = { 192.0.2.1 }\n", "tcp dport 23 accept"),
	 "nft 'flush chain inet t input; add rule inet t input tcp dport 23 accept; delete chain inet t theirs-in; delete set inet t theirs-bans'",
	 T(IN("tcp dport 22 accept"))},
	{"they change the order of theirs", BANS_AND("", "tcp dport 22 accept"), BANS_AND("", "tcp dport 23 accept"),
	 "nft 'flush chain inet t input; add rule inet t input jump theirs-in; add rule inet t input ip saddr @theirs-bans drop; add rule inet t input tcp dport 23 accept'",
	 T("set theirs-bans {\ntype ipv4_addr\n}\nchain theirs-in {\nip saddr 192.0.2.9 drop\n}\n" IN("jump theirs-in\nip saddr @theirs-bans drop\ntcp dport 22 accept"))},
};

static void an_undo_leaves_them_alone(void **state)
{
	const struct undone *u = *state;
	struct ruleset before = {0}, after = {0}, want = {0};
	struct foreign f = {0};

	read_descriptions(&f);
	capture("nft", &(struct text){u->want, NULL}, &want);
	capture("nft", &(struct text){u->after, NULL}, &after);
	load("nft", &(struct text){u->before, NULL});
	place_capture(&before);
	assert_int_equal(place_change_from(&before, &after), CHANGE_DONE);
	free(place_shell(u->others));
	assert_changed(change_undo(&before, &after, PLACE_WAIT, &f, NULL));
	place_assert_live(&want);
	foreign_release(&f);
	ruleset_release(&before);
	ruleset_release(&after);
	ruleset_release(&want);
}

/* A ban of an ipset likewise, also where everything goes back. */
static void an_undo_leaves_their_ipset_alone(void **state)
{
	const struct text old = {FILTER("", "-A INPUT -m set --match-set theirs-bans src -j DROP\n" A), SET_THEIRS SET_OURS};
	struct ruleset before = {0}, after = {0};
	struct foreign f = {0};

	(void)state;
	read_descriptions(&f);
	load("iptables-nft", &old);
	place_capture(&before);
	free(place_shell("iptables-nft -A INPUT -j ACCEPT; ipset add ours 10.0.0.2"));
	place_capture(&after);
	free(place_shell("ipset add theirs-bans 192.0.2.5; ipset del theirs-bans 192.0.2.1"));
	assert_int_equal(change_undo(&before, NULL, PLACE_WAIT, &f, NULL), CHANGE_DONE);
	free(place_shell("ipset test theirs-bans 192.0.2.5 && ! ipset test theirs-bans 192.0.2.1 && ! ipset test ours 10.0.0.2"));
	foreign_release(&f);
	ruleset_release(&before);
	ruleset_release(&after);
}

/* Who is named after a change. */

static const struct touching {
	const char *what, *before, *after, *said;
} touches[] = {
	{"ours alone", BANS_AND("", "tcp dport 22 accept"), BANS_AND("", "tcp dport 23 accept"), ""},
	{"the place of theirs", BANS_AND("", "tcp dport 22 accept"),
	 T("set theirs-bans {\ntype ipv4_addr\n}\nchain theirs-in {\nip saddr 192.0.2.9 drop\n}\n" IN("tcp dport 22 accept\nip saddr @theirs-bans drop\njump theirs-in\n")), ""},
	{"theirs", BANS_AND("", ""), BANS_AND("elements = { 192.0.2.1 }\n", ""), "Theirs's rules were changed, too: 'theirs --again' brings it in order"},
	{"theirs go", BANS_AND("", ""), T(IN("accept")), "Theirs's rules were changed, too: 'theirs --again' brings it in order"},
	{"what they rely on",
	 T(THEIRS_IN "chain forward {\ntype filter hook forward priority 0;\n}\n"), T(THEIRS_IN "chain forward {\ntype filter hook forward priority 0; policy drop;\n}\n"),
	 "Theirs relies on inet t forward, which was changed: 'theirs --again' brings it in order"},
	{"the rules of what they rely on",
	 T(THEIRS_IN "chain forward {\ntype filter hook forward priority 0;\n}\n"), T(THEIRS_IN "chain forward {\ntype filter hook forward priority 0; counter\n}\n"), ""},
	{"what they would rely on", T(IN("accept") "chain forward {\ntype filter hook forward priority 0;\n}\n"),
	 T("chain forward {\ntype filter hook forward priority 0; policy drop;\n}\n"), ""},
};

static void who_was_touched_is_named(void **state)
{
	const struct touching *t = *state;
	struct ruleset before = {0}, after = {0};
	struct foreign_shares was = {0}, is = {0};
	cleanup_strlist struct strlist lines = {NULL, 0};
	cleanup_buf struct buf said = BUF_INIT;
	struct foreign f = {0};

	read_descriptions(&f);
	capture("nft", &(struct text){t->before, NULL}, &before);
	capture("nft", &(struct text){t->after, NULL}, &after);
	foreign_look(&f, &before);
	assert_int_equal(foreign_count(&f, &before, &was), 0);
	assert_int_equal(foreign_count(&f, &after, &is), 0);
	foreign_touched(&was, &is, &lines);
	for (size_t i = 0; i < lines.n; i++)
		buf_printf(&said, "%s%s", i ? "\n" : "", lines.s[i]);
	assert_string_equal(buf_str(&said), t->said);
	foreign_shares_release(&was);
	foreign_shares_release(&is);
	foreign_release(&f);
	ruleset_release(&before);
	ruleset_release(&after);
}

static void add(struct CMUnitTest **tests, size_t *n, const char *name, CMUnitTestFunction function, const void *row)
{
	*(struct CMUnitTest *)array_grow(tests, n, sizeof(**tests)) =
		(struct CMUnitTest){name, function, described, place_teardown, (void *)(uintptr_t)row};
}

static void add_rows(struct CMUnitTest **tests, size_t *n, const char *program, const struct row_of_four *rows,
		     size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct grafted_case *c = mem_alloc(sizeof(*c));

		*c = (struct grafted_case){&rows[i], program};
		add(tests, n, str_printf("%s: %s", program, rows[i].what), what_is_foreign_stays, c);
	}
}

/* test_foreign [PATTERN]: only tests of that name */
int main(int argc, char **argv)
{
	struct CMUnitTest *tests = NULL;
	size_t n = 0;

	add_rows(&tests, &n, "iptables-nft", of_iptables, ARRAY_SIZE(of_iptables));
	add_rows(&tests, &n, "iptables-legacy", of_iptables, ARRAY_SIZE(of_iptables));
	add_rows(&tests, &n, "nft", of_nft, ARRAY_SIZE(of_nft));
	for (size_t i = 0; i < ARRAY_SIZE(undos); i++)
		add(&tests, &n, str_printf("undone: %s", undos[i].what), an_undo_leaves_them_alone, &undos[i]);
	for (size_t i = 0; i < ARRAY_SIZE(touches); i++)
		add(&tests, &n, str_printf("touched: %s", touches[i].what), who_was_touched_is_named, &touches[i]);
	add(&tests, &n, "an undo leaves their ipset alone", an_undo_leaves_their_ipset_alone, NULL);
	add(&tests, &n, "foreign objects are not touched", foreign_objects_are_not_touched, NULL);
	add(&tests, &n, "numbers of another boot are those of this one", numbers_of_another_boot_are_those_of_this_one, NULL);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return _cmocka_run_group_tests("foreign", tests, n, NULL, NULL);
}
