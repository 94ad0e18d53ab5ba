/* SPDX-License-Identifier: GPL-2.0-or-later */
/* alone: it counts packets against time */
/*
 * A change lets no packet through which both the old and the new rules stop, and stops none that
 * both let through: a row for each way in which rules can do the same by other means.
 *
 * test_leaks [PATTERN]              rows of that name
 * test_leaks --figures [PATTERN]    beside what the stock programs do to the same packets
 */
#include "traffic.h"

#include "../engine/place.h"
#include "../engine/rows.h"

#include "file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SWAPS 100
/* What a busy machine spoils is tried again: the swaps of a row, and the whole row. */
#define ATTEMPTS 3
#define FOLDER "/run/leaks"

/* rulesets, each of which lets the allowed port through and stops the forbidden one */

struct rules {
	const char *sets;    /* for `ipset restore` */
	const char *nft;     /* for `nft -f` */
	const char *xtables; /* for the row's program */
};

enum turn {
	TURN_SWAP,     /* A to B, B to A ... */
	TURN_ROLLBACK, /* A to B and back at once */
	TURN_UNDO,     /* A to B, and that undone */
};

struct pair {
	const char *name;
	struct rules a, b;
	const char *program; /* of xtables: "iptables-legacy", "iptables-nft" */
	enum turn turn;
	bool may_lose; /* several commits: what is new is stopped from the first to the last */
	bool alone;    /* stock programs have no one way to do it */
	bool unstaged; /* it cannot be staged: measured, not promised */
};

#define BASE(name, priority, policy, rules)                                                        \
	"chain " name " {\ntype filter hook input priority " priority "; policy " policy           \
	";\n" rules "\n}\n"
#define CHAIN(name, rules) "chain " name " {\n" rules "\n}\n"
#define TABLE(inside) "table ip t {\n" inside "}\n"

/*
 * One chain stops what is listed, another lets nothing else through. Each is open to the other's
 * port, so that a hole in one list cannot hide behind the other.
 */
#define LISTS(more, block, allow)                                                                  \
	TABLE(more BASE("block", "0", "accept", "udp dport " ALLOWED " accept\n" block)            \
		      BASE("allow", "10", "drop", "udp dport " FORBIDDEN " accept\n" allow))
#define SET(name, type, elements) "set " name " {\ntype " type "\nelements = { " elements " }\n}\n"
#define SETS(type, block, allow) SET("block", type, block) SET("allow", type, allow)
#define BY_SETS(type, match, block, allow, statement)                                              \
	LISTS(SETS(type, block, allow), match " @block " statement "drop",                         \
	      match " @allow " statement "accept")

#define PORT_SET "inet_service"
#define PORT_INTERVALS "inet_service; flags interval"
#define ADDRESS_SET "ipv4_addr . inet_service"
#define ADDRESS_INTERVALS "ipv4_addr . inet_service; flags interval"

#define FILTER(policy, rules) "*filter\n:INPUT " policy " [0:0]\n:list - [0:0]\n" rules "COMMIT\n"
#define MANGLE(policy, rules) "*mangle\n:INPUT " policy " [0:0]\n" rules "COMMIT\n"
#define STOP "-A INPUT -p udp -m udp --dport " FORBIDDEN " -j DROP\n"
#define PASS "-A INPUT -p udp -m udp --dport " ALLOWED " -j ACCEPT\n"

/* Rules that stay, over ipsets that do not. */
#define BLOCKED_BY_IPSET                                                                           \
	FILTER("ACCEPT", "-A INPUT -p udp -m set --match-set block dst,dst -j DROP\n")
#define BY_IPSETS                                                                                  \
	BLOCKED_BY_IPSET MANGLE("DROP", "-A INPUT -m set --match-set allow src -j ACCEPT\n")
#define IPSETS(block, allow)                                                                       \
	"create block hash:ip,port\ncreate allow hash:net\n"                                       \
	"add block " RECEIVER ",udp:" FORBIDDEN "\n" block "add allow 10.99.0.0/24\n" allow
