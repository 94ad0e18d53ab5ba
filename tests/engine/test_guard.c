/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each case is a process of its own, in a namespace of its own and with a root of its own, so that
 * many deadlines run at the same time: "test_guard CASE N" runs one, without arguments all are
 * started.
 */
#include "guard.h"

#include "lock.h"
#include "place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <utmpx.h>

#include <cmocka.h>

#define ROOT "/run/root"
#define SECOND 1000000000LL
#define FAULT_STATUS 77

static const struct guard here = {.root = ROOT, .lock_wait = PLACE_WAIT};
static struct ruleset old, new;
static unsigned number; /* of this run of the case */

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return t.tv_sec * SECOND + t.tv_nsec;
}

static void sleep_ms(int64_t ms)
{
	const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&t, NULL);
}

/* the place: old rules in force, new ones known */

static const char old_text[] =
	"table inet filter {\n"
	"set allowed { type ipv4_addr; flags interval; elements = { 192.0.2.0/24, 198.51.100.7 } "
	"}\n"
	"chain input { type filter hook input priority 0; policy drop;\n"
	"ct state established accept\nip saddr @allowed tcp dport 22 accept\n"
	"tcp dport { 80, 443 } accept\n}\n}\n";
static const char new_text[] =
	"table inet filter {\n"
	"set allowed { type ipv4_addr; flags interval; elements = { 203.0.113.0/24 } }\n"
	"chain input { type filter hook input priority 0; policy drop;\n"
	"ct state established accept\nip saddr @allowed tcp dport 2222 accept\n}\n}\n"
	"table ip added { chain c { type nat hook prerouting priority -100;\n"
	"tcp dport 22 redirect to :2222\n}\n}\n";

static int case_setup(void **state)
{
	int r = place_setup(state);

	if (r || mkdir(ROOT, 0700) || prctl(PR_SET_CHILD_SUBREAPER, 1))
		return -1;
	place_nft(new_text);
	place_capture(&new);
	place_lose();
	place_nft(old_text);
	place_capture(&old);
	return 0;
}

/* Guard and watcher come to us once they are orphans: they have to end by themselves. */
static int guards_end(void)
{
	int status, again = 0;
	pid_t pid;

	for (int i = 0; i < 100; i++) {
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
			again |= WIFEXITED(status) && WEXITSTATUS(status);
		if (pid < 0)
			return again;
		sleep_ms(10);
	}
	fail_msg("a guard is still there");
	return 0;
}

static int case_teardown(void **state)
{
	(void)state;
	guards_end();
	ruleset_release(&old);
	ruleset_release(&new);
	return 0;
}

/* the one who changes */

enum stage { STAGE_SWAPPED, STAGE_ARMED, STAGE_CHANGED };

struct change {
	unsigned within;
	enum stage until; /* then it waits to be killed; STAGE_SWAPPED: it ends */
	const char *fault;
	bool after_late; /* the target is only known once it is in force */
	int told;	 /* a terminal for stderr, 0: none */
};

static int apply(const struct change *c)
{
	struct pending p = {
		.what = (char *)"apply test", .user = (char *)"tester", .within = c->within};
	struct ruleset live = {0};
	int lock = lock_take_root(ROOT, PLACE_WAIT, NULL);
	const struct capture capture = {.lock_wait = PLACE_WAIT};

	if (c->fault)
		setenv("FWSNAP_FAULT", c->fault, 1);
	if (c->told)
		dup2(c->told, STDERR_FILENO);
	strlist_add(&p.touched, "/etc/ufw/ufw.conf");
	if (lock < 0 || engines_capture(&live, &capture))
		return 10;
	if (guard_arm(&here, &p, &live, c->after_late ? NULL : &new))
		return 11;
	if (c->until == STAGE_ARMED)
		pause();
	if (change_run(&live, &new, PLACE_WAIT) != CHANGE_DONE)
		return 12;
	if (c->until == STAGE_CHANGED)
		pause();
	return guard_swapped(&here, &p, c->after_late ? &new : NULL) ? 13 : 0;
}

static pid_t apply_start(const struct change *c)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid)
		_exit(apply(c));
	return pid;
}

