/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard_step - the two steps that end a pending change, for whoever holds the lock: a command or the guard
 *
 * Both begin where a process that died may have left them.
 */
#ifndef FWSNAP_GUARD_STEP_H
#define FWSNAP_GUARD_STEP_H

#include "guard_record.h"

/* The way back in memory. */
struct way {
	struct manifest before, after;
	bool has_after;
	struct foreign foreign; /* whose rules stay */
};
/* Reads `before`, and `after` if it is there; again to look for `after` only. 0 or -errno (logged). */
must_check int way_load(struct way *w, const struct record *r);
void way_release(struct way *w);

/*
 * Undoes (without a way back it is lost): armed, swapped or undoing become undone or lost, pending.conflicts is filled in. GUARD_UNDOING: not
 * yet, a lock of another program was not to be had (logged). Otherwise what the state is: another process was
 * quicker. store: what was prepared there is abandoned; NULL: it stays.
 */
enum guard_state step_undo(struct record *r, struct way *w, struct store *store);

/* What follows step_undo, after all that people wait for: the hooks may take long. */
void step_hooks(const struct record *r, enum guard_state state);

/*
 * Confirms: swapped or confirming become confirmed. 0; 1: the texts are not all in place (logged); -ENOENT:
 * another process was quicker; other -errno: nothing was saved, it is swapped (logged).
 */
must_check int step_confirm(struct record *r, struct store *store);

#endif