#define IPSETS_A IPSETS("add block 192.0.2.1,udp:1\n", "add allow 192.0.2.0/24\n")
#define IPSETS_B IPSETS("add block 192.0.2.2,udp:2\n", "add allow 198.51.100.0/24\n")

static const struct pair pairs[] = {
	{.name = "table replaced",
	 .a = {.nft = BY_SETS(PORT_INTERVALS, "udp dport", FORBIDDEN "-7010", ALLOWED "-7002", "")},
	 .b = {.nft = TABLE(SET("stop", ADDRESS_INTERVALS, "10.99.0.0/24 . " FORBIDDEN "-7003")
				    BASE("only", "5", "drop",
					 "ip daddr . udp dport @stop drop\n"
					 "udp dport " ALLOWED " accept"))}},
	{.name = "table for another table",
	 .a = {.nft = BY_SETS(PORT_INTERVALS, "udp dport", FORBIDDEN "-7010", ALLOWED "-7002", "")},
	 .b = {.nft = "table inet other {\n" SET("stop", PORT_INTERVALS, FORBIDDEN "-7003")
		       BASE("only", "5", "drop",
			    "udp dport @stop drop\nudp dport " ALLOWED " accept") "}\n"}},
	{.name = "rules refilled",
	 .a = {.nft = LISTS("", "udp dport 1 drop\nudp dport " FORBIDDEN " drop",
			    "udp dport " ALLOWED " accept\nudp dport " FORBIDDEN " accept")},
	 .b = {.nft = LISTS("", "udp dport " FORBIDDEN "-7003 counter drop\nudp dport 2 drop",
			    "udp dport 3 accept\nudp dport 7000-7002 counter accept")}},
	{.name = "hash set",
	 .a = {.nft = BY_SETS(PORT_SET, "udp dport", FORBIDDEN ", 1, 2", ALLOWED ", 7002, 3", "")},
	 .b = {.nft = BY_SETS(PORT_SET, "udp dport", FORBIDDEN ", 2, 4", ALLOWED ", 7002, 5",
			      "counter ")}},
	{.name = "interval set",
	 .a = {.nft = BY_SETS(PORT_INTERVALS, "udp dport", "100-200, " FORBIDDEN "-7010",
			      ALLOWED "-7002, 9000-9010", "")},
	 .b = {.nft = BY_SETS(PORT_INTERVALS, "udp dport", "6900-7000, " FORBIDDEN "-7005",
			      "6000-7002, 9005-9020", "counter ")}},
	{.name = "concatenated set",
	 .a = {.nft = BY_SETS(ADDRESS_SET, "ip daddr . udp dport",
			      RECEIVER " . " FORBIDDEN ", 192.0.2.1 . 1",
			      RECEIVER " . " ALLOWED ", " RECEIVER " . " FORBIDDEN, "")},
	 .b = {.nft = BY_SETS(ADDRESS_SET, "ip daddr . udp dport",
			      RECEIVER " . " FORBIDDEN ", 192.0.2.2 . 2",
			      RECEIVER " . " ALLOWED ", " RECEIVER " . " FORBIDDEN
				       ", 192.0.2.3 . 3",
			      "counter ")}},
	{.name = "concatenated interval set",
	 .a = {.nft = BY_SETS(ADDRESS_INTERVALS, "ip daddr . udp dport",
			      "10.99.0.0/24 . " FORBIDDEN "-7010, 192.0.2.0/24 . 1-9",
			      "10.99.0.0/24 . " ALLOWED "-7002", "")},
	 .b = {.nft = BY_SETS(ADDRESS_INTERVALS, "ip daddr . udp dport",
			      "10.99.0.0/25 . " FORBIDDEN "-7005, 192.0.2.0/25 . 1-9",
			      "10.99.0.0/16 . " ALLOWED "-7003", "counter ")}},
	{.name = "anonymous interval set",
	 .a = {.nft = LISTS("", "udp dport { 100-200, " FORBIDDEN "-7003 } drop",
			    "udp dport { " ALLOWED "-7002, 9000-9010 } accept")},
	 .b = {.nft = LISTS("", "udp dport { 300-400, " FORBIDDEN "-7005 } drop",
		       "udp dport { 7000-7003, 9100-9110 } accept")}},
	{.name = "anonymous interval set before rules that stay",
	 .a = {.nft = LISTS("", "udp dport { 100-200, " FORBIDDEN "-7003 } drop\ncounter",
			    "udp dport { " ALLOWED "-7002, 9000-9010 } accept\ncounter")},
	 .b = {.nft = LISTS("", "udp dport { 300-400, " FORBIDDEN "-7005 } drop\ncounter",
			    "udp dport { 7000-7003, 9100-9110 } accept\ncounter")}},
	{.name = "verdict map",
	 .a = {.nft = LISTS("map m {\ntype inet_service : verdict; flags interval\nelements = "
			    "{ " FORBIDDEN "-7003 : drop, 1-2 : drop }\n}\n",
			    "udp dport vmap @m",
			    "udp dport vmap { 7000-7002 : accept, 1-2 : drop }")},
	 .b = {.nft = LISTS("map m {\ntype inet_service : verdict; flags interval\nelements = "
			    "{ " FORBIDDEN "-7005 : drop, 3-4 : drop }\n}\n",
			    "counter udp dport vmap @m",
			    "udp dport vmap { 7001-7003 : accept, 3-4 : drop }")}},
	{.name = "policy both ways",
	 .a = {.nft = TABLE(BASE("only", "0", "accept", "udp dport " FORBIDDEN " drop"))},
	 .b = {.nft = TABLE(BASE("only", "0", "drop", "udp dport " ALLOWED " accept"))}},
	{.name = "regular chain",
	 .a = {.nft = LISTS(CHAIN("blocked", "udp dport { 1-2, " FORBIDDEN "-7003 } drop")
				    CHAIN("allowed", "udp dport { 3-4, 7000-7002 } accept"),
			    "jump blocked", "jump allowed")},
	 .b = {.nft = LISTS(CHAIN("blocked", "udp dport { 5-6, " FORBIDDEN "-7005 } drop")
				    CHAIN("allowed", "udp dport { 7-8, 7001-7003 } accept"),
			    "jump blocked", "jump allowed")}},
	{.name = "rollback",
	 .a = {.nft = LISTS(CHAIN("blocked", "udp dport @stop drop")
				    SET("stop", PORT_INTERVALS, FORBIDDEN "-7003"),
			    "jump blocked", "udp dport { 7001, 7002 } accept")},
	 .b = {.nft = TABLE(BASE("block", "0", "drop", "udp dport { 6000-" ALLOWED " } counter accept")
				    BASE("allow", "10", "accept", "udp dport 7003-7010 drop"))},
	 .turn = TURN_ROLLBACK},
	/* a packet that is between the two when they switch meets the one of before and the one of then */
	{.name = "from one base chain to another",
	 .a = {.nft = LISTS(CHAIN("blocked", "udp dport @stop drop")
				    SET("stop", PORT_INTERVALS, FORBIDDEN "-7003"),
			    "jump blocked", "udp dport { 7001, 7002 } accept")},
	 .b = {.nft = TABLE(
		       BASE("block", "0", "drop", "udp dport { " ALLOWED "-7002 } counter accept")
			       BASE("allow", "10", "drop", "udp dport " ALLOWED " accept"))},
	 .unstaged = true},
	{.name = "an undo",
	 .a = {.nft = LISTS(SETS(PORT_INTERVALS, FORBIDDEN "-7003", ALLOWED "-7002"),
			    "udp dport @block drop", "udp dport @allow accept")},
	 .b = {.nft = LISTS(SETS(PORT_INTERVALS, FORBIDDEN "-7005", "7000-7002"),
			    "udp dport { 7002-7003 } drop", "counter\nudp dport @allow accept")},
	 .turn = TURN_UNDO},
	{.name = "iptables-nft refilled",
	 .a = {.xtables =
		       FILTER("ACCEPT", "-A INPUT -j list\n-A list -p udp -m udp --dport " FORBIDDEN
					" -j DROP\n")},
	 .b = {.xtables = FILTER("DROP", PASS "-A list -j DROP\n")},
	 .program = "iptables-nft"},
	{.name = "legacy refilled",
	 .a = {.xtables =
		       FILTER("ACCEPT", "-A INPUT -j list\n-A list -p udp -m udp --dport " FORBIDDEN
					" -j DROP\n")},
	 .b = {.xtables = FILTER(
		       "ACCEPT",
		       "-A INPUT -p udp -m udp --dport 7002:7003 -j DROP\n-A list -j DROP\n")},
	 .program = "iptables-legacy"},
	{.name = "legacy policy both ways",
	 .a = {.xtables = FILTER("ACCEPT", STOP)},
	 .b = {.xtables = FILTER("DROP", PASS)},
	 .program = "iptables-legacy"},
	{.name = "ipset under legacy",
	 .a = {.sets = IPSETS_A, .xtables = BY_IPSETS},
	 .b = {.sets = IPSETS_B, .xtables = BY_IPSETS},
	 .program = "iptables-legacy"},
	{.name = "ipset under iptables-nft",
	 .a = {.sets = IPSETS_A, .xtables = BY_IPSETS},
	 .b = {.sets = IPSETS_B, .xtables = BY_IPSETS},
	 .program = "iptables-nft"},
	{.name = "nft, legacy and ipset together",
	 .a = {.sets = "create block hash:ip,port\nadd block " RECEIVER ",udp:" FORBIDDEN "\n",
	       .nft = LISTS("", "udp dport { 1-2 } drop", "udp dport { " ALLOWED "-7002 } accept"),
	       .xtables = FILTER("ACCEPT",
				 "-A INPUT -p udp -m set --match-set block dst,dst -j DROP\n")},
	 .b = {.sets = "create other hash:ip\nadd other 192.0.2.1\n",
	       .nft = LISTS("", "udp dport { " FORBIDDEN "-7003 } drop",
			    "udp dport { " ALLOWED "-7003 } accept"),
	       .xtables = FILTER("ACCEPT", "-A INPUT -m set --match-set other src -j DROP\n")},
	 .program = "iptables-legacy",
	 .may_lose = true},
	{.name = "ipset of another type, legacy",
	 .a = {.sets = "create block hash:ip,port\nadd block " RECEIVER ",udp:" FORBIDDEN "\n",
	       .xtables = BLOCKED_BY_IPSET},
	 .b = {.sets = "create block hash:net,port\nadd block 10.99.0.0/24,udp:" FORBIDDEN "\n",
	       .xtables = BLOCKED_BY_IPSET},
	 .program = "iptables-legacy",
	 .may_lose = true,
	 .alone = true},
	{.name = "ipset of another type, nft",
	 .a = {.sets = "create block hash:ip,port\nadd block " RECEIVER ",udp:" FORBIDDEN "\n",
	       .xtables = BLOCKED_BY_IPSET},
	 .b = {.sets = "create block hash:net,port\nadd block 10.99.0.0/24,udp:" FORBIDDEN "\n",
	       .xtables = BLOCKED_BY_IPSET},
	 .program = "iptables-nft",
	 .may_lose = true,
	 .alone = true},
	{.name = "base chain of another priority",
	 .a = {.nft = TABLE(BASE("only", "0", "drop", "udp dport { 7000-7001 } accept"))},
	 .b = {.nft = TABLE(BASE("only", "5", "drop", "udp dport { 7001 } accept"))},
	 .unstaged = true},
	{.name = "set of another type",
	 .a = {.nft = LISTS(SET("stop", PORT_INTERVALS, FORBIDDEN "-7003"), "udp dport @stop drop",
			    "udp dport " ALLOWED " accept")},
	 .b = {.nft = LISTS(SET("stop", ADDRESS_INTERVALS, "10.99.0.0/24 . " FORBIDDEN "-7003"),
			    "ip daddr . udp dport @stop drop", "udp dport " ALLOWED " accept")},
	 .unstaged = true},
};

