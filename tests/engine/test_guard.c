/* SPDX-License-Identifier: GPL-2.0-or-later */
/* alone: it is about deadlines */
/*
 * Each case is a process of its own, in a namespace of its own and with a root of its own, so that
 * many deadlines run at the same time: "test_guard CASE N" runs one, without arguments all are
 * started.
 */
#include "guard.h"

#include "lock.h"
#include "place.h"
#include "store.h"

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

static struct store history;
static struct guard here = {.root = ROOT,
			    .lock_wait = PLACE_WAIT}; /* no store: no history is kept */
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

	for (int i = 0; i < 1000; i++) {
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

enum stage { STAGE_SWAPPED, STAGE_CHANGED };

struct attempt {
	unsigned within;
	enum stage until; /* then it waits to be killed; STAGE_SWAPPED: it ends */
	const char *fault;
	bool after_late; /* the target is only known once it is in force */
	bool fill;	 /* the file system of the record, once armed */
	int output;	 /* of the process, 0: ours */
};

/* Nothing more fits below ROOT/run, neither a byte nor a file. */
static void fill(void)
{
	static const char much[4096];
	int fd = open(ROOT "/run/fill", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	while (write(fd, much, sizeof(much)) > 0 || write(fd, much, 1) > 0)
		;
	close(fd);
	for (unsigned i = 0; fd >= 0; i++) {
		cleanup_free char *path = str_printf(ROOT "/run/fill%u", i);

		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		close(fd);
	}
}

/* A save of the new rules and a text that wait. */
static bool prepare(void)
{
	struct snapshot_new n;
	cleanup_buf struct buf text = BUF_INIT;
	const struct store_text texts[] = {{"/rules", TEXT_WRITTEN, &text}};
	unsigned id;
	int r = snapshot_new_open(&n, &history);

	buf_add_str(&text, "some text\n");
	for (size_t i = 0; i < new.ntables && !r; i++)
		r = snapshot_add_records(&n, &new.tables[i], new.tables[i].records.data,
					 new.tables[i].records.len);
	ruleset_outline(&new, &n.manifest.rs);
	return !r && !store_prepare(&n, texts, ARRAY_SIZE(texts), &id) && id == 1;
}

static int apply(const struct attempt *c)
{
	struct pending p = {
		.what = (char *)"apply test", .user = (char *)"tester", .within = c->within};
	struct ruleset live = {0};
	struct change change = {.live = &live, .target = &new, .lock_wait = PLACE_WAIT};
	int lock = lock_take_root(ROOT, PLACE_WAIT, NULL);
	const struct capture capture = {.lock_wait = PLACE_WAIT};

	if (c->fault)
		setenv("FWSNAP_FAULT", c->fault, 1);
	if (c->output && (dup2(c->output, STDIN_FILENO) < 0 || dup2(c->output, STDERR_FILENO) < 0))
		return 9;
	if (here.store && !prepare())
		return 8;
	strlist_add(&p.touched, "/etc/ufw/ufw.conf");
	if (lock < 0 || engines_capture(&live, &capture))
		return 10;
	if (guard_arm(&here, &p, &live, NULL, c->after_late ? NULL : &new))
		return 11;
	if (c->fill)
		fill();
	if (change_run(&change) != CHANGE_DONE)
		return 12;
	if (c->until == STAGE_CHANGED)
		pause();
	return guard_swapped(&here, &p, c->after_late ? &new : NULL) ? 13 : 0;
}

static pid_t apply_start(const struct attempt *c)
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
	const struct attempt c = {.within = within, .fault = fault};

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

static void forsake(void)
{
	pid_t guard = holder("guard"), watcher = holder("watcher");

	end(watcher);
	wait_end(watcher);
	end(guard);
	wait_end(guard);
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
	pid_t pid = apply_start(&(struct attempt){.within = 60, .until = STAGE_CHANGED});
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
	forsake();
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
	r = confirm_at(p.deadline - 24000000 + number * 280000);
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
	int r = wait_end(apply_start(&(struct attempt){.within = 1, .fault = fault}));
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

static void signals_do_not_end_it(void **state)
{
	static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGALRM, SIGPIPE};
	pid_t guard, watcher;

	(void)state;
	change_swapped(1, NULL);
	guard = holder("guard");
	watcher = holder("watcher");
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		assert_int_equal(kill(guard, signals[i]), 0);
		assert_int_equal(kill(watcher, signals[i]), 0);
	}
	sleep_ms(300);
	assert_int_equal(state_now(), GUARD_SWAPPED);
	assert_int_equal(holder("guard"), guard);
	wait_state(GUARD_UNDONE, now() + 2 * SECOND);
	assert_int_equal(holder("guard"), guard);
	place_assert_live(&old);
}

static void nothing_of_the_caller_stays_open(void **state)
{
	int ends[2];
	struct attempt c = {.within = 60};
	pid_t pid;
	char byte;

	(void)state;
	/* inherited by whoever does not close it */
	assert_int_equal(pipe(ends), 0);
	c.output = ends[1];
	pid = apply_start(&c);
	close(ends[1]);
	assert_int_equal(wait_end(pid), 0);
	assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(read(ends[0], &byte, 1), 0);
	assert_int_equal(locked(roll_back), GUARD_UNDONE);
}

static void a_held_lock_does_not_keep_it(void **state)
{
	int64_t deadline;
	cleanup_close int lock = -1;
	struct pending p;

	(void)state;
	change_swapped(1, NULL);
	lock = lock_take_root(ROOT, PLACE_WAIT, NULL);
	assert_true(lock >= 0);
	assert_int_equal(guard_pending(&here, &p), 0);
	deadline = p.deadline;
	pending_release(&p);
	wait_state(GUARD_UNDONE, deadline + 5 * SECOND);
	assert_true(now() > deadline + 2 * SECOND);
	place_assert_live(&old);
}

static void target_told_late(void **state)
{
	const struct attempt c = {.within = 1, .after_late = true};

	(void)state;
	assert_int_equal(wait_end(apply_start(&c)), 0);
	free(place_shell("test -s " ROOT "/run/fwsnap/pending.*/after"));
	wait_state(GUARD_UNDONE, now() + 2 * SECOND);
	place_assert_live(&old);
}

static void small_run(void)
{
	assert_int_equal(mkdir(ROOT "/run", 0755), 0);
	assert_int_equal(mount("tmpfs", ROOT "/run", "tmpfs", 0, "size=64k,nr_inodes=40"), 0);
}

static void full_run_refuses_before_the_change(void **state)
{
	const struct attempt c = {.within = 1};

	(void)state;
	small_run();
	free(place_shell("mkdir -m 700 " ROOT "/run/fwsnap; echo >" ROOT "/run/fwsnap/lock"));
	fill();
	assert_int_equal(wait_end(apply_start(&c)), 11);
	place_assert_live(&old);
	assert_int_equal(state_now(), GUARD_IDLE);
	free(place_shell("! ls -d " ROOT "/run/fwsnap/pending.* 2>&1"));
	umount(ROOT "/run");
}

static void full_run_keeps_nothing_from_its_end(void **state)
{
	const struct attempt c = {.within = 1, .fill = true};

	(void)state;
	small_run();
	assert_int_equal(wait_end(apply_start(&c)), 0);
	end(holder("guard"));
	wait_state(GUARD_UNDONE, now() + 2 * SECOND);
	place_assert_live(&old);
	guards_end();
	free(place_shell("rm " ROOT "/run/fill*"));
	assert_int_equal(wait_end(apply_start(&c)), 0);
	assert_int_equal(locked(confirm), 0);
	place_assert_live(&new);
	guards_end();
	umount(ROOT "/run");
}

/* As a unit of systemd's: killed it comes again, and a command waits for that; stopped it undoes.
 */
static void a_unit_stands_until_it_is_stopped(void **state)
{
	struct pending p;
	pid_t unit;

	(void)state;
	change_swapped(60, NULL);
	forsake();
	assert_int_equal(guard_pending(&here, &p), 0);
	assert_false(p.guarded);
	unit = fork();
	if (!unit) {
		sleep_ms(300);
		_exit(guard_serve(ROOT, p.id) ? 1 : 0);
	}
	pending_release(&p);
	assert_int_equal(locked(recover), 0);
	assert_int_equal(holder("guard"), unit);
	kill(unit, SIGHUP);
	sleep_ms(300);
	assert_int_equal(state_now(), GUARD_SWAPPED);
	place_assert_live(&new);
	kill(unit, SIGTERM);
	wait_state(GUARD_UNDONE, now() + SECOND);
	place_assert_live(&old);
	assert_int_equal(wait_end(unit), 0);
}

static void record_of_another_boot_is_dropped(void **state)
{
	(void)state;
	change_swapped(60, NULL);
	forsake();
	free(place_shell("sed -i 's/^boot: .*/boot: 00112233445566778899aabbccddeeff/' " ROOT
			 "/run/fwsnap/pending.*/record"));
	assert_int_equal(state_now(), GUARD_IDLE);
	assert_int_equal(locked(confirm), -ENOENT);
	assert_int_equal(locked(recover), 0);
	free(place_shell("! ls -d " ROOT "/run/fwsnap/pending.* 2>&1"));
	place_assert_live(&new);
}

static void namespaces_are_independent(void **state)
{
	int first = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), second;

	(void)state;
	change_swapped(60, NULL);
	place_move(true);
	place_nft(old_text);
	assert_int_equal(state_now(), GUARD_IDLE);
	change_swapped(1, NULL);
	wait_state(GUARD_UNDONE, now() + 2 * SECOND);
	place_assert_live(&old);
	second = netns_enter(first);
	assert_true(second >= 0);
	assert_int_equal(state_now(), GUARD_SWAPPED);
	place_assert_live(&new);
	forsake();
	netns_leave(second);
	/* the first is kept alive by a descriptor, which nobody sees, and then by nothing */
	close(first);
	assert_int_equal(locked(recover), 0);
	free(place_shell("test $(ls -d " ROOT "/run/fwsnap/pending.* | wc -l) = 1"));
	assert_int_equal(state_now(), GUARD_UNDONE);
}

