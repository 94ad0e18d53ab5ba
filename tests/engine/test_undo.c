/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The way back: from wherever a change was cut off, and beside others who go on. */
#include "place.h"
#include "rows.h"

#include "engine/nft_hold.h"
#include "fault.h"
#include "merge.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define IN(rules) "chain input {\ntype filter hook input priority 0;\n" rules "\n}\n"
#define SET(elements) "set s {\ntype ipv4_addr\nelements = { " elements " }\n}\n"
#define T(text) "table inet t {\n" text "}\n"

/* A ruleset of all engines, with two legacy tables; b: the other one. */
static void load_all(bool b)
{
	row_load_well("nft", b ? "create s hash:ip counters\nadd s 1.1.1.1\nadd s 2.2.2.2\ncreate kind hash:net\n"
				: "create s hash:ip counters\nadd s 1.1.1.1\nadd s 3.3.3.3\ncreate kind hash:ip\ncreate gone hash:ip\n",
		      b ? T(SET("1.1.1.1, 2.2.2.2") IN("policy drop; counter\nip saddr { 1.0.0.0/8, 9.9.9.9 } accept\ntcp dport 23 accept\nudp dport 9\n")
				"chain c {\nip saddr { 3.0.0.0/8, 9.9.9.9 } accept\n}\nchain d {\ncounter\nip saddr { 4.0.0.0/8, 9.9.9.9 } accept\n}\n")
			: T(SET("1.1.1.1") IN("policy accept; counter\ntcp dport 22 accept\nudp dport 9\n")
				"chain c {\n}\nchain d {\ncounter\nip saddr { 5.0.0.0/8, 9.9.9.9 } drop\n}\n") "table ip gone {\n" IN("counter") "}\n");
	if (!engines[ENGINE_XTABLES])
		return;
	row_load_well("iptables-legacy", NULL,
		      b ? "*filter\n:INPUT DROP [0:0]\n:c - [0:0]\n-A INPUT -m set --match-set s src -j c\n-A INPUT -m set --match-set kind src\n-A c -j ACCEPT\nCOMMIT\n"
			  "*mangle\n:INPUT ACCEPT [0:0]\n-A INPUT -j MARK --set-xmark 0x2\nCOMMIT\n"
			: "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m set --match-set s src -j DROP\n-A INPUT -m set --match-set kind src\nCOMMIT\n"
			  "*mangle\n:INPUT ACCEPT [0:0]\n-A INPUT -j MARK --set-xmark 0x1\nCOMMIT\n");
	row_load_well("ip6tables-legacy", NULL,
		      b ? "*filter\n:INPUT DROP [0:0]\n-A INPUT -s ::1/128 -j ACCEPT\nCOMMIT\n"
			: "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -s ::2/128 -j ACCEPT\nCOMMIT\n");
}

/* Sets alone, under rules that stay as they are: of members and of types. */
static void load_sets(bool b)
{
	const char *sets = b ? "create s hash:ip counters\nadd s 1.1.1.1\nadd s 2.2.2.2\ncreate t hash:net\nadd t 2.0.0.0/8\n"
			       "create kind hash:net\nadd kind 4.4.4.4\ncreate other hash:ip\nadd other 5.5.5.5\n"
			     : "create s hash:ip counters\nadd s 1.1.1.1\nadd s 3.3.3.3\ncreate t hash:net\nadd t 3.0.0.0/8\n"
			       "create kind hash:ip\nadd kind 4.4.4.4\ncreate other hash:ip,port\n";
	const char *rules = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m set --match-set s src -j DROP\n-A INPUT -m set --match-set t src -j DROP\n"
			    "-A INPUT -m set --match-set kind src -j DROP\nCOMMIT\n";

	row_load_well("nft", sets, T(SET("1.1.1.1") IN("ip saddr @s drop")));
	row_load_well("iptables-nft", NULL, rules);
	if (engines[ENGINE_XTABLES])
		row_load_well("iptables-legacy", NULL, rules);
}

static void load_both(void (*load)(bool b), struct ruleset *before, struct ruleset *after)
{
	load(true);
	place_capture(after);
	place_lose();
	load(false);
	place_capture(before);
}

static void assert_nothing_is_left(void)
{
	cleanup_free char *left = place_shell("nft list tables; ipset list -n");

	assert_null(strstr(left, NFT_HOLD_TABLE));
	assert_null(strstr(left, "fwsnap"));
}

/* Runs a change in a child that ends at the point; false: it passed the point less often. */
static bool cut_off(struct ruleset *target, const char *point)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		setenv("FWSNAP_FAULT", point, 1);
		_exit(place_change(target) != CHANGE_DONE);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == FAULT_STATUS)
		return true;
	assert_int_equal(status, 0);
	return false;
}

