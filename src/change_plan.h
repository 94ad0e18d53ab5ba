/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * change_plan - the steps from one ruleset to another
 */
#ifndef FWSNAP_CHANGE_PLAN_H
#define FWSNAP_CHANGE_PLAN_H

#include "engine.h"

/*
 * Whether a table of nf_tables that equals an absent one is to be made: nothing depends on it, but whoever puts
 * a rule into it finds it.
 */
bool plan_lacks(const struct ruleset *live, const struct table *new);
/* The part of the difference that one engine has to do. The caller frees the steps. */
struct plan plan_for(enum engine_id engine, struct ruleset *live, struct ruleset *target);

#endif
