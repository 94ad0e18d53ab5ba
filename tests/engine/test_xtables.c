/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What legacy tables promise beyond coming back (test_rows.c). */
#include "place.h"

#include "engine/xtables.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <cmocka.h>

#define FILTER "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
#define SAVE "iptables-legacy-save -c | grep -v '^#'; ip6tables-legacy-save -c | grep -v '^#'; true"

/* A network namespace of its own for each case. */
static int setup(void **state)
{
	(void)state;
	place_move(false);
	return 0;
}

static void load(const char *program, const char *text)
{
	const char *const argv[] = {program, "-c", NULL};
	cleanup_buf struct buf err = BUF_INIT;

	if (place_run(argv, text, NULL, &err))
		fail_msg("%s: %s", text, buf_str(&err));
}

static void assert_saved(const char *want)
{
	cleanup_free char *have = place_shell(SAVE);

	assert_string_equal(have, want);
}

/* The bytes of a name in the records of a table, to be altered. */
static char *find_name(struct table *t, const char *name)
{
	char *found = memmem(t->records.data, t->records.len, name, strlen(name) + 1);

	assert_non_null(found);
	return found;
}

static void looking_makes_no_table(void **state)
{
	struct ruleset rs = {0};
	cleanup_free char *before = NULL, *after = NULL;

	(void)state;
	free(place_shell("iptables-legacy -t raw -S"));
	before = place_shell("cat /proc/self/net/ip_tables_names /proc/self/net/ip6_tables_names");
	place_capture(&rs);
	after = place_shell("cat /proc/self/net/ip_tables_names /proc/self/net/ip6_tables_names");
	assert_string_equal(before, after);
	assert_non_null(strstr(after, "raw"));
	assert_non_null(ruleset_find(&rs, ENGINE_XTABLES, NFPROTO_IPV4, "raw"));
	assert_null(ruleset_find(&rs, ENGINE_XTABLES, NFPROTO_IPV4, "filter"));
	ruleset_release(&rs);
}

static void counters_come_back(void **state)
{
	cleanup_free char *before = NULL;
	struct ruleset rs = {0};

	(void)state;
	load("iptables-legacy-restore", "*filter\n:INPUT DROP [7:700]\n:FORWARD ACCEPT [1:2]\n:OUTPUT ACCEPT [0:0]\n:u - [0:0]\n:v - [0:0]\n"
		"[5:6] -A INPUT -s 10.0.0.0/8 -j u\n[18446744073709551614:9] -A u -g v\n[1:1] -A u\nCOMMIT\n");
	before = place_shell(SAVE);
	place_capture(&rs);
	place_move(false);
	assert_int_equal(place_change(&rs), CHANGE_DONE);
	assert_saved(before);
	ruleset_release(&rs);
}

/* Two tables change, the kernel refuses the second. What was counted after the capture stays too. */
static void a_refused_table_leaves_all_as_they_were(void **state)
{
	cleanup_free char *before = NULL, *said = NULL;
	struct ruleset rs = {0}, live = {0};
	struct table *t;
	enum change_result result;
	int listening;

	(void)state;
	load("iptables-legacy-restore", FILTER "[1:1] -A INPUT -s 10.0.0.1\nCOMMIT\n");
	load("ip6tables-legacy-restore", FILTER "-A INPUT -j ACCEPT\n-A INPUT -m comment --comment x\nCOMMIT\n");
	place_capture(&rs);
	t = ruleset_find(&rs, ENGINE_XTABLES, NFPROTO_IPV6, "filter");
	strcpy(find_name(t, "comment"), "nothing");
	assert_int_equal(engine_xtables.digest(&rs, t), 0);
	free(place_shell("iptables-legacy -F; iptables-legacy -A OUTPUT -c 8 9 -j DROP;"
			 "ip6tables-legacy -F; ip6tables-legacy -A FORWARD -j DROP"));
	place_capture(&live);
	free(place_shell("iptables-legacy -R OUTPUT 1 -c 10 11 -j DROP"));
	before = place_shell(SAVE);
	listening = place_listen();
	result = place_change_from(&live, &rs);
	said = place_heard(listening);
	assert_int_equal(result, CHANGE_REFUSED);
	assert_non_null(strstr(said, "'legacy ip6 filter': rule 2 of chain 'INPUT' needs match 'nothing' revision 0"));
	assert_saved(before);
	ruleset_release(&live);
	ruleset_release(&rs);
}

