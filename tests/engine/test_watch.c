/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What captures and commits promise beside other programs that change nf_tables all the time. */
#include "place.h"
#include "writer.h"

#include "engine/nft_watch.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define BIG_CHAINS 200
#define BIG_RULES 250
#define FAST 0
#define STEADY 20000 /* microseconds */

/* Table `ip big`: reading it takes many times as long as a writer waits. */
static void load_big(void)
{
	cleanup_buf struct buf text = BUF_INIT;

	buf_add_str(&text, "table ip big {\n");
	for (unsigned i = 0; i < BIG_CHAINS; i++) {
		buf_printf(&text, "chain c%u {\n", i);
		for (unsigned j = 0; j < BIG_RULES; j++)
			buf_printf(&text, "tcp dport %u ip saddr 10.0.%u.%u accept\n", j + 1, i, j);
		buf_add_str(&text, "}\n");
	}
	buf_add_str(&text, "}\n");
	place_nft(buf_str(&text));
}

static const struct table *table(const struct ruleset *rs, const char *name)
{
	return ruleset_find(rs, ENGINE_NFT, NFPROTO_IPV4, name);
}

static void write_table(struct nft_batch *b, const char *name, unsigned n)
{
	if (!n)
		writer_make(b, name, "c");
	writer_put(b, name, "c", n);
}

static void write_other(struct nft_batch *b, unsigned n)
{
	write_table(b, "other", n);
}

static void write_mine(struct nft_batch *b, unsigned n)
{
	write_table(b, "mine", n);
}

static void write_remade(struct nft_batch *b, unsigned n)
{
	writer_make(b, "other", "c");
	writer_delete(b, "other");
	writer_make(b, "other", "c");
	writer_put(b, "other", "c", n);
}

static void write_fleeting(struct nft_batch *b, unsigned n)
{
	if (n % 2)
		writer_delete(b, "fleeting");
	else
		writer_make(b, "fleeting", "c");
}

#define WIDE 30

/* Two tables in one commit, which are equal after each. */
static void write_both(struct nft_batch *b, unsigned n)
{
	for (unsigned i = 0; i < WIDE; i++) {
		cleanup_free char *chain = str_printf("c%u", i);

		if (!n)
			writer_make(b, "before", chain);
		writer_put(b, "before", chain, n);
		if (!n)
			writer_make(b, "after", chain);
		writer_put(b, "after", chain, n);
	}
}

static void captures_beside(writer_commit *fn, unsigned pause)
{
	struct ruleset quiet = {0}, rs = {0};
	struct writer w;
	unsigned before;

	place_capture_digests(&quiet);
	w = writer_start("writer", pause, fn);
	before = *w.commits;
	place_capture(&rs);
	writer_stop(&w, before);
	assert_true(table_equal(table(&rs, "big"), table(&quiet, "big")));
	assert_int_equal(table(&rs, "big")->records.len, table(&quiet, "big")->size);
	ruleset_release(&quiet);
	ruleset_release(&rs);
}

static void a_capture_ends_beside_a_writer_to_another_table(void **state)
{
	(void)state;
	load_big();
	captures_beside(write_other, STEADY);
	captures_beside(write_other, FAST);
}

static void a_capture_ends_beside_tables_that_come_and_go(void **state)
{
	(void)state;
	load_big();
	captures_beside(write_remade, STEADY);
	captures_beside(write_remade, FAST);
	captures_beside(write_fleeting, STEADY);
	captures_beside(write_fleeting, FAST);
}

static void captures_equal(unsigned times, unsigned pause)
{
	struct ruleset rs = {0};
	struct writer w = writer_start("writer", pause, write_both);
	unsigned before = *w.commits;

	for (unsigned i = 0; i < times; i++) {
		place_capture(&rs);
		assert_int_equal(table(&rs, "before")->counts.rules, WIDE);
		assert_true(table_equal(table(&rs, "before"), table(&rs, "after")));
	}
	writer_stop(&w, before);
	ruleset_release(&rs);
}

