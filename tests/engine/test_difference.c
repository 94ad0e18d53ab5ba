/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each row against nothing: what the kernel has can be shown, all of it. */
#include "place.h"
#include "rows.h"

#include "difference.h"
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

/* How many lines have this sign. */
static unsigned count(const char *text, char sign)
{
	unsigned n = 0;

	for (; *text; text += strcspn(text, "\n"), text += *text == '\n')
		n += text[strspn(text, " ")] == sign;
	return n;
}

static void assert_shown(struct ruleset *old, struct ruleset *new, char sign)
{
	cleanup_buf struct buf out = BUF_INIT;
	struct difference d = {0};

	assert_int_equal(difference_make(old, new, true, &d), 0);
	difference_format(&d, false, &out);
	if (strstr(buf_str(&out), "shown"))
		fail_msg("%s", buf_str(&out));
	/* one line for each table at least, and none of the other side */
	assert_true(count(buf_str(&out), sign) >= d.ntables);
	assert_int_equal(count(buf_str(&out), sign == '+' ? '-' : '+'), 0);
	difference_release(&d);
}

static void all_of_it_is_shown(void **state)
{
	cleanup_buf struct buf err = BUF_INIT;
	struct ruleset rs = {0}, nothing = {0};

	if (!can(*state, &err)) {
		print_message("%.100s\n", buf_str(&err));
		buf_release(&err);
		skip();
	}
	place_capture(&rs);
	nothing.where = rs.where;
	assert_shown(&nothing, &rs, '+');
	assert_shown(&rs, &nothing, '-');
	ruleset_release(&rs);
}

static void add_rows(struct CMUnitTest **tests, size_t *n, const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct CMUnitTest *t = array_grow(tests, n, sizeof(*t));

		*t = (struct CMUnitTest){
			.name = str_printf("%s %s %s", rows[i].feature, rows[i].family,
					   rows[i].program),
			.test_func = all_of_it_is_shown,
			.setup_func = row_setup,
			.teardown_func = place_teardown,
			.initial_state = (void *)&rows[i],
		};
	}
}

/* test_difference [PATTERN]: only tests of that name */
int main(int argc, char **argv)
{
	struct CMUnitTest *tests = NULL;
	size_t n = 0;

	add_rows(&tests, &n, rows_nft, rows_nft_count);
	add_rows(&tests, &n, rows_nft_rules, rows_nft_rules_count);
	add_rows(&tests, &n, rows_xtables, rows_xtables_count);
	add_rows(&tests, &n, rows_ipset, rows_ipset_count);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return _cmocka_run_group_tests("difference", tests, n, NULL, NULL);
}
