/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each row: loaded by the stock program, captured, lost, brought back, captured, compared. */
#include "altered.h"
#include "place.h"
#include "rows.h"

#include "exec.h"

#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static bool has_links(const struct row *row)
{
	return strstr(row->text, "d0") || strstr(row->text, "d1") || strstr(row->text, "d2");
}

static int row_setup(void **state)
{
	int r = place_enter();

	return !r && has_links(*state) ? place_links() : r;
}

/* What the stock program says of a row is loaded. */
static int load(const struct row *row, struct buf *err)
{
	const char *const sets[] = {"ipset", "restore", NULL}, *const nft[] = {"nft", "-f", "-", NULL};
	cleanup_free char *restore = str_printf("%s-restore", row->program);
	bool counters = !strncmp(row->program, "ip", 2);
	const char *const xtables[] = {restore, counters ? "-c" : NULL, NULL};
	int r = row->sets ? place_run(sets, row->sets, NULL, err) : 0;

	if (r)
		return r;
	return place_run(!strcmp(row->program, "nft")	  ? nft
			 : !strcmp(row->program, "ipset") ? sets
							  : xtables,
			 row->text, NULL, err);
}

/* Sorts what has no order: the items of an nft set, the lines of `ipset save`. Caller frees. */
static char *sorted(char *text, const char *separators, const char *between)
{
	struct strlist items = {NULL, 0};
	struct buf out = BUF_INIT;
	char *save;

	for (char *s = strtok_r(text, separators, &save); s; s = strtok_r(NULL, separators, &save)) {
		s += strspn(s, " ");
		while (*s && s[strlen(s) - 1] == ' ')
			s[strlen(s) - 1] = '\0';
		if (*s)
			strlist_add(&items, s);
	}
	strlist_sort(&items);
	for (size_t i = 0; i < items.n; i++)
		buf_printf(&out, "%s%s", items.s[i], between);
	strlist_release(&items);
	return buf_detach(&out);
}

/* Whether what begins at this brace is the items of a set: on one line, or so named. */
static bool begins_items(const char *text, const char *brace, const char *end)
{
	return !memchr(brace, '\n', (size_t)(end - brace)) ||
	       (brace - text > 11 && !strncmp(brace - 11, "elements = ", 11));
}

static char *sort_items(char *text)
{
	struct buf out = BUF_INIT;
	char *at = text, *brace, *end;

	for (brace = strchr(text, '{'); brace; brace = strchr(brace + 1, '{')) {
		cleanup_free char *items = NULL;

		end = brace + 1 + strcspn(brace + 1, "{}");
		if (*end != '}' || !begins_items(text, brace, end))
			continue;
		*brace = *end = '\0';
		items = sorted(brace + 1, ",\t\n", ", ");
		buf_printf(&out, "%s{ %s}", at, items);
		at = brace = end + 1;
	}
	buf_add_str(&out, at);
	return buf_detach(&out);
}

/* Removes what the pattern has in parentheses, wherever it matches. */
static void strike(char *text, const char *pattern)
{
	regmatch_t m[2];
	regex_t re;

	assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NEWLINE), 0);
	while (!regexec(&re, text, 2, m, 0))
		memmove(text + m[1].rm_so, text + m[1].rm_eo, strlen(text + m[1].rm_eo) + 1);
	regfree(&re);
}