/*
 * One rule is replaced, one goes, one comes. The others' counters run on, from what they are when the table is
 * replaced, whatever the capture saw; so do the policy's and those of chains that stand elsewhere in the kernel's table.
 */
static void counters_beside_a_changed_rule_run_on(void **state)
{
	struct ruleset target = {0}, live = {0};

	(void)state;
	load("iptables-legacy-restore", "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:b - [0:0]\n:new - [0:0]\n"
		"[1:1] -A INPUT -s 10.0.0.1\n[1:1] -A INPUT -s 10.0.0.9\n[1:1] -A INPUT -s 10.0.0.3\n"
		"-A b -s 10.0.1.1\n[6:7] -A b -s 10.0.1.2\n[8:9] -A new -j DROP\nCOMMIT\n");
	place_capture(&target);
	place_move(false);
	load("iptables-legacy-restore", "*filter\n:INPUT ACCEPT [7:70]\n:FORWARD DROP [5:50]\n:OUTPUT ACCEPT [0:0]\n:z - [0:0]\n:b - [0:0]\n:a - [0:0]\n"
		"[11:110] -A INPUT -s 10.0.0.1\n[12:120] -A INPUT -s 10.0.0.2\n[13:130] -A INPUT -s 10.0.0.3\n"
		"[21:210] -A b -s 10.0.1.1\n[31:310] -A a -s 10.0.2.1\n[32:320] -A z -s 10.0.3.1\nCOMMIT\n");
	place_capture(&live);
	assert_int_equal(place_change_from(&live, &target), CHANGE_DONE);
	assert_saved("*filter\n:INPUT ACCEPT [7:70]\n:FORWARD ACCEPT [5:50]\n:OUTPUT ACCEPT [0:0]\n:b - [0:0]\n:new - [0:0]\n"
		"[11:110] -A INPUT -s 10.0.0.1/32\n[1:1] -A INPUT -s 10.0.0.9/32\n[13:130] -A INPUT -s 10.0.0.3/32\n"
		"[21:210] -A b -s 10.0.1.1/32\n[6:7] -A b -s 10.0.1.2/32\n[8:9] -A new -j DROP\nCOMMIT\n");
	/* not what was recorded, but what is live */
	free(place_shell("iptables-legacy -Z"));
	assert_int_equal(place_change(&live), CHANGE_DONE);
	free(place_shell("iptables-legacy-save -c | grep -qx -- '\\[0:0\\] -A INPUT -s 10.0.0.1/32'"));
	ruleset_release(&live);
	ruleset_release(&target);
}

/* The last of its datagrams to itself are on their way while the table is replaced 20 times: each one is counted. */
static void no_packet_goes_uncounted(void **state)
{
	struct ruleset one = {0}, other = {0};
	cleanup_free char *counted = NULL;

	(void)state;
	free(place_shell("ip link set lo up"));
	load("iptables-legacy-restore", FILTER "-A INPUT -s 10.0.0.2\n-A INPUT -p udp --dport 9\n-A INPUT -p udp -j DROP\nCOMMIT\n");
	place_capture(&other);
	load("iptables-legacy-restore", FILTER "-A INPUT -s 10.0.0.1\n-A INPUT -p udp --dport 9\n-A INPUT -p udp -j DROP\nCOMMIT\n");
	place_capture(&one);
	free(place_shell("(bash -c 'exec 3>/dev/udp/127.0.0.1/9; for i in {1..20000}; do echo >&3; done 2>/dev/null'; "
			 "touch /run/sent) >/dev/null 2>&1 &"));
	for (int i = 0; access("/run/sent", F_OK) && i < 400; i++) {
		assert_int_equal(place_change(i % 2 ? &one : &other), CHANGE_DONE);
		usleep(2000);
	}
	counted = place_shell("cat /run/sent; iptables-legacy -nvxL INPUT | awk '/dpt:9/ {print $1}'");
	assert_string_equal(counted, "20000\n");
	ruleset_release(&one);
	ruleset_release(&other);
}