/* A row whose rulesets are captured, and lie as files where the stock programs read them. */
struct stage {
	const struct pair *pair;
	struct ruleset a, b;
};

/* How rules are changed. */
struct way {
	const char *name;
	bool sets, nft, xtables; /* it fits rows of just these */
	const char *command;	 /* in the folder of A or B; NULL: fwsnap */
};

struct result {
	struct traffic traffic;
	unsigned swaps, held; /* held: changes during which all that was new was stopped */
	double milliseconds;  /* of a swap, on average */
};

static const struct way fwsnap = {.name = "fwsnap"};
static const struct way peers[] = {
	{"nft -f", .nft = true, .command = "{ echo flush ruleset; cat nft; } | nft -f -"},
	{"nft flush; -f", .nft = true, .command = "nft flush ruleset; nft -f nft"},
	{"restore", .xtables = true, .command = "$program-restore <xtables"},
	{"-P, -F, restore", .xtables = true,
	 .command = "$program -P INPUT ACCEPT; $program -F; $program-restore <xtables"},
	{"ipset restore", .sets = true, .xtables = true,
	 .command = "sed 's/^create \\([^ ]*\\).*/flush \\1/' sets | ipset restore"},
	{"one by one", .sets = true, .nft = true, .xtables = true,
	 .command = "ipset -exist restore <sets; { echo flush ruleset; cat nft; } | nft -f -; "
		    "$program-restore <xtables"},
};

