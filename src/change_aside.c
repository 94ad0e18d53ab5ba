/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "change_aside.h"

#include "engine/ipset.h"
#include "log.h"

#include <linux/netfilter.h>
#include <string.h>

/* The set of live that this one takes the place of, if that takes a second round. */
static bool is_of_another_kind(const struct ruleset *live, const struct ruleset *target,
			       const struct set_ref *set)
{
	const struct table *old = ruleset_find(live, ENGINE_IPSET, NFPROTO_UNSPEC, set->name);
	const struct table *new = ruleset_find(target, ENGINE_IPSET, NFPROTO_UNSPEC, set->name);

	return old && new && !ipset_can_swap(old, new);
}

/* One that live does not have: rules of a change that was cut off may be on another. */
static void name_aside(const struct ruleset *live, struct set_ref *set)
{
	char name[sizeof(set->name)];
	unsigned n = 0;

	do
		ipset_temporary_name(set->name, n++, name);
	while (ruleset_set_named(live, name));
	memcpy(set->name, name, sizeof(set->name));
	set->aside = true;
}

/* Whether any rules refer to a set whose name has changed: 1, 0, -errno (logged). */
static int digest_rules(struct ruleset *target)
{
	int changed = 0;

	for (size_t i = 0; i < target->ntables; i++) {
		struct table *t = &target->tables[i];
		struct digest before = t->fixed;
		int r;

		if (t->engine == ENGINE_IPSET || !engines[t->engine])
			continue;
		r = engines[t->engine]->digest(target, t);
		if (r < 0) {
			cleanup_free char *label = table_label(t);

			return log_errno(r, "cannot read the rules of '%s'", label);
		}
		changed |= !digest_equal(before, t->fixed);
	}
	return changed;
}

int aside_begin(struct aside *a, const struct ruleset *live, struct ruleset *target)
{
	int r = 0;

	*a = (struct aside){.any = false};
	for (size_t i = 0; i < target->nsets && r >= 0; i++) {
		struct set_ref *set = &target->sets[i], before = *set;

		if (!is_of_another_kind(live, target, set))
			continue;
		if (!a->any)
			ruleset_outline(target, &a->outline);
		a->any = true;
		name_aside(live, set);
		r = digest_rules(target);
		if (r <= 0)
			*set = before;
	}
	if (r < 0)
		aside_end(a, target);
	return r < 0 ? r : 0;
}

void aside_end(struct aside *a, struct ruleset *target)
{
	if (!a->any)
		return;
	for (size_t i = 0; i < target->nsets; i++) {
		memcpy(target->sets[i].name, a->outline.sets[i].name, sizeof(target->sets[i].name));
		target->sets[i].aside = false;
	}
	for (size_t i = 0; i < target->ntables; i++)
		target->tables[i].fixed = a->outline.tables[i].fixed;
	ruleset_release(&a->outline);
	a->any = false;
}
