/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * foreign_place - where foreign rules stand in a chain whose own rules change (for foreign*.c only)
 */
#ifndef FWSNAP_FOREIGN_PLACE_H
#define FWSNAP_FOREIGN_PLACE_H

#include "item.h"

/* The rules of a chain, and which of them are foreign. */
struct foreign_rules {
	const struct item *const *item;
	const bool *foreign;
	size_t n;
};

/*
 * For each rule of live: before which of the new ones (new->n: at the end) it is to be; SIZE_MAX: it is not foreign.
 * Ascending. One that is among the new ones, too, goes where it is there (as far as their order allows), and met[] of that
 * one is set. Of the others what stood first stays first, what stood last stays last; else a rule stays beside the neighbour of ours that is
 * still there. With no rule of ours in live it is first, or last if `last`. met: new->n, zeroed. Caller frees.
 */
size_t *foreign_places(const struct foreign_rules *live, const struct foreign_rules *new, bool last, bool *met);

#endif
