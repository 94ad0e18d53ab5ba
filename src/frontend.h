/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * frontend - programs that make the rules from a configuration of their own: firewalld, ufw
 *
 * Where one is in charge the kernel's state is half the truth: the other half is its configuration, and
 * what it was told at run time. A description (foreign.h, fwsnap-foreign(5)) with a `config` is a front-end's; what
 * is foreign by it is what it has in the kernel, and nobody but itself changes that. Front-ends are
 * known only where what is foreign is: not with --all, nor with "foreign = none".
 *
 * All commands that are run here end in bounded time: a query after FRONTEND_QUERY seconds, a reload after
 * FRONTEND_RELOAD.
 */
#ifndef FWSNAP_FRONTEND_H
#define FWSNAP_FRONTEND_H

#include "foreign.h"
#include "store.h"

#define FRONTEND_QUERY 15
#define FRONTEND_RELOAD 60

/*
 * Adds how front-ends are to an empty `out`: those that have something in the kernel and are enabled. f: after foreign_look
 * at what is live. 0 or -errno (logged).
 */
#define FRONTENDS_ALL 1    /* any that has a configuration */
#define FRONTENDS_UNKEPT 2 /* names all that is not kept: more questions */
must_check int frontends_look(const struct foreign *f, const char *root, unsigned how, struct frontends *out);

/* Whether one has something in the kernel and is enabled. */
bool frontend_in_charge(const struct foreign *f, const char *root, const char *name);

/* The title of the one that is told what to do by this program; NULL: it is no front-end's. */
const char *frontend_of_program(const struct foreign *f, const char *program);

/* Whether a path (without root) is of the configuration of one of these. */
bool frontends_own(const struct foreign *f, const struct frontends *these, const char *path);

/* Whether front-ends are as `want` has them; of others nothing is asked. */
bool frontends_are(const struct frontends *now, const struct frontends *want);

/* How front-ends are to be changed; all borrowed. */
struct frontend_change {
	struct foreign *foreign;
	const char *root;
	unsigned lock_wait;
	const struct frontends *now; /* as frontends_look has all of them; NULL: it looks */
	struct ruleset *before; /* with records: one whose rules are not those is reloaded in any case; NULL: nobody */
};
/*
 * Makes front-ends what `want` (with contents) has: their files, by atomic replacement, those that are not there removed; then
 * they are reloaded, or stopped if they did not run then, waited for, told what was so at run time, and
 * compared. Rules of ours that a reload wiped are put back. Does nothing where nothing differs. 0; -EHOSTDOWN: all but
 * that a daemon does not run and reads its files when it starts (logged); other -errno (logged): not all is so.
 */
must_check int frontends_put(const struct frontend_change *c, const struct frontends *want);

/*
 * A reboot ends a change that nobody confirmed; the kernel forgets by itself, the files do not. So the way back of a change
 * is in the store, too: DIR/frontends.ID, a snapshot (ID: the current version).
 *   keep: before anything changes; forget: once it is over, either way; recover: when no change is pending, puts files back
 *   that were kept in another boot, unless what was pending has become current, and forgets. f as frontends_look has it.
 * 0 or -errno (logged); recover: 1 if files were put back (noted).
 */
must_check int frontends_keep(struct store *s, const struct frontends *before);
must_check int frontends_forget(struct store *s);
must_check int frontends_recover(struct store *s, const char *root, const char *foreign);

#endif
