/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Descriptions of other programs' rules: how they are read, what their lines hold for; where foreign rules are put. */
#include "foreign_match.h"
#include "foreign_place.h"
#include "foreign_shipped.h"
#include "history.h"

#include <ctype.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define FOLDER "/etc/fwsnap/foreign.d/"

/* Runs foreign_read with stderr going into a pipe; returns what was logged (caller frees). */
static char *read_logged(const struct history *h, struct foreign *f, const char *which, int *r)
{
	int ends[2], err = dup(STDERR_FILENO);
	char *text = mem_zalloc(4096);

	assert_int_equal(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	*r = foreign_read(f, h->root, which);
	dup2(err, STDERR_FILENO);
	close(err);
	assert_true(read(ends[0], text, 4095) >= 0);
	close(ends[0]);
	return text;
}

static void put(const struct history *h, const char *name, const char *content)
{
	cleanup_free char *path = str_printf(FOLDER "%s", name);

	assert_int_equal(history_run(h, "mkdir -p ." FOLDER), 0);
	history_put(h, path, content);
}

static const struct foreign_owner *find(const struct foreign *f, const char *name)
{
	for (size_t i = 0; i < f->n; i++)
		if (!strcmp(f->owners[i].name, name))
			return &f->owners[i];
	return NULL;
}

static size_t shipped(void)
{
	size_t n = 0;

	while (foreign_shipped[n].name)
		n++;
	return n;
}

static void every_shipped_description_is_read(void **state)
{
	struct foreign f = {0};

	assert_int_equal(foreign_read(&f, ((struct history *)*state)->root, "auto"), 0);
	assert_true(shipped() >= 13);
	assert_int_equal(f.n, shipped());
	for (size_t i = 0; i < f.n; i++) {
		assert_true(f.owners[i].nrows > 0);
		assert_false(f.owners[i].counts);
		if (i)
			assert_true(strcmp(f.owners[i - 1].name, f.owners[i].name) < 0);
	}
	assert_string_equal(find(&f, "docker")->title, "Docker");
	assert_string_equal(find(&f, "docker")->repair, "systemctl restart docker");
	foreign_release(&f);
}

/* Somebody has tried it, or it says from what it was written. */
static void every_shipped_description_says_what_it_stands_on(void **state)
{
	(void)state;
	for (size_t i = 0; i < shipped(); i++)
		assert_true(strstr(foreign_shipped[i].content, "\ntried = ") ||
			    strstr(foreign_shipped[i].content, "\nunverified = "));
}

static void none_reads_nothing(void **state)
{
	struct foreign f = {0};

	put(*state, "broken", "x\n");
	assert_int_equal(foreign_read(&f, ((struct history *)*state)->root, "none"), 0);
	assert_int_equal(f.n, 0);
	assert_false(foreign_any(&f));
	foreign_release(&f);
}

static void those_that_are_listed_count_at_once(void **state)
{
	const struct history *h = *state;
	struct foreign f = {0};

	assert_int_equal(foreign_read(&f, h->root, "fail2ban, docker calico"), 0);
	assert_int_equal(f.n, 3);
	assert_string_equal(f.owners[0].name, "calico");
	assert_string_equal(f.owners[1].name, "docker");
	assert_string_equal(f.owners[2].name, "fail2ban");
	assert_true(foreign_any(&f) && f.owners[0].counts && f.owners[1].counts && f.owners[2].counts);
	foreign_release(&f);
}

static void a_name_without_a_description_is_refused(void **state)
{
	struct foreign f = {0};
	int r;
	cleanup_free char *said = read_logged(*state, &f, "docker nobody", &r);

	assert_int_equal(r, -EINVAL);
	assert_non_null(strstr(said, "'foreign' names 'nobody'"));
	foreign_release(&f);
}

static void the_administrators_own_takes_the_place_of_a_shipped_one(void **state)
{
	const struct history *h = *state;
	struct foreign f = {0};

	put(h, "docker", "# mine\n  owner=My Docker \n\nchain = name=D-*\n");
	put(h, "blocker", "set = name=bl\n");
	assert_int_equal(foreign_read(&f, h->root, "auto"), 0);
	assert_int_equal(f.n, shipped() + 1);
	assert_string_equal(find(&f, "docker")->title, "My Docker");
	assert_null(find(&f, "docker")->repair);
	assert_int_equal(find(&f, "docker")->nrows, 1);
	assert_string_equal(find(&f, "blocker")->title, "blocker");
	foreign_release(&f);
}

static void an_empty_file_or_a_link_to_null_switches_one_off(void **state)
{
	const struct history *h = *state;
	const struct foreign_place chain = {.word = {"ip", "filter", NULL, "DOCKER"}};
	const struct foreign_place table = {.word = {"inet", NULL, NULL, "f2b-table"}};
	struct foreign f = {0};

	put(h, "docker", "");
	assert_int_equal(history_run(h, "ln -s /dev/null ." FOLDER "fail2ban"), 0);
	assert_int_equal(foreign_read(&f, h->root, "auto"), 0);
	for (size_t i = 0; i < f.n; i++) {
		assert_false(foreign_matches(&f.owners[i], FOREIGN_CHAIN, &chain, NULL));
		assert_false(foreign_matches(&f.owners[i], FOREIGN_TABLE, &table, NULL));
	}
	foreign_release(&f);
}

static void another_link_is_not_followed(void **state)
{
	const struct history *h = *state;
	struct foreign f = {0};
	int r;
	cleanup_free char *said = NULL;

	assert_int_equal(history_run(h, "mkdir -p ." FOLDER "; echo 'chain = name=x' >it; ln -s $PWD/it ." FOLDER "mine"), 0);
	said = read_logged(h, &f, "auto", &r);
	assert_int_equal(r, -ELOOP);
	assert_non_null(strstr(said, FOLDER "mine'"));
	foreign_release(&f);
}

static void what_editors_and_packages_leave_is_no_description(void **state)
{
	const struct history *h = *state;
	struct foreign f = {0};

	put(h, "docker.dpkg-old", "broken\n");
	put(h, "docker~", "broken\n");
	put(h, ".hidden", "broken\n");
	assert_int_equal(foreign_read(&f, h->root, "auto"), 0);
	assert_int_equal(f.n, shipped());
	foreign_release(&f);
}

/* The file and the line are named; the others are read. */
static void a_broken_description_is_named_with_its_line(void **state)
{
	static const struct {
		const char *content;
		unsigned line;
		const char *why;
	} rows[] = {
		{"chain\n", 1, "'chain' is not 'key = value'"},
		{"# ok\n\nkey = x\n", 3, "'key' is not a key of a description"},
		{"chain = \n", 1, "'chain' has no condition"},
		{"chain = DOCKER\n", 1, "'chain' has a condition that is not 'word=pattern'"},
		{"chain = table=filter\n", 1, "'chain' has no condition 'name'"},
		{"owner = x\nset = family=ip\n", 2, "'set' has no condition 'name'"},
		{"chain = name=\n", 1, "'chain' has a condition without a pattern"},
		{"chain = name=!\n", 1, "'chain' has a condition without a pattern"},
		{"chain = name=,\n", 1, "'chain' has a condition without a pattern"},
		{"chain = name=x jump=y\n", 1, "'chain' has a condition that there is not for it"},
		{"chain = name=x who=y\n", 1, "'chain' has a condition that there is not for it"},
		{"rule = who=y\n", 1, "'rule' has a condition that there is not for it"},
		{"rule = chain=x chain=y\n", 1, "'rule' has the same condition twice"},
		{"rule = chain=x bare=no\n", 1, "'rule' has another value than 'yes'"},
		{"rule = chain=x same=\n", 1, "'rule' has another value than 'yes'"},
	};
	const struct history *h = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct foreign f = {0};
		cleanup_free char *want = str_printf("%s" FOLDER "mine:%u: %s", h->root, rows[i].line, rows[i].why);
		cleanup_free char *said = NULL;
		int r;

		put(h, "mine", rows[i].content);
		said = read_logged(h, &f, "auto", &r);
		assert_int_equal(r, -EINVAL);
		if (!strstr(said, want))
			fail_msg("'%s', not '%s'", said, want);
		assert_int_equal(f.n, shipped());
		foreign_release(&f);
	}
	put(h, "mine", "chain = name=x\n");
}