static void a_table_that_changes_while_it_is_read_is_read_again(void **state)
{
	(void)state;
	writer_commit_once(write_both, 0);
	captures_equal(100, FAST);
}

/* One is read before, one after what takes long to read. */
static void all_tables_of_a_capture_are_of_one_generation(void **state)
{
	(void)state;
	writer_commit_once(write_both, 0);
	place_nft("delete table ip after\n");
	load_big();
	captures_equal(3, 1000);
}

#define MUCH 10000

/* In a table that is dumped before `much`: what is behind moves. */
static void write_chains(struct nft_batch *b, unsigned n)
{
	if (n % 2)
		writer_delete_chain(b, "moving", "c");
	else
		writer_make(b, "moving", "c");
}

static void chains_that_come_and_go_hide_none_of_another_table(void **state)
{
	struct ruleset quiet = {0}, rs = {0};
	cleanup_buf struct buf text = BUF_INIT;
	struct writer w;

	(void)state;
	buf_add_str(&text, "table ip moving {\n}\ntable ip much {\n");
	for (unsigned i = 0; i < MUCH; i++)
		buf_printf(&text, "chain c%u {\n}\n", i);
	buf_add_str(&text, "}\n");
	place_nft(buf_str(&text));
	place_capture(&quiet);
	w = writer_start("writer", FAST, write_chains);
	for (unsigned i = 0; i < 20; i++) {
		place_capture(&rs);
		assert_true(table_equal(table(&quiet, "much"), table(&rs, "much")));
	}
	writer_stop(&w, 1);
	ruleset_release(&quiet);
	ruleset_release(&rs);
}

/* Streamed, tables come in order and add up to their size. */
struct stream {
	size_t size[2];
	bool late;
};

static int count(void *arg, const struct table *t, const void *records, size_t n)
{
	struct stream *s = arg;
	bool big = !strcmp(t->name, "big");

	(void)records;
	s->late |= !big && s->size[true];
	s->size[big] += n;
	return 0;
}

static void what_a_sink_keeps_is_whole_beside_a_writer(void **state)
{
	struct stream s = {{0, 0}, false};
	const struct capture c = {.sink = count, .arg = &s, .lock_wait = PLACE_WAIT};
	struct ruleset rs = {0};
	struct writer w;

	(void)state;
	writer_commit_once(write_other, 0);
	load_big();
	w = writer_start("writer", STEADY, write_other);
	assert_int_equal(engines_capture(&rs, &c), 0);
	writer_stop(&w, 1);
	assert_false(s.late);
	assert_int_equal(s.size[true], table(&rs, "big")->size);
	assert_int_equal(s.size[false], table(&rs, "other")->size);
	assert_true(s.size[true] > CAPTURE_PIECE);
	ruleset_release(&rs);
}

#define LONG 40000

/* The rules of the chain are looked up for their handles. */
static void a_rule_of_a_long_chain_changes_beside_a_writer_to_another_table(void **state)
{
	struct ruleset live = {0}, target = {0};
	struct change change = {.live = &live, .target = &target, .lock_wait = PLACE_WAIT};
	struct capture c = {.lock_wait = PLACE_WAIT};
	cleanup_buf struct buf text = BUF_INIT;
	struct writer w;

	(void)state;
	writer_commit_once(write_other, 0);
	buf_add_str(&text, "table ip long {\nchain c {\n");
	for (unsigned i = 0; i < LONG; i++)
		buf_printf(&text, "meta mark %u accept\n", i);
	buf_add_str(&text, "}\n}\n");
	place_nft(buf_str(&text));
	place_capture(&target);
	place_nft("insert rule ip long c counter\n");
	w = writer_start("writer", STEADY, write_other);
	assert_int_equal(watch_open(&change.watch), 0);
	c.watch = change.watch;
	assert_int_equal(engines_capture(&live, &c), 0);
	assert_int_equal(change_run(&change), CHANGE_DONE);
	writer_stop(&w, 1);
	watch_close(change.watch);
	change_release(&change);
	ruleset_release(&live);
	ruleset_release(&target);
}

