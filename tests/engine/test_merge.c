/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Three-way merges of captured rulesets: what one side changed, done to what the other one made of them. */
#include "place.h"
#include "rows.h"

#include "exec.h"
#include "merge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void merge_to(struct ruleset *base, struct ruleset *ours, struct ruleset *theirs,
		     const struct ruleset *want, const char *conflicts)
{
	cleanup_strlist struct strlist named = {NULL, 0};
	cleanup_buf struct buf differences = BUF_INIT, lines = BUF_INIT;
	struct ruleset out = {0};

	assert_int_equal(merge_rulesets(base, ours, theirs, &out, &named), 0);
	for (size_t i = 0; i < named.n; i++)
		buf_printf(&lines, "%s\n", named.s[i]);
	assert_string_equal(buf_str(&lines), conflicts);
	ruleset_differences(want, &out, &differences);
	assert_string_equal(buf_str(&differences), "");
	assert_true(ruleset_equal(want, &out));
	ruleset_release(&out);
}

/* A ruleset, and what others add to any. */
#define OTHERS                                                                                     \
	"nft 'add table inet third; add set inet third s { type mark; elements = { 1, 2 }; }; "    \
	"add chain inet third c; add rule inet third c meta mark @s drop'; "                       \
	"ipset create third hash:ip; ipset add third 192.0.2.1"

static int row_setup(void **state)
{
	int r = place_enter();

	return !r && row_has_links(*state) ? place_links() : r;
}

/* What others add survives the row's coming and going, and the other way around. */
static void rows_come_and_go_beside_others(void **state)
{
	struct ruleset none = {0}, row = {0}, others = {0}, both = {0};
	cleanup_buf struct buf err = BUF_INIT;

	if (strstr(((const struct row *)*state)->program, "legacy"))
		place_legacy_or_skip();
	place_capture(&none);
	if (row_load(*state, &err)) {
		/* test_rows tells what this kernel or program does not know */
		buf_release(&err);
		skip();
	}
	place_capture(&row);
	free(place_shell(OTHERS));
	place_capture(&both);
	place_lose();
	free(place_shell(OTHERS));
	place_capture(&others);
	merge_to(&none, &row, &none, &row, "");
	merge_to(&none, &none, &row, &row, "");
	merge_to(&none, &row, &row, &row, "");
	merge_to(&row, &none, &row, &none, "");
	merge_to(&none, &row, &others, &both, "");
	merge_to(&row, &none, &both, &others, "");
	merge_to(&none, &row, &both, &both, "");
	merge_to(&others, &both, &others, &both, "");
	merge_to(&both, &row, &both, &row, "");
	ruleset_release(&none);
	ruleset_release(&row);
	ruleset_release(&others);
	ruleset_release(&both);
}

#define T(text) "table inet t {\n" text "}\n"
#define IN(rules) "chain input {\ntype filter hook input priority 0;\n" rules "\n}\n"
#define SET(name, elements) "set " name " {\ntype ipv4_addr\nflags interval\nelements = { " elements " }\n}\n"
#define FILTER(policy, rules) "*filter\n:INPUT " policy " [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n" rules "COMMIT\n"
#define LEGACY "iptables-legacy"

