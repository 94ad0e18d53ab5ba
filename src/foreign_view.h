/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * foreign_view - a ruleset taken apart by whose it is (for foreign*.c only)
 */
#ifndef FWSNAP_FOREIGN_VIEW_H
#define FWSNAP_FOREIGN_VIEW_H

#include "assemble.h"
#include "foreign_match.h"

/* Chains and sets of one table, by name. */
struct foreign_names {
	struct strlist chains, sets;
};

/* A table. An ipset is all its owner's, or all ours, and not taken apart. */
struct foreign_part {
	struct assembly_side side;
	const struct foreign_owner *whole;   /* of the table; NULL: not as a whole */
	const struct foreign_owner **owners; /* of each item; NULL: it is ours */
	bool any;                            /* something is foreign */
	struct foreign_names needed; /* foreign, and rules of ours refer to it */
	struct foreign_names relied; /* ours, and foreign rules refer to it */
	struct strlist led_to;       /* foreign chains that maps of ours lead to */
};

struct foreign_view {
	const struct foreign *foreign;
	struct ruleset *rs;
	struct foreign_part *parts; /* as the tables are */
	struct strlist needed, relied; /* ipsets, likewise */
};

/* Of a ruleset with records, which stays. 0 or -EBADMSG (logged). The caller releases it, also then. */
must_check int foreign_view_open(struct foreign_view *v, const struct foreign *f, struct ruleset *rs);
void foreign_view_release(struct foreign_view *v);
/* The part of the table with this identity; NULL. */
struct foreign_part *foreign_view_part(const struct foreign_view *v, const struct table *t);
/* Whose an item is. */
const struct foreign_owner *foreign_owner_of(const struct foreign_part *p, const struct item *item);
/* Whether there is a chain of this name, and foreign. */
bool foreign_has_chain(const struct foreign_part *p, const char *name);
/* "FAMILY", NULL for an ipset. */
struct foreign_place foreign_place_of(const struct table *t);

/* Adds what is in a view, by owner. */
void foreign_view_count(const struct foreign_view *v, struct foreign_shares *shares);

#endif