static void a_way_back_that_is_damaged_is_lost(void **state)
{
	(void)state;
	change_swapped(60, NULL);
	forsake();
	free(place_shell("truncate -s -9 " ROOT "/run/fwsnap/pending.*/before"));
	assert_int_equal(locked(roll_back), GUARD_LOST);
	assert_int_equal(locked(recover), 0);
	place_assert_live(&new);
}

struct terminal {
	int master, slave;
	char name[32];
};

static struct terminal terminal_open(void)
{
	struct terminal t = {.master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)};

	assert_true(t.master >= 0);
	assert_int_equal(grantpt(t.master), 0);
	assert_int_equal(unlockpt(t.master), 0);
	assert_int_equal(ptsname_r(t.master, t.name, sizeof(t.name)), 0);
	t.slave = open(t.name, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	assert_true(t.slave >= 0);
	return t;
}

/* Somebody works at this line, says the place's own utmp. */
static void log_in(const char *line)
{
	struct utmpx u = {.ut_type = USER_PROCESS, .ut_user = "tester"};

	memcpy(u.ut_line, line, strlen(line));
	memcpy(u.ut_id, line + strlen(line) - 4, 4);
	assert_non_null(pututxline(&u));
}

static void assert_told(const struct terminal *t)
{
	char said[4096] = "";

	assert_true(read(t->master, said, sizeof(said) - 1) > 0);
	assert_non_null(
		strstr(said, "\r\nfwsnap: 'apply test' of tester was not confirmed in time"));
	assert_non_null(strstr(said, "the old rules are back\r"));
	assert_non_null(strstr(said, "NOT undone: /etc/ufw/ufw.conf\r"));
	assert_non_null(strstr(said, "conntrack"));
}

