/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes within a table of nf_tables: the target comes out, and what stays is not touched. */
#include "altered.h"
#include "place.h"
#include "rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <linux/netfilter.h>

#define T(body) "table inet t {\n" body "}\n"
#define BASE(hook, policy, rules) "chain " hook " {\ntype filter hook " hook " priority 0; policy " policy ";\n" rules "}\n"
#define CHAIN(name, rules) "chain " name " {\n" rules "}\n"
#define C(rules) T(CHAIN("c", rules))
#define IN(rules) T(BASE("input", "drop", rules))

/* Rules that stay: listed with handle and counter, these lines have to come out the same. */
#define KEPT(n) "meta mark " #n " counter packets 5" #n " bytes 50" #n " comment \"kept\"\n"
#define PLAIN(n) "meta mark 10" #n " accept\n"
#define HASH(n) "tcp dport { " #n ", 80 } accept\n"
#define INTERVAL(n) "tcp dport { " #n "00-" #n "50, 9000 } accept\n"
#define FIELDS(n) "ip saddr . tcp dport { 10." #n ".0.0/16 . 1-100, 10.0.0.1 . 5 } drop\n"
#define BOUND(n) "meta mark 7 jump {\ntcp dport { " #n "-4000 } accept\ncounter\n}\n"
#define VERDICTS(n) "tcp dport vmap { " #n "-4000 : drop, 22 : accept }\n"

#define SET(type, elements) "set s {\ntype " type "\nelements = { " elements " }\n}\n"
#define USED(match) CHAIN("c", match " counter packets 3 bytes 30 comment \"kept\"\n")

