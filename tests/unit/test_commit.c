/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wrap: fsync renameat unlinkat symlinkat */
#include "history.h"

#include "fault.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

/* The call, counted over all four, that fails once with EIO; 0: none. */
static unsigned fail_at, calls;

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_renameat(int from, const char *old, int to, const char *new);
int __wrap_renameat(int from, const char *old, int to, const char *new);
int __real_unlinkat(int fd, const char *name, int flags);
int __wrap_unlinkat(int fd, const char *name, int flags);
int __real_symlinkat(const char *target, int fd, const char *name);
int __wrap_symlinkat(const char *target, int fd, const char *name);

static bool fails(void)
{
	errno = EIO;
	return ++calls == fail_at;
}

int __wrap_fsync(int fd)
{
	return fails() ? -1 : __real_fsync(fd);
}

int __wrap_renameat(int from, const char *old, int to, const char *new)
{
	return fails() ? -1 : __real_renameat(from, old, to, new);
}

int __wrap_unlinkat(int fd, const char *name, int flags)
{
	return fails() ? -1 : __real_unlinkat(fd, name, flags);
}

int __wrap_symlinkat(const char *target, int fd, const char *name)
{
	return fails() ? -1 : __real_symlinkat(target, fd, name);
}

/* Version 1, and one text that somebody edited since. */
static void begin(struct history *h)
{
	const struct buf one = text_of("one"), six = text_of("six one"), sets = text_of("sets one");
	const struct store_text texts[] = {
		text_written(HISTORY_IPTABLES, &one),
		text_written(HISTORY_IP6TABLES, &six),
		text_written(HISTORY_IPSET, &sets),
	};

	assert_int_equal(history_save(&h->store, texts, ARRAY_SIZE(texts)), 1);
	history_put(h, HISTORY_IPSET, "by hand");
}

/* Version 2: one text changes, one goes, one is new, and one takes the place of what was edited. */
static int make_two(struct store *s, bool waits)
{
	const struct buf two = text_of("two"), new = text_of("new"), sets = text_of("sets two");
	const struct store_text texts[] = {
		text_written(HISTORY_IPTABLES, &two),
		{HISTORY_IP6TABLES, TEXT_ABSENT, NULL},
		text_written(HISTORY_NFTABLES, &new),
		text_written(HISTORY_IPSET, &sets),
	};
	const struct sample sample = {.message = "two"};
	struct snapshot_new n;
	unsigned id;
	int r;

	if (!waits)
		return history_save(s, texts, ARRAY_SIZE(texts));
	r = sample_write(&n, s, &sample);
	return r ? r : store_prepare(&n, texts, ARRAY_SIZE(texts), &id);
}

static int go_on(struct store *s)
{
	return make_two(s, false);
}

static int prepare(struct store *s)
{
	return make_two(s, true);
}

/* Back to version 1, after go_on: all its texts are put in the place of those of version 2. */
static int go_back(struct store *s)
{
	const struct buf one = text_of("one"), six = text_of("six one"), sets = text_of("sets one");
	const struct store_text texts[] = {
		text_written(HISTORY_IPTABLES, &one),
		text_written(HISTORY_IP6TABLES, &six),
		{HISTORY_NFTABLES, TEXT_ABSENT, NULL},
		text_written(HISTORY_IPSET, &sets),
	};

	return store_switch(s, 1, texts, ARRAY_SIZE(texts));
}

static unsigned current(struct history *h)
{
	unsigned id;

	assert_int_equal(store_current(&h->store, &id), 0);
	return id;
}

static size_t versions(struct history *h)
{
	cleanup_free unsigned *ids = NULL;
	size_t n;

	assert_int_equal(store_ids(&h->store, &ids, &n), 0);
	return n;
}

static bool is_old(struct history *h)
{
	return current(h) == 1 && versions(h) == 1 && !store_verify(&h->store, 1) &&
	       history_has(h, HISTORY_IPTABLES, "one") &&
	       history_has(h, HISTORY_IP6TABLES, "six one") &&
	       history_has(h, HISTORY_NFTABLES, "(absent)") &&
	       history_has(h, HISTORY_IPSET, "by hand");
}

