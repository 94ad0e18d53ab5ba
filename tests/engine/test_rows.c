/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each row: loaded by the stock program, captured, lost, brought back, captured, compared. */
#include "altered.h"
#include "place.h"
#include "rows.h"

#include "exec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int row_setup(void **state)
{
	int r = place_enter();

	return !r && row_has_links(*state) ? place_links() : r;
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
	after = row_listing(row);
	assert_string_equal(before, after);
	ruleset_release(&back);
}

static void skip_refused(struct buf *err)
{
	char *text = buf_str(err), *save;

	for (char *s = strtok_r(text, "\n", &save); s && s < text + 100; s = strtok_r(NULL, "\n", &save))
		printf("%s\n", s);
	buf_release(err); /* skip does not return */
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
	else if (!row_load(row, &err))
		err.len = 0;
	else if (!err.len)
		buf_add_str(&err, "refused without a reason\n");
	if (err.len)
		skip_refused(&err);
	before = row_listing(row);
	place_capture(&rs);
	assert_true(rs.ntables > 0);
	check_streamed(&rs);
	altered_check(&rs);
	lose_all();
	bring_back(row, &rs, before);
	/* elsewhere what has a number has another one */
	if (row_has_links(row) || strcmp(row->program, "nft")) {
		place_move(row_has_links(row));
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