static void terminals_are_told(void **state)
{
	struct terminal user = terminal_open(), full = terminal_open(), caller = terminal_open();
	struct attempt c = {.within = 1, .output = caller.slave};

	(void)state;
	free(place_shell("touch /run/utmp " ROOT "/file"));
	log_in(full.name + strlen("/dev/"));
	log_in("../run/root/file");
	log_in(user.name + strlen("/dev/"));
	endutxent();
	while (write(full.slave, "full", 4) > 0)
		;
	assert_int_equal(wait_end(apply_start(&c)), 0);
	wait_state(GUARD_UNDONE, now() + 2 * SECOND);
	guards_end();
	assert_told(&user);
	assert_told(&caller);
	free(place_shell("! test -s " ROOT "/file"));
}

/* with a history */

static void assert_history(unsigned current, unsigned pending)
{
	unsigned id;

	assert_int_equal(store_current(&history, &id), 0);
	assert_int_equal(id, current);
	assert_int_equal(store_pending(&history, &id), 0);
	assert_int_equal(id, pending);
	assert_int_equal(access(ROOT "/rules", F_OK), current ? 0 : -1);
}

/* The change waits, and so does its save. */
static void change_prepared(unsigned within)
{
	const struct attempt c = {.within = within};

	assert_int_equal(store_open(&history, "/var/lib/fwsnap", ROOT, true), 0);
	here.store = &history;
	assert_int_equal(wait_end(apply_start(&c)), 0);
	assert_history(0, 1);
}

static void confirmed_is_saved(void **state)
{
	(void)state;
	change_prepared(60);
	assert_int_equal(locked(confirm), 0);
	assert_history(1, 0);
	place_assert_live(&new);
}