static bool is_new(struct history *h)
{
	struct buf kept = BUF_INIT;
	bool whole = current(h) == 2 && versions(h) == 2 && !store_verify(&h->store, 1) &&
		     !store_verify(&h->store, 2) && history_has(h, HISTORY_IPTABLES, "two") &&
		     history_has(h, HISTORY_IP6TABLES, "(absent)") &&
		     history_has(h, HISTORY_NFTABLES, "new") &&
		     history_has(h, HISTORY_IPSET, "sets two") &&
		     !store_part(&h->store, 2, "replaced" HISTORY_IPSET, &kept) &&
		     !strcmp(buf_str(&kept), "by hand");

	buf_release(&kept);
	return whole;
}

static bool nothing_is_left_over(struct history *h)
{
	return !history_run(
		h, "test -z \"$(find etc var -name '*.fwsnap-*' -o -name intent -o -name pending)\"");
}

/* Back to the state of begin(), which was copied to `base`. */
static void again(struct history *h)
{
	assert_int_equal(history_run(h, "rm -rf etc var && cp -a base/etc base/var ."), 0);
}

static void begin_and_copy(struct history *h)
{
	begin(h);
	assert_int_equal(history_run(h, "mkdir base && cp -a etc var base"), 0);
}

/* Runs fn in a child that ends at the fault point; its status. stderr goes to `out`. */
static int child(struct history *h, int (*fn)(struct store *s), const char *fault, const char *out)
{
	cleanup_free char *path = str_printf("%s/%s", h->root, out);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), status;
	pid_t pid = fork();

	if (!pid) {
		free(path); /* the child never leaves this function */
		dup2(fd, STDERR_FILENO);
		setenv("FWSNAP_FAULT", fault, 1);
		_exit(fn(&h->store) < 0 ? 1 : 0);
	}
	close(fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* All points that fn passes, as NAME:N. */
static void fault_points(struct history *h, int (*fn)(struct store *s), struct strlist *points)
{
	cleanup_strlist struct strlist names = {NULL, 0};
	cleanup_free char *listing = NULL;
	char *rest, *line;

	assert_int_equal(child(h, fn, "list", "listing"), 0);
	listing = rest = history_file(h, "/listing");
	while ((line = strsep(&rest, "\n"))) {
		unsigned pass = 1;
		cleanup_free char *point = NULL;

		if (strncmp(line, "fault: ", 7))
			continue;
		for (size_t i = 0; i < names.n; i++)
			pass += !strcmp(names.s[i], line + 7);
		strlist_add(&names, line + 7);
		point = str_printf("%s:%u", line + 7, pass);
		strlist_add(points, point);
	}
}

static void a_save_makes_the_new_state_whole(void **state)
{
	struct history *h = *state;

	begin(h);
	assert_true(is_old(h));
	assert_int_equal(go_on(&h->store), 2);
	assert_true(is_new(h));
	assert_true(nothing_is_left_over(h));
	assert_int_equal(store_recover(&h->store), 0);
	assert_true(is_new(h));
}

static void after_a_crash_anywhere_one_state_is_whole(void **state)
{
	struct history *h = *state;
	cleanup_strlist struct strlist points = {NULL, 0};
	unsigned old = 0, new = 0;

	begin_and_copy(h);
	fault_points(h, go_on, &points);
	for (size_t i = 0; i < points.n; i++) {
		int recovered;

		again(h);
		assert_int_equal(child(h, go_on, points.s[i], "err"), FAULT_STATUS);
		recovered = store_recover(&h->store);
		if (recovered < 0 || !(is_old(h) || is_new(h)) || !nothing_is_left_over(h))
			fail_msg("%s: recovery says %d", points.s[i], recovered);
		old += is_old(h);
		new += is_new(h);
		assert_int_equal(store_recover(&h->store), 0);
		assert_true(go_on(&h->store) > 1);
		assert_true(nothing_is_left_over(h));
	}
	print_message("%zu points: %u back to the old state, %u on to the new\n", points.n, old,
		      new);
	assert_true(points.n > 30 && old > 10 && new > 10);
}

static void after_a_crash_of_the_recovery_too_one_state_is_whole(void **state)
{
	struct history *h = *state;
	cleanup_strlist struct strlist points = {NULL, 0};

	begin_and_copy(h);
	fault_points(h, go_on, &points);
	/* every third: the points of a step differ little, and each has a dozen of recovery behind
	 * it */
	for (size_t i = 0; i < points.n; i += 3) {
		cleanup_strlist struct strlist inner = {NULL, 0};

		again(h);
		assert_int_equal(child(h, go_on, points.s[i], "err"), FAULT_STATUS);
		assert_int_equal(history_run(h, "rm -rf cut && mkdir cut && cp -a etc var cut"), 0);
		fault_points(h, store_recover, &inner);
		for (size_t k = 0; k < inner.n; k++) {
			assert_int_equal(
				history_run(h, "rm -rf etc var && cp -a cut/etc cut/var ."), 0);
			assert_int_equal(child(h, store_recover, inner.s[k], "err"), FAULT_STATUS);
			assert_true(store_recover(&h->store) >= 0);
			if (!(is_old(h) || is_new(h)) || !nothing_is_left_over(h))
				fail_msg("%s, then %s", points.s[i], inner.s[k]);
		}
	}
}

/* All that a prepared save is seen by. */
static bool waits(struct history *h)
{
	struct manifest m = {0};
	unsigned id, other;
	bool seen = !store_pending(&h->store, &id) && id == 2 &&
		    !store_resolve(&h->store, "pending", &other) && other == 2 &&
		    !store_load(&h->store, 2, &m) && sample_is_whole(&m);

	manifest_release(&m);
	return seen;
}

static bool nothing_waits(struct history *h)
{
	unsigned id;

	return !store_pending(&h->store, &id) && !id;
}

static void a_prepared_save_is_unseen_until_it_is_confirmed(void **state)
{
	struct history *h = *state;

	begin(h);
	assert_true(nothing_waits(h));
	assert_int_equal(store_confirm(&h->store), 0);
	assert_int_equal(prepare(&h->store), 0);
	assert_true(is_old(h) && waits(h));
	/* other commands begin so */
	assert_int_equal(store_recover(&h->store), 0);
	assert_true(is_old(h) && waits(h));
	assert_int_equal(store_confirm(&h->store), 0);
	assert_true(is_new(h) && nothing_waits(h) && nothing_is_left_over(h));
}

static void an_abandoned_save_leaves_nothing(void **state)
{
	struct history *h = *state;

	begin(h);
	assert_int_equal(prepare(&h->store), 0);
	assert_int_equal(store_abandon(&h->store), 0);
	assert_true(is_old(h) && nothing_waits(h) && nothing_is_left_over(h));
	assert_int_equal(store_abandon(&h->store), 0);
}

static void a_prepared_switch_is_confirmed_like_a_save(void **state)
{
	struct history *h = *state;
	const struct buf one = text_of("one");
	const struct store_text texts[] = {text_written(HISTORY_IPTABLES, &one)};

	begin(h);
	assert_int_equal(go_on(&h->store), 2);
	assert_int_equal(store_prepare_switch(&h->store, 1, texts, 1), 0);
	assert_true(is_new(h));
	assert_int_equal(store_confirm(&h->store), 0);
	assert_int_equal(current(h), 1);
	assert_true(history_has(h, HISTORY_IPTABLES, "one") && nothing_is_left_over(h));
}

/* What a later command does with what it finds. */
static int settle(struct store *s)
{
	int r = store_recover(s);

	return r < 0 ? r : store_abandon(s);
}

static void a_crash_while_it_is_prepared_or_confirmed_leaves_one_state_whole(void **state)
{
	static int (*const steps[])(struct store *) = {prepare, store_confirm, store_abandon};
	struct history *h = *state;
	unsigned old = 0, new = 0;

	begin_and_copy(h);
	for (size_t step = 0; step < ARRAY_SIZE(steps); step++) {
		cleanup_strlist struct strlist points = {NULL, 0};

		again(h);
		assert_true(!step || !prepare(&h->store));
		fault_points(h, steps[step], &points);
		assert_true(points.n > 5);
		for (size_t i = 0; i < points.n; i++) {
			again(h);
			assert_true(!step || !prepare(&h->store));
			assert_int_equal(child(h, steps[step], points.s[i], "err"), FAULT_STATUS);
			if (settle(&h->store) < 0 || !(is_old(h) || is_new(h)) ||
			    !nothing_is_left_over(h))
				fail_msg("step %zu, %s", step, points.s[i]);
			old += is_old(h);
			new += is_new(h);
		}
	}
	assert_true(old > 20 && new > 5);
}

/* Whoever began to confirm has said so: what it left is confirmed by another. */
static void a_confirmation_that_was_cut_off_goes_on(void **state)
{
	cleanup_strlist struct strlist points = {NULL, 0};
	struct history *h = *state;

	begin_and_copy(h);
	again(h);
	assert_int_equal(prepare(&h->store), 0);
	fault_points(h, store_confirm, &points);
	assert_true(points.n > 5);
	for (size_t i = 0; i < 2 * points.n; i++) {
		again(h);
		assert_int_equal(prepare(&h->store), 0);
		assert_int_equal(child(h, store_confirm, points.s[i / 2], "err"), FAULT_STATUS);
		/* whether or not another command was there in between */
		if ((i % 2 && store_recover(&h->store) < 0) || store_confirm(&h->store) < 0 ||
		    store_recover(&h->store) < 0 || !is_new(h) || !nothing_is_left_over(h))
			fail_msg("%s", points.s[i / 2]);
	}
}

/* Each call that can fail, in turn: it waits as before, or it is the current version. */
static void a_confirmation_that_fails_leaves_it_waiting(void **state)
{
	struct history *h = *state;
	unsigned waiting = 0, done = 0;
	int null = mute();

	begin_and_copy(h);
	calls = 0;
	for (unsigned at = 1; calls + 1 >= at; at++) {
		unsigned made;
		int r;

		again(h);
		assert_int_equal(prepare(&h->store), 0);
		calls = 0;
		fail_at = at;
		r = store_confirm(&h->store);
		made = calls;
		fail_at = 0;
		if (r < 0) {
			assert_true(is_old(h) && waits(h));
			assert_int_equal(store_confirm(&h->store), 0);
		}
		assert_true(store_recover(&h->store) >= 0);
		assert_true(is_new(h) && nothing_is_left_over(h));
		waiting += r < 0;
		done += r > 0;
		calls = made;
	}
	unmute(null);
	assert_true(waiting >= 3 && done >= 3);
}

static void a_save_that_cannot_be_prepared_leaves_nothing(void **state)
{
	struct history *h = *state;
	int null = mute();
	unsigned refused = 0;

	begin_and_copy(h);
	calls = 0;
	for (unsigned at = 1; calls + 1 >= at; at++) {
		unsigned made;
		int r;

		again(h);
		calls = 0;
		fail_at = at;
		r = prepare(&h->store);
		made = calls;
		fail_at = 0;
		assert_true(is_old(h));
		assert_true(r ? nothing_waits(h) && nothing_is_left_over(h) : waits(h));
		refused += r < 0;
		calls = made;
	}
	unmute(null);
	assert_true(refused > 8);
}

static void a_first_save_that_crashes_leaves_all_or_nothing(void **state)
{
	struct history *h = *state;
	cleanup_strlist struct strlist points = {NULL, 0};

	history_put(h, HISTORY_IPSET, "by hand");
	assert_int_equal(history_run(h, "mkdir base && cp -a etc var base"), 0);
	fault_points(h, go_on, &points);
	for (size_t i = 0; i < points.n; i++) {
		again(h);
		assert_int_equal(child(h, go_on, points.s[i], "err"), FAULT_STATUS);
		assert_true(store_recover(&h->store) >= 0);
		if (current(h) != versions(h) ||
		    !history_has(h, HISTORY_IPSET, current(h) ? "sets two" : "by hand") ||
		    !history_has(h, HISTORY_NFTABLES, current(h) ? "new" : "(absent)") ||
		    !nothing_is_left_over(h))
			fail_msg("%s", points.s[i]);
	}
}

static bool is_back(struct history *h)
{
	return current(h) == 1 && versions(h) == 2 && !store_verify(&h->store, 1) &&
	       !store_verify(&h->store, 2) && history_has(h, HISTORY_IPTABLES, "one") &&
	       history_has(h, HISTORY_IP6TABLES, "six one") &&
	       history_has(h, HISTORY_NFTABLES, "(absent)") &&
	       history_has(h, HISTORY_IPSET, "sets one");
}

static void a_switch_that_crashes_leaves_one_version_whole(void **state)
{
	struct history *h = *state;
	cleanup_strlist struct strlist points = {NULL, 0};
	unsigned there = 0, back = 0;

	begin(h);
	assert_int_equal(go_on(&h->store), 2);
	assert_int_equal(history_run(h, "mkdir base && cp -a etc var base"), 0);
	fault_points(h, go_back, &points);
	assert_true(is_back(h));
	for (size_t i = 0; i < points.n; i++) {
		again(h);
		assert_int_equal(child(h, go_back, points.s[i], "err"), FAULT_STATUS);
		assert_true(store_recover(&h->store) >= 0);
		if (!(is_new(h) || is_back(h)) || !nothing_is_left_over(h))
			fail_msg("%s", points.s[i]);
		there += is_new(h);
		back += is_back(h);
	}
	assert_true(there > 5 && back > 5);
}

static void a_switch_that_fails_changes_nothing(void **state)
{
	struct history *h = *state;
	unsigned last = 0;
	int err = mute();

	begin(h);
	assert_int_equal(go_on(&h->store), 2);
	assert_int_equal(history_run(h, "mkdir base && cp -a etc var base"), 0);
	do {
		int r;

		again(h);
		calls = 0;
		fail_at = ++last;
		r = go_back(&h->store);
		fail_at = 0;
		last = calls < last ? 0 : last;
		if (r < 0 ? !is_new(h) : !is_back(h)) {
			unmute(err);
			fail_msg("call %u fails: %d", last, r);
		}
	} while (last);
	unmute(err);
}

static void a_switch_leaves_what_was_edited(void **state)
{
	struct history *h = *state;

	begin(h);
	assert_int_equal(go_on(&h->store), 2);
	history_put(h, HISTORY_IPTABLES, "edited");
	history_put(h, HISTORY_IP6TABLES, "made by hand");
	assert_int_equal(go_back(&h->store), 0);
	assert_int_equal(current(h), 1);
	assert_true(history_has(h, HISTORY_IPTABLES, "edited"));
	assert_true(history_has(h, HISTORY_IP6TABLES, "made by hand"));
	assert_true(history_has(h, HISTORY_NFTABLES, "(absent)"));
	assert_true(history_has(h, HISTORY_IPSET, "sets one"));
	assert_int_equal(go_back(&h->store), 0);
	assert_true(history_has(h, HISTORY_IPTABLES, "edited"));
	assert_int_equal(store_switch(&h->store, 99, NULL, 0), -ENOENT);
	assert_int_equal(current(h), 1);
	assert_true(nothing_is_left_over(h));
}

/* Each call that makes something durable fails once: an error means that nothing has changed. */
static void after_an_error_anywhere_nothing_has_changed(void **state)
{
	struct history *h = *state;
	unsigned failed = 0, last = 0;
	int err = mute();

	begin_and_copy(h);
	do {
		int r;

		again(h);
		calls = 0;
		fail_at = ++last;
		r = go_on(&h->store);
		fail_at = 0;
		last = calls < last ? 0 : last;
		failed += r < 0;
		if (r < 0 ? !is_old(h) : !is_new(h)) {
			unmute(err);
			fail_msg("call %u fails: %d", last, r);
		}
		assert_true(store_recover(&h->store) >= 0);
		assert_true(nothing_is_left_over(h));
		assert_true(r < 0 ? is_old(h) : is_new(h));
	} while (last);
	unmute(err);
	print_message("%u errors\n", failed);
	assert_true(failed > 15);
}

/* Runs points until a save is cut off after the commit point, but before the first text is placed.
 */
static void cut_off_behind_the_commit_point(struct history *h)
{
	cleanup_strlist struct strlist points = {NULL, 0};

	begin_and_copy(h);
	fault_points(h, go_on, &points);
	for (size_t i = 0; i < points.n; i++) {
		again(h);
		assert_int_equal(child(h, go_on, points.s[i], "err"), FAULT_STATUS);
		if (current(h) == 2 && history_has(h, HISTORY_IPTABLES, "one"))
			return;
	}
	fail_msg("there is no such point");
}

static void an_unfinished_save_makes_no_text_look_edited(void **state)
{
	struct history *h = *state;
	struct manifest m = {0};

	cut_off_behind_the_commit_point(h);
	assert_int_equal(store_manifest(&h->store, 2, &m), 0);
	assert_int_equal(store_text_untouched(&h->store, &m, HISTORY_IPTABLES), 1);
	assert_int_equal(store_text_untouched(&h->store, &m, HISTORY_IP6TABLES), 1);
	assert_int_equal(store_text_untouched(&h->store, &m, HISTORY_NFTABLES), 1);
	history_put(h, HISTORY_IPTABLES, "edited");
	assert_int_equal(store_text_untouched(&h->store, &m, HISTORY_IPTABLES), 0);
	manifest_release(&m);
}

static void what_was_edited_before_recovery_stays(void **state)
{
	struct history *h = *state;

	cut_off_behind_the_commit_point(h);
	history_put(h, HISTORY_IPTABLES, "edited");
	history_put(h, HISTORY_IP6TABLES, "edited");
	assert_int_equal(store_recover(&h->store), 1);
	assert_true(history_has(h, HISTORY_IPTABLES, "edited"));
	assert_true(history_has(h, HISTORY_IP6TABLES, "edited"));
	assert_true(history_has(h, HISTORY_NFTABLES, "new"));
	assert_true(nothing_is_left_over(h));
}

static void a_damaged_intent_is_told_and_nothing_is_touched(void **state)
{
	static const char *const rows[] = {
		"",
		"intent: 2\n",
		"intent: 1\nnew: 0\nmade: 1\nsuffix: abcdef\n",
		"intent: 1\nnew: 1\nmade: 2\nsuffix: abcdef\n",
		"intent: 1\nnew: 1\nmade: 1\nsuffix: abcde\n",
		"intent: 1\nnew: 1\nmade: 1\nsuffix: ../../\n",
		"intent: 1\nnew: 1\nmade: 1\nsuffix: abcdef\nremove: - etc/passwd\n",
		"intent: 1\nnew: 1\nmade: 1\nsuffix: abcdef\nplace: x /etc/passwd\n",
		"intent: 1\nnew: 1\nmade: 1\nsuffix: abcdef\nother: - /etc/passwd\n",
	};
	struct history *h = *state;

	begin(h);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		history_put(h, HISTORY_DIR "/intent", rows[i]);
		assert_int_equal(store_recover(&h->store), -EBADMSG);
		assert_true(is_old(h));
	}
}

