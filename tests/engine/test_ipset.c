/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What ipsets promise beyond coming back (test_rows.c). */
#include "place.h"

#include "engine/ipset.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define SAVE "ipset save | sort | sed 's/ initval [^ ]*//'"

/* A network namespace of its own for each case. */
static int setup(void **state)
{
	(void)state;
	place_move(false);
	return 0;
}

static void load(const char *text)
{
	const char *const argv[] = {"ipset", "restore", NULL};
	cleanup_buf struct buf err = BUF_INIT;

	if (place_run(argv, text, NULL, &err))
		fail_msg("%s: %s", text, buf_str(&err));
}

static void assert_shell(const char *command, const char *want)
{
	cleanup_free char *have = place_shell(command);

	assert_string_equal(have, want);
}

static uint16_t index_of(const char *name)
{
	cleanup_ipset struct ipset_kernel k = IPSET_KERNEL_INIT;

	assert_int_equal(ipset_open(&k, false), 0);
	return ipset_index(&k, name);
}

static void rules_see_the_members_of_a_replaced_set(void **state)
{
	struct ruleset rs = {0};
	uint16_t before;

	(void)state;
	load("create other hash:ip\ncreate s hash:ip comment\nadd s 1.1.1.1 comment x\nadd s 2.2.2.2\n");
	free(place_shell("iptables-legacy -A INPUT -m set --match-set s src -j DROP"));
	before = index_of("s");
	place_capture(&rs);
	free(place_shell("iptables-legacy -F; ipset destroy s; ipset create s hash:ip maxelem 7; ipset add s 3.3.3.3;"
			 "iptables-legacy -A INPUT -m set --match-set s src -j DROP"));
	assert_int_equal(index_of("s"), before);
	assert_int_equal(place_change(&rs), CHANGE_DONE);
	assert_int_equal(index_of("s"), before);
	assert_shell("ipset save s | grep add | sort", "add s 1.1.1.1 comment \"x\"\nadd s 2.2.2.2\n");
	assert_shell("ipset list -n", "other\ns\n");
	ruleset_release(&rs);
}

static void a_set_of_another_type_is_replaced_where_nothing_refers_to_it(void **state)
{
	struct ruleset rs = {0};

	(void)state;
	load("create s hash:net\nadd s 10.0.0.0/8\ncreate l list:set\nadd l s\n");
	place_capture(&rs);
	free(place_shell("ipset flush; ipset destroy l; ipset destroy s"));
	load("create s hash:ip,port\nadd s 1.1.1.1,tcp:1\n");
	assert_int_equal(place_change(&rs), CHANGE_DONE);
	assert_shell("ipset save | grep add", "add s 10.0.0.0/8\nadd l s\n");
	ruleset_release(&rs);
}

static void *create_attribute(struct table *t, unsigned type)
{
	const struct nlattr *tb[IPSET_ATTR_CMD_MAX + 1];
	size_t len;
	const struct nlattr *first = netlink_first((const void *)t->records.data, &len);

	netlink_attributes(first, len, tb, IPSET_ATTR_CMD_MAX);
	return mnl_attr_get_payload(tb[type]);
}

/* A type that no kernel has. */
static void alter_type(struct table *t)
{
	*(char *)create_attribute(t, IPSET_ATTR_TYPENAME) = 'x';
}

/* Room for one member. */
static void alter_room(struct table *t)
{
	struct nlattr *data = (struct nlattr *)create_attribute(t, IPSET_ATTR_DATA) - 1;
	struct nlattr *a;

	mnl_attr_for_each_nested(a, data)
		if (mnl_attr_get_type(a) == IPSET_ATTR_MAXELEM)
			*(uint32_t *)mnl_attr_get_payload(a) = htonl(1);
}

