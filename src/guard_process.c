/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guard_process.h"

#include "fault.h"
#include "guard_tell.h"
#include "lock.h"
#include "log.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Longest time that a state, or the clock after a suspend, goes unnoticed. */
#define TICK_MS 250
/* The old rules are back at the deadline and 5 seconds, whoever holds a lock. */
#define LOCK_SECONDS 3
#define XTABLES_SECONDS 1
/* Whoever undoes it and lives may be waiting for a front-end; if he dies the lock is free at once. */
#define FRONTENDS_SECONDS (FRONTEND_RELOAD + 2 * FRONTEND_QUERY)

static struct buf said = BUF_INIT;
static volatile sig_atomic_t stopped;

static void say(const char *line)
{
	buf_add_str(&said, line);
}

static void stop(int signal_number)
{
	(void)signal_number;
	stopped = 1;
}

/* Only what shows a fault of ours ends us, and SIGKILL. */
void guard_set_signals(bool stops)
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
	if (stops)
		signal(SIGTERM, stop);
}

/* A pause that ends early when the caller does, as long as that counts. */
static void pause_for(const struct record *r, int64_t nanoseconds)
{
	cleanup_close int caller = -1;
	int64_t ms = nanoseconds / 1000000 + 1;
	struct pollfd p = {.fd = -1, .events = POLLIN};

	if (r->pending.state == GUARD_ARMED)
		caller = (int)syscall(SYS_pidfd_open, (pid_t)r->caller.pid, 0);
	/* the number may be another process's by now: the next look finds ours gone */
	if (caller >= 0 && process_alive(&r->caller))
		p.fd = caller;
	poll(&p, 1, ms < TICK_MS ? (int)ms : TICK_MS);
}

/* Why something has to be done now; NULL: nothing, for so many nanoseconds. */
static const char *due(const struct record *r, int64_t *left)
{
	const struct pending *p = &r->pending;

	*left = TICK_MS * 1000000LL;
	switch (p->state) {
	case GUARD_ARMED:
		if (!process_alive(&r->caller))
			return "was cut off";
		return p->deadline && boottime() >= p->deadline ? "was not done in time" : NULL;
	case GUARD_SWAPPED:
		*left = p->deadline - boottime();
		if (*left <= 0)
			return "was not confirmed in time";
		return stopped ? "lost its guard, which was stopped" : NULL;
	case GUARD_CONFIRMING:
		return "was being confirmed";
	case GUARD_UNDOING:
		return "was being undone";
	default:
		return NULL;
	}
}

static enum guard_state undo(struct guarding *g, struct store *store)
{
	if (way_load(&g->way, &g->record))
		log_warning("what others changed meanwhile is taken back, too");
	return step_undo(&g->record, &g->way, store);
}

/*
 * With the lock, or without it once its time is up: then the store is another's, and a confirm that
 * is under way has won.
 */
static enum guard_state act(struct guarding *g, int lock)
{
	enum guard_state state = g->record.pending.state;
	struct store store = {0};
	struct store *s = NULL;

	if (lock >= 0 && g->record.store && !store_open(&store, g->record.store, g->root, false) &&
	    store_recover(&store) >= 0)
		s = &store;
	if (state != GUARD_CONFIRMING)
		state = undo(g, s);
	else if (lock >= 0 && step_confirm(&g->record, s) < 0)
		log_warning("'%s' could not be confirmed", g->record.pending.what);
	store_close(&store);
	return state;
}

/* Nobody who wants the lock has to wait for terminals and hooks. */
static void follow_up(struct guarding *g, enum guard_state state, const char *why)
{
	g->over = state == GUARD_UNDONE || state == GUARD_LOST;
	if (g->over || (state == GUARD_UNDOING && !g->told))
		guard_tell(&g->record, state, why, buf_str(&said));
	buf_release(&said);
	g->told |= state == GUARD_UNDOING;
	if (!g->over) {
		pause_for(&g->record, TICK_MS * 1000000LL);
		return;
	}
	step_hooks(&g->record, state);
	guard_tell_log(buf_str(&said));
}

/*
 * A step may be one of a change on top of this one, by another caller and to other rules: what is not
 * read once more would be taken for a change of somebody else's, and left as it is.
 */
static void refresh(struct guarding *g)
{
	cleanup_free char *mark = g->record.mark ? str_dup(g->record.mark) : NULL;
	struct record now = {0};

	record_refresh(&g->record);
	if (!pending_open(&g->record.pending) || !mark || !g->record.mark ||
	    !strcmp(mark, g->record.mark) || record_read_folder(&now, g->root, g->folder) <= 0)
		return;
	now.lock_wait = g->record.lock_wait;
	record_release(&g->record);
	g->record = now;
	manifest_release(&g->way.after);
	g->way.has_after = false;
	if (now.pending.state == GUARD_SWAPPED && way_load(&g->way, &g->record))
		log_warning("what others changed meanwhile will be taken back, too");
}

static void take_and_act(struct guarding *g, const char *why)
{
	enum guard_state state = g->record.pending.state;
	bool waits = state == GUARD_UNDOING && g->way.before.frontends.n;
	int lock = lock_take_root(g->root, waits ? FRONTENDS_SECONDS : LOCK_SECONDS, NULL);
	int64_t left;
	bool acts;

	fault_point("guard-locked");
	refresh(g);
	acts = g->record.pending.state == state && due(&g->record, &left);
	if (acts)
		state = act(g, lock);
	close_p(&lock);
	if (acts)
		follow_up(g, state, why);
}

static void stand(struct guarding *g)
{
	const struct record *r = &g->record;
	int64_t left;

	while (pending_open(&r->pending) && !g->over) {
		const char *why = due(r, &left);

		if (why)
			take_and_act(g, why);
		else
			pause_for(r, left);
		fault_point("guard-tick");
		refresh(g);
	}
}

/* Under a limit, memory that is asked for later would not be had at all if it had to be locked. */
static void lock_memory(void)
{
	const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
	int future = setrlimit(RLIMIT_MEMLOCK, &all) ? 0 : MCL_FUTURE;

	(void)!mlockall(MCL_CURRENT | future);
}

/* The lock is what tells that it stands: all that may fail comes before. */
static int prepare_and_stand(struct guarding *g)
{
	cleanup_close int lock = -1;
	cleanup_free char *path = NULL;
	int r = record_read_folder(&g->record, g->root, g->folder);

	if (r < 0)
		return r;
	if (!r || strcmp(g->record.pending.id, g->id) || !pending_open(&g->record.pending))
		return 0;
	fault_point("guard-stand");
	if (g->record.lock_wait > XTABLES_SECONDS)
		g->record.lock_wait = XTABLES_SECONDS;
	r = way_load(&g->way, &g->record);
	if (r < 0)
		return r;
	lock_memory();
	path = record_path(&g->record, RECORD_GUARD);
	lock = lock_take(path, LOCK_SECONDS, NULL);
	if (lock < 0)
		return lock;
	fault_point("guard-stands");
	stand(g);
	return 0;
}

int guard_stand(struct guarding *g)
{
	int r;

	guard_set_signals(g->stops);
	log_set_sink(say);
	log_set_state(NULL);
	r = prepare_and_stand(g);
	log_set_sink(NULL);
	fputs(buf_str(&said), stderr);
	buf_release(&said);
	record_release(&g->record);
	way_release(&g->way);
	/* starting again would not repair it */
	return r == -EBADMSG ? 0 : r;
}
