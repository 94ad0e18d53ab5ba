/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * order - the order of base chains of equal priority (ruleset.order)
 *
 * Works on ruleset.order: lines "PLACE: FAMILY TABLE CHAIN, FAMILY TABLE CHAIN ...", the chain that
 * is asked first standing first. Of chains of equal priority the kernel asks the one made last
 * first.
 */
#ifndef FWSNAP_ORDER_H
#define FWSNAP_ORDER_H

#include "buf.h"

/* Appends what is left of an order if only these tables ("FAMILY TABLE") are there. */
void order_project(const struct buf *order, const struct strlist *tables, struct buf *out);

/*
 * Adds the chains of an order ("FAMILY TABLE CHAIN") in the order in which they
 * must be made so that all lines come out right.
 */
void order_making(const struct buf *order, struct strlist *chains);

/*
 * Three-way: each place is as ours where ours changed it, as theirs everywhere else. Of chains in both the order
 * is ours', others stand behind the one that they follow in theirs. Only `chains` ("FAMILY TABLE CHAIN") are there.
 */
void order_merge(const struct buf *base, const struct buf *ours, const struct buf *theirs,
		 const struct strlist *chains, struct buf *out);

/* Whether `have` asks all chains that stand in one place of `want` in the same order. */
bool order_agrees(const struct buf *want, const struct buf *have);

#endif
