/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * difference_cut - both sides of a table, cut down to what differs, and listed (for difference*.c
 * only)
 *
 * A cut is a ruleset of one table, and of the ipsets that it names, without their members. It
 * is small where the difference is, so that loading and listing it takes no longer than the
 * difference is worth.
 */
#ifndef FWSNAP_DIFFERENCE_CUT_H
#define FWSNAP_DIFFERENCE_CUT_H

#include "difference.h"
#include "difference_list.h"

enum side { SIDE_OLD, SIDE_NEW, SIDES };

struct cut {
	bool wanted; /* something of this side differs */
	bool made;
	struct ruleset rs;
	bool listed;
	struct listing listing;
	char *why; /* it is wanted and not listed: "nft is not installed" */
};

/* A table that differs. */
struct pair {
	struct ruleset *from[SIDES];
	const struct table *table[SIDES]; /* NULL: it is not there, or empty */
	struct items items[SIDES];
	struct item_changes changes;
	struct cut cut[SIDES];
};
void pair_release(struct pair *p);

static inline const struct table *pair_table(const struct pair *p)
{
	return p->table[SIDE_NEW] ? p->table[SIDE_NEW] : p->table[SIDE_OLD];
}

static inline const struct item *change_side(const struct item_change *c, enum side side)
{
	return side == SIDE_OLD ? c->old : c->new;
}

/* How many elements of a set differ on one side, from change `at` on, its first. */
size_t pair_elements(const struct pair *p, enum side side, size_t at);

/* Puts together what is wanted of both sides. What fails is in cut.why. */
void pair_cut(struct pair *p);
/* Lists them. s holds what was listed last. */
void pair_list(struct pair *p, struct scratch *s);
/* Adds what differs in the table (difference_put.c). */
void difference_add_pair(struct difference *d, const struct pair *p);

#endif