/* One set is made, one is replaced, one is of another type; then one cannot be filled. */
static void refuse(const char *last, const char *name, void (*alter)(struct table *t),
		   const char *why)
{
	cleanup_free char *before = NULL, *said = NULL;
	struct ruleset rs = {0};
	struct table *t;
	enum change_result result;
	int listening;

	load("create new hash:ip\nadd new 1.1.1.1\ncreate old hash:net\nadd old 10.0.0.0/8\n"
	     "create type hash:net\n");
	load(last);
	place_capture(&rs);
	t = ruleset_find(&rs, ENGINE_IPSET, NFPROTO_UNSPEC, name);
	alter(t);
	assert_int_equal(engine_ipset.digest(&rs, t), 0);
	ruleset_finish(&rs);
	place_move(false);
	load("create gone hash:ip\ncreate old hash:net\nadd old 11.0.0.0/8\n"
	     "create type hash:ip timeout 900\nadd type 9.9.9.9 timeout 0\n");
	before = place_shell(SAVE);
	listening = place_listen();
	result = place_change(&rs);
	said = place_heard(listening);
	if (!strstr(said, why))
		fail_msg("%s", said);
	assert_shell(SAVE, before);
	assert_int_equal(result, CHANGE_REFUSED);
	ruleset_release(&rs);
}

static void a_refused_set_leaves_all_as_they_were(void **state)
{
	(void)state;
	refuse("create z hash:ip\nadd z 1.1.1.1\nadd z 2.2.2.2\nadd z 3.3.3.3\n", "z",
	       alter_room, "cannot fill ipset 'z': the hash is full");
}

static void a_refused_list_leaves_all_as_they_were(void **state)
{
	(void)state;
	refuse("create l list:set\nadd l old\nadd l new\n", "l", alter_type,
	       "cannot create ipset 'l': the kernel has no such type of set");
}

/* As of a kernel that is newer than this one, which adds a revision with each new option of a type. */
static void a_set_of_a_newer_revision_comes_back(void **state)
{
	struct ruleset rs = {0};

	(void)state;
	load("create s hash:ip comment\nadd s 1.1.1.1 comment x\n");
	place_capture(&rs);
	*(uint8_t *)create_attribute(ruleset_find(&rs, ENGINE_IPSET, NFPROTO_UNSPEC, "s"), IPSET_ATTR_REVISION) = 250;
	free(place_shell("ipset destroy"));
	assert_int_equal(place_change(&rs), CHANGE_DONE);
	assert_shell("ipset save | grep add", "add s 1.1.1.1 comment \"x\"\n");
	ruleset_release(&rs);
}

static void a_set_that_stays_in_use_is_named_and_all_is_undone(void **state)
{
	cleanup_free char *before = NULL, *said = NULL;
	struct ruleset rs = {0};
	enum change_result result;
	int listening;

	(void)state;
	load("create s hash:ip\nadd s 1.1.1.1\ncreate l list:set\nadd l s\n");
	place_capture(&rs);
	free(place_shell("ipset flush; ipset destroy l; ipset destroy s"));
	load("create s hash:net\ncreate l list:set\nadd l s\n");
	before = place_shell(SAVE);
	listening = place_listen();
	result = place_change(&rs);
	said = place_heard(listening);
	assert_int_equal(result, CHANGE_UNDONE);
	assert_non_null(strstr(said, "ipset 's'"));
	assert_shell(SAVE, before);
	ruleset_release(&rs);
}

static void what_a_cut_off_change_left_goes_and_is_never_captured(void **state)
{
	struct ruleset rs = {0};

	(void)state;
	load("create s hash:ip\ncreate " IPSET_TEMPORARY "0 hash:ip\nadd " IPSET_TEMPORARY "0 1.1.1.1\n");
	place_capture(&rs);
	assert_int_equal(rs.ntables, 1);
	load("add s 4.4.4.4\n");
	assert_int_equal(place_change(&rs), CHANGE_DONE);
	assert_shell("ipset list -n", "s\n");
	ruleset_release(&rs);
}

