/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Legacy tables and ipsets: captured, taken apart, put together again, brought back, captured, compared. */
#include "place.h"
#include "rows.h"

#include "exec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
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

	ruleset_differences(want, have, &differences);
	assert_string_equal(buf_str(&differences), "");
	assert_true(ruleset_equal(want, have));
}

/* Pieces in the order of their kinds. Caller frees. */
static struct piece *pieces_of(struct ruleset *rs, const struct table *t, const struct items *items)
{
	struct piece *pieces = mem_alloc((items->n + 1) * sizeof(*pieces));
	size_t n = 0;

	for (int kind = 0; kind < ITEM_KINDS; kind++)
		for (size_t i = 0; i < items->n; i++)
			if ((int)items->item[i].kind == kind)
				pieces[n++] = (struct piece){.from = rs, .table = t, .item = &items->item[i]};
	assert_int_equal(n, items->n);
	return pieces;
}

/* Its items say what counts.h counts. */
static void check_counts(const struct table *t, const struct items *items)
{
	unsigned n[ITEM_KINDS] = {0};

	for (size_t i = 0; i < items->n; i++)
		n[items->item[i].kind]++;
	assert_int_equal(n[ITEM_CHAIN], t->counts.chains);
	if (t->engine != ENGINE_NFT)
		assert_int_equal(n[ITEM_RULE], t->counts.rules);
	assert_int_equal(n[ITEM_ELEMENT], t->counts.elements);
}

static void compose_table(struct ruleset *out, struct ruleset *rs, const struct table *t)
{
	const struct engine *engine = engines[t->engine];
	struct items items = {0}, again = {0};
	struct item_changes changes = {0};
	struct table *made = ruleset_add(out, t->engine, t->family, t->name);
	struct piece *pieces;

	assert_int_equal(engine->items(rs, t, &items), 0);
	check_counts(t, &items);
	pieces = pieces_of(rs, t, &items);
	assert_int_equal(engine->compose(out, made, pieces, items.n), 0);
	assert_int_equal(made->size, made->records.len);
	assert_int_equal(engine->items(out, made, &again), 0);
	items_compare(&items, &again, &changes);
	assert_int_equal(changes.n, 0);
	item_changes_release(&changes);
	items_release(&again);
	items_release(&items);
	free(pieces);
}

static bool can(const struct row *row, struct buf *why)
{
	if (strstr(row->program, "legacy") && !engines[ENGINE_XTABLES])
		buf_add_str(why, "built without legacy iptables");
	else if (!exec_have(row->program))
		buf_printf(why, "%s is not installed", row->program);
	else if (!row_load(row, why))
		return true;
	return false;
}

static void pieces_make_the_whole(void **state)
{
	cleanup_buf struct buf err = BUF_INIT;
	struct ruleset rs = {0}, out = {0};

	if (!can(*state, &err)) {
		print_message("%.100s\n", buf_str(&err));
		buf_release(&err);
		skip();
	}
	place_capture(&rs);
	out.where = rs.where;
	for (size_t i = 0; i < rs.ntables; i++)
		compose_table(&out, &rs, &rs.tables[i]);
	buf_add(&out.order, rs.order.data, rs.order.len);
	ruleset_finish(&out);
	assert_same(&rs, &out);
	for (size_t i = 0; i < rs.ntables; i++) {
		assert_true(digest_equal(rs.tables[i].dynamic, out.tables[i].dynamic));
		assert_memory_equal(&rs.tables[i].counts, &out.tables[i].counts,
				    sizeof(struct table_counts));
	}
	place_lose();
	assert_int_equal(place_change(&out), CHANGE_DONE);
	place_assert_live(&rs);
	ruleset_release(&rs);
	ruleset_release(&out);
}

static void add_rows(struct CMUnitTest **tests, size_t *n, const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct CMUnitTest *t = array_grow(tests, n, sizeof(*t));

		*t = (struct CMUnitTest){
			.name = str_printf("%s %s: %s", rows[i].program, rows[i].family, rows[i].feature),
			.test_func = pieces_make_the_whole,
			.setup_func = row_setup,
			.teardown_func = place_teardown,
			.initial_state = (void *)(uintptr_t)&rows[i],
		};
	}
}

/* test_pieces [PATTERN]: only rows of that name */
int main(int argc, char **argv)
{
	struct CMUnitTest *tests = NULL;
	size_t n = 0;

	add_rows(&tests, &n, rows_xtables, rows_xtables_count);
	add_rows(&tests, &n, rows_ipset, rows_ipset_count);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return _cmocka_run_group_tests("pieces", tests, n, NULL, NULL);
}
