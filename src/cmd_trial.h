/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd_trial - a change of the live rules with the way back behind it, from the last look to the answer
 *
 * What apply, run and restore have in common once they know what the rules are to become:
 *   the unsaved live rules are stored; what a confirmation makes current is prepared; hooks may forbid it; the guard
 *   is armed; the rules change; somebody confirms, or the old rules come back.
 */
#ifndef FWSNAP_CMD_TRIAL_H
#define FWSNAP_CMD_TRIAL_H

#include "cmd.h"
#include "guard.h"

#include <signal.h>

#define TRIAL_WITHIN 120 /* seconds, on a terminal */

struct trial {
	struct context *c;
	/* from the command line (trial_option) */
	bool within_given, no_confirm, replace_pending;
	unsigned within; /* seconds */
	/* what the caller says; borrowed */
	const char *what;                /* "apply /etc/iptables.test.rules" */
	const struct frontends *frontends; /* that may change, as they are; NULL: none does */
	const struct strlist *touched;   /* files that an undo does not bring back; NULL: none */
	struct change change;            /* live, target, watch, lock_wait; results */
	/* Prepares what confirm is to make current (store.h); NULL: nothing. 0 or -errno (logged). */
	int (*prepare)(void *arg);
	int kept; /* exit status once it is kept: EXIT_PARTIAL where `prepare` found that not all could be saved */
	/*
	 * NULL, or what changes the live rules in our place; it fills change.target with what they
	 * are then, and `prepare` comes after it. 0 or -errno (logged): it is undone.
	 */
	int (*act)(void *arg);
	/*
	 * NULL, or what is left to do once the rules have changed: it may execute programs. 0 or -errno (logged): it is undone.
	 */
	int (*settle)(void *arg);
	void *arg;
	/* of its own */
	sigset_t signals; /* as they were before the change */
	struct guard guard;
	struct pending pending;
	bool replaced; /* another one was pending: its way back stands */
	bool asks; /* a person at a terminal answers */
};

#define TRIAL_OPTIONS                                                                              \
	{"within", required_argument, NULL, 'w'}, {"no-confirm", no_argument, NULL, 'N'},          \
		{"replace-pending", no_argument, NULL, 'R'}

/* Takes one of TRIAL_OPTIONS: EXIT_DONE, EXIT_USAGE (told), or -1: it is none of them. */
int trial_option(struct trial *t, int option, const char *value);
/*
 * Once all options are read: EXIT_USAGE (told) if nobody could answer and neither --within nor --no-confirm
 * was given (unless unguarded_too), EXIT_FAILED (logged) if a change is pending.
 */
int trial_begin(struct trial *t, bool unguarded_too);

/* How often the live rules may have changed meanwhile before it is given up. */
#define TRIAL_TRIES 3

/*
 * The change. An exit status, or -ESTALE (not logged): the live rules are no longer `live`, nothing was done.
 * Outcomes: confirmed, or nothing to do (0); confirmed, but not all could be saved (8); pending, nobody to
 * ask (0); refused, live is as it was (1, 4); undone (5); lost (6).
 */
int trial_run(struct trial *t);
/* After the last of TRIAL_TRIES: says who was quicker. EXIT_FAILED. */
int trial_give_up(const struct trial *t);
void trial_release(struct trial *t);

/*
 * guard_confirm, and what follows: says as what it is kept (and its story, unless NULL), prunes the history. Returns
 * as guard_confirm; 1: kept, but something is left to do (logged).
 */
must_check int trial_confirm(struct context *c, const struct guard *guard, const char *id,
			     const char *story);

/* guard_undo; names what others had changed, too. */
enum guard_state trial_undo(const struct guard *guard);

/* The state of a pending change, for people. Caller frees. */
char *pending_text(const struct pending *p);

#endif
