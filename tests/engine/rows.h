/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rows - what fwsnap captures and brings back, a row for each feature in each family that has it
 *
 * A row is a ruleset as the stock program reads it on stdin. The interfaces d0, d1 and d2 are
 * there; their indexes are others when the ruleset comes back in another namespace.
 */
#ifndef FWSNAP_TESTS_ROWS_H
#define FWSNAP_TESTS_ROWS_H

#include "ruleset.h"

struct row {
	const char *feature;
	const char *family;
	const char *program; /* "nft", "iptables-nft", "ip6tables-legacy", ..., "ipset" */
	const char *text;
	const char *sets;    /* for `ipset restore`, loaded first; or NULL */
};

/* Whether it names any of the interfaces. */
bool row_has_links(const struct row *row);
/* Loads it by its program, in the caller's namespaces: the program's exit status, and what it says. */
int row_load(const struct row *row, struct buf *err);
/* Loads a ruleset (sets may be NULL), which has to succeed. */
void row_load_well(const char *program, const char *sets, const char *text);
/* As above, captures it and loses it. rs is zeroed. */
void row_capture_and_lose(struct ruleset *rs, const char *program, const char *sets, const char *text);
/* What its program lists, without what passes by itself (remaining times). Caller frees. */
char *row_listing(const struct row *row);

extern const struct row rows_nft[], rows_nft_rules[], rows_xtables[], rows_ipset[];
extern const size_t rows_nft_count, rows_nft_rules_count, rows_xtables_count, rows_ipset_count;

#endif
