/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * merge_items - three-way, of what one table is made of
 */
#ifndef FWSNAP_MERGE_ITEMS_H
#define FWSNAP_MERGE_ITEMS_H

#include "engine.h"

/* A table of one of the three, taken apart. */
struct merge_side {
	struct ruleset *rs;
	const struct table *table; /* NULL: there is none */
	struct items items;
};

struct merge_pieces {
	struct piece *piece;
	size_t n;
};

/*
 * Fills a zeroed `out` with the pieces of the merged table, for compose. What theirs changed too, and ours wins, is
 * named in conflicts.
 */
void merge_items(struct merge_side *base, struct merge_side *ours, struct merge_side *theirs,
		 struct merge_pieces *out, struct strlist *conflicts);

#endif