static void sets_go_by_name(void **state)
{
	struct ruleset rs = {0};

	(void)state;
	free(place_shell("ipset create a hash:ip; ipset create b hash:ip; ipset create c hash:ip; ipset destroy a"));
	load("iptables-legacy-restore", FILTER "-A INPUT -m set --match-set c src -m set ! --match-set b dst -j SET --add-set b src\nCOMMIT\n");
	place_capture(&rs);
	place_move(false);
	free(place_shell("ipset create c hash:ip; ipset create x hash:ip; ipset create b hash:ip"));
	assert_int_equal(place_change(&rs), CHANGE_DONE);
	free(place_shell("iptables-legacy-save | grep -qx -- '-A INPUT -m set --match-set c src -m set ! --match-set b dst -j SET --add-set b src'"));
	ruleset_release(&rs);
}

static void a_set_that_is_gone_names_the_rule(void **state)
{
	cleanup_free char *said = NULL;
	struct ruleset rs = {0}, none = {0};
	struct table *t;
	enum change_result result;
	int listening;

	(void)state;
	free(place_shell("ipset create a hash:ip"));
	load("iptables-legacy-restore", FILTER "-A INPUT -s 1.1.1.1\n-A INPUT -m set --match-set a src\nCOMMIT\n");
	place_capture(&rs);
	place_move(false);
	t = ruleset_find(&rs, ENGINE_IPSET, NFPROTO_UNSPEC, "a");
	/* as if it had never been captured */
	t->empty = true;
	listening = place_listen();
	place_capture(&none);
	result = place_change_from(&none, &rs);
	said = place_heard(listening);
	assert_int_equal(result, CHANGE_REFUSED);
	assert_non_null(strstr(said, "legacy ip filter: rule 2 of chain 'INPUT': ipset 'a' is not there"));
	ruleset_release(&none);
	ruleset_release(&rs);
}

static void a_table_that_is_not_wanted_becomes_empty(void **state)
{
	struct ruleset none = {0}, now = {0};

	(void)state;
	load("iptables-legacy-restore", "*nat\n:PREROUTING DROP [0:0]\n:u - [0:0]\n-A PREROUTING -j u\nCOMMIT\n");
	assert_int_equal(place_change(&none), CHANGE_DONE);
	place_capture(&now);
	assert_true(ruleset_find(&now, ENGINE_XTABLES, NFPROTO_IPV4, "nat")->empty);
	free(place_shell("test \"$(iptables-legacy -t nat -S PREROUTING)\" = '-P PREROUTING ACCEPT'"));
	ruleset_release(&now);
}

static void a_table_that_another_changed_meanwhile_is_not_replaced(void **state)
{
	struct ruleset live = {0}, none = {0};

	(void)state;
	load("iptables-legacy-restore", FILTER "-A INPUT -s 1.1.1.1\nCOMMIT\n");
	place_capture(&live);
	free(place_shell("iptables-legacy -A INPUT -s 2.2.2.2"));
	assert_int_equal(place_change_from(&live, &none), CHANGE_STALE);
	assert_int_equal(place_change(&live), CHANGE_DONE);
	free(place_shell("test $(iptables-legacy -S INPUT | wc -l) = 2"));
	ruleset_release(&live);
}