static void a_NUL_byte_is_no_end(void **state)
{
	const struct history *h = *state;
	struct foreign f = {0};
	int r;
	cleanup_free char *said = NULL;

	assert_int_equal(history_run(h, "mkdir -p ." FOLDER "; printf 'chain = name=x\\n\\0broken\\n' >." FOLDER "mine"), 0);
	said = read_logged(h, &f, "auto", &r);
	assert_int_equal(r, -EINVAL);
	assert_non_null(strstr(said, "NUL"));
	foreign_release(&f);
}

/* What lines hold for */

/* "in=docker0 match=tcp,conntrack": facts, as test_facts writes them. */
static void facts_of(const char *text, struct facts *facts)
{
	static const char *const kinds[FACT_KINDS] = {"jump", "set", "comment", "target", "in", "not-in", "out",
						      "not-out", "source", "destination", "match"};
	cleanup_free char *copy = str_dup(text);
	char *save, *more;

	*facts = (struct facts){0};
	for (char *fact = strtok_r(copy, " ", &save); fact; fact = strtok_r(NULL, " ", &save)) {
		char *values = strchr(fact, '=');
		int kind = 0;

		*values++ = '\0';
		while (kind < FACT_KINDS && strcmp(kinds[kind], fact))
			kind++;
		assert_true(kind < FACT_KINDS);
		for (char *v = strtok_r(values, ",", &more); v; v = strtok_r(NULL, ",", &more))
			facts_add(facts, kind, v);
	}
}