/* swaps */

/* The one place where fwsnap changes the rules. */
static void swap_to(const struct pair *pair, struct ruleset *target, struct result *result)
{
	struct ruleset live = {0};
	struct change change = {.live = &live, .target = target, .lock_wait = PLACE_WAIT};
	enum change_result ended;

	place_capture(&live);
	traffic_watch();
	ended = change_run(&change);
	if (ended != CHANGE_DONE)
		fail_msg("the swap ended with %d", ended);
	if (change.unstaged.n && !pair->unstaged)
		fail_msg("not staged: %s", change.unstaged.s[0]);
	result->held += change.held;
	change_release(&change);
	ruleset_release(&live);
}

static void undo(struct stage *stage)
{
	enum change_result result;

	traffic_watch();
	result = change_undo(&stage->a, &stage->b, PLACE_WAIT, NULL, NULL);
	if (result != CHANGE_DONE)
		fail_msg("the undo ended with %d", result);
}

static void load_by(const char *command, const struct pair *pair, bool to_b)
{
	cleanup_free char *all =
		str_printf("set -e; cd " FOLDER "/%c; program=%s; %s", to_b ? 'b' : 'a',
			   pair->program ? pair->program : "", command);

	traffic_watch();
	free(place_shell(all));
}

/* Changes the rules; counts the swap if it is of the kind that the row is about, and was seen. */
static void take_turn(struct stage *stage, const struct way *way, bool to_b, struct result *result)
{
	double milliseconds;

	if (way->command)
		load_by(way->command, stage->pair, to_b);
	else if (!to_b && stage->pair->turn == TURN_UNDO)
		undo(stage);
	else
		swap_to(stage->pair, to_b ? &stage->b : &stage->a, result);
	if (!traffic_watched(&milliseconds) || (to_b && stage->pair->turn != TURN_SWAP))
		return;
	result->swaps++;
	result->milliseconds += milliseconds;
}

