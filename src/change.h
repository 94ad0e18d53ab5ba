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

#include "foreign.h"

#include <signal.h>

/* What the firewall is after change_run. */
enum change_result {
	CHANGE_DONE,     /* it is the target, verified, with what others changed meanwhile */
	CHANGE_NOTHING,  /* it was the target already; nothing was sent */
	CHANGE_REFUSED,  /* it is as it was: nothing was changed */
	CHANGE_BUSY,     /* likewise: a lock was not to be had in time */
	CHANGE_STALE,    /* it is as it was, but no longer `live`: somebody else was quicker (not logged) */
	CHANGE_UNDONE,   /* a part failed; the old rules are back, verified */
	CHANGE_LOST,     /* a part failed and the old rules are not wholly back (logged what differs) */
};

struct change {
	struct ruleset *live;   /* a capture with records of the caller's namespace */
	struct ruleset *target; /* with records */
	struct watch *watch;    /* that live was captured with; NULL: any change of nf_tables since is CHANGE_STALE */
	unsigned lock_wait;     /* seconds for iptables' lock */
	struct foreign *foreign; /* whose rules an undo leaves alone; NULL: nobody's */
	/* what came of it */
	struct strlist unstaged; /* what went into force in one step, with a gap: "inet fw: set 'bl': its type changed" */
	struct strlist others;   /* what others changed meanwhile (and, if it is done, still is so): "inet fw by 'nft' (pid 123)" */
	unsigned commits;        /* of all engines */
	unsigned batches, messages; /* sent to nf_tables, and what they held */
	bool held;               /* all packets were held back from the first commit to the last */
};

/*
 * From live to target; both are only read but for the resolved names. What others change
 * elsewhere meanwhile stays. Errors are logged. The caller releases c, whatever the result.
 */
enum change_result change_run(struct change *c);
void change_release(struct change *c);

/*
 * Takes back what changed between `before` and `after` (both with records), three-way: what is still as `after` has it goes back,
 * what they have in common stays as it is now, what others changed too goes back all the same and
 * is named in conflicts (may be NULL). after NULL: everything goes back. In any case what is foreign now stays; foreign may
 * be NULL. CHANGE_DONE (verified), CHANGE_NOTHING, or what change_run returns when it fails; never CHANGE_STALE.
 */
enum change_result change_undo(struct ruleset *before, struct ruleset *after, unsigned lock_wait,
			       struct foreign *foreign, struct strlist *conflicts);

/* Lets packets pass again that a change which was cut off holds back. 1: so it was (noted), 0, -errno (logged). */
must_check int change_hold_remove(void);

/*
 * Ctrl-C, a hang-up or a stop in the middle of a change would leave half of it: they wait for its end, when the caller
 * sets the mask `before` again.
 */
void change_hold_signals(sigset_t *before);

#endif
