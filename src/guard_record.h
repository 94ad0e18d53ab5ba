/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard_record - the folder of a pending change on disk; guard.h says what is in it
 *
 * What guard.c and guard_process.c stand on; others use guard.h. Nothing here logs unless it says so.
 */
#ifndef FWSNAP_GUARD_RECORD_H
#define FWSNAP_GUARD_RECORD_H

#include "guard.h"

struct process {
	int64_t pid;
	int64_t start; /* clock ticks since boot: field 22 of /proc/PID/stat, see proc(5) */
};
/* The caller of this. 0 or -errno. */
must_check int process_self(struct process *p);
bool process_alive(const struct process *p);

struct record {
	char *root, *folder;
	char *boot;
	int64_t cookie;
	int64_t netns;    /* inode of the namespace */
	char *store;      /* as store_open wants it, NULL: none */
	char *terminal;   /* of the caller; NULL: none */
	char *foreign;    /* whose rules an undo leaves alone (foreign_read) */
	struct process caller;
	int64_t within, lock_wait; /* seconds */
	struct pending pending;
	char *mark;       /* name of the state file; NULL: there is none */
};
void record_release(struct record *r);

/* A new record of the caller's namespace and process, nothing on disk yet. 0 or -errno. */
must_check int record_new(struct record *r, const struct guard *g);
/* Reads the record of the caller's namespace into a zeroed r. 1; 0: there is none; -errno. */
must_check int record_read(struct record *r, const char *root);
/* The same of a folder below ROOT/run/fwsnap, whosever it is. */
must_check int record_read_folder(struct record *r, const char *root, const char *folder);
/* Whether it was written in the caller's namespace; in this boot. */
bool record_is_ours(const struct record *r);
bool record_of_this_boot(const struct record *r);

/* Makes the folder and writes all but the state: the way back and `record`. Logs. */
must_check int record_write(const struct record *r, const struct ruleset *before,
			    const struct frontends *frontends, const struct ruleset *after);
/* Only `record`, only `after`. Logs. */
must_check int record_write_story(const struct record *r);
must_check int record_write_after(const struct record *r, const struct ruleset *after);
/* What was found out by undoing it. Logs. */
must_check int record_write_outcome(const struct record *r);
/* Reads `before` or `after`; m is zeroed. -ENOENT (not logged) if there is none; other -errno logged. */
must_check int record_way(const struct record *r, const char *name, struct manifest *m);

/* Makes the state armed: from here on it is a record. */
must_check int record_arm(struct record *r);
/* Reads the state again; GUARD_IDLE if this record is gone. */
void record_refresh(struct record *r);
/*
 * From the state at hand to another one, with pending.deadline. 0; -ENOENT: somebody else was quicker, or it
 * is gone: the state is that of now; other -errno: the state is as it was.
 */
must_check int record_step(struct record *r, enum guard_state to);
/* Removes a folder and what is in it, the state first. 0 or -errno. */
must_check int record_drop(const char *folder);

/* Locks that the two processes hold as long as they live: record_guarded tells whether any does. */
#define RECORD_GUARD "guard"
#define RECORD_WATCHER "watcher"
char *record_path(const struct record *r, const char *name);
bool record_guarded(const struct record *r);
/* Whether none does, nor comes back at once. */
bool record_forsaken(const struct record *r);

/* CLOCK_BOOTTIME in nanoseconds. */
int64_t boottime(void);
#define SECOND 1000000000LL

#endif