static const struct turn {
	const char *what, *one, *other;
	unsigned batches; /* the most that a way may take; 0: any */
} turns[] = {
	{"rule at the head", C(KEPT(1) KEPT(2)), C(PLAIN(3) KEPT(1) KEPT(2)), 1},
	{"rule in the middle", C(KEPT(1) KEPT(2)), C(KEPT(1) PLAIN(3) KEPT(2)), 1},
	{"rule at the tail", C(KEPT(1) KEPT(2)), C(KEPT(1) KEPT(2) PLAIN(3)), 1},
	{"rule replaced", C(KEPT(1) PLAIN(3) KEPT(2)), C(KEPT(1) PLAIN(4) KEPT(2)), 1},
	{"rules reordered", C(KEPT(1) PLAIN(3) KEPT(2) PLAIN(4) KEPT(5)), C(PLAIN(4) KEPT(1) KEPT(2) KEPT(5) PLAIN(3)), 1},
	{"rules here and there", C(KEPT(1) PLAIN(3) PLAIN(4) KEPT(2) PLAIN(5) KEPT(6)),
	 C(PLAIN(7) KEPT(1) PLAIN(8) KEPT(2) PLAIN(5) PLAIN(9) KEPT(6) PLAIN(3)), 1},
	{"same rule several times", C(PLAIN(3) PLAIN(3) KEPT(1) KEPT(2) PLAIN(3)), C(PLAIN(3) KEPT(1) KEPT(2) PLAIN(3) PLAIN(3)), 1},
	{"anonymous set at the head", C(KEPT(1)), C(HASH(22) KEPT(1)), 1},
	{"anonymous interval set at the head", C(KEPT(1) KEPT(2)), C(INTERVAL(2) KEPT(1) KEPT(2)), 3},
	{"anonymous interval set in the middle", C(KEPT(1) INTERVAL(5) KEPT(2)), C(KEPT(1) INTERVAL(3) KEPT(2)), 3},
	{"anonymous interval set at the tail", C(KEPT(1) KEPT(2) INTERVAL(5)), C(KEPT(1) KEPT(2) INTERVAL(3)), 2},
	{"anonymous interval sets all over", C(INTERVAL(5) KEPT(1) HASH(7) PLAIN(3) INTERVAL(6) KEPT(2) INTERVAL(8)),
	 C(INTERVAL(4) PLAIN(4) KEPT(1) INTERVAL(7) HASH(8) KEPT(2) INTERVAL(9) PLAIN(5)), 3},
	{"anonymous interval set in a base chain", IN(KEPT(1) INTERVAL(5) KEPT(2)), IN(INTERVAL(3) KEPT(1) KEPT(2)), 3},
	{"anonymous set of concatenated intervals", IN(KEPT(1) FIELDS(5) KEPT(2)), IN(FIELDS(3) KEPT(1) KEPT(2) FIELDS(4)), 3},
	{"bound chains", C(KEPT(1) BOUND(5) KEPT(2)), C(BOUND(3) KEPT(1) KEPT(2) BOUND(4)), 3},
	{"anonymous verdict map", C(KEPT(1) VERDICTS(500) KEPT(2)), C(VERDICTS(300) KEPT(1) KEPT(2) VERDICTS(400)), 3},
	{"interval sets before rules that have some", C(KEPT(1) INTERVAL(1) BOUND(9)),
	 C(INTERVAL(3) KEPT(1) INTERVAL(1) BOUND(9)), 3},
	{"policy", T(BASE("input", "accept", KEPT(1))), T(BASE("input", "drop", KEPT(1))), 3},
	{"policy and rules", T(BASE("input", "accept", KEPT(1) PLAIN(3))), T(BASE("input", "drop", INTERVAL(5) KEPT(1))), 5},
	{"base chain", T(BASE("input", "drop", KEPT(1))),
	 T(BASE("input", "drop", KEPT(1)) BASE("output", "drop", INTERVAL(2) PLAIN(4))), 4},
	{"base chain that counts as absent", T(BASE("input", "drop", KEPT(1)) BASE("output", "accept", "")),
	 T(BASE("input", "drop", KEPT(1)) BASE("output", "drop", INTERVAL(2))), 4},
	{"chain with its jump", C(KEPT(1)), T(CHAIN("d", INTERVAL(3) "counter\n") CHAIN("c", KEPT(1) "jump d\n")), 2},
	{"chain in a chain", T(CHAIN("c", KEPT(1)) CHAIN("e", PLAIN(1))),
	 T(CHAIN("e", PLAIN(1)) CHAIN("d", "goto e\n" INTERVAL(3)) CHAIN("c", "jump d\n" KEPT(1) "jump e\n")), 2},
	{"empty chain", C(KEPT(1)), T(CHAIN("c", KEPT(1)) CHAIN("d", "")), 1},
	{"set with its rule", C(KEPT(1)), T(SET("inet_service", "1, 2") CHAIN("c", "tcp dport @s drop\n" KEPT(1))), 2},
	{"interval set with its rule", C(KEPT(1)),
	 T(SET("inet_service; flags interval", "1-2, 5") CHAIN("c", "tcp dport @s drop\n" KEPT(1))), 2},
	{"elements added", T(SET("mark", "1") USED("meta mark @s")), T(SET("mark", "1, 2, 3") USED("meta mark @s")), 1},
	{"elements exchanged", T(SET("mark", "1, 2") USED("meta mark @s")), T(SET("mark", "2, 3") USED("meta mark @s")), 2},
	{"intervals exchanged", T(SET("inet_service; flags interval", "1-2, 10-20, 30-40") USED("tcp dport @s")),
	 T(SET("inet_service; flags interval", "1-2, 21-29, 41-65535") USED("tcp dport @s")), 2},
	{"intervals that overlap", T(SET("ipv4_addr; flags interval", "10.0.0.0/8, 192.0.2.0/24") USED("ip saddr @s")),
	 T(SET("ipv4_addr; flags interval", "10.0.0.0/9, 10.128.0.1, 192.0.2.0/24") USED("ip saddr @s")), 2},
	{"intervals at both ends", T(SET("ipv4_addr; flags interval", "0.0.0.0/8, 10.0.0.0/8, 255.0.0.0/8") USED("ip saddr @s")),
	 T(SET("ipv4_addr; flags interval", "10.0.0.0/8, 240.0.0.0/4") USED("ip saddr @s")), 2},
	{"all intervals", T(SET("inet_service; flags interval", "0-65535") USED("tcp dport @s")),
	 T(SET("inet_service; flags interval", "0-10") USED("tcp dport @s")), 2},
	{"concatenated intervals",
	 T(SET("ipv4_addr . inet_service; flags interval", "10.0.0.0/8 . 1-9, 1.1.1.1 . 5") USED("ip saddr . tcp dport @s")),
	 T(SET("ipv4_addr . inet_service; flags interval", "10.0.0.0/9 . 1-9, 1.1.1.1 . 5, 2.0.0.0/8 . 7")
	   USED("ip saddr . tcp dport @s")), 2},
	{"catch-all element", T(SET("ipv4_addr; flags interval", "10.0.0.0/8") USED("ip saddr @s")),
	 T(SET("ipv4_addr; flags interval", "10.0.0.0/8, *") USED("ip saddr @s")), 1},
	{"all of a set of a fixed size", T(SET("mark; size 2", "1, 2") USED("meta mark @s")),
	 T(SET("mark; size 2", "3, 4") USED("meta mark @s")), 1},
	{"data of a map", T("map m {\ntype mark : mark\nelements = { 1 : 2, 3 : 4 }\n}\n" USED("meta mark set meta mark map @m")),
	 T("map m {\ntype mark : mark\nelements = { 1 : 5, 3 : 4 }\n}\n" USED("meta mark set meta mark map @m")), 1},
	{"data of an interval map",
	 T("map m {\ntype ipv4_addr : mark; flags interval\nelements = { 10.0.0.0/8 : 2, 1.1.1.1 : 4 }\n}\n"
	   USED("meta mark set ip saddr map @m")),
	 T("map m {\ntype ipv4_addr : mark; flags interval\nelements = { 10.0.0.0/8 : 3, 1.1.1.1 : 4 }\n}\n"
	   USED("meta mark set ip saddr map @m")), 1},
	{"verdict map with new chains",
	 T("map m {\ntype mark : verdict\nelements = { 1 : accept }\n}\n" USED("meta mark vmap @m")),
	 T("map m {\ntype mark : verdict\nelements = { 1 : accept, 2 : jump d, 3 : goto e }\n}\n"
	   CHAIN("e", INTERVAL(4)) CHAIN("d", INTERVAL(3) "jump e\n") USED("meta mark vmap @m")), 2},
	{"objects", T("counter o {\npackets 7 bytes 70\n}\n" CHAIN("c", "counter name o comment \"kept\"\n")),
	 T("counter o {\npackets 7 bytes 70\n}\nquota q {\n5 mbytes\n}\nlimit l {\nrate 5/second\n}\n"
	   CHAIN("c", "counter name o comment \"kept\"\nquota name q drop\nlimit name l\n")), 2},
	{"map to objects", T("counter o {\n}\n" CHAIN("c", KEPT(1))),
	 T("counter o {\n}\ncounter p {\n}\nmap m {\ntype mark : counter\nelements = { 1 : \"o\", 2 : \"p\" }\n}\n"
	   CHAIN("c", KEPT(1) "counter name meta mark map @m\ncounter name meta mark map { 3 : \"p\", 4 : \"o\" }\n")), 2},
	{"meters", T("set s {\ntype mark; size 9; flags dynamic, timeout; timeout 1h\n}\n" CHAIN("c", KEPT(1))),
	 T("set s {\ntype mark; size 9; flags dynamic, timeout; timeout 1h\n}\n" CHAIN("c", "add @s { meta mark }\n" KEPT(1))), 1},
	{"tables", IN(KEPT(1)) "table ip x {\n" BASE("input", "drop", INTERVAL(3)) "}\n",
	 "table ip6 y {\n" BASE("output", "drop", INTERVAL(4)) CHAIN("d", PLAIN(4)) "}\n" IN(KEPT(1)), 4},
	{"tables of one priority", "table ip x {\n" BASE("input", "drop", KEPT(2) PLAIN(3)) "}\n" IN(KEPT(1)),
	 "table ip x {\n" BASE("input", "drop", PLAIN(4) KEPT(2)) "}\n" IN(KEPT(1)), 1},
	{"type of a set", T(SET("inet_service", "1, 2") CHAIN("c", "tcp dport @s drop\n")),
	 T(SET("mark", "1, 2") CHAIN("c", "meta mark @s drop\n")), 0},
	{"priority of a chain", T("chain i {\ntype filter hook input priority 0; policy drop;\n" PLAIN(1) "}\n"),
	 T("chain i {\ntype filter hook input priority 5; policy drop;\n" PLAIN(1) "}\n"), 0},
	{"definition of an object", T("quota q {\n1 mbytes\n}\n" CHAIN("c", "quota name q drop\n")),
	 T("quota q {\n2 mbytes\n}\n" CHAIN("c", "quota name q drop\n")), 0},
	{"jumps turned round", T(CHAIN("b", "counter\n") CHAIN("a", INTERVAL(3) "jump b\n") BASE("input", "accept", "jump a\n")),
	 T(CHAIN("a", "counter\n") CHAIN("b", INTERVAL(4) "jump a\n") BASE("input", "accept", "jump b\n")), 0},
	{"table dormant", C(PLAIN(1)), T("flags dormant;\n" CHAIN("c", PLAIN(1))), 0},
};