static void a_line_holds_if_all_its_conditions_do(void **state)
{
	static const struct {
		const char *line, *facts;
		bool holds;
	} rows[] = {
		/* of a rule in chain FORWARD of ip filter */
		{"chain=FORWARD", "", true},
		{"chain=FORW*", "target=DROP", true},
		{"chain=INPUT,FORWARD", "", true},
		{"chain=INPUT", "", false},
		{"chain=!INPUT", "", true},
		{"chain=!INPUT,FORWARD", "", false},
		{"family=ip6", "", false},
		{"family=ip,ip6 table=filter", "", true},
		{"family=ip table=nat", "", false},
		{"target=ACCEPT", "target=ACCEPT", true},
		{"target=ACCEPT", "", false},
		{"target=!ACCEPT", "", true},
		{"target=!ACCEPT", "target=ACCEPT", false},
		{"target=ACCEPT", "target=LOG,ACCEPT", true},
		{"jump=f2b-*", "jump=f2b-sshd", true},
		{"jump=f2b-?", "jump=f2b-sshd", false},
		{"in=br-[0-9a-f][0-9a-f]", "in=br-0a", true},
		{"in=br-[0-9a-f][0-9a-f]", "in=br-zz", false},
		{"in=docker0", "not-in=docker0", false},
		{"not-in=docker0", "not-in=docker0", true},
		{"in=docker0", "in=DOCKER0", false},
		{"source=*", "", false},
		{"source=*", "source=10.0.0.0/8", true},
		{"source=!*", "", true},
		{"source=*/32,*/128", "source=10.0.0.0/8", false},
		{"source=10.*/8 destination=*", "source=10.0.0.0/8", false},
		{"comment=*docker*", "comment=by-docker-proxy", true},
		{"set=f2b-*", "set=ours,f2b-sshd", true},
		/* bare: nothing is asked but what the line names */
		{"bare=yes", "", true},
		{"bare=yes", "target=ACCEPT comment=x", true},
		{"bare=yes", "in=d0", false},
		{"in=d0 bare=yes", "in=d0", true},
		{"in=d0 bare=yes", "in=d0 not-out=d0", false},
		{"in=d0 not-out=d0 bare=yes", "in=d0 not-out=d0", true},
		{"out=d0 match=conntrack bare=yes", "out=d0 match=conntrack", true},
		{"out=d0 match=conntrack bare=yes", "out=d0 match=tcp,conntrack", false},
		{"out=d0 match=conntrack", "out=d0 match=tcp,conntrack", true},
		{"match=tcp,udp bare=yes", "match=tcp", true},
		{"match=tcp,udp bare=yes", "", false},
		{"match=!udp bare=yes", "match=tcp", true},
		{"match=!udp bare=yes", "", true},
		{"source=* bare=yes", "source=10.0.0.0/8 destination=10.0.0.0/8", false},
		/* same: from a net to itself */
		{"same=yes", "", false},
		{"same=yes", "source=10.0.0.1/32", false},
		{"same=yes", "source=10.0.0.1/32 destination=10.0.0.2/32", false},
		{"same=yes", "source=10.0.0.1/32 destination=10.0.0.1/32", true},
		{"source=*/32 same=yes match=tcp target=MASQUERADE bare=yes",
		 "target=MASQUERADE source=172.17.0.2/32 destination=172.17.0.2/32 match=tcp", true},
		{"source=*/32 same=yes match=tcp target=MASQUERADE bare=yes",
		 "target=MASQUERADE source=172.17.0.2/32 destination=172.17.0.2/32 match=tcp,mark", false},
		{"source=*/32 same=yes bare=yes", "source=10.0.0.0/8 destination=10.0.0.0/8", false},
	};
	const struct foreign_place place = {.word = {"ip", "filter", "FORWARD", NULL}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct foreign_owner o = {0};
		cleanup_free char *line = str_dup(rows[i].line);
		struct facts facts;

		assert_null(foreign_row_add(&o, FOREIGN_RULE, line));
		facts_of(rows[i].facts, &facts);
		if (foreign_matches(&o, FOREIGN_RULE, &place, &facts) != rows[i].holds)
			fail_msg("'%s' of '%s': not %d", rows[i].line, rows[i].facts, rows[i].holds);
		assert_false(foreign_matches(&o, FOREIGN_CHAIN, &place, &facts));
		facts_release(&facts);
		foreign_rows_release(&o);
	}
}