static void a_lock_that_another_holds_is_waited_for_and_named(void **state)
{
	const struct capture c = {.lock_wait = 0};
	cleanup_free char *said = NULL;
	cleanup_close int fd = -1;
	struct ruleset rs = {0};
	int listening;

	(void)state;
	load("iptables-legacy-restore", FILTER "COMMIT\n");
	fd = open("/run/xtables.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	listening = place_listen();
	assert_int_equal(engines_capture(&rs, &c), -EBUSY);
	said = place_heard(listening);
	assert_non_null(strstr(said, "lock"));
	ruleset_release(&rs);
}

static const struct {
	const char *name;
	bool equal;
	const char *a, *b;
} pairs[] = {
	{"counters do not count", true, "[1:1] -A INPUT -s 1.1.1.1\n", "[2:2] -A INPUT -s 1.1.1.1\n"},
	{"the order of user chains does not count", true, ":x - [0:0]\n:y - [0:0]\n-A x -j y\n", ":y - [0:0]\n:x - [0:0]\n-A x -j y\n"},
	{"the order of rules counts", false, "-A INPUT -s 1.1.1.1\n-A INPUT -s 2.2.2.2\n", "-A INPUT -s 2.2.2.2\n-A INPUT -s 1.1.1.1\n"},
	{"an empty user chain counts", false, ":x - [0:0]\n", ""},
	{"a policy counts", false, ":INPUT DROP [0:0]\n", ""},
	{"the chain of a rule counts", false, "-A INPUT -s 1.1.1.1\n", "-A FORWARD -s 1.1.1.1\n"},
	{"where a rule jumps counts", false, ":x - [0:0]\n:y - [0:0]\n-A INPUT -j x\n", ":x - [0:0]\n:y - [0:0]\n-A INPUT -j y\n"},
	{"goto is not jump", false, ":x - [0:0]\n-A INPUT -j x\n", ":x - [0:0]\n-A INPUT -g x\n"},
	{"no target is not RETURN", false, "-A INPUT -s 1.1.1.1\n", "-A INPUT -s 1.1.1.1 -j RETURN\n"},
	{"the set of a match counts", false, "-A INPUT -m set --match-set s1 src\n", "-A INPUT -m set --match-set s2 src\n"},
	{"a default mask is the whole one", true, "-A INPUT -m recent --set\n", "-A INPUT -m recent --set --mask 255.255.255.255\n"},
	{"a mask counts", false, "-A INPUT -m recent --set\n", "-A INPUT -m recent --set --mask 255.255.255.0\n"},
};

static void what_counts_is_what_the_definition_says(void **state)
{
	(void)state;
	free(place_shell("ipset create s1 hash:ip; ipset create s2 hash:ip"));
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		const char *const texts[] = {pairs[i].a, pairs[i].b};
		struct ruleset rs[2] = {{.ntables = 0}, {.ntables = 0}};

		for (size_t n = 0; n < 2; n++) {
			cleanup_free char *text = str_printf(FILTER "%sCOMMIT\n", texts[n]);

			load("iptables-legacy-restore", text);
			place_capture_digests(&rs[n]);
		}
		if (ruleset_equal(&rs[0], &rs[1]) != pairs[i].equal)
			fail_msg("%s", pairs[i].name);
		ruleset_release(&rs[0]);
		ruleset_release(&rs[1]);
	}
}

/* Under the sanitizers this shows that nothing beyond the records is read. */
static void damaged_records_are_refused_or_read_safely(void **state)
{
	struct ruleset rs = {0};
	struct table *t;
	size_t refused = 0;

	(void)state;
	load("iptables-legacy-restore", FILTER ":u - [0:0]\n-A INPUT -m comment --comment x -m limit --limit 5/s -j u\n-A u -j LOG\nCOMMIT\n");
	place_capture(&rs);
	t = ruleset_find(&rs, ENGINE_XTABLES, NFPROTO_IPV4, "filter");
	for (size_t at = 0; at < t->records.len; at++)
		for (unsigned value = 0; value < 256; value += 15) {
			size_t n = t->records.len;
			struct buf whole = t->records, cut = BUF_INIT;

			buf_add(&cut, whole.data, value ? n : at);
			if (value)
				cut.data[at] = (unsigned char)value;
			t->records = cut;
			refused += engine_xtables.digest(&rs, t) == -EBADMSG;
			buf_release(&t->records);
			t->records = whole;
		}
	assert_int_equal(engine_xtables.digest(&rs, t), 0);
	assert_true(refused > t->records.len);
	ruleset_release(&rs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(looking_makes_no_table, setup),
		cmocka_unit_test_setup(counters_come_back, setup),
		cmocka_unit_test_setup(a_refused_table_leaves_all_as_they_were, setup),
		cmocka_unit_test_setup(counters_beside_a_changed_rule_run_on, setup),
		cmocka_unit_test_setup(no_packet_goes_uncounted, setup),
		cmocka_unit_test_setup(sets_go_by_name, setup),
		cmocka_unit_test_setup(a_set_that_is_gone_names_the_rule, setup),
		cmocka_unit_test_setup(a_table_that_is_not_wanted_becomes_empty, setup),
		cmocka_unit_test_setup(a_table_that_another_changed_meanwhile_is_not_replaced, setup),
		cmocka_unit_test_setup(a_lock_that_another_holds_is_waited_for_and_named, setup),
		cmocka_unit_test_setup(what_counts_is_what_the_definition_says, setup),
		cmocka_unit_test_setup(damaged_records_are_refused_or_read_safely, setup),
	};

	return cmocka_run_group_tests(tests, place_setup, place_teardown);
}
