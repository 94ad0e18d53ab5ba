/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard_process - the process that stands behind a pending change, and how it is started
 */
#ifndef FWSNAP_GUARD_PROCESS_H
#define FWSNAP_GUARD_PROCESS_H

#include "guard_step.h"

/* Starts the guard of an armed record (guard_start.c), and waits until it stands. 0 or -errno (logged). */
must_check int guard_start(const struct record *r);
/*
 * The program and its arguments that start it as a unit of systemd: `program` with the arguments
 * "guard ID".
 */
void guard_unit(const char *program, const char *id, struct strlist *argv);

struct guarding {
	const char *root, *folder, *id; /* which record it is */
	struct record record;
	struct way way; /* in memory */
	bool stops;          /* SIGTERM is a service manager's: it undoes at once */
	bool told;           /* that it is held up */
	bool over;           /* the old rules are back, or lost, whether or not that could be noted */
	bool again;          /* another one stood here before */
	int watcher;         /* the watcher's lock */
};
/* Ignores all signals that may be; stops: but SIGTERM. */
void guard_set_signals(bool stops);
/* Stands there until it is over: 0, also if the record is damaged; -errno: another one may do better. */
must_check int guard_stand(struct guarding *g);

#endif