static void a_condition_on_a_place_does_not_hold_for_an_ipset(void **state)
{
	const struct foreign_place ipset = {.word = {NULL, NULL, NULL, "f2b-x"}};
	struct foreign_owner o = {0};
	char any[] = "name=f2b-*", in_table[] = "name=f2b-* family=ip,inet";

	(void)state;
	assert_null(foreign_row_add(&o, FOREIGN_SET, in_table));
	assert_false(foreign_matches(&o, FOREIGN_SET, &ipset, NULL));
	assert_null(foreign_row_add(&o, FOREIGN_SET, any));
	assert_true(foreign_matches(&o, FOREIGN_SET, &ipset, NULL));
	foreign_rows_release(&o);
}

static void a_description_counts_once_it_is_found(void **state)
{
	static const struct {
		enum engine_id engine;
		uint8_t family;
		const char *table, *chain, *set;
		const char *owner; /* NULL: nobody */
	} rows[] = {
		{ENGINE_NFT, NFPROTO_IPV4, "filter", "INPUT", NULL, NULL},
		{ENGINE_NFT, NFPROTO_IPV4, "filter", "DOCKER", NULL, "docker"},
		{ENGINE_NFT, NFPROTO_IPV4, "filter", "DOCKER-USER", NULL, "docker"},
		{ENGINE_NFT, NFPROTO_INET, "filter", "DOCKER", NULL, NULL},
		{ENGINE_XTABLES, NFPROTO_IPV6, "filter", "f2b-sshd", NULL, "fail2ban"},
		{ENGINE_NFT, NFPROTO_INET, "f2b-table", NULL, NULL, "fail2ban"},
		{ENGINE_NFT, NFPROTO_INET, "mine", NULL, "f2b-x", "fail2ban"},
		{ENGINE_IPSET, NFPROTO_IPV4, "f2b-sshd", NULL, NULL, "fail2ban"},
		{ENGINE_IPSET, NFPROTO_IPV4, "friends", NULL, NULL, NULL},
	};
	const struct history *h = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct foreign f = {0};
		struct ruleset rs = {0};
		struct table *t = ruleset_add(&rs, rows[i].engine, rows[i].family, rows[i].table);

		if (rows[i].chain)
			strlist_add(&t->chains, rows[i].chain);
		if (rows[i].set)
			strlist_add(&t->sets, rows[i].set);
		assert_int_equal(foreign_read(&f, h->root, "auto"), 0);
		foreign_look(&f, &rs);
		for (size_t j = 0; j < f.n; j++)
			assert_int_equal(f.owners[j].counts, rows[i].owner && !strcmp(f.owners[j].name, rows[i].owner));
		foreign_release(&f);
		ruleset_release(&rs);
	}
}

/* Where rules are put: each letter stands for a rule, capitals for foreign ones. */

#define LONGEST 20

struct letters {
	struct item item[LONGEST];
	const struct item *items[LONGEST];
	bool foreign[LONGEST];
	struct foreign_rules rules;
};

static void set_letters(struct letters *l, const char *text)
{
	l->rules = (struct foreign_rules){l->items, l->foreign, strlen(text)};
	for (size_t i = 0; text[i]; i++) {
		l->item[i] = (struct item){.kind = ITEM_RULE, .name = "c", .digest = digest_of(text + i, 1)};
		l->items[i] = &l->item[i];
		l->foreign[i] = isupper((unsigned char)text[i]);
	}
}