/* The lines of what stays, with handles and counters. Caller frees. */
static char *kept(void)
{
	return place_shell("nft -a list ruleset | grep -e kept -e 'counter o {' -e 'packets 7' || true");
}

/* Changes by the engine alone, as change_run does, and says in how many batches. */
static unsigned change_in_batches(struct ruleset *target, bool staged)
{
	struct ruleset live = {0};
	struct plan plan;
	unsigned batches;

	place_capture(&live);
	ruleset_resolve(&live);
	ruleset_resolve(target);
	plan = (struct plan){.live = &live, .target = target, .generation_check = true};
	for (size_t i = 0; i < live.ntables; i++)
		if (!ruleset_counterpart(target, &live.tables[i]))
			*(struct step *)array_grow(&plan.steps, &plan.nsteps, sizeof(struct step)) =
				(struct step){ACTION_REMOVE, &live.tables[i], NULL, NULL, i};
	for (size_t i = 0; i < target->ntables; i++) {
		const struct table *old = ruleset_counterpart(&live, &target->tables[i]);

		if (!table_equal(old, &target->tables[i]))
			*(struct step *)array_grow(&plan.steps, &plan.nsteps, sizeof(struct step)) =
				(struct step){old ? ACTION_REPLACE : ACTION_ADD, old, &target->tables[i], target, i};
	}
	assert_int_equal(engine_nft.change(&plan), 0);
	batches = plan.batches;
	assert_true(plan.messages > 2 * batches);
	assert_int_equal(plan.unstaged.n, !staged);
	free(plan.steps);
	strlist_release(&plan.unstaged);
	ruleset_release(&live);
	return batches;
}

