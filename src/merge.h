/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * merge - three-way: what somebody changed, done to what others changed meanwhile
 *
 * Used three ways: to undo (base: what we made, ours: what was there before, theirs: live now); to
 * verify (base: before, ours: the target, theirs: live now; the result equals live if all that we did is in
 * force); to take a change up again on rules that moved on.
 */
#ifndef FWSNAP_MERGE_H
#define FWSNAP_MERGE_H

#include "engine.h"

/*
 * Fills a zeroed `out`, with records: where base and ours differ it is as ours, everywhere else as theirs, item by item
 * (item.h); rules that theirs has beside changed ones stay at their place. Dynamic elements are those of
 * theirs. Where theirs changed the same thing, ours wins, and a line that names it is added to
 * conflicts (may be NULL). All three have records and are of this namespace and boot. 0 or -errno (logged).
 */
must_check int merge_rulesets(struct ruleset *base, struct ruleset *ours, struct ruleset *theirs,
			      struct ruleset *out, struct strlist *conflicts);

#endif