static const char *const points[] = {
	"change-held",	 "change-ipset-join", "change-ipset-swap", "change-ipset-part", "change-ipset",	 "change-nft-batch", "change-nft",	     "change-xtables-table",
	"change-xtables", "change-finished",  "change-released", "change-verified",
};

#define OTHERS "nft add element inet t s { 7.7.7.7 }; ipset add s 7.7.7.7; nft insert rule inet t input udp dport 7 drop"

/* Killed at any point, the first time or a later one, the old rules come back exactly; others' stay. */
static void undo_cut_off(void (*load)(bool b), const char *point, bool others)
{
	unsigned turns = 0;

	for (;; turns++) {
		struct ruleset before = {0}, after = {0}, want = {0};
		cleanup_free char *nth = str_printf("%s:%u", point, turns + 1);
		bool cut;

		place_move(true);
		load_both(load, &before, &after);
		if (others) {
			free(place_shell(OTHERS));
			place_capture(&want);
			place_lose();
			load(false);
			place_capture(&before);
		}
		cut = cut_off(&after, nth);
		if (cut) {
			if (others)
				free(place_shell(OTHERS));
			assert_int_not_equal(change_undo(&before, &after, PLACE_WAIT, NULL, NULL), CHANGE_LOST);
			place_assert_live(others ? &want : &before);
			assert_nothing_is_left();
		}
		ruleset_release(&before);
		ruleset_release(&after);
		ruleset_release(&want);
		if (!cut)
			break;
	}
	if (engines[ENGINE_XTABLES])
		assert_true(turns > 0);
}

static void a_change_that_is_cut_off_is_undone(void **state)
{
	undo_cut_off(load_all, *state, false);
}

static void a_change_of_sets_that_is_cut_off_is_undone(void **state)
{
	undo_cut_off(load_sets, *state, false);
}

static void a_change_of_sets_that_is_cut_off_is_undone_beside_others(void **state)
{
	undo_cut_off(load_sets, *state, true);
}

static void a_change_that_is_cut_off_is_undone_beside_others(void **state)
{
	undo_cut_off(load_all, *state, true);
}

static void packets_are_held_only_between_commits(void **state)
{
	struct ruleset before = {0}, after = {0};
	struct change c = {.lock_wait = PLACE_WAIT};

	(void)state;
	place_legacy_or_skip();
	load_both(load_all, &before, &after);
	c.live = &before;
	c.target = &after;
	assert_int_equal(change_run(&c), CHANGE_DONE);
	assert_true(c.held);
	assert_true(c.commits >= 3);
	change_release(&c);
	assert_nothing_is_left();
	place_capture(&before);
	row_load_well("nft", NULL, "flush table inet t\n" T(IN("tcp dport 80 accept")));
	place_capture(&after);
	c = (struct change){.live = &after, .target = &before, .lock_wait = PLACE_WAIT};
	assert_int_equal(change_run(&c), CHANGE_DONE);
	assert_false(c.held);
	change_release(&c);
	ruleset_release(&before);
	ruleset_release(&after);
}

static void a_left_hold_is_removed(void **state)
{
	struct ruleset rs = {0};

	(void)state;
	assert_int_equal(nft_hold(NULL, true), 0);
	assert_int_equal(change_hold_remove(), 1);
	assert_int_equal(change_hold_remove(), 0);
	assert_nothing_is_left();
	assert_int_equal(nft_hold(NULL, true), 0);
	place_capture(&rs);
	assert_int_equal(place_change(&rs), CHANGE_NOTHING);
	assert_nothing_is_left();
	ruleset_release(&rs);
}

/* A writer that goes on for so long as the file is not there, once in a while; it counts what it did. */
static pid_t begin_writer(const char *command)
{
	pid_t pid = fork();

	if (!pid) {
		cleanup_free char *loop =
			str_printf("i=0; while [ ! -e /run/stop ] && [ $i -lt 250 ]; do i=$((i + 1)); %s && echo $i >>/run/all; "
				   "sleep 0.01; done; wc -l </run/all >/run/written", command);

		execl("/bin/sh", "sh", "-c", loop, NULL);
		_exit(127);
	}
	assert_true(pid > 0);
	usleep(50000);
	return pid;
}

