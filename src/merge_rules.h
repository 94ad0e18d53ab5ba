/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * merge_rules - three-way, of one chain's rules
 *
 * Where only one side changed something, that is taken; where one side did all that the other did, and
 * more, it is too. Rules that theirs has beside those that ours changed stay at their
 * place. Where theirs put others in the place of rules that ours changed too, they are lost.
 */
#ifndef FWSNAP_MERGE_RULES_H
#define FWSNAP_MERGE_RULES_H

#include "item.h"

struct rule_list {
	const struct digest *digest;
	size_t n;
};

/* A rule of the result: where it is in one of the lists. */
struct rule_pick {
	bool ours;
	size_t place;
};

struct rule_merge {
	struct rule_pick *pick;
	size_t n;
	size_t *lost; /* places in theirs, ascending */
	size_t nlost;
};

/* Fills a zeroed `out`. */
void merge_rules(const struct rule_list *base, const struct rule_list *ours,
		 const struct rule_list *theirs, struct rule_merge *out);
void rule_merge_release(struct rule_merge *m);

#endif