/* What the stock program lists, without what passes by itself. Caller frees. */
static char *listing(const struct row *row)
{
	bool nft = !strcmp(row->program, "nft"), ipset = !strcmp(row->program, "ipset");
	bool legacy = strstr(row->program, "legacy");
	bool counters = !strncmp(row->program, "ip", 2);
	bool ip6 = !strncmp(row->program, "ip6", 3);
	cleanup_free char *command =
		nft	? str_dup("nft list ruleset")
		: ipset ? str_dup("ipset save")
		/* the newest table comes first, and any that is asked for by name is made */
		: legacy ? str_printf("for t in $(sort /proc/net/%s_tables_names); do %s-save -c -t $t; done; "
				      "ipset save", ip6 ? "ip6" : "ip", row->program)
			 : str_printf("%s-save %s; ipset save", row->program, counters ? "-c" : "");
	cleanup_free char *text = place_shell(command);

	strike(text, "( expires [0-9a-z]+)");
	strike(text, "^(#.*\n)");
	strike(text, "( initval 0x[0-9a-f]+)");
	if (nft)
		return sort_items(text);
	strike(text, "^add .*( timeout [0-9]+)");
	return ipset ? sorted(text, "\n", "\n") : str_dup(text);
}

static void assert_same(const struct ruleset *want, const struct ruleset *have)
{
	cleanup_buf struct buf differences = BUF_INIT;

	if (ruleset_equal(want, have))
		return;
	ruleset_differences(want, have, &differences);
	fail_msg("%s", buf_str(&differences));
}

/* The records of a streamed capture, put together again. */
static int collect(void *arg, const struct table *t, const void *records, size_t n)
{
	struct ruleset *into = arg;
	struct table *same = ruleset_find(into, t->engine, t->family, t->name);

	if (!same) {
		same = ruleset_add(into, t->engine, t->family, t->name);
		same->type = t->type ? str_dup(t->type) : NULL;
	}
	buf_add(&same->records, records, n);
	return 0;
}

static void check_streamed(const struct ruleset *rs)
{
	struct ruleset streamed = {0}, pieces = {0}, together;
	const struct capture c = {.sink = collect, .arg = &pieces, .lock_wait = PLACE_WAIT};

	assert_int_equal(engines_capture(&streamed, &c), 0);
	assert_same(rs, &streamed);
	ruleset_outline(&streamed, &together);
	assert_int_equal(together.ntables, pieces.ntables);
	for (size_t i = 0; i < together.ntables; i++) {
		struct table *t = &together.tables[i];

		assert_int_equal(t->size, pieces.tables[i].records.len);
		buf_add(&t->records, pieces.tables[i].records.data, pieces.tables[i].records.len);
		assert_int_equal(altered_digest(&together, t), 0);
	}
	assert_same(rs, &together);
	ruleset_release(&streamed);
	ruleset_release(&pieces);
	ruleset_release(&together);
}

static void lose_all(void)
{
	struct ruleset nothing = {0}, live = {0};

	assert_int_equal(place_change(&nothing), CHANGE_DONE);
	place_capture(&live);
	for (size_t i = 0; i < live.ntables; i++)
		assert_true(live.tables[i].empty);
	ruleset_release(&live);
}

static void bring_back(const struct row *row, struct ruleset *rs, const char *before)
{
	struct ruleset back = {0};
	cleanup_free char *after = NULL;

	assert_int_equal(place_change(rs), CHANGE_DONE);
	place_capture(&back);
	assert_same(rs, &back);
	assert_int_equal(back.ntables, rs->ntables);
	for (size_t i = 0; i < rs->ntables; i++) {
		const struct table *was = &rs->tables[i];
		const struct table *is = ruleset_find(&back, was->engine, was->family, was->name);

		assert_non_null(is);
		assert_true(digest_equal(is->dynamic, was->dynamic));
		assert_memory_equal(&is->counts, &was->counts, sizeof(is->counts));
	}
	after = listing(row);
	assert_string_equal(before, after);
	ruleset_release(&back);
}

static void skip_refused(struct buf *err)
{
	char *text = buf_str(err), *save;

	for (char *s = strtok_r(text, "\n", &save); s && s < text + 100; s = strtok_r(NULL, "\n", &save))
		printf("%s\n", s);
	skip();
}