static void remaining_time_comes_back(void **state)
{
	struct ruleset rs = {0};

	(void)state;
	load("create s hash:ip timeout 1000\nadd s 1.1.1.1 timeout 5000\nadd s 2.2.2.2 timeout 0\n");
	place_capture(&rs);
	free(place_shell("ipset flush"));
	load("add s 3.3.3.3 timeout 0\n");
	assert_int_equal(place_change(&rs), CHANGE_DONE);
	/* a second or two may have passed */
	assert_shell("ipset save s | sed -n 's/timeout \\(49..\\|5000\\)/timeout X/; s/^add //p' | sort",
		     "s 1.1.1.1 timeout X\ns 2.2.2.2 timeout 0\n");
	ruleset_release(&rs);
}

/* Members that stay keep what was counted and what is left of their time, whatever was captured; others' new ones stay. */
static void members_that_stay_run_on(void **state)
{
	struct ruleset rs = {0};

	(void)state;
	load("create s hash:ip timeout 0 counters\nadd s 1.1.1.1 packets 1 bytes 1\nadd s 2.2.2.2 packets 2 bytes 2\n");
	place_capture(&rs);
	free(place_shell("ipset flush"));
	load("add s 1.1.1.1 packets 11 bytes 11\nadd s 5.5.5.5 timeout 5000\nadd s 3.3.3.3\nadd s 4.4.4.4\n");
	assert_int_equal(place_change(&rs), CHANGE_DONE);
	assert_shell("ipset save s | sed -n 's/timeout \\(49..\\|5000\\)/timeout X/; s/^add //p' | sort",
		     "s 1.1.1.1 timeout 0 packets 11 bytes 11\ns 2.2.2.2 timeout 0 packets 2 bytes 2\n"
		     "s 5.5.5.5 timeout X packets 0 bytes 0\n");
	/* one member alone is changed in place */
	free(place_shell("ipset add s 6.6.6.6"));
	assert_int_equal(place_change(&rs), CHANGE_DONE);
	assert_shell("ipset save s | grep -c 6.6.6.6 || true", "0\n");
	assert_shell("ipset save s | grep -c 'add s 1.1.1.1 timeout 0 packets 11 bytes 11'", "1\n");
	ruleset_release(&rs);
}

/* Changes to rs; no packet is held back meanwhile. */
static void change_without_a_hold(struct ruleset *rs)
{
	struct ruleset live = {0};
	struct change c = {.live = &live, .target = rs, .lock_wait = PLACE_WAIT};

	place_capture(&live);
	assert_int_equal(change_run(&c), CHANGE_DONE);
	assert_false(c.held);
	assert_int_equal(c.commits, 1);
	change_release(&c);
	ruleset_release(&live);
}

/* Of several sets at once, with all that members can have beside them. */
static void members_of_several_sets_come_and_go_and_others_run_on(void **state)
{
	struct ruleset rs = {0};

	(void)state;
	load("create a hash:ip counters comment\nadd a 1.1.1.1 comment x\nadd a 2.2.2.2\nadd a 3.3.3.3 comment y\n"
	     "create b hash:net timeout 0 counters\nadd b 10.0.0.0/8\nadd b 11.0.0.0/8\n"
	     "create c bitmap:port range 1-99\nadd c 1\n");
	place_capture(&rs);
	free(place_shell("ipset flush"));
	load("add a 1.1.1.1 comment x packets 7 bytes 8\nadd a 3.3.3.3 comment z packets 9 bytes 9\nadd a 4.4.4.4\n"
	     "add b 10.0.0.0/8 packets 5 bytes 6\nadd b 12.0.0.0/8\nadd b 13.0.0.0/8 timeout 5000 packets 3 bytes 4\n"
	     "add c 2\n");
	change_without_a_hold(&rs);
	assert_shell("ipset save | sed -n 's/timeout \\(49..\\|5000\\)/timeout X/; s/^add //p' | sort",
		     "a 1.1.1.1 packets 7 bytes 8 comment \"x\"\na 2.2.2.2 packets 0 bytes 0\n"
		     "a 3.3.3.3 packets 0 bytes 0 comment \"y\"\n"
		     "b 10.0.0.0/8 timeout 0 packets 5 bytes 6\nb 11.0.0.0/8 timeout 0 packets 0 bytes 0\n"
		     "b 13.0.0.0/8 timeout X packets 3 bytes 4\nc 1\n");
	ruleset_release(&rs);
}