static void end_writer(pid_t pid)
{
	int status;

	free(place_shell("touch /run/stop"));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* Changes there and back while somebody writes; how often it was stale. */
static unsigned change_beside(struct ruleset *one, struct ruleset *other, unsigned times)
{
	unsigned stale = 0;

	for (unsigned i = 0, tries = 0; i < times; tries++) {
		struct watch *watch = NULL;
		struct ruleset live = {0}, target = {0};
		struct capture capture = {.lock_wait = PLACE_WAIT};
		struct change c = {.live = &live, .target = &target, .lock_wait = PLACE_WAIT};
		enum change_result result;

		assert_true(tries < times * 10);
		assert_int_equal(watch_open(&watch), 0);
		c.watch = capture.watch = watch;
		assert_int_equal(engines_capture(&live, &capture), 0);
		assert_int_equal(merge_rulesets(i % 2 ? other : one, i % 2 ? one : other, &live, &target, NULL), 0);
		result = change_run(&c);
		if (result != CHANGE_STALE)
			assert_int_equal(result, CHANGE_DONE);
		stale += result == CHANGE_STALE;
		i += result == CHANGE_DONE;
		change_release(&c);
		ruleset_release(&target);
		ruleset_release(&live);
		watch_close(watch);
	}
	return stale;
}

static void a_writer_elsewhere_disturbs_nothing(void **state)
{
	struct ruleset one = {0}, other = {0};
	pid_t writer;

	(void)state;
	load_both(load_all, &one, &other);
	writer = begin_writer("nft \"add table ip w$i; add chain ip w$i c\"");
	assert_int_equal(change_beside(&one, &other, 6), 0);
	end_writer(writer);
	free(place_shell("test $(nft list tables | grep -c 'table ip w') = $(cat /run/written)"));
	assert_nothing_is_left();
	ruleset_release(&one);
	ruleset_release(&other);
}

/* All that others put into what we change is there in the end. */
static void what_others_write_meanwhile_survives(void **state)
{
	struct ruleset one = {0}, other = {0};
	pid_t writer;

	(void)state;
	load_both(load_all, &one, &other);
	writer = begin_writer("nft add element inet t s { 10.0.0.$i } && ipset add s 10.0.0.$i");
	change_beside(&one, &other, 4);
	end_writer(writer);
	free(place_shell("test $(nft list set inet t s | grep -o '10[.]0[.]0[.]' | wc -l) = $(cat /run/written)"));
	free(place_shell("test $(ipset save s | grep -c ' 10[.]0[.]0[.]') = $(cat /run/written)"));
	assert_nothing_is_left();
	ruleset_release(&one);
	ruleset_release(&other);
}

static void an_undo_succeeds_beside_a_writer(void **state)
{
	struct ruleset before = {0}, after = {0}, now = {0};
	pid_t writer;

	(void)state;
	load_both(load_all, &before, &after);
	assert_int_equal(place_change(&after), CHANGE_DONE);
	writer = begin_writer("nft add element inet t s { 10.0.0.$i } && ipset add s 10.0.0.$i");
	assert_int_equal(change_undo(&before, &after, PLACE_WAIT, NULL, NULL), CHANGE_DONE);
	end_writer(writer);
	free(place_shell("for i in $(seq $(cat /run/written)); do nft delete element inet t s { 10.0.0.$i }; ipset del s 10.0.0.$i; done"));
	place_capture(&now);
	place_assert_live(&before);
	assert_nothing_is_left();
	ruleset_release(&before);
	ruleset_release(&after);
	ruleset_release(&now);
}

#define PLACED(function) cmocka_unit_test_setup_teardown(function, place_setup, place_teardown)

static void add_points(struct CMUnitTest **tests, size_t *n, const char *what, CMUnitTestFunction function)
{
	for (size_t i = 0; i < ARRAY_SIZE(points); i++)
		*(struct CMUnitTest *)array_grow(tests, n, sizeof(**tests)) = (struct CMUnitTest){
			str_printf("%s: %s", what, points[i]), function, place_setup, place_teardown,
			(void *)(uintptr_t)points[i]};
}

/* test_undo [PATTERN]: only tests of that name */
int main(int argc, char **argv)
{
	const struct CMUnitTest others[] = {
		PLACED(packets_are_held_only_between_commits),
		PLACED(a_left_hold_is_removed),
		PLACED(a_writer_elsewhere_disturbs_nothing),
		PLACED(what_others_write_meanwhile_survives),
		PLACED(an_undo_succeeds_beside_a_writer),
	};
	struct CMUnitTest *tests = NULL;
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		*(struct CMUnitTest *)array_grow(&tests, &n, sizeof(*tests)) = others[i];
	add_points(&tests, &n, "cut off", a_change_that_is_cut_off_is_undone);
	add_points(&tests, &n, "cut off, beside others", a_change_that_is_cut_off_is_undone_beside_others);
	add_points(&tests, &n, "sets, cut off", a_change_of_sets_that_is_cut_off_is_undone);
	add_points(&tests, &n, "sets, cut off, beside others", a_change_of_sets_that_is_cut_off_is_undone_beside_others);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return _cmocka_run_group_tests("undo", tests, n, NULL, NULL);
}