static void row_comes_back(void **state)
{
	const struct row *row = *state;
	cleanup_buf struct buf err = BUF_INIT;
	struct ruleset rs = {0};
	cleanup_free char *before = NULL;

	if (strstr(row->program, "legacy") && !engines[ENGINE_XTABLES])
		buf_add_str(&err, "built without legacy iptables\n");
	else if (!exec_have(row->program))
		buf_printf(&err, "%s is not installed\n", row->program);
	else if (!load(row, &err))
		err.len = 0;
	else if (!err.len)
		buf_add_str(&err, "refused without a reason\n");
	if (err.len) {
		skip_refused(&err);
		return;
	}
	before = listing(row);
	place_capture(&rs);
	assert_true(rs.ntables > 0);
	check_streamed(&rs);
	altered_check(&rs);
	lose_all();
	bring_back(row, &rs, before);
	/* elsewhere what has a number has another one */
	if (has_links(row) || strcmp(row->program, "nft")) {
		place_move(has_links(row));
		bring_back(row, &rs, before);
	}
	ruleset_release(&rs);
}

/*
 * What does not count in the equality of ruleset.h, by the numbers of linux/netfilter/nf_tables.h
 * and linux/netfilter/ipset/ip_set.h.
 */
static const char *const not_counted[] = {
	"chain 4 3",		  /* NFTA_HOOK_DEV: the first of NFTA_HOOK_DEVS again */
	"chain 8 1",		  /* counters of a base chain */
	"chain 8 2",
	"elements 3 1 5",	  /* remaining time */
	"expression counter 2 1", /* bytes and packets */
	"expression counter 2 2",
	"expression quota 2 4",	  /* consumed */
	"object 1 4 1",		  /* NFT_OBJECT_COUNTER likewise */
	"object 1 4 2",
	"object 2 4 4",		  /* NFT_OBJECT_QUOTA likewise */
	"ipset 1",		  /* protocol */
	"ipset 4",		  /* revision of the type */
	"ipset 7 17",		  /* seed and size of the hash */
	"ipset 7 18",
	"ipset member 1",	  /* protocol and, once again, name of the set */
	"ipset member 2",
	"ipset member 8 7 24",	  /* bytes and packets */
	"ipset member 8 7 25",
	"ipset member 9",	  /* number of the line */
};

static void only_what_the_definition_names_does_not_count(void **state)
{
	struct strlist unnoticed = {NULL, 0};
	unsigned unexpected = 0;

	(void)state;
	altered_unnoticed(&unnoticed);
	for (size_t i = 0; i < unnoticed.n; i++) {
		bool expected = false;

		for (size_t j = 0; j < ARRAY_SIZE(not_counted); j++)
			expected |= !strcmp(unnoticed.s[i], not_counted[j]);
		if (!expected)
			print_message("'%s' does not count\n", unnoticed.s[i]);
		unexpected += !expected;
	}
	strlist_release(&unnoticed);
	assert_int_equal(unexpected, 0);
}

static void add_rows(struct CMUnitTest **tests, size_t *n, const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct CMUnitTest *t = array_grow(tests, n, sizeof(*t));

		*t = (struct CMUnitTest){
			.name = str_printf("%s %s: %s", rows[i].program, rows[i].family, rows[i].feature),
			.test_func = row_comes_back,
			.setup_func = row_setup,
			.teardown_func = place_teardown,
			.initial_state = (void *)(uintptr_t)&rows[i],
		};
	}
}

/* test_rows [PATTERN]: only rows of that name */
int main(int argc, char **argv)
{
	struct CMUnitTest *tests = NULL;
	size_t n = 0;

	add_rows(&tests, &n, rows_nft, rows_nft_count);
	add_rows(&tests, &n, rows_nft_rules, rows_nft_rules_count);
	add_rows(&tests, &n, rows_xtables, rows_xtables_count);
	add_rows(&tests, &n, rows_ipset, rows_ipset_count);
	*(struct CMUnitTest *)array_grow(&tests, &n, sizeof(*tests)) = (struct CMUnitTest)cmocka_unit_test(
		only_what_the_definition_names_does_not_count);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return _cmocka_run_group_tests("rows", tests, n, NULL, NULL);
}