static const struct triple {
	const char *what, *program;
	const char *before, *after; /* our change */
	const char *others; /* what others do after it */
	/* what they do to the old rules for the same; NULL: the same */
	const char *alone;
	const char *conflicts; /* of the undo */
	const char *sets; /* there from the beginning */
} triples[] = {
	{"an element beside a changed rule", "nft", T(SET("s", "10.0.0.0/8") IN("tcp dport 22 accept")),
	 T(SET("s", "10.0.0.0/8") IN("tcp dport 23 accept")), "nft add element inet t s { 192.0.2.1 }", NULL, "", NULL},
	{"an element in a changed set", "nft", T(SET("s", "10.0.0.0/8, 1.1.1.1")), T(SET("s", "10.0.0.0/8, 2.2.2.2")),
	 "nft add element inet t s { 192.0.2.1 }", NULL, "", NULL},
	{"an element that others removed", "nft", T(SET("s", "10.0.0.0/8, 1.1.1.1")), T(SET("s", "10.0.0.0/8, 2.2.2.2")),
	 "nft delete element inet t s { 10.0.0.0/8 }", NULL, "", NULL},
	{"data that both changed", "nft", T("map m {\ntype mark : mark\nelements = { 1 : 1 }\n}\n"),
	 T("map m {\ntype mark : mark\nelements = { 1 : 2 }\n}\n"),
	 "nft 'delete element inet t m { 1 }; add element inet t m { 1 : 3 }'", "true",
	 "set m of inet t was changed by others too: what they made of it is gone\n", NULL},
	{"a set that goes with elements of others", "nft", T(IN("accept")), T(SET("s", "10.0.0.0/8") IN("accept")),
	 "nft add element inet t s { 192.0.2.1 }", "true",
	 "set s of inet t was changed by others too: elements of theirs are gone\n", NULL},
	{"a set's type", "nft", T(SET("s", "10.0.0.0/8, 1.1.1.1")), T("set s {\ntype mark\nelements = { 1 }\n}\n"),
	 "nft add element inet t s { 2 }", "true",
	 "set s of inet t was changed by others too: elements of theirs are gone\n", NULL},
	{"a rule in front of changed ones", "nft", T(IN("tcp dport 22 accept\ncounter")), T(IN("tcp dport 23 accept\ncounter")),
	 "nft insert rule inet t input udp dport 53 accept", NULL, "", NULL},
	{"a rule behind changed ones", "nft", T(IN("tcp dport 22 accept\ncounter")), T(IN("tcp dport 23 accept\ncounter")),
	 "nft add rule inet t input udp dport 53 accept", NULL, "", NULL},
	{"rules with sets of their own", "nft", T(IN("tcp dport { 22, 80 } accept\ncounter")),
	 T(IN("tcp dport { 22, 443 } accept\niif \"d0\" jump {\ncounter\n}\ncounter")),
	 "nft add rule inet t input udp dport { 53, 123 } accept", NULL, "", NULL},
	{"rules that both replaced", "nft", T(IN("tcp dport 22 accept")), T(IN("tcp dport 23 accept")),
	 "nft 'flush chain inet t input; add rule inet t input tcp dport 24 accept'", "true",
	 "chain input of inet t was changed by others too: their rule 1 is gone\n", NULL},
	{"a chain and a table of others", "nft", T(IN("tcp dport 22 accept")), T(IN("tcp dport 23 accept")),
	 "nft 'add chain inet t c; add rule inet t c counter; add rule inet t input jump c; add table ip new'", NULL, "", NULL},
	{"a policy", "nft", T(IN("policy accept; counter")), T(IN("policy drop; counter\ntcp dport 22 accept")),
	 "nft insert rule inet t input udp dport 53 accept", NULL, "", NULL},
	{"a chain that goes with a rule of others", "nft", T(IN("accept")), T(IN("accept") "chain c {\ncounter\n}\n"),
	 "nft add rule inet t c udp dport 53 accept", "true",
	 "chain c of inet t was changed by others too: it is gone, with their rules\n", NULL},
	{"a table that goes with a rule of others", "nft", T(IN("accept")), T(IN("accept")) "table ip u {\nchain c {\n}\n}\n",
	 "nft add rule ip u c counter", "true", "ip u was changed by others too: it is gone\n", NULL},
	{"a table that others removed", "nft", T(IN("accept")), T(IN("drop")), "nft delete table inet t", "true",
	 "inet t was changed by others too: they removed it, and it is there again\n", NULL},
	{"an element with a timeout", "nft", T("set s {\ntype mark\nflags timeout\n}\n" IN("accept")),
	 T("set s {\ntype mark\nflags timeout\nelements = { 5 }\n}\n" IN("drop")),
	 "nft add element inet t s { 7 timeout 1h }", NULL, "", NULL},
	{"order of chains of equal priority", "nft", T(IN("accept")), T(IN("accept")) "table ip u {\n" IN("drop") "}\n",
	 "nft -f - <<E\ntable ip v {\n" IN("counter") "}\nE", NULL, "", NULL},
	{"iptables-nft", "iptables-nft", FILTER("ACCEPT", "-A INPUT -p tcp --dport 22 -j ACCEPT\n-A INPUT -j ACCEPT\n"),
	 FILTER("DROP", "-A INPUT -p tcp --dport 23 -j ACCEPT\n-A INPUT -j ACCEPT\n"),
	 "iptables-nft -I INPUT -s 192.0.2.1 -j DROP; iptables-nft -N f2b; iptables-nft -A f2b -j RETURN; "
	 "iptables-nft -I INPUT -j f2b", NULL, "", NULL},
	{"legacy: rules of others", LEGACY, FILTER("ACCEPT", "-A INPUT -p tcp --dport 22 -j ACCEPT\n-A INPUT -j ACCEPT\n"),
	 FILTER("DROP", "-A INPUT -p tcp --dport 23 -j ACCEPT\n-A INPUT -j ACCEPT\n"),
	 LEGACY " -I INPUT -s 192.0.2.1 -j DROP; " LEGACY " -N f2b; " LEGACY " -A f2b -j RETURN; "
	 LEGACY " -I INPUT -j f2b; " LEGACY " -t mangle -A INPUT -j ACCEPT", NULL, "", NULL},
	{"legacy: user chains come and go", LEGACY, FILTER("ACCEPT", ":a - [0:0]\n:z - [0:0]\n-A INPUT -j a\n-A z -j a\n-A a -j DROP\n"),
	 FILTER("ACCEPT", ":b - [0:0]\n:z - [0:0]\n-A INPUT -j b\n-A INPUT -j z\n-A b -g z\n"),
	 LEGACY " -N m; " LEGACY " -A m -j z; " LEGACY " -A OUTPUT -j m", NULL, "", NULL},
	{"legacy: rules that both replaced", LEGACY, FILTER("ACCEPT", "-A INPUT -p tcp --dport 22 -j ACCEPT\n"),
	 FILTER("ACCEPT", "-A INPUT -p tcp --dport 23 -j ACCEPT\n"),
	 LEGACY " -R INPUT 1 -p tcp --dport 24 -j ACCEPT", "true",
	 "chain INPUT of legacy ip filter was changed by others too: their rule 1 is gone\n", NULL},
	{"legacy: a chain that goes though others jump to it", LEGACY, FILTER("ACCEPT", "-A INPUT -j ACCEPT\n"),
	 FILTER("ACCEPT", ":c - [0:0]\n-A INPUT -j c\n"), LEGACY " -A OUTPUT -j c", "true",
	 "legacy ip filter was changed by others too: their changes are gone\n", NULL},
	{"legacy: rules that name sets", LEGACY, FILTER("ACCEPT", "-A INPUT -m set --match-set a src -j DROP\n"),
	 FILTER("ACCEPT", "-A INPUT -m set --match-set b src -j DROP\n"),
	 LEGACY " -A OUTPUT -m set --match-set b dst -j DROP", NULL, "", "create a hash:ip\ncreate b hash:ip\n"},
	{"members of a set", "ipset", "create s hash:ip\nadd s 1.1.1.1\nadd s 2.2.2.2\n", "create s hash:ip\nadd s 1.1.1.1\nadd s 3.3.3.3\n",
	 "ipset add s 4.4.4.4; ipset del s 1.1.1.1", NULL, "", NULL},
	{"members with a timeout", "ipset", "create s hash:ip timeout 600\nadd s 1.1.1.1 timeout 0\n",
	 "create s hash:ip timeout 600\nadd s 3.3.3.3 timeout 0\n", "ipset add s 4.4.4.4; ipset add s 5.5.5.5 timeout 0", NULL, "", NULL},
	{"comments that both changed", "ipset", "create s hash:ip comment\nadd s 1.1.1.1 comment a\n",
	 "create s hash:ip comment\nadd s 1.1.1.1 comment b\n", "ipset add -exist s 1.1.1.1 comment c", "true",
	 "ipset s was changed by others too: what they made of it is gone\n", NULL},
	{"type of a set", "ipset", "create s hash:ip\nadd s 1.1.1.1\n", "create s hash:net\nadd s 10.0.0.0/8\n",
	 "ipset add s 11.0.0.0/8", "true", "ipset s was changed by others too: elements of theirs are gone\n", NULL},
	{"members of a list", "ipset", "create l list:set\nadd l a\nadd l b\n", "create l list:set\nadd l b\nadd l a\n",
	 "ipset add l c", NULL, "", "create a hash:ip\ncreate b hash:ip\ncreate c hash:ip\n"},
	{"a set of others", "ipset", "create s hash:ip\n", "create t hash:ip\n", "ipset create u hash:ip; ipset add u 1.1.1.1", NULL, "", NULL},
};