static void there_and_back(void **state)
{
	const struct turn *t = *state;
	struct ruleset one = {0}, other = {0};
	cleanup_free char *before = NULL, *there = NULL, *back = NULL;
	unsigned batches;

	row_capture_and_lose(&other, "nft", NULL, t->other);
	place_nft(t->one);
	place_capture(&one);
	before = kept();
	batches = change_in_batches(&other, t->batches);
	place_assert_live(&other);
	there = kept();
	assert_string_equal(before, there);
	if (t->batches && batches > t->batches)
		fail_msg("%u batches, not %u", batches, t->batches);
	batches = change_in_batches(&one, t->batches);
	place_assert_live(&one);
	back = kept();
	assert_string_equal(before, back);
	if (t->batches && batches > t->batches)
		fail_msg("back: %u batches, not %u", batches, t->batches);
	ruleset_release(&one);
	ruleset_release(&other);
}

static void dynamic_elements_run_on(void **state)
{
	struct ruleset target = {0};
	cleanup_free char *listed = NULL;

	(void)state;
	row_capture_and_lose(&target, "nft", NULL,
		T("set s {\ntype mark; flags timeout\nelements = { 1 timeout 1h, 2, 3 }\n}\n" CHAIN("c", PLAIN(1) PLAIN(2))));
	place_nft(T("set s {\ntype mark; flags timeout\nelements = { 1 timeout 2h, 7 timeout 3h, 2, 4 }\n}\n" CHAIN("c", PLAIN(1))));
	assert_int_equal(place_change(&target), CHANGE_DONE);
	listed = place_shell("nft list set inet t s");
	assert_non_null(strstr(listed, "0x00000001 timeout 2h"));
	assert_non_null(strstr(listed, "0x00000007 timeout 3h"));
	assert_non_null(strstr(listed, "0x00000003"));
	assert_null(strstr(listed, "0x00000004"));
	ruleset_release(&target);
}

