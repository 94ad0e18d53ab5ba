/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * foreign_match - the lines of descriptions, and what they hold for (for foreign*.c only)
 */
#ifndef FWSNAP_FOREIGN_MATCH_H
#define FWSNAP_FOREIGN_MATCH_H

#include "foreign.h"

enum foreign_kind {
	FOREIGN_TABLE,
	FOREIGN_CHAIN,
	FOREIGN_SET,
	FOREIGN_USER_CHAIN,
	FOREIGN_USER_SET,
	FOREIGN_RULE,
	FOREIGN_RELIES,
	FOREIGN_KINDS
};

/* Where something is. NULL: there is nothing of the kind. */
enum foreign_word { WORD_FAMILY, WORD_TABLE, WORD_CHAIN, WORD_NAME, WORD_PLACES };
struct foreign_place {
	const char *word[WORD_PLACES];
};

/*
 * Adds a line; value is cut up. NULL, or what is wrong with it (static).
 */
const char *foreign_row_add(struct foreign_owner *o, enum foreign_kind kind, char *value);
void foreign_rows_release(struct foreign_owner *o);

/*
 * The owner, among those that count, with a line of this kind that holds; NULL. facts: of a rule; NULL: nothing is asked but
 * where it is.
 */
const struct foreign_owner *foreign_match(const struct foreign *f, enum foreign_kind kind,
					  const struct foreign_place *place, const struct facts *facts);
/* Whether one of the owner's lines of this kind holds, whether it counts or not. */
bool foreign_matches(const struct foreign_owner *o, enum foreign_kind kind,
		     const struct foreign_place *place, const struct facts *facts);
/* Whether a rule asks nothing of a packet. */
bool facts_are_bare(const struct facts *facts);

#endif
