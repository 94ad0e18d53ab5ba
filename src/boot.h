/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * boot - the ladder: of what was saved, the best that can be loaded
 *
 * Nothing was ever saved and there are no texts: nothing changes. Else, in this order (enum boot_rung):
 *   the current version, exactly; with text files that were edited since it was saved, these instead of
 *     what they carried (in the scratch; where none can be made, by their programs)
 *   the current version, exactly, whatever the text files say
 *   the same, but tables that cannot be had exactly from their text, or not at all where they hang on an interface
 *     that is not there
 *   its own texts, if they carry all of it
 *   older versions, newest first; not automatic ones, nor those that were rolled back from
 *   the text files, where no version can tell whether they are as it left them
 *   lockdown (lockdown.h), unless last_resort = none
 * A rung counts once it is loaded, captured and found equal; one that fails is undone, or replaced by the next. The
 * history is only read: what is current stays current.
 *
 * The first rung, if no text was edited, starts no program and asks nothing of the network.
 */
#ifndef FWSNAP_BOOT_H
#define FWSNAP_BOOT_H

#include "boot_record.h"
#include "config.h"
#include "foreign.h"
#include "ruleset.h"
#include "store.h"

struct boot {
	/* the caller's */
	const char *root;
	const struct config *config;
	struct store *store; /* NULL: there is none */
	struct foreign *foreign; /* whose rules stay as they are */
	/* Told, once, what is live and not ours before it is replaced. 0 or -errno (logged), which stops nothing. */
	int (*keep)(void *arg, struct ruleset *live);
	void *arg;
	/* what came of it; boot_record_release */
	struct boot_record record;
};

/* Fills b->record but for the reasons. Errors and rungs below the first are logged. Needs the lock. */
void boot_climb(struct boot *b);

#endif