static void a_link_or_folder_where_a_text_should_be_is_refused(void **state)
{
	static const struct {
		const char *make;
		int r;
	} rows[] = {
		{"ln -s /etc/passwd etc/nftables.up.rules", -ELOOP},
		{"mkdir etc/nftables.up.rules", -EISDIR},
		{"chmod 777 etc", -EPERM},
		{"mkdir var/lib/fwsnap/snapshots/2.tar.gz", -EISDIR},
	};
	struct history *h = *state;

	begin_and_copy(h);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		again(h);
		assert_int_equal(history_run(h, rows[i].make), 0);
		assert_int_equal(go_on(&h->store), i == 3 ? 3 : rows[i].r);
		assert_int_equal(history_run(h, "rm -rf etc/nftables.up.rules; chmod 755 etc"), 0);
		assert_true(i == 3 || is_old(h));
		assert_true(nothing_is_left_over(h));
	}
}

static void a_thrown_away_snapshot_leaves_nothing(void **state)
{
	static const struct sample sample = {"no", false};
	struct history *h = *state;
	struct snapshot_new n = {0};

	snapshot_new_cancel(&n);
	assert_int_equal(sample_write(&n, &h->store, &sample), 0);
	snapshot_new_cancel(&n);
	snapshot_new_cancel(&n);
	assert_int_equal(versions(h), 0);
	assert_int_equal(history_run(h, "test -z \"$(ls -A var/lib/fwsnap/snapshots)\""), 0);
}

