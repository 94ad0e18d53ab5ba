/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guard_process.h"

#include "exec.h"
#include "fault.h"
#include "guard_step.h"
#include "guard_tell.h"
#include "lock.h"
#include "log.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Longest time that a state, or the clock after a suspend, goes unnoticed. */
#define TICK_MS 250
#define STAND_SECONDS 10
/* The old rules are back at the deadline and 5 seconds, whoever holds the lock. */
#define LOCK_SECONDS 3

struct guarding {
	const char *root, *folder, *id; /* which record */
	bool again;			/* another one stood here before */
	struct record record;
	struct way way;
	int lock; /* the watcher's */
};

static struct buf said = BUF_INIT;

static void say(const char *line)
{
	buf_add_str(&said, line);
}

/* What of this is not to be had leaves the guard weaker, not without use. */
static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	if (f) {
		fputs(text, f);
		fclose(f);
	}
}

/* Out of the caller's cgroup, which may be ended as a whole: cgroups(7), version 2 alone or
 * beside 1. */
static void leave_cgroup(void)
{
	write_file("/sys/fs/cgroup/cgroup.procs", "0");
	write_file("/sys/fs/cgroup/unified/cgroup.procs", "0");
}

static void ignore_signals(void)
{
	static const int kept[] = {SIGCHLD, SIGSEGV, SIGBUS,  SIGILL,
				   SIGFPE,  SIGABRT, SIGTRAP, SIGSYS};

	for (int s = 1; s < NSIG; s++) {
		bool keep = false;

		for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
			keep |= s == kept[i];
		if (!keep)
			signal(s, SIG_IGN);
	}
}

/* the guard */

/* A pause that ends early when the caller does, as long as that counts. */
static void pause_for(const struct guarding *g, int64_t nanoseconds)
{
	cleanup_close int caller = -1;
	int ms = (int)(nanoseconds / 1000000) + 1;
	struct pollfd p = {.fd = -1, .events = POLLIN};

	if (g->record.pending.state == GUARD_ARMED)
		caller = (int)syscall(SYS_pidfd_open, (pid_t)g->record.caller.pid, 0);
	/* the number may be another process's already: then the next look finds it gone */
	if (process_alive(&g->record.caller))
		p.fd = caller;
	poll(&p, 1, ms < TICK_MS ? ms : TICK_MS);
}

static const char *due(const struct guarding *g, int64_t *left)
{
	const struct pending *p = &g->record.pending;

	*left = TICK_MS * 1000000LL;
	switch (p->state) {
	case GUARD_ARMED:
		return process_alive(&g->record.caller) ? NULL : "was cut off";
	case GUARD_SWAPPED:
		*left = p->deadline - boottime();
		return *left > 0 ? NULL : "was not confirmed in time";
	case GUARD_CONFIRMING:
		return "was being confirmed";
	case GUARD_UNDOING:
		return "was being undone";
	default:
		return NULL;
	}
}

/*
 * With the lock, or without it once its time is up. Without the lock the store is another's, and a
 * confirm that is under way has won.
 */
static void act(struct guarding *g, int lock, const char *why)
{
	struct store store = {0};
	struct store *s = NULL;
	enum guard_state state;

	if (lock >= 0 && g->record.store && !store_open(&store, g->record.store, g->root, false))
		s = &store;
	if (g->record.pending.state == GUARD_CONFIRMING) {
		if (lock >= 0 && step_confirm(&g->record, s) < 0)
			log_warning("'%s' could not be confirmed", g->record.pending.what);
	} else {
		if (way_load(&g->way, &g->record))
			log_warning("everything goes back");
		state = step_undo(&g->record, &g->way, s);
		if (state == GUARD_UNDONE || state == GUARD_LOST)
			guard_tell(&g->record, state, why, buf_str(&said));
	}
	store_close(&store);
}

static void take_and_act(struct guarding *g, const char *why)
{
	enum guard_state state = g->record.pending.state;
	cleanup_close int lock = lock_take_root(g->root, LOCK_SECONDS, NULL);
	int64_t left;

	fault_point("guard-locked");
	record_refresh(&g->record);
	if (g->record.pending.state == state && due(g, &left))
		act(g, lock, why);
}

static int guard_loop(struct guarding *g)
{
	int64_t left;
	const char *why;

	while (pending_open(&g->record.pending)) {
		why = due(g, &left);
		if (why)
			take_and_act(g, why);
		else
			pause_for(g, left);
		fault_point("guard-tick");
		record_refresh(&g->record);
	}
	return 0;
}

/* 0 once it is over: whoever watches us lets it be. */
static int guard_stand(struct guarding *g)
{
	cleanup_close int lock = -1;
	cleanup_free char *path = NULL;
	int r = record_read_folder(&g->record, g->root, g->folder);

	if (r <= 0 || strcmp(g->record.pending.id, g->id) || !pending_open(&g->record.pending))
		return r < 0;
	fault_point("guard-stand");
	if (way_load(&g->way, &g->record))
		return 1;
	(void)!mlockall(MCL_CURRENT | MCL_FUTURE);
	path = record_path(&g->record, RECORD_GUARD);
	lock = lock_take(path, LOCK_SECONDS, NULL);
	if (lock < 0)
		return 1;
	fault_point("guard-stands");
	return guard_loop(g);
}

static int guard_main(void *arg)
{
	struct guarding *g = arg;
	int r;

	prctl(PR_SET_PDEATHSIG, 0);
	fault_role(g->again ? "rewatch" : "watch");
	log_set_sink(say);
	log_set_state(NULL);
	r = guard_stand(g);
	record_release(&g->record);
	way_release(&g->way);
	buf_release(&said);
	return r;
}

/* the watcher */

static bool is_over(const struct guarding *g)
{
	struct record r = {0};
	bool over = record_read_folder(&r, g->root, g->folder) <= 0 ||
		    strcmp(r.pending.id, g->id) || !pending_open(&r.pending);

	record_release(&r);
	return over;
}

/* The lock is closed in the guard: it tells of this process alone. */
static int watched_guard(void *arg)
{
	struct guarding *g = arg;

	close_p(&g->lock);
	return guard_main(g);
}

/* 1: it had to be started again. */
static int watch_main(void *arg)
{
	struct guarding *g = arg;
	const struct timespec pause = {.tv_nsec = 100000000};
	cleanup_free char *path = str_printf("%s/" RECORD_WATCHER, g->folder);

	fault_role("watcher");
	log_set_sink(say);
	leave_cgroup();
	ignore_signals();
	write_file("/proc/self/oom_score_adj", "-1000");
	g->lock = lock_take(path, LOCK_SECONDS, NULL);
	while (exec_fork(watched_guard, g) && !is_over(g)) {
		fault_point("guard-again");
		nanosleep(&pause, NULL);
		g->again = true;
	}
	return g->again;
}

/* starting it */

static int wait_until_it_stands(const struct record *r)
{
	cleanup_free char *path = record_path(r, RECORD_GUARD);
	const struct timespec pause = {.tv_nsec = 2000000};

	for (int64_t end = boottime() + STAND_SECONDS * SECOND; boottime() < end;) {
		int held = lock_held(path);

		if (held)
			return held < 0 ? held : 0;
		nanosleep(&pause, NULL);
	}
	return -ETIMEDOUT;
}

int guard_start(const struct record *r)
{
	struct guarding g = {.root = r->root, .folder = r->folder, .id = r->pending.id};
	int e = exec_detach(watch_main, &g);

	if (!e)
		e = wait_until_it_stands(r);
	return e < 0 ? log_errno(e, "cannot start the guard of the change") : 0;
}