static void load_triple(const struct triple *t, const char *text, const char *others, struct ruleset *rs)
{
	place_lose();
	row_load_well(t->program, t->sets, text);
	if (others)
		free(place_shell(others));
	place_capture(rs);
}

/* The same for real: changed, changed by others, undone. */
static void undo_live(const struct triple *t, struct ruleset *after, const struct ruleset *alone)
{
	cleanup_strlist struct strlist named = {NULL, 0};
	cleanup_buf struct buf lines = BUF_INIT;
	struct ruleset before = {0};

	load_triple(t, t->before, NULL, &before);
	assert_int_equal(place_change(after), CHANGE_DONE);
	free(place_shell(t->others));
	assert_int_equal(change_undo(&before, after, PLACE_WAIT, NULL, &named), CHANGE_DONE);
	for (size_t i = 0; i < named.n; i++)
		buf_printf(&lines, "%s\n", named.s[i]);
	assert_string_equal(buf_str(&lines), t->conflicts);
	place_assert_live(alone);
	assert_int_equal(change_undo(&before, after, PLACE_WAIT, NULL, NULL), CHANGE_NOTHING);
	place_assert_live(alone);
	ruleset_release(&before);
}

static void others_survive_an_undo(void **state)
{
	const struct triple *t = *state;
	struct ruleset before = {0}, after = {0}, now = {0}, alone = {0};

	if (!strcmp(t->program, LEGACY))
		place_legacy_or_skip();
	load_triple(t, t->before, t->alone ? t->alone : t->others, &alone);
	load_triple(t, t->before, NULL, &before);
	load_triple(t, t->after, t->others, &now);
	load_triple(t, t->after, NULL, &after);
	merge_to(&after, &before, &now, &alone, t->conflicts);
	/* in force, with what others did: all of it is there */
	if (!*t->conflicts)
		merge_to(&before, &after, &now, &now, "");
	/* done to what others had changed before */
	if (!*t->conflicts)
		merge_to(&before, &after, &alone, &now, "");
	merge_to(&before, &after, &before, &after, "");
	merge_to(&before, &before, &after, &after, "");
	merge_to(&before, &after, &after, &after, "");
	undo_live(t, &after, &alone);
	ruleset_release(&before);
	ruleset_release(&after);
	ruleset_release(&now);
	ruleset_release(&alone);
}

static void add_rows(struct CMUnitTest **tests, size_t *n, const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		*(struct CMUnitTest *)array_grow(tests, n, sizeof(**tests)) = (struct CMUnitTest){
			str_printf("beside others: %s %s: %s", rows[i].program, rows[i].family, rows[i].feature),
			rows_come_and_go_beside_others, row_setup, place_teardown, (void *)(uintptr_t)&rows[i]};
}

/* test_merge [PATTERN]: only tests of that name */
int main(int argc, char **argv)
{
	struct CMUnitTest *tests = NULL;
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(triples); i++)
		*(struct CMUnitTest *)array_grow(&tests, &n, sizeof(*tests)) = (struct CMUnitTest){
			str_printf("undone: %s", triples[i].what), others_survive_an_undo, place_setup,
			place_teardown, (void *)(uintptr_t)&triples[i]};
	add_rows(&tests, &n, rows_nft, rows_nft_count);
	add_rows(&tests, &n, rows_nft_rules, rows_nft_rules_count);
	add_rows(&tests, &n, rows_xtables, rows_xtables_count);
	add_rows(&tests, &n, rows_ipset, rows_ipset_count);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return _cmocka_run_group_tests("merge", tests, n, NULL, NULL);
}
