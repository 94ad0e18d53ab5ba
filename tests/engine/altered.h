/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * altered - whether the digest of a capture notices when a part of its records is altered
 */
#ifndef FWSNAP_TESTS_ALTERED_H
#define FWSNAP_TESTS_ALTERED_H

#include "engine.h"

/* Computes the digest of a table of rs anew from its records: what engine.digest returns. */
int altered_digest(struct ruleset *rs, struct table *t);

/*
 * Alters the records of all tables, one byte at a time, and fails the calling cmocka test if a
 * record has nothing that counts, or if the last one can go without notice.
 */
void altered_check(const struct ruleset *rs);

/*
 * Attributes of netlink records that altered_check met and that never made a difference, sorted:
 * "rule 1", or "expression counter 1" within an expression.
 */
void altered_unnoticed(struct strlist *out);

#endif