/* With the old and the new members together these would be full, or let through what neither does, or out of order. */
static void sets_that_cannot_change_member_by_member_are_swapped(void **state)
{
	static const char *const sets[][2] = {
		{"create s hash:ip maxelem 2\nadd s 1.1.1.1\nadd s 2.2.2.2\n",
		 "create s hash:ip maxelem 2\nadd s 1.1.1.1\nadd s 3.3.3.3\n"},
		{"create s hash:net\nadd s 10.0.0.0/8\nadd s 10.1.0.0/16 nomatch\n",
		 "create s hash:net\nadd s 10.1.0.0/17 nomatch\nadd s 10.1.0.0/16\n"},
		{"create a hash:ip\ncreate b hash:ip\ncreate s list:set\nadd s a\nadd s b\n",
		 "create a hash:ip\ncreate b hash:ip\ncreate s list:set\nadd s b\nadd s a\n"},
		{"create s hash:ip\nadd s 1.1.1.1\n", "create s hash:ip counters\nadd s 1.1.1.1\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		struct ruleset rs[2] = {{.ntables = 0}, {.ntables = 0}};

		for (size_t n = 0; n < 2; n++) {
			place_move(false);
			load(sets[i][n]);
			place_capture(&rs[n]);
		}
		for (size_t n = 0; n < 4; n++) {
			change_without_a_hold(&rs[n % 2]);
			place_assert_live(&rs[n % 2]);
		}
		ruleset_release(&rs[0]);
		ruleset_release(&rs[1]);
	}
}

static bool has_rules(const char *which, const char *program)
{
	return !strcmp(which, "both") || !strcmp(which, program);
}

/* The rules stay as they are; a table that has nothing to do with the set is not touched. */
static void load_under_rules(const char *set, const char *which)
{
	static const char *const programs[] = {"legacy", "nft"};

	place_move(false);
	load(set);
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		cleanup_free char *rules = str_printf(
			"iptables-%s -A INPUT -m set --match-set s src -j DROP; iptables-%s -t mangle -A INPUT -s 9.9.9.9 -c 7 8",
			programs[i], programs[i]);

		if (has_rules(which, programs[i]))
			free(place_shell(rules));
	}
}

static void assert_counted(const char *which, const char *program)
{
	cleanup_free char *show = str_printf("iptables-%s-save -c -t mangle | grep -c '^.7:8. -A INPUT -s 9.9.9.9'", program);

	if (has_rules(which, program))
		assert_shell(show, "1\n");
}

/* There and back, and there again. */
static void a_set_of_another_type_comes_under_equal_rules(void **state)
{
	const char *which = *state;
	struct ruleset rs[2] = {{.ntables = 0}, {.ntables = 0}};

	if (strcmp(which, "nft") != 0)
		place_legacy_or_skip();
	load_under_rules("create x hash:ip\ncreate s hash:ip,port\nadd s 1.1.1.1,tcp:1\ncreate l list:set\nadd l x\n", which);
	place_capture(&rs[0]);
	load_under_rules("create x hash:ip\ncreate s hash:net counters\nadd s 10.0.0.0/8\ncreate l list:set\nadd l x\n", which);
	place_capture(&rs[1]);
	for (size_t n = 0; n < 3; n++) {
		assert_int_equal(place_change(&rs[n % 2]), CHANGE_DONE);
		place_assert_live(&rs[n % 2]);
		assert_shell("ipset list -n | sort", "l\ns\nx\n");
		assert_counted(which, "legacy");
		assert_counted(which, "nft");
	}
	ruleset_release(&rs[0]);
	ruleset_release(&rs[1]);
}

