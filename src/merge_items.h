/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * merge_items - three-way, of what one table is made of
 */
#ifndef FWSNAP_MERGE_ITEMS_H
#define FWSNAP_MERGE_ITEMS_H

#include "assemble.h"

/*
 * Fills a zeroed `out` with the pieces of the merged table, for compose. What theirs changed too, and ours wins, is
 * named in conflicts.
 */
void merge_items(struct assembly_side *base, struct assembly_side *ours, struct assembly_side *theirs,
		 struct assembly_pieces *out, struct strlist *conflicts);

#endif