static struct result measure_once(struct stage *stage, const struct way *way, unsigned swaps)
{
	struct result result = {0};

	traffic_start();
	for (unsigned n = 0; n < ATTEMPTS * swaps && result.swaps < swaps; n++) {
		take_turn(stage, way, true, &result);
		take_turn(stage, way, false, &result);
	}
	traffic_stop(&result.traffic);
	if (result.swaps)
		result.milliseconds /= result.swaps;
	return result;
}

static struct result measure(struct stage *stage, const struct way *way, unsigned swaps)
{
	struct result result = measure_once(stage, way, swaps);

	for (int n = 1; n < ATTEMPTS && result.traffic.elsewhere; n++)
		result = measure_once(stage, way, swaps);
	return result;
}

/* stages */

static void write_part(char which, const char *name, const char *text)
{
	cleanup_free char *path = str_printf(FOLDER "/%c/%s", which, name);

	if (text)
		assert_int_equal(file_replace(path, text, strlen(text)), 0);
}

static void write_rules(char which, const struct rules *rules)
{
	cleanup_free char *folder = str_printf(FOLDER "/%c", which);

	assert_int_equal(file_mkdir(folder, 0700), 0);
	write_part(which, "sets", rules->sets);
	write_part(which, "nft", rules->nft);
	write_part(which, "xtables", rules->xtables);
}

