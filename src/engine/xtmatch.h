/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xtmatch - what in the data of an xtables match does not count
 *
 * For whoever compares matches of legacy tables, or of nf_tables rules that carry them.
 */
#ifndef FWSNAP_ENGINE_XTMATCH_H
#define FWSNAP_ENGINE_XTMATCH_H

#include "buf.h"

/*
 * Zeroes what has no effect but differs between a rule and the same rule loaded from
 * its text. family: NFPROTO_* of the table; size: bytes of data.
 */
void xtmatch_canonical(uint8_t family, const char *name, uint8_t revision, void *data, size_t size);

#endif
