/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xtmatch - what is in the data of xtables matches and targets
 *
 * For whoever looks into those of legacy tables, or of nf_tables rules that carry them.
 */
#ifndef FWSNAP_ENGINE_XTMATCH_H
#define FWSNAP_ENGINE_XTMATCH_H

#include "engine.h"

/*
 * Zeroes what has no effect but differs between a rule and the same rule loaded from
 * its text. family: NFPROTO_* of the table; size: bytes of data.
 */
void xtmatch_canonical(uint8_t family, const char *name, uint8_t revision, void *data, size_t size);

/*
 * How many ipset indexes (16 bits) the data of a match or target begins with, `step` bytes apart (struct
 * xt_set_info_match_v*, xt_set_info_target_v*). The first two of a target are of sets that it adds to and
 * deletes from, the third of one that it looks into.
 */
unsigned xtmatch_sets(const char *name, uint8_t revision, size_t *step);

/* Adds what a match is known by: its comment, or its name. */
void xtmatch_add_fact(struct facts *f, const char *name, const void *data, size_t size);
/* The protocol that a rule asks for; 0: any. */
void xtmatch_add_protocol(struct facts *f, uint8_t protocol);

#endif
