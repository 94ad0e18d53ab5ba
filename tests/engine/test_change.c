/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What change_run promises beside the target itself: what it leaves alone, and how it fails. */
#include "altered.h"
#include "place.h"
#include "rows.h"

#include "engine/nft.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <libnftnl/common.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <cmocka.h>

#define CHAIN(hook, rules) "chain " hook " {\ntype filter hook " hook " priority 0;\n" rules "\n}\n"

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
	enum change_result result = place_change_from(live, target);
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
	place_assert_live(&live);
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
	row_load_well("nft", "create s hash:ip\n", "table ip t {\n" CHAIN("input", "counter packets 5 bytes 50") "}\n");
	place_capture(&target);
	generation = target.generation;
	place_capture(&live);
	assert_int_equal(place_change_from(&live, &target), CHANGE_NOTHING);
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
	row_load_well("nft", "create s hash:ip counters\nadd s 1.1.1.1 packets 1 bytes 1\n",
	     "table ip equal {\ncounter c {\npackets 1 bytes 1\n}\n" CHAIN("input", "counter packets 1 bytes 1") "}\n"
	     "table ip other {\n" CHAIN("forward", "tcp dport 22 accept") "}\n");
	place_capture(&target);
	place_lose();
	row_load_well("nft", "create s hash:ip counters\nadd s 1.1.1.1 packets 7 bytes 7\n",
	     "table ip equal {\ncounter c {\npackets 7 bytes 70\n}\n" CHAIN("input", "counter packets 9 bytes 90") "}\n"
	     "table ip other {\n" CHAIN("output", "drop") "}\n");
	before = place_shell("nft -a list table ip equal");
	assert_int_equal(place_change(&target), CHANGE_DONE);
	after = place_shell("nft -a list table ip equal");
	assert_string_equal(before, after);
	sets = place_shell("ipset save");
	assert_non_null(strstr(sets, "add s 1.1.1.1 packets 7 bytes 7"));
	place_assert_live(&target);
	ruleset_release(&target);
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
	assert_true(owner.fd >= 0);
	row_load_well("nft", NULL, "table ip t {\n" CHAIN("input", "drop") "}\n");
	place_capture(&target);
	assert_int_equal(target.ntables, 1);
	assert_int_equal(target.owned.n, 1);
	assert_string_equal(target.owned.s[0], "ip owned");
	place_lose();
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
	row_capture_and_lose(&target, "nft", NULL, "table ip t {\n" CHAIN("input", "drop") "}\n");
	place_capture(&live);
	place_nft("table ip quicker {\n" CHAIN("input", "accept") "}\n");
	place_capture(&now);
	said = change_ends(&live, &target, CHANGE_STALE);
	assert_string_equal(said, "");
	place_assert_live(&now);
	ruleset_release(&target);
	ruleset_release(&live);
	ruleset_release(&now);
}

#define NFT_PART "table ip t {\nset s {\ntype mark\nelements = { 1 }\n}\n" CHAIN("input", "policy drop; counter packets 5 bytes 50") "}\n"

/* A target of sets, nft and legacy. */
static void target_of_all(struct ruleset *target)
{
	row_load_well("nft", "create s hash:ip\nadd s 1.1.1.1\n", "table ip t {\n" CHAIN("output", "drop") "}\ntable ip u {\n}\n");
	row_load_well("iptables-legacy", NULL,
	     "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m set --match-set s src -j DROP\nCOMMIT\n"
	     "*mangle\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp -m limit --limit 5/sec -j DROP\nCOMMIT\n");
	place_capture(target);
	place_move(false);
}

static void live_of_all(void)
{
	row_load_well("nft", "create other hash:net\nadd other 10.0.0.0/8\ncreate mine hash:ip\n", NFT_PART);
	row_load_well("iptables-legacy", NULL,
	     "*filter\n:INPUT DROP [3:300]\n[7:70] -A INPUT -m set --match-set mine src -j ACCEPT\nCOMMIT\n");
}