static void records_that_do_not_add_up_are_not_stored(void **state)
{
	static const struct sample sample = {"wrong", false};
	struct history *h = *state;
	struct snapshot_new n;

	assert_int_equal(sample_write(&n, &h->store, &sample), 0);
	n.manifest.rs.tables[0].size++;
	assert_int_equal(store_commit(&n, NULL, 0, true), -EINVAL);
	assert_int_equal(versions(h), 0);
	assert_int_equal(current(h), 0);
	assert_true(nothing_is_left_over(h));
}

/* In a mount namespace: a file system with so many free pages of 4 KiB, nothing else on it. */
static int save_on_a_small_disk(struct history *h, unsigned pages)
{
	cleanup_free char *fill = str_printf(
		"cp -a base/etc base/var small && "
		"size=$(df -k --output=avail small | tail -n 1) && "
		"dd if=/dev/zero of=small/fill bs=1024 count=$((size - %u * 4)) status=none",
		pages);
	cleanup_free char *root = str_printf("%s/small", h->root);
	struct history small = {.root = ""};
	int r, err;

	snprintf(small.root, sizeof(small.root), "%s", root);
	if (mount("small", root, "tmpfs", 0, "size=1m,mode=755") < 0 || history_run(h, fill) ||
	    store_open(&small.store, HISTORY_DIR, small.root, false) < 0)
		return -1;
	err = mute();
	r = go_on(&small.store);
	unmute(err);
	if (!(r < 0 ? is_old(&small) : is_new(&small)) || !nothing_is_left_over(&small))
		return -1;
	store_close(&small.store);
	return umount(root) < 0 ? -1 : r < 0;
}

