/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard - a change that is not yet confirmed, and the process that brings the old rules back
 *
 * The record is the folder ROOT/run/fwsnap/pending.COOKIE of the network namespace with that SO_NETNS_COOKIE, so
 * that each has its own (0700, files 0600, all of them whole or absent, fsynced):
 *   record             "key: value" lines, control characters as "?": id, boot, cookie, netns (inode), store,
 *                      what, user, from, terminal, began, within, caller and caller-start (its pid and field 22
 *                      of /proc/PID/stat), lock-wait, foreign, touched (a line each)
 *   before, after      the way back: both rulesets, as snapshots (archive.h); after: once it is known. before has
 *                      front-ends (frontend.h), too, where the change may concern them; the store has
 *                      these a second time, since a reboot empties /run
 *   STATE.ID.DEADLINE  an empty file whose name is the state; DEADLINE in nanoseconds of CLOCK_BOOTTIME, which runs
 *                      on in a suspend, 0 as long as there is none. A step is one rename of it: of two that want
 *                      to take the same step exactly one wins, and a full file system is no obstacle. A folder
 *                      without it is no record: it is written last, and removed first.
 *   guard, watcher     locks (lock.h) held by these processes as long as they live
 *   outcome            "conflict: TEXT" lines, once it is undone
 *
 * States and who takes the step:
 *   armed       the guard stands, the change is under way by a caller that holds the lock; the caller's end undoes it,
 *               and where it is a command that changes the rules, the time that it was given, too
 *   swapped     the new rules are in force, the deadline runs
 *   confirming  whoever holds the lock keeps it (store_confirm), then: confirmed, or back to swapped
 *   undoing     whoever holds the lock undoes it, then: undone, or lost
 *   confirmed, undone, lost   done; the record stays for status until the next change
 * A step that was begun by a process that died is finished by the guard, without one by the next command
 * (guard_recover). The guard waits for the lock 3 seconds, then it undoes without; it leaves the store to the next
 * command then. It waits longer for one who is undoing it, where that has to wait for a front-end.
 *
 * The guard outlives its caller: where systemd runs, a transient unit of its own (restarted if killed); elsewhere
 * a process with a session of its own, out of the caller's cgroup where possible, and another, the watcher, that
 * starts it again if it is killed. If the watcher is killed the guard goes on alone. Before guard_arm returns it
 * stands: the way back read, memory locked, oom_score_adj -1000. It executes no program to undo but those of
 * front-ends, once the rules are back.
 */
#ifndef FWSNAP_GUARD_H
#define FWSNAP_GUARD_H

#include "change.h"
#include "config.h"
#include "frontend.h"

enum guard_state {
	GUARD_IDLE, /* there is no record */
	GUARD_ARMED,
	GUARD_SWAPPED,
	GUARD_CONFIRMING,
	GUARD_UNDOING,
	GUARD_CONFIRMED,
	GUARD_UNDONE,
	GUARD_LOST,
};

struct pending {
	enum guard_state state;
	char *id;          /* opaque, to name it to confirm */
	char *what;        /* "apply /etc/iptables.test.rules" */
	char *user, *from; /* who began it (as in a manifest) */
	int64_t began;     /* seconds since 1970 */
	unsigned within;   /* seconds */
	int64_t deadline;  /* CLOCK_BOOTTIME, nanoseconds; 0: not yet swapped */
	struct strlist touched; /* files under /etc that changed with it and are not undone */
	struct strlist conflicts; /* what others had changed too, once it is undone */
	bool guarded;      /* a guard stands */
};
void pending_release(struct pending *p);
/* Seconds that are left until the deadline, at least 0. */
unsigned pending_left(const struct pending *p);
/* Whether it is still open: armed, swapped, confirming, undoing. */
bool pending_open(const struct pending *p);

/* What the guard works on; all borrowed. */
struct guard {
	const char *root;       /* of --root; "" */
	struct store *store;    /* NULL: nothing to confirm or abandon there */
	unsigned lock_wait;
	const char *foreign;    /* whose rules an undo leaves alone, as foreign_read has it */
};

/* The record of the caller's namespace; state GUARD_IDLE if there is none (or it is another namespace's). */
must_check int guard_pending(const struct guard *g, struct pending *p);

/* Whether a change of another namespace is pending below the same root, where both have one history: which. */
bool guard_elsewhere(const struct guard *g, struct pending *p);

/*
 * Writes the record with the way back (fsynced) and starts the guard: from here on the old rules come back by themselves. story: id
 * is made and set here; what, user, from, within, touched are the caller's. frontends: what of them is to come back, too
 * (NULL: nothing). after NULL: not yet known (run --live).
 * 0; -EBUSY: another change is pending (logged); other -errno (logged, nothing is left behind).
 */
must_check int guard_arm(const struct guard *g, struct pending *story, struct ruleset *before,
			 const struct frontends *frontends, struct ruleset *after);
/*
 * The same for a change on top of the pending one, whose way back, ID and guard stay; what was prepared to be saved is
 * abandoned. known: what the rules become is known; frontends: it may concern them (refused, logged, if the way back has none). -ENOENT: it is over (logged); other -errno (logged): it may be armed, or pending as before.
 */
must_check int guard_rearm(const struct guard *g, struct pending *story, bool known, bool frontends);
/* The change is in force and verified: the deadline runs from now. after: if guard_arm was not told. */
must_check int guard_swapped(const struct guard *g, struct pending *p, struct ruleset *after);
/* The change came to nothing, the old rules are in force: the record and the guard go. */
void guard_disarm(const struct guard *g);
/*
 * Whoever holds the lock: keeps the pending change. 0; -ETIME: the undo was quicker (logged); -ENOENT: nothing pending (logged), or not this
 * id; other -errno: the store cannot be written, it stays pending (logged).
 */
must_check int guard_confirm(const struct guard *g, const char *id);
/*
 * Whoever holds the lock: undoes the pending change now. GUARD_UNDONE, GUARD_LOST, GUARD_CONFIRMED (confirm was quicker),
 * GUARD_IDLE; GUARD_UNDOING: not yet, another program holds a lock (logged), the guard goes on trying.
 */
enum guard_state guard_undo(const struct guard *g, struct strlist *conflicts);
/*
 * Finishes what a process that died left behind, undoes what nobody guards any more, drops records and prepared saves of another
 * boot (and puts files of front-ends back that were changed then). Every command that holds the lock begins with it. 1: something was finished (noted), 0, -errno.
 */
must_check int guard_recover(const struct guard *g);

/*
 * What `fwsnap guard ID` does, which nobody types: is the guard of the record with this id, in a unit of systemd's.
 * Returns when it is over: 0, or -errno (logged): it is to be started again.
 */
must_check int guard_serve(const char *root, const char *id);

#endif