static void many_members_come_in_pieces_and_whole(void **state)
{
	struct ruleset rs = {0}, pieces = {0};

	(void)state;
	free(place_shell("{ echo create s hash:ip,port counters; seq -f 'add s 10.0.0.0,%.0f packets 3 bytes 4' 1 65000; } | ipset restore"));
	place_capture(&rs);
	place_capture_digests(&pieces);
	assert_true(ruleset_equal(&rs, &pieces));
	assert_int_equal(rs.tables[0].counts.elements, 65000);
	assert_int_equal(rs.tables[0].size, pieces.tables[0].size);
	free(place_shell("ipset destroy"));
	assert_int_equal(place_change(&rs), CHANGE_DONE);
	assert_shell("ipset save s | grep -c 'add s 10.0.0.0,tcp:.* packets 3 bytes 4'", "65000\n");
	ruleset_release(&pieces);
	ruleset_release(&rs);
}

static const struct {
	const char *name;
	bool equal;
	const char *a, *b;
} pairs[] = {
	{"counters do not count", true, "create s hash:ip counters\nadd s 1.1.1.1 packets 1\n", "create s hash:ip counters\nadd s 1.1.1.1 packets 2\n"},
	{"the size of the hash does not count", true, "create s hash:ip hashsize 64\n", "create s hash:ip hashsize 4096\n"},
	{"the seed does not count", true, "create s hash:ip initval 1\n", "create s hash:ip initval 2\n"},
	{"members that time out do not count", true, "create s hash:ip timeout 9\nadd s 1.1.1.1\n", "create s hash:ip timeout 9\n"},
	{"members that stay count", false, "create s hash:ip timeout 9\nadd s 1.1.1.1 timeout 0\n", "create s hash:ip timeout 9\n"},
	{"the time for new members counts", false, "create s hash:ip timeout 9\n", "create s hash:ip timeout 8\n"},
	{"room counts", false, "create s hash:ip maxelem 9\n", "create s hash:ip maxelem 8\n"},
	{"the bucket size counts", false, "create s hash:ip bucketsize 4\n", "create s hash:ip\n"},
	{"extensions count", false, "create s hash:ip counters\n", "create s hash:ip comment\n"},
	{"the type counts", false, "create s hash:ip\n", "create s hash:net\n"},
	{"the family counts", false, "create s hash:ip\n", "create s hash:ip family inet6\n"},
	{"the name counts", false, "create s hash:ip\n", "create t hash:ip\n"},
	{"a comment counts", false, "create s hash:ip comment\nadd s 1.1.1.1 comment a\n", "create s hash:ip comment\nadd s 1.1.1.1 comment b\n"},
	{"nomatch counts", false, "create s hash:net\nadd s 10.0.0.0/8\n", "create s hash:net\nadd s 10.0.0.0/8 nomatch\n"},
	{"the order of members does not count", true, "create s hash:ip\nadd s 1.1.1.1\nadd s 2.2.2.2\n", "create s hash:ip\nadd s 2.2.2.2\nadd s 1.1.1.1\n"},
	{"the order of a list counts", false, "create a hash:ip\ncreate b hash:ip\ncreate s list:set\nadd s a\nadd s b\n", "create a hash:ip\ncreate b hash:ip\ncreate s list:set\nadd s b\nadd s a\n"},
};