/* The rules as they are have to do what all in their row do. */
static void check_rules(const char *which)
{
	struct traffic t;

	traffic_start();
	usleep(20000);
	traffic_stop(&t);
	if (!t.sent[PORT_FORBIDDEN] || t.leaked || t.lost)
		fail_msg("%s by itself: %lu leaked, %lu lost of %lu", which, t.leaked, t.lost,
			 t.sent[PORT_ALLOWED]);
}

static void load_rules(const struct pair *pair, const struct rules *rules, struct ruleset *rs)
{
	place_lose();
	if (rules->sets)
		row_load_well("ipset", NULL, rules->sets);
	if (rules->nft)
		place_nft(rules->nft);
	if (rules->xtables)
		row_load_well(pair->program, NULL, rules->xtables);
	check_rules(rules == &pair->a ? "A" : "B");
	place_capture(rs);
}

static struct stage *stage_new(const struct pair *pair)
{
	struct stage *stage = mem_zalloc(sizeof(*stage));

	stage->pair = pair;
	if (pair->program && !strcmp(pair->program, "iptables-legacy"))
		place_legacy_or_skip();
	write_rules('a', &pair->a);
	write_rules('b', &pair->b);
	load_rules(pair, &pair->b, &stage->b);
	load_rules(pair, &pair->a, &stage->a);
	return stage;
}

static void stage_free(struct stage *stage)
{
	ruleset_release(&stage->a);
	ruleset_release(&stage->b);
	free(stage);
}

/* tests */

static void print_result(const char *name, const char *way, const struct result *r)
{
	print_message("%-30s %-15s %7lu sent %7lu leaked %7lu lost %3lu elsewhere %4u swaps of "
		      "%5.1f ms\n",
		      name, way, r->traffic.sent[PORT_ALLOWED] + r->traffic.sent[PORT_FORBIDDEN],
		      r->traffic.leaked, r->traffic.lost, r->traffic.elsewhere, r->swaps,
		      r->milliseconds);
}

/* What a busy machine delivers without loss, and that the rows' zero is one. */
static void without_a_swap_nothing_is_leaked_or_lost(void **state)
{
	struct ruleset rs = {0};
	struct traffic t;
	unsigned rate = TRAFFIC_RATE;

	(void)state;
	load_rules(&pairs[0], &pairs[0].a, &rs);
	ruleset_release(&rs);
	for (int n = 0; n < ATTEMPTS; n++) {
		traffic_start();
		sleep(1);
		traffic_stop(&t);
		if (!t.elsewhere && (double)t.sent[PORT_ALLOWED] > 0.75 * rate * t.seconds)
			break;
		rate = traffic_slow();
		print_message("this machine is busy: only %u datagrams a second\n", rate);
	}
	if (t.elsewhere || t.leaked || t.lost)
		fail_msg("%lu sent: %lu leaked, %lu lost, %lu lost elsewhere", t.sent[PORT_ALLOWED],
			 t.leaked, t.lost, t.elsewhere);
}

