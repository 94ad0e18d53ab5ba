/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * change_aside - rules of ipsets that can only be made anew once nothing refers to them
 *
 * A set of another type takes the place of the old one in two rounds: the rules are loaded onto the
 * new set under its temporary name, the old set is removed and the new one made under its own, the
 * rules are loaded onto that. While a target is aside its sets have their temporary names, so that
 * rules that are equal, but for what their set is, differ from live like any others.
 */
#ifndef FWSNAP_CHANGE_ASIDE_H
#define FWSNAP_CHANGE_ASIDE_H

#include "ruleset.h"

struct aside {
	bool any;
	struct ruleset outline; /* if there are any: of the target as it was */
};

/*
 * Gives sets of target whose type changes, and to which rules refer, their temporary names
 * (set_ref.aside). 0, or -errno (logged): the target is as it was.
 */
must_check int aside_begin(struct aside *a, const struct ruleset *live, struct ruleset *target);
/* The target is as it was. */
void aside_end(struct aside *a, struct ruleset *target);

#endif