static void undone_is_not_saved(void **state)
{
	(void)state;
	change_prepared(1);
	wait_state(GUARD_UNDONE, now() + 2 * SECOND);
	guards_end();
	assert_history(0, 0);
	place_assert_live(&old);
}

static void what_cannot_be_saved_is_not_confirmed(void **state)
{
	(void)state;
	assert_int_equal(mkdir(ROOT "/var", 0755), 0);
	assert_int_equal(mount("tmpfs", ROOT "/var", "tmpfs", 0, "mode=0755"), 0);
	change_prepared(2);
	assert_int_equal(mount(NULL, ROOT "/var", NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
	assert_int_equal(locked(confirm), -EROFS);
	assert_int_equal(state_now(), GUARD_SWAPPED);
	place_assert_live(&new);
	wait_state(GUARD_UNDONE, now() + 4 * SECOND);
	guards_end();
	place_assert_live(&old);
	assert_int_equal(mount(NULL, ROOT "/var", NULL, MS_REMOUNT, NULL), 0);
	assert_history(0, 1);
	assert_int_equal(locked(recover), 0);
	assert_history(0, 0);
	umount(ROOT "/var");
}

/* Runs fn as a command that ends at the point with our number; whether it did. */
static bool command_ends(int (*fn)(void))
{
	pid_t pid = fork();
	int r;

	if (!pid) {
		cleanup_free char *fault = str_printf("*:%u", number);
		cleanup_close int lock = lock_take_root(ROOT, PLACE_WAIT, NULL);

		setenv("FWSNAP_FAULT", fault, 1);
		_exit(lock < 0 || fn() < 0);
	}
	r = wait_end(pid);
	assert_true(r == 0 || r == FAULT_STATUS);
	printf("%s\n", r ? "ended" : "whole");
	return r;
}

static void confirm_ends_at_a_fault_point(void **state)
{
	(void)state;
	change_prepared(60);
	command_ends(confirm);
	/* what was not begun may be done again; else the guard does the rest */
	if (state_now() == GUARD_SWAPPED)
		assert_int_equal(locked(confirm), 0);
	wait_state(GUARD_CONFIRMED, now() + SECOND);
	guards_end();
	place_assert_live(&new);
	assert_true(store_recover(&history) >= 0);
	assert_history(1, 0);
}

static void rollback_ends_at_a_fault_point(void **state)
{
	(void)state;
	change_prepared(60);
	command_ends(roll_back);
	if (state_now() == GUARD_SWAPPED)
		assert_int_equal(locked(roll_back), GUARD_UNDONE);
	wait_state(GUARD_UNDONE, now() + SECOND);
	guards_end();
	place_assert_live(&old);
	assert_int_equal(locked(recover), 0);
	assert_history(0, 0);
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
	CASE(signals_do_not_end_it),
	CASE(nothing_of_the_caller_stays_open),
	CASE(a_held_lock_does_not_keep_it),
	CASE(target_told_late),
	CASE(full_run_refuses_before_the_change),
	CASE(full_run_keeps_nothing_from_its_end),
	CASE(a_unit_stands_until_it_is_stopped),
	CASE(record_of_another_boot_is_dropped),
	CASE(namespaces_are_independent),
	CASE(a_way_back_that_is_damaged_is_lost),
	CASE(terminals_are_told),
	CASE(confirmed_is_saved),
	CASE(undone_is_not_saved),
	CASE(what_cannot_be_saved_is_not_confirmed),
	/* these run many times */
	CASE(confirm_and_deadline_race),
	CASE(caller_ends_at_a_fault_point),
	CASE(guard_ends_at_a_fault_point),
	CASE(confirm_ends_at_a_fault_point),
	CASE(rollback_ends_at_a_fault_point),
};
#define MANY 5
#define SINGLE (ARRAY_SIZE(cases) - MANY)

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

static void confirm_may_end_anywhere(void **state)
{
	(void)state;
	ends_at_every_point("confirm_ends_at_a_fault_point");
}

static void rollback_may_end_anywhere(void **state)
{
	(void)state;
	ends_at_every_point("rollback_ends_at_a_fault_point");
}

static int run_all(void)
{
	struct CMUnitTest tests[SINGLE + MANY] = {
		[SINGLE] = cmocka_unit_test(of_confirm_and_deadline_exactly_one_wins),
		cmocka_unit_test(caller_may_end_anywhere),
		cmocka_unit_test(guard_may_end_anywhere),
		cmocka_unit_test(confirm_may_end_anywhere),
		cmocka_unit_test(rollback_may_end_anywhere),
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
