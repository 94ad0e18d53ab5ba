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

#endif