/* As the graft does: the target's foreign rules go, unless all. */
static void place(const char *live, const char *new, bool last, bool all, struct buf *out)
{
	static struct letters l, n;
	bool met[LONGEST] = {false};
	cleanup_free size_t *slot = NULL;

	set_letters(&l, live);
	set_letters(&n, new);
	slot = foreign_places(&l.rules, &n.rules, last, met);
	for (size_t i = 0, next = 0; i <= n.rules.n; i++) {
		for (; next < l.rules.n && (slot[next] == SIZE_MAX || slot[next] <= i); next++)
			if (slot[next] != SIZE_MAX)
				buf_add(out, live + next, 1);
		if (i < n.rules.n && !met[i] && (all || !n.foreign[i]))
			buf_add(out, new + i, 1);
	}
}

static void foreign_rules_are_put_where_they_belong(void **state)
{
	static const struct {
		const char *live, *new, *placed;
		const char *all; /* if the target's foreign rules stay; NULL: the same */
		bool last;
	} rows[] = {
		{"", "", "", NULL, false},
		{"a", "b", "b", NULL, false},
		{"F", "", "F", NULL, false},
		{"Fab", "ab", "Fab", NULL, false},
		{"Fab", "xab", "Fxab", NULL, false},
		{"Fab", "xy", "Fxy", NULL, false},
		{"abF", "ab", "abF", NULL, false},
		{"abF", "abx", "abxF", NULL, false},
		{"abF", "xy", "xyF", NULL, false},
		{"aFb", "xaby", "xaFby", NULL, false},
		{"aFb", "axb", "aFxb", NULL, false},
		{"aFb", "xay", "xaFy", NULL, false},
		{"aFb", "xby", "xFby", NULL, false},
		{"aFb", "xy", "Fxy", NULL, false},
		{"abFcd", "xad", "xaFd", NULL, false},
		{"abFcd", "a", "aF", NULL, false},
		{"aFGb", "axb", "aFGxb", NULL, false},
		{"FaGbH", "ab", "FaGbH", NULL, false},
		{"FaGbH", "ba", "FGbaH", NULL, false},
		{"FaGbH", "", "FGH", NULL, false},
		{"FaGbH", "xyz", "FGxyzH", NULL, false},
		{"FF", "a", "FFa", NULL, false},
		/* where the target has them */
		{"Fab", "xFab", "xFab", NULL, false},
		{"Fab", "aFb", "aFb", NULL, false},
		{"Fab", "abF", "abF", NULL, false},
		{"FGab", "xFyGab", "xFyGab", NULL, false},
		{"FGab", "xGab", "FxGab", NULL, false},
		{"FGab", "xFab", "xFGab", NULL, false},
		{"FGab", "GFab", "FGab", NULL, false},
		/* the target's others go */
		{"Fab", "FGab", "Fab", "FGab", false},
		{"ab", "FaGb", "ab", "FaGb", false},
		{"aGb", "aFb", "aGb", "aGFb", false},
		/* a chain that is made for users */
		{"R", "a", "Ra", NULL, false},
		{"R", "a", "aR", NULL, true},
		{"aR", "b", "bR", NULL, true},
		{"Ra", "b", "Rb", NULL, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *want[] = {rows[i].placed, rows[i].all ? rows[i].all : rows[i].placed};

		for (int all = 0; all < 2; all++) {
			cleanup_buf struct buf out = BUF_INIT;

			place(rows[i].live, rows[i].new, rows[i].last, all, &out);
			if (strcmp(buf_str(&out), want[all]))
				fail_msg("%s in %s: %s, not %s", rows[i].live, rows[i].new, buf_str(&out), want[all]);
		}
	}
}

#define ROOTED(function) cmocka_unit_test_setup_teardown(function, history_setup, history_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROOTED(every_shipped_description_is_read),
		cmocka_unit_test(every_shipped_description_says_what_it_stands_on),
		ROOTED(none_reads_nothing),
		ROOTED(those_that_are_listed_count_at_once),
		ROOTED(a_name_without_a_description_is_refused),
		ROOTED(the_administrators_own_takes_the_place_of_a_shipped_one),
		ROOTED(an_empty_file_or_a_link_to_null_switches_one_off),
		ROOTED(another_link_is_not_followed),
		ROOTED(what_editors_and_packages_leave_is_no_description),
		ROOTED(a_broken_description_is_named_with_its_line),
		ROOTED(a_NUL_byte_is_no_end),
		cmocka_unit_test(a_line_holds_if_all_its_conditions_do),
		cmocka_unit_test(a_condition_on_a_place_does_not_hold_for_an_ipset),
		ROOTED(a_description_counts_once_it_is_found),
		cmocka_unit_test(foreign_rules_are_put_where_they_belong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
