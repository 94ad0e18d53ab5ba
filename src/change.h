/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * change - from the live ruleset to another one
 *
 * change_run() plans the difference (equal tables are not touched), does it
 * engine by engine, captures again and compares: only that is success. If
 * a part fails, what was done is undone.
 */
#ifndef FWSNAP_CHANGE_H
#define FWSNAP_CHANGE_H

#include "engine.h"

/* What the firewall is after change_run. */
enum change_result {
	CHANGE_DONE,     /* it is the target, verified */
	CHANGE_NOTHING,  /* it was the target already; nothing was sent */
	CHANGE_REFUSED,  /* it is as it was: nothing was changed */
	CHANGE_BUSY,     /* likewise: a lock was not to be had in time */
	CHANGE_STALE,    /* it is as it was, but no longer `live`: somebody else was quicker (not logged) */
	CHANGE_UNDONE,   /* a part failed; the old rules are back, verified */
	CHANGE_LOST,     /* a part failed and the old rules are not wholly back (logged what differs) */
};

/*
 * live: a capture with records of the caller's namespace; target: a ruleset with
 * records. Both are only read but for the resolved names. Errors are logged.
 */
enum change_result change_run(struct ruleset *live, struct ruleset *target, unsigned lock_wait);

/*
 * Takes back what changed between `before` and `after` (both with records), three-way: what is still as `after` has it goes back,
 * what they have in common stays as it is now, what others changed too goes back all the same and
 * is named in conflicts (may be NULL). after NULL: everything goes back. CHANGE_DONE (verified), CHANGE_NOTHING, or what
 * change_run returns when it fails; never CHANGE_STALE.
 */
enum change_result change_undo(struct ruleset *before, struct ruleset *after, unsigned lock_wait,
			       struct strlist *conflicts);

#endif