static void what_counts_is_what_the_definition_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		const char *const texts[] = {pairs[i].a, pairs[i].b};
		struct ruleset rs[2] = {{.ntables = 0}, {.ntables = 0}};

		for (size_t n = 0; n < 2; n++) {
			load(texts[n]);
			place_capture_digests(&rs[n]);
			free(place_shell("ipset flush; ipset list -n | tac | xargs -n1 ipset destroy"));
		}
		if (ruleset_equal(&rs[0], &rs[1]) != pairs[i].equal)
			fail_msg("%s", pairs[i].name);
		ruleset_release(&rs[0]);
		ruleset_release(&rs[1]);
	}
}

static void members_of_a_set_that_a_rule_writes_to_are_dynamic(void **state)
{
	struct ruleset before = {0}, after = {0};

	(void)state;
	load("create s hash:ip\n");
	free(place_shell("iptables-legacy -A INPUT -j SET --add-set s src"));
	place_capture_digests(&before);
	load("add s 1.1.1.1\n");
	place_capture_digests(&after);
	assert_true(ruleset_equal(&before, &after));
	assert_false(digest_equal(before.tables[0].dynamic, after.tables[0].dynamic));
	ruleset_release(&before);
	ruleset_release(&after);
}

/* Under the sanitizers this shows that nothing beyond the records is read. */
static void damaged_records_are_refused_or_read_safely(void **state)
{
	struct ruleset rs = {0};
	struct table *t;
	size_t refused = 0;

	(void)state;
	load("create s hash:ip,port timeout 9 comment\nadd s 1.1.1.1,tcp:1 comment x\nadd s 2.2.2.2,udp:2\n");
	place_capture(&rs);
	t = &rs.tables[0];
	for (size_t at = 0; at < t->records.len; at++)
		for (unsigned value = 0; value < 256; value += 15) {
			size_t n = t->records.len;
			struct buf whole = t->records, cut = BUF_INIT;

			buf_add(&cut, whole.data, value ? n : at);
			if (value)
				cut.data[at] = (unsigned char)value;
			t->records = cut;
			refused += engine_ipset.digest(&rs, t) == -EBADMSG;
			buf_release(&t->records);
			t->records = whole;
		}
	assert_int_equal(engine_ipset.digest(&rs, t), 0);
	assert_true(refused > t->records.len);
	ruleset_release(&rs);
}

#define UNDER(which) {"a set of another type comes under equal rules: " which, \
		      a_set_of_another_type_comes_under_equal_rules, setup, NULL, (void *)(uintptr_t)(which)}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(rules_see_the_members_of_a_replaced_set, setup),
		cmocka_unit_test_setup(a_set_of_another_type_is_replaced_where_nothing_refers_to_it, setup),
		cmocka_unit_test_setup(a_refused_set_leaves_all_as_they_were, setup),
		cmocka_unit_test_setup(a_refused_list_leaves_all_as_they_were, setup),
		cmocka_unit_test_setup(a_set_of_a_newer_revision_comes_back, setup),
		cmocka_unit_test_setup(a_set_that_stays_in_use_is_named_and_all_is_undone, setup),
		cmocka_unit_test_setup(what_a_cut_off_change_left_goes_and_is_never_captured, setup),
		cmocka_unit_test_setup(remaining_time_comes_back, setup),
		cmocka_unit_test_setup(members_that_stay_run_on, setup),
		cmocka_unit_test_setup(members_of_several_sets_come_and_go_and_others_run_on, setup),
		cmocka_unit_test_setup(sets_that_cannot_change_member_by_member_are_swapped, setup),
		UNDER("legacy"),
		UNDER("nft"),
		UNDER("both"),
		cmocka_unit_test_setup(many_members_come_in_pieces_and_whole, setup),
		cmocka_unit_test_setup(what_counts_is_what_the_definition_says, setup),
		cmocka_unit_test_setup(members_of_a_set_that_a_rule_writes_to_are_dynamic, setup),
		cmocka_unit_test_setup(damaged_records_are_refused_or_read_safely, setup),
	};

	return cmocka_run_group_tests(tests, place_setup, place_teardown);
}