static void a_legacy_table_without_its_ipset_undoes_all(void **state)
{
	struct ruleset target = {0};
	cleanup_free char *said = NULL, *counters = NULL;
	struct table *set;

	(void)state;
	place_legacy_or_skip();
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
	place_legacy_or_skip();
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
	row_capture_and_lose(&target, "nft", NULL, "table ip t {\nchain c {\ncounter\nmeta mark set 5\n}\n}\n");
	t = ruleset_find(&target, ENGINE_NFT, NFPROTO_IPV4, "t");
	name = memmem(t->records.data, t->records.len, "meta", 5);
	assert_non_null(name);
	*name = 'x';
	assert_int_equal(altered_digest(&target, t), 0);
	row_load_well("nft", NULL, NFT_PART);
	said = change_fails(&target, CHANGE_REFUSED);
	assert_non_null(strstr(said, "rule 2 of chain 'c' in table 'ip t'"));
	ruleset_release(&target);
}

static void an_interface_that_is_gone_is_named_and_changes_nothing(void **state)
{
	struct ruleset target = {0};
	cleanup_free char *said = NULL;

	(void)state;
	row_load_well("nft", NULL, "table ip t {\nchain c {\ncounter\niif \"d1\" drop\n}\n}\n");
	place_capture(&target);
	place_move(false);
	row_load_well("nft", NULL, NFT_PART);
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
	row_load_well("nft", NULL, "table ip t {\nset s {\ntype ipv4_addr . iface_index\nelements = { 1.1.1.1 . \"d2\" }\n}\n}\n");
	place_capture(&target);
	place_move(false);
	row_load_well("nft", NULL, NFT_PART);
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
	row_load_well("nft", NULL, "table inet t {\n" CHAIN("input", "policy drop; tcp dport 22 accept") CHAIN("output", "policy drop;") "}\n");
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
	row_load_well("nft", NULL, THREE("drop"));
	want = place_shell("nft list hooks");
	place_capture(&target);
	assert_true(target.order.len > 0);
	place_nft("flush ruleset\n" THREE("accept"));
	assert_int_equal(place_change(&target), CHANGE_DONE);
	place_assert_live(&target);
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
	place_legacy_or_skip();
	row_load_well("nft", "create mine hash:ip counters\nadd mine 1.1.1.1 packets 8 bytes 80\n",
	     "table ip t {\nquota q {\n1 mbytes used 7 bytes\n}\n"
	     "set s {\ntype mark\ncounter\nelements = { 1 counter packets 6 bytes 60 }\n}\n"
	     "chain c {\ncounter packets 5 bytes 50\n}\n}\n");
	row_load_well("iptables-legacy", NULL,
	     "*filter\n:INPUT DROP [3:300]\n[7:70] -A INPUT -m set --match-set mine src -j ACCEPT\nCOMMIT\n");
	place_capture(&target);
	place_lose();
	assert_int_equal(place_change(&target), CHANGE_DONE);
	listed = all_listed();
	for (size_t i = 0; i < ARRAY_SIZE(counted); i++)
		if (!strstr(listed, counted[i]))
			fail_msg("'%s' is not in:\n%s", counted[i], listed);
	ruleset_release(&target);
}

/* The lock of legacy tables, which another program has for longer than we wait. */
static int hold_lock(void)
{
	int fd = open("/run/xtables.lock", O_RDONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	return fd;
}

static void a_lock_that_is_not_to_be_had_changes_nothing(void **state)
{
	struct ruleset target = {0}, live = {0};
	cleanup_free char *said = NULL, *before = NULL, *after = NULL;
	int lock;

	(void)state;
	place_legacy_or_skip();
	target_of_all(&target);
	live_of_all();
	before = all_listed();
	place_capture(&live);
	lock = hold_lock();
	said = change_ends(&live, &target, CHANGE_BUSY);
	assert_non_null(strstr(said, "iptables' lock"));
	close(lock);
	after = all_listed();
	assert_string_equal(before, after);
	ruleset_release(&target);
	ruleset_release(&live);
}

#define PLACED(function) cmocka_unit_test_setup_teardown(function, place_setup, place_teardown)

/* test_change [PATTERN]: only tests of that name */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
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
		PLACED(a_lock_that_is_not_to_be_had_changes_nothing),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