/* The number of a commit that no writer reaches. */
#define NEVER 1000000000

/* The table `ip mine` is to have another rule: the plan, after a capture with the watch. */
struct way {
	struct watch *watch;
	struct ruleset live, target;
	struct step step;
	struct plan plan;
};

static void way_begin(struct way *x)
{
	struct capture c = {.lock_wait = PLACE_WAIT};

	*x = (struct way){0};
	writer_commit_once(write_mine, 0);
	writer_commit_once(write_mine, NEVER);
	place_capture(&x->target);
	writer_commit_once(write_mine, 1);
	assert_int_equal(watch_open(&x->watch), 0);
	c.watch = x->watch;
	assert_int_equal(engines_capture(&x->live, &c), 0);
	x->step = (struct step){ACTION_REPLACE, table(&x->live, "mine"), table(&x->target, "mine"),
				&x->target, 0};
	x->plan = (struct plan){.live = &x->live,
				.target = &x->target,
				.steps = &x->step,
				.nsteps = 1,
				.generation_check = true,
				.watch = x->watch};
}

static int way_go(struct way *x)
{
	return engines[ENGINE_NFT]->change(&x->plan);
}

static void way_end(struct way *x)
{
	watch_close(x->watch);
	ruleset_release(&x->live);
	ruleset_release(&x->target);
}

static void a_commit_succeeds_beside_a_writer_to_another_table(void **state)
{
	struct way x;
	struct ruleset now = {0};
	struct writer w;

	(void)state;
	way_begin(&x);
	w = writer_start("writer", FAST, write_other);
	usleep(10000);
	x.plan.watch = NULL;
	assert_int_equal(way_go(&x), -ERESTART);
	x.plan.watch = x.watch;
	assert_int_equal(way_go(&x), 0);
	writer_stop(&w, 1);
	place_capture_digests(&now);
	assert_true(table_equal(table(&now, "mine"), table(&x.target, "mine")));
	ruleset_release(&now);
	way_end(&x);
}

static void a_commit_does_not_go_over_a_table_that_was_changed(void **state)
{
	struct way x;
	struct strlist who = {NULL, 0};
	cleanup_free char *expected = NULL;
	struct ruleset now = {0};
	struct writer w;

	(void)state;
	way_begin(&x);
	w = writer_start("culprit", STEADY, write_mine);
	expected = str_printf("ip mine by 'culprit' (pid %d)", (int)w.pid);
	assert_int_equal(way_go(&x), -ERESTART);
	writer_stop(&w, 0);
	assert_int_equal(watch_changes(x.watch, x.step.old, x.live.generation, &who), 1);
	assert_int_equal(who.n, 1);
	assert_string_equal(who.s[0], expected);
	place_capture_digests(&now);
	assert_false(table_equal(table(&now, "mine"), table(&x.target, "mine")));
	strlist_release(&who);
	ruleset_release(&now);
	way_end(&x);
}

static void what_a_plan_commits_itself_does_not_count(void **state)
{
	struct way x;
	struct strlist who = {NULL, 0};

	(void)state;
	way_begin(&x);
	assert_int_equal(way_go(&x), 0);
	assert_int_equal(watch_changes(x.watch, NULL, x.live.generation, &who), 0);
	writer_commit_once(write_other, 0);
	assert_int_equal(watch_changes(x.watch, x.step.old, x.live.generation, &who), 0);
	assert_int_equal(watch_changes(x.watch, NULL, x.live.generation, &who), 1);
	assert_non_null(strstr(who.s[0], "ip other by"));
	strlist_release(&who);
	way_end(&x);
}

