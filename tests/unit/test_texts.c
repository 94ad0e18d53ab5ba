/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "history.h"

#include "log.h"

#include <errno.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

static void a_text_is_touched_when_it_is_not_what_was_left(void **state)
{
	static const struct {
		const char *what;
		int state; /* of the record; -1: there is none */
		const char *now;
		int r;
	} rows[] = {
		{"as written", TEXT_WRITTEN, "one", 1},
		{"edited", TEXT_WRITTEN, "two", 0},
		{"gone", TEXT_WRITTEN, NULL, -ENOENT},
		{"as left", TEXT_LEFT, "one", 1},
		{"left and edited", TEXT_LEFT, "two", 0},
		{"left and gone", TEXT_LEFT, NULL, -ENOENT},
		{"absent as it was", TEXT_ABSENT, NULL, 1},
		{"made by hand", TEXT_ABSENT, "one", 0},
		{"never known, absent", -1, NULL, 1},
		{"never known", -1, "one", 0},
	};
	struct history *h = *state;
	struct manifest_text record = {.path = (char *)(uintptr_t)HISTORY_IPTABLES};
	struct manifest m = {.texts = &record};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int r;

		record.state = (enum text_state)rows[i].state;
		record.digest = digest_of("one", 3);
		record.size = 3;
		m.ntexts = rows[i].state >= 0;
		assert_int_equal(history_run(h, "rm -f etc/*"), 0);
		if (rows[i].now)
			history_put(h, HISTORY_IPTABLES, rows[i].now);
		r = store_text_untouched(&h->store, &m, HISTORY_IPTABLES);
		if (r != rows[i].r)
			fail_msg("%s: %d", rows[i].what, r);
	}
	assert_int_equal(store_text_untouched(&h->store, NULL, HISTORY_IPTABLES), 0);
}

/* What a second save does with a text, by what the first one recorded and what is there then. */
static void only_what_the_last_save_wrote_is_replaced_unkept(void **state)
{
	static const struct {
		const char *what;
		enum text_state first;
		const char *then;
		enum text_state second;
		bool kept;
		const char *now;
	} rows[] = {
		{"its own text", TEXT_WRITTEN, "one", TEXT_WRITTEN, false, "two"},
		{"its own text goes", TEXT_WRITTEN, "one", TEXT_ABSENT, false, "(absent)"},
		{"edited", TEXT_WRITTEN, "hand", TEXT_WRITTEN, true, "two"},
		{"edited goes", TEXT_WRITTEN, "hand", TEXT_ABSENT, true, "(absent)"},
		{"edited to what comes", TEXT_WRITTEN, "two", TEXT_WRITTEN, false, "two"},
		{"edited and left", TEXT_WRITTEN, "hand", TEXT_LEFT, false, "hand"},
		{"never written", TEXT_ABSENT, "hand", TEXT_WRITTEN, true, "two"},
		{"left, never written", TEXT_LEFT, "hand", TEXT_WRITTEN, true, "two"},
		{"empty but not ours", TEXT_ABSENT, "", TEXT_WRITTEN, true, "two"},
	};
	struct history *h = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct buf one = text_of("one"), two = text_of("two");
		struct store_text first = {HISTORY_IPTABLES, rows[i].first, &one};
		struct store_text second = {HISTORY_IPTABLES, rows[i].second, &two};
		struct buf kept = BUF_INIT;
		struct manifest m = {0};
		int r;

		assert_int_equal(history_run(h, "rm -f etc/*"), 0);
		if (rows[i].first == TEXT_LEFT)
			history_put(h, HISTORY_IPTABLES, rows[i].then);
		assert_true(history_save(&h->store, &first, 1) > 0);
		history_put(h, HISTORY_IPTABLES, rows[i].then);
		r = history_save(&h->store, &second, 1);
		assert_true(r > 0);
		assert_int_equal(store_manifest(&h->store, (unsigned)r, &m), 0);
		assert_int_equal(m.texts[0].state, rows[i].second);
		assert_int_equal(store_text_untouched(&h->store, &m, HISTORY_IPTABLES), 1);
		manifest_release(&m);
		r = store_part(&h->store, (unsigned)r, "replaced" HISTORY_IPTABLES, &kept);
		if (r != (rows[i].kept ? 0 : -ENOENT) ||
		    !history_has(h, HISTORY_IPTABLES, rows[i].now) ||
		    (rows[i].kept && strcmp(buf_str(&kept), rows[i].then)))
			fail_msg("%s", rows[i].what);
		buf_release(&kept);
	}
}

static void a_path_that_no_entry_can_be_called_is_kept_by_number(void **state)
{
	struct history *h = *state;
	const struct buf one = text_of("one");
	const struct store_text texts[] = {text_written("/etc/my rules", &one)};
	cleanup_buf struct buf kept = BUF_INIT;

	history_put(h, "/etc/my rules", "hand");
	assert_int_equal(history_save(&h->store, texts, 1), 1);
	assert_int_equal(store_part(&h->store, 1, "replaced/1", &kept), 0);
	assert_string_equal(buf_str(&kept), "hand");
}

static void a_text_that_does_not_change_is_not_written_again(void **state)
{
	struct history *h = *state;
	const struct buf one = text_of("one");
	const struct store_text texts[] = {text_written(HISTORY_IPTABLES, &one)};

	assert_int_equal(history_save(&h->store, texts, 1), 1);
	assert_int_equal(history_run(h, "ls -i etc >before"), 0);
	assert_int_equal(history_save(&h->store, texts, 1), 2);
	assert_int_equal(history_run(h, "ls -i etc | cmp - before"), 0);
}

static void a_missing_folder_of_a_text_is_made(void **state)
{
	struct history *h = *state;
	const struct buf one = text_of("one");
	const struct store_text texts[] = {text_written("/etc/iptables/rules.v4", &one)};

	assert_int_equal(history_save(&h->store, texts, 1), 1);
	assert_true(history_has(h, "/etc/iptables/rules.v4", "one"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, history_setup, history_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_text_is_touched_when_it_is_not_what_was_left),
		TEST(only_what_the_last_save_wrote_is_replaced_unkept),
		TEST(a_path_that_no_entry_can_be_called_is_kept_by_number),
		TEST(a_text_that_does_not_change_is_not_written_again),
		TEST(a_missing_folder_of_a_text_is_made),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