/* What they lead to goes. */
static void dynamic_elements_go_with_their_chains_and_objects(void **state)
{
	struct ruleset target = {0};
	cleanup_free char *listed = NULL;

	(void)state;
	row_capture_and_lose(&target, "nft", NULL,
		T("counter p {\n}\nmap o {\ntype mark : counter; flags timeout\n}\n"
		  "map m {\ntype ipv4_addr : verdict; flags timeout, interval\n}\n" CHAIN("e", "counter\n")));
	place_nft(T("counter p {\n}\ncounter q {\n}\nmap o {\ntype mark : counter; flags timeout\n"
		    "elements = { 1 timeout 1h : \"p\", 2 timeout 1h : \"q\" }\n}\n"
		    "map m {\ntype ipv4_addr : verdict; flags timeout, interval\n"
		    "elements = { 1.0.0.0/8 timeout 1h : jump d, 2.0.0.0/8 timeout 1h : jump e }\n}\n"
		    CHAIN("d", "counter\n") CHAIN("e", "counter\n")));
	assert_int_equal(place_change(&target), CHANGE_DONE);
	place_assert_live(&target);
	listed = place_shell("nft list table inet t");
	assert_non_null(strstr(listed, "2.0.0.0/8 timeout 1h"));
	assert_null(strstr(listed, "1.0.0.0/8"));
	assert_non_null(strstr(listed, ": \"p\""));
	assert_null(strstr(listed, ": \"q\""));
	ruleset_release(&target);
}

#define FED(elements) "set s {\ntype mark; size 9; flags dynamic\n" elements "}\n"

/* What rules added counts from the moment that none does. */
static void elements_that_a_rule_added_go_with_the_rule(void **state)
{
	struct ruleset target = {0}, live = {0};

	(void)state;
	row_capture_and_lose(&target, "nft", NULL, T(FED("") CHAIN("c", KEPT(1))));
	place_nft(T(FED("elements = { 1, 2 }\n") CHAIN("c", KEPT(1) "add @s { meta mark }\n")));
	place_capture(&live);
	assert_int_equal(place_change(&target), CHANGE_DONE);
	place_assert_live(&target);
	assert_int_equal(change_undo(&live, &target, PLACE_WAIT, NULL, NULL), CHANGE_DONE);
	place_assert_live(&live);
	ruleset_release(&live);
	ruleset_release(&target);
}

/* The table of live with one more rule of which the kernel knows nothing: `mark` stands for its expression. */
static void spoil(struct ruleset *target, const char *expression)
{
	struct table *t = ruleset_find(target, ENGINE_NFT, NFPROTO_INET, "t");
	char *name = memmem(t->records.data, t->records.len, expression, strlen(expression) + 1);

	assert_non_null(name);
	*name = 'x';
	assert_int_equal(altered_digest(target, t), 0);
}