static void a_row_leaks_and_loses_nothing(void **state)
{
	const struct pair *pair = *state;
	struct stage *stage;
	struct result result;

	stage = stage_new(pair);
	result = measure(stage, &fwsnap, SWAPS);
	stage_free(stage);
	print_result(pair->name, fwsnap.name, &result);
	if (result.swaps < SWAPS || result.traffic.elsewhere)
		fail_msg("the machine is too busy to tell: %u swaps seen, %lu datagrams lost "
			 "elsewhere",
			 result.swaps, result.traffic.elsewhere);
	if (result.traffic.leaked || (result.traffic.lost && !pair->may_lose))
		fail_msg("%lu leaked, %lu lost", result.traffic.leaked, result.traffic.lost);
	if (result.held && !pair->may_lose)
		fail_msg("%u of one commit held all packets back", result.held);
}

/* R16, and the proof that leaks and losses are seen at all. */
static void R16_stock_programs_leak_where_fwsnap_does_not(void **state)
{
	static const struct way leak = {.name = "nft flush; -f",
					.command = "nft flush ruleset; nft -f nft"};
	static const struct way lose = {.name = "drop all; -f",
					.command = "nft 'table ip stop { chain only { type filter "
						   "hook input priority 0; policy drop; }; }'; "
						   "{ echo flush ruleset; cat nft; } | nft -f -"};
	static const struct pair refilled = {
		.a = {.nft = LISTS("", "udp dport " FORBIDDEN " drop",
				   "udp dport " ALLOWED " accept")},
		.b = {.nft = LISTS("", "udp dport 7002-7003 drop", "udp dport 7000-7001 accept")}};
	struct stage *stage = stage_new(&refilled);
	struct result stock = measure(stage, &leak, SWAPS / 10),
		      ours = measure(stage, &fwsnap, SWAPS / 4);
	struct result lossy = measure(stage, &lose, SWAPS / 10);

	(void)state;
	stage_free(stage);
	print_result("R16", leak.name, &stock);
	print_result("R16", lose.name, &lossy);
	print_result("R16", fwsnap.name, &ours);
	assert_true(stock.traffic.leaked > 0 && lossy.traffic.lost > 0);
	assert_int_equal(ours.traffic.leaked, 0);
	assert_int_equal(ours.traffic.lost, 0);
}

/* figures */

static bool way_fits(const struct way *way, const struct pair *pair)
{
	const struct rules *rules = &pair->a;

	return !pair->alone && way->sets == !!rules->sets && way->nft == !!rules->nft &&
	       way->xtables == !!rules->xtables;
}

static void figures_of_a_row(void **state)
{
	const struct pair *pair = *state;
	struct stage *stage = stage_new(pair);
	struct result result;

	result = measure(stage, &fwsnap, SWAPS);
	print_result(pair->name, fwsnap.name, &result);
	for (size_t i = 0; i < ARRAY_SIZE(peers); i++)
		if (way_fits(&peers[i], pair)) {
			result = measure(stage, &peers[i], SWAPS);
			print_result("", peers[i].name, &result);
		}
	stage_free(stage);
}

/* group */

static int group_setup(void **state)
{
	int r = place_enter();

	(void)state;
	if (!r)
		r = file_mkdir(FOLDER, 0700);
	if (!r)
		traffic_open();
	return r;
}

static int group_teardown(void **state)
{
	traffic_close();
	return place_teardown(state);
}

int main(int argc, char **argv)
{
	bool figures = argc > 1 && !strcmp(argv[1], "--figures");
	size_t n = 2;
	struct CMUnitTest tests[2 + ARRAY_SIZE(pairs)] = {
		cmocka_unit_test(without_a_swap_nothing_is_leaked_or_lost),
		cmocka_unit_test(R16_stock_programs_leak_where_fwsnap_does_not),
	};

	for (const struct pair *pair = pairs; pair < pairs + ARRAY_SIZE(pairs); pair++)
		if (figures || !pair->unstaged)
			tests[n++] = (struct CMUnitTest){
				.name = pair->name,
				.test_func =
					figures ? figures_of_a_row : a_row_leaks_and_loses_nothing,
				.initial_state = (void *)pair,
			};
	if (argc > 1 + figures)
		cmocka_set_test_filter(argv[1 + figures]);
	return _cmocka_run_group_tests(figures ? "figures" : "leaks", tests, n, group_setup,
				       group_teardown);
}
