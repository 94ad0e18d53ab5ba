/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * foreign_place - where foreign rules stand in a chain whose own rules change (for foreign*.c only)
 */
#ifndef FWSNAP_FOREIGN_PLACE_H
#define FWSNAP_FOREIGN_PLACE_H

#include "item.h"

/*
 * For each of the n rules of live: before which of the new ones (new_n: at the end) it is to be; SIZE_MAX: it is not
 * foreign, or among the new ones already. Ascending. What stood first stays first, what stood last stays last; else a
 * rule stays beside the neighbour of ours that is still there. Caller frees.
 */
size_t *foreign_places(const struct item *const *live, const bool *foreign, size_t n,
		       const struct item *const *new, size_t new_n);

#endif