static void a_large_commit_of_its_own_does_not_overflow_the_watch(void **state)
{
	const int small = 1;
	struct way x;

	(void)state;
	way_begin(&x);
	load_big();
	place_capture(&x.target);
	place_nft("delete table ip big\n");
	x.step = (struct step){ACTION_ADD, NULL, table(&x.target, "big"), &x.target, 0};
	assert_int_equal(watch_changes(x.watch, NULL, 0, NULL), 1);
	x.live.generation = x.watch->generation;
	setsockopt(x.watch->events.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	assert_int_equal(way_go(&x), 0);
	assert_int_equal(watch_changes(x.watch, NULL, x.live.generation, NULL), 0);
	assert_int_equal(x.watch->lost, 0);
	way_end(&x);
}

/* Events that do not fit, of a table that is none of the plan's. */
static void what_the_kernel_could_not_tell_is_a_change_of_any_table(void **state)
{
	const int small = 1;
	struct way x;
	struct strlist who = {NULL, 0};
	struct ruleset again = {0};
	struct capture c = {.lock_wait = PLACE_WAIT};

	(void)state;
	way_begin(&x);
	setsockopt(x.watch->events.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	for (unsigned i = 0; i < 20; i++)
		writer_commit_once(write_other, i);
	assert_int_equal(way_go(&x), -ERESTART);
	assert_int_equal(watch_changes(x.watch, x.step.old, x.live.generation, &who), 1);
	assert_non_null(strstr(who.s[0], "any table"));
	/* a new look is as good as any */
	c.watch = x.watch;
	assert_int_equal(engines_capture(&again, &c), 0);
	x.plan.live = &again;
	assert_int_equal(way_go(&x), 0);
	strlist_release(&who);
	ruleset_release(&again);
	way_end(&x);
}

static void a_capture_beside_events_that_are_lost_is_right(void **state)
{
	const int small = 1;
	struct capture c = {.lock_wait = PLACE_WAIT};
	struct ruleset rs = {0};
	struct writer w;

	(void)state;
	writer_commit_once(write_both, 0);
	w = writer_start("writer", FAST, write_both);
	assert_int_equal(watch_open(&c.watch), 0);
	setsockopt(c.watch->events.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	/* a writer that does not get to run on a busy machine overflows nothing */
	for (unsigned i = 0; i < 20 || (!c.watch->lost && i < 1000); i++) {
		usleep(5000);
		if (engines_capture(&rs, &c))
			continue;
		assert_true(table_equal(table(&rs, "before"), table(&rs, "after")));
	}
	assert_true(c.watch->lost);
	writer_stop(&w, 0);
	assert_int_equal(engines_capture(&rs, &c), 0);
	watch_close(c.watch);
	ruleset_release(&rs);
}

#define PLACED(function) cmocka_unit_test_setup_teardown(function, place_setup, place_teardown)

/* test_watch [PATTERN]: only tests of that name */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		PLACED(a_capture_ends_beside_a_writer_to_another_table),
		PLACED(a_capture_ends_beside_tables_that_come_and_go),
		PLACED(a_table_that_changes_while_it_is_read_is_read_again),
		PLACED(chains_that_come_and_go_hide_none_of_another_table),
		PLACED(all_tables_of_a_capture_are_of_one_generation),
		PLACED(what_a_sink_keeps_is_whole_beside_a_writer),
		PLACED(a_commit_succeeds_beside_a_writer_to_another_table),
		PLACED(a_rule_of_a_long_chain_changes_beside_a_writer_to_another_table),
		PLACED(a_commit_does_not_go_over_a_table_that_was_changed),
		PLACED(what_a_plan_commits_itself_does_not_count),
		PLACED(a_large_commit_of_its_own_does_not_overflow_the_watch),
		PLACED(what_the_kernel_could_not_tell_is_a_change_of_any_table),
		PLACED(a_capture_beside_events_that_are_lost_is_right),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