static void a_full_disk_loses_nothing(void **state)
{
	struct history *h = *state;
	unsigned pages = 0;
	int status;
	pid_t pid;

	if (geteuid()) {
		print_message("not root: cannot mount a small disk\n");
		skip();
	}
	begin_and_copy(h);
	assert_int_equal(history_run(h, "mkdir -m 755 small"), 0);
	pid = fork();
	if (!pid) {
		int r = 1;

		if (unshare(CLONE_NEWNS) < 0)
			_exit(77);
		if (mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0)
			_exit(1);
		/* more and more room, until it is enough */
		while (r == 1 && pages < 64)
			r = save_on_a_small_disk(h, pages++);
		_exit(r == 0 && pages > 4 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WEXITSTATUS(status) == 77) {
		print_message("no new mount namespace here\n");
		skip();
	}
	assert_int_equal(status, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, history_setup, history_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_save_makes_the_new_state_whole),
		TEST(after_a_crash_anywhere_one_state_is_whole),
		TEST(after_a_crash_of_the_recovery_too_one_state_is_whole),
		TEST(a_prepared_save_is_unseen_until_it_is_confirmed),
		TEST(an_abandoned_save_leaves_nothing),
		TEST(a_prepared_switch_is_confirmed_like_a_save),
		TEST(a_crash_while_it_is_prepared_or_confirmed_leaves_one_state_whole),
		TEST(a_confirmation_that_was_cut_off_goes_on),
		TEST(a_confirmation_that_fails_leaves_it_waiting),
		TEST(a_save_that_cannot_be_prepared_leaves_nothing),
		TEST(a_first_save_that_crashes_leaves_all_or_nothing),
		TEST(after_an_error_anywhere_nothing_has_changed),
		TEST(a_switch_that_crashes_leaves_one_version_whole),
		TEST(a_switch_that_fails_changes_nothing),
		TEST(a_switch_leaves_what_was_edited),
		TEST(an_unfinished_save_makes_no_text_look_edited),
		TEST(what_was_edited_before_recovery_stays),
		TEST(a_damaged_intent_is_told_and_nothing_is_touched),
		TEST(a_link_or_folder_where_a_text_should_be_is_refused),
		TEST(a_thrown_away_snapshot_leaves_nothing),
		TEST(records_that_do_not_add_up_are_not_stored),
		TEST(a_full_disk_loses_nothing),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