static int wait_end(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* The change is in force, its caller has ended, the time runs. */
static void change_swapped(unsigned within, const char *fault)
{
	const struct change c = {.within = within, .fault = fault};

	assert_int_equal(wait_end(apply_start(&c)), 0);
}

static enum guard_state state_now(void)
{
	struct pending p;
	enum guard_state state;

	assert_int_equal(guard_pending(&here, &p), 0);
	state = p.state;
	pending_release(&p);
	return state;
}

static void wait_state(enum guard_state wanted, int64_t until)
{
	while (state_now() != wanted) {
		if (now() > until)
			fail_msg("state %d, not %d", state_now(), wanted);
		sleep_ms(10);
	}
}

static bool is_live(const struct ruleset *want)
{
	struct ruleset live = {0};
	bool equal;

	place_capture_digests(&live);
	equal = ruleset_equal(&live, want);
	ruleset_release(&live);
	return equal;
}

/* Of the record's folder: the process that holds it. */
static pid_t holder(const char *name)
{
	cleanup_free char *command = str_printf("cat " ROOT "/run/fwsnap/pending.*/%s", name);
	cleanup_free char *said = place_shell(command);

	return (pid_t)strtol(said, NULL, 10);
}

static void end(pid_t pid)
{
	assert_true(pid > 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
}

static int locked(int (*fn)(void))
{
	cleanup_close int lock = lock_take_root(ROOT, PLACE_WAIT, NULL);

	assert_true(lock >= 0);
	return fn();
}

static int confirm(void)
{
	return guard_confirm(&here, NULL);
}

static int recover(void)
{
	return guard_recover(&here);
}

static int roll_back(void)
{
	return (int)guard_undo(&here, NULL);
}

/* cases */

static void not_confirmed_is_undone(void **state)
{
	int64_t deadline;
	struct pending p;

	(void)state;
	change_swapped(1, NULL);
	place_assert_live(&new);
	assert_int_equal(guard_pending(&here, &p), 0);
	assert_int_equal(p.state, GUARD_SWAPPED);
	assert_true(p.guarded && pending_left(&p) == 1);
	assert_string_equal(p.what, "apply test");
	deadline = p.deadline;
	pending_release(&p);
	wait_state(GUARD_UNDONE, deadline + SECOND);
	assert_true(now() >= deadline);
	place_assert_live(&old);
	assert_int_equal(locked(confirm), -ETIME);
	assert_int_equal(guard_pending(&here, &p), 0);
	assert_string_equal(p.touched.s[0], "/etc/ufw/ufw.conf");
	assert_false(p.guarded);
	pending_release(&p);
}

static void confirmed_stays(void **state)
{
	(void)state;
	change_swapped(1, NULL);
	assert_int_equal(locked(confirm), 0);
	assert_int_equal(state_now(), GUARD_CONFIRMED);
	assert_int_equal(locked(confirm), -ENOENT);
	sleep_ms(1500);
	place_assert_live(&new);
}

static void caller_killed_while_armed(void **state)
{
	pid_t pid = apply_start(&(struct change){.within = 60, .until = STAGE_CHANGED});
	int64_t killed;

	(void)state;
	while (!is_live(&new))
		sleep_ms(5);
	end(pid);
	killed = now();
	wait_state(GUARD_UNDONE, killed + SECOND);
	place_assert_live(&old);
	wait_end(pid);
}

static void guard_killed_is_started_again(void **state)
{
	pid_t first;

	(void)state;
	change_swapped(1, NULL);
	first = holder("guard");
	end(first);
	wait_state(GUARD_UNDONE, now() + 2 * SECOND);
	place_assert_live(&old);
	assert_int_not_equal(holder("guard"), first);
}

static void watcher_killed_leaves_the_guard(void **state)
{
	(void)state;
	change_swapped(1, NULL);
	end(holder("watcher"));
	wait_state(GUARD_UNDONE, now() + 2 * SECOND);
	place_assert_live(&old);
}

static void both_killed_the_next_command_undoes(void **state)
{
	(void)state;
	change_swapped(60, NULL);
	assert_int_equal(locked(recover), 0);
	assert_int_equal(state_now(), GUARD_SWAPPED);
	end(holder("watcher"));
	end(holder("guard"));
	wait_end(holder("watcher"));
	wait_end(holder("guard"));
	place_assert_live(&new);
	assert_int_equal(locked(recover), 1);
	assert_int_equal(state_now(), GUARD_UNDONE);
	place_assert_live(&old);
}

static void rolled_back_by_a_command(void **state)
{
	(void)state;
	change_swapped(60, NULL);
	assert_int_equal(locked(roll_back), GUARD_UNDONE);
	place_assert_live(&old);
	assert_int_equal(locked(roll_back), GUARD_UNDONE);
}

static int confirm_at(int64_t when)
{
	while (now() < when)
		;
	return locked(confirm);
}

static void confirm_and_deadline_race(void **state)
{
	struct pending p;
	int r;

	(void)state;
	change_swapped(1, NULL);
	assert_int_equal(guard_pending(&here, &p), 0);
	r = confirm_at(p.deadline - 5000000 + number * 80000);
	pending_release(&p);
	assert_true(r == 0 || r == -ETIME);
	wait_state(r ? GUARD_UNDONE : GUARD_CONFIRMED, now() + 2 * SECOND);
	place_assert_live(r ? &old : &new);
	sleep_ms(600);
	assert_int_equal(state_now(), r ? GUARD_UNDONE : GUARD_CONFIRMED);
	place_assert_live(r ? &old : &new);
	printf("%s\n", r ? "deadline" : "confirm");
}

static void caller_ends_at_a_fault_point(void **state)
{
	cleanup_free char *fault = str_printf("*:%u", number);
	int r = wait_end(apply_start(&(struct change){.within = 1, .fault = fault}));
	int64_t latest = now() + 6 * SECOND;

	(void)state;
	while (!is_live(&old)) {
		assert_true(now() < latest);
		sleep_ms(20);
	}
	sleep_ms(50);
	place_assert_live(&old);
	assert_true(locked(recover) >= 0);
	place_assert_live(&old);
	assert_true(state_now() == GUARD_UNDONE || state_now() == GUARD_IDLE);
	assert_true(r == 0 || r == FAULT_STATUS);
	printf("%s\n", r ? "ended" : "whole");
}

static void guard_ends_at_a_fault_point(void **state)
{
	cleanup_free char *fault = str_printf("watch-*:%u", number);
	int64_t latest;

	(void)state;
	change_swapped(1, fault);
	latest = now() + 6 * SECOND;
	while (!is_live(&old)) {
		assert_true(now() < latest);
		sleep_ms(20);
	}
	wait_state(GUARD_UNDONE, latest);
	place_assert_live(&old);
	/* the watcher says that it had to start it again */
	printf("%s\n", guards_end() ? "ended" : "whole");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, case_setup, case_teardown)
static const struct CMUnitTest cases[] = {
	CASE(not_confirmed_is_undone),
	CASE(confirmed_stays),
	CASE(caller_killed_while_armed),
	CASE(guard_killed_is_started_again),
	CASE(watcher_killed_leaves_the_guard),
	CASE(both_killed_the_next_command_undoes),
	CASE(rolled_back_by_a_command),
	/* these run many times */
	CASE(confirm_and_deadline_race),
	CASE(caller_ends_at_a_fault_point),
	CASE(guard_ends_at_a_fault_point),
};
#define SINGLE (ARRAY_SIZE(cases) - 3)

/* all of them */

struct job {
	pid_t pid;
	int output;
};

static void job_start(struct job *j, const char *name, unsigned n)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", n);
	j->output = memfd_create(name, MFD_CLOEXEC);
	fflush(NULL);
	j->pid = fork();
	if (!j->pid) {
		dup2(j->output, STDOUT_FILENO);
		dup2(j->output, STDERR_FILENO);
		execl("/proc/self/exe", "test_guard", name, text, NULL);
		_exit(127);
	}
	assert_true(j->output >= 0 && j->pid > 0);
}

/* Whether it said the word. It has to have passed. */
static bool job_end(struct job *j, const char *word)
{
	int status = wait_end(j->pid);
	off_t n = lseek(j->output, 0, SEEK_END);
	cleanup_free char *said = mem_zalloc((size_t)n + 1);

	assert_int_equal(pread(j->output, said, (size_t)n, 0), n);
	close(j->output);
	if (status)
		fail_msg("%s", said);
	return strstr(said, word);
}

static struct job singles[SINGLE];

static int start_singles(void **state)
{
	(void)state;
	for (size_t i = 0; i < SINGLE; i++)
		job_start(&singles[i], cases[i].name, 1);
	return 0;
}

static void single(void **state)
{
	job_end(*state, "");
}

#define TOGETHER 20

/* Runs a case with the numbers from first on; how often it said the word. */
static unsigned together(const char *name, unsigned first, const char *word)
{
	struct job jobs[TOGETHER];
	unsigned said = 0;

	for (unsigned i = 0; i < TOGETHER; i++)
		job_start(&jobs[i], name, first + i);
	for (unsigned i = 0; i < TOGETHER; i++)
		said += job_end(&jobs[i], word);
	return said;
}

static void of_confirm_and_deadline_exactly_one_wins(void **state)
{
	unsigned confirmed = 0;

	(void)state;
	for (unsigned n = 0; n < 100; n += TOGETHER)
		confirmed += together("confirm_and_deadline_race", n, "confirm\n");
	print_message("confirm won %u of 100\n", confirmed);
	assert_in_range(confirmed, 1, 99);
}

/* Until the process is through before the point. */
static void ends_at_every_point(const char *name)
{
	unsigned ended = 0, now_ended = 1, n;

	for (n = 1; now_ended; n += TOGETHER) {
		now_ended = together(name, n, "ended\n");
		ended += now_ended;
	}
	print_message("it ended at %u points\n", ended);
	assert_true(ended > 0);
}

static void caller_may_end_anywhere(void **state)
{
	(void)state;
	ends_at_every_point("caller_ends_at_a_fault_point");
}

static void guard_may_end_anywhere(void **state)
{
	(void)state;
	ends_at_every_point("guard_ends_at_a_fault_point");
}

static int run_all(void)
{
	struct CMUnitTest tests[SINGLE + 3] = {
		[SINGLE] = cmocka_unit_test(of_confirm_and_deadline_exactly_one_wins),
		cmocka_unit_test(caller_may_end_anywhere),
		cmocka_unit_test(guard_may_end_anywhere),
	};

	for (size_t i = 0; i < SINGLE; i++)
		tests[i] = (struct CMUnitTest){cases[i].name, single, NULL, NULL, &singles[i]};
	return cmocka_run_group_tests_name("guard", tests, start_singles, NULL);
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return run_all();
	cmocka_set_test_filter(argv[1]);
	number = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1;
	return cmocka_run_group_tests(cases, NULL, NULL);
}