static void a_switch_that_the_kernel_refuses_is_taken_back(void **state)
{
	struct ruleset target = {0}, live = {0};
	struct change change;
	cleanup_free char *before = NULL, *after = NULL, *said = NULL;
	int listening;

	(void)state;
	row_capture_and_lose(&target, "nft", NULL,
		T("counter o {\n}\n" SET("mark", "1, 2, 3") CHAIN("n", INTERVAL(2)) CHAIN("c", INTERVAL(5) KEPT(1) INTERVAL(6))
		  CHAIN("d", KEPT(2) "jump n\nnumgen inc mod 5 3\n" KEPT(3))));
	place_nft(T(SET("mark", "1, 2, 4") CHAIN("c", KEPT(1)) CHAIN("d", KEPT(2) KEPT(3))));
	spoil(&target, "numgen");
	place_capture(&live);
	before = place_shell("nft -a list ruleset | grep -v 'elements = '");
	listening = place_listen();
	change = (struct change){.live = &live, .target = &target, .lock_wait = PLACE_WAIT};
	assert_int_equal(change_run(&change), CHANGE_UNDONE);
	said = place_heard(listening);
	if (!strstr(said, "rule 3 of chain 'd' in table 'inet t'"))
		fail_msg("%s", said);
	after = place_shell("nft -a list ruleset | grep -v 'elements = '");
	assert_string_equal(before, after);
	place_assert_live(&live);
	change_release(&change);
	ruleset_release(&live);
	ruleset_release(&target);
}

/* Rulesets of one family that the kernel takes, of the tables of rows. */
struct walk {
	struct ruleset *rs;
	const char **names;
	size_t n;
};

static void gather(struct walk *w, const char *family, const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		cleanup_buf struct buf err = BUF_INIT;
		struct ruleset *rs;
		size_t n = w->n;

		if (strcmp(rows[i].family, family))
			continue;
		if (!row_load(&rows[i], &err)) {
			*(const char **)array_grow(&w->names, &n, sizeof(char *)) = rows[i].feature;
			rs = array_grow(&w->rs, &w->n, sizeof(*rs));
			place_capture(rs);
		}
		place_lose();
	}
}

/* From each ruleset of a family to the next one, and all the way back. */
static void from_row_to_row(void **state)
{
	const char *family = *state;
	struct walk w = {0};

	gather(&w, family, rows_nft, rows_nft_count);
	gather(&w, family, rows_nft_rules, rows_nft_rules_count);
	assert_true(w.n > 10);
	for (size_t i = 1; i < 2 * w.n; i++) {
		size_t to = i < w.n ? i : 2 * w.n - 1 - i;

		if (place_change(&w.rs[to]) > CHANGE_NOTHING)
			fail_msg("change to '%s'", w.names[to]);
		place_assert_live(&w.rs[to]);
	}
	for (size_t i = 0; i < w.n; i++)
		ruleset_release(&w.rs[i]);
	free(w.rs);
	free(w.names);
}

/* A test for each row, named by what it changes. */
int main(int argc, char **argv)
{
	static const struct CMUnitTest others[] = {
		cmocka_unit_test_setup_teardown(dynamic_elements_run_on, place_setup, place_teardown),
		cmocka_unit_test_setup_teardown(dynamic_elements_go_with_their_chains_and_objects, place_setup,
						place_teardown),
		cmocka_unit_test_setup_teardown(elements_that_a_rule_added_go_with_the_rule, place_setup, place_teardown),
		cmocka_unit_test_setup_teardown(a_switch_that_the_kernel_refuses_is_taken_back, place_setup,
						place_teardown),
	};
	static const char *const families[] = {"ip", "ip6", "inet", "arp", "bridge", "netdev"};
	struct CMUnitTest *tests = NULL;
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		*(struct CMUnitTest *)array_grow(&tests, &n, sizeof(*tests)) = (struct CMUnitTest){
			str_printf("from row to row: %s", families[i]), from_row_to_row, place_setup,
			place_teardown, (void *)(uintptr_t)families[i]};
	for (size_t i = 0; i < ARRAY_SIZE(turns); i++)
		*(struct CMUnitTest *)array_grow(&tests, &n, sizeof(*tests)) = (struct CMUnitTest){
			str_printf("there and back: %s", turns[i].what), there_and_back, place_setup,
			place_teardown, (void *)(uintptr_t)&turns[i]};
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		*(struct CMUnitTest *)array_grow(&tests, &n, sizeof(*tests)) = others[i];
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return _cmocka_run_group_tests("stage", tests, n, NULL, NULL);
}
