/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * assemble - a ruleset put together from tables, and pieces of tables, of others
 *
 *   assembly_begin; assembly_adopt for each ruleset that something is taken from; then for each table
 *   assembly_copy or assembly_compose; assembly_order; assembly_end
 */
#ifndef FWSNAP_ASSEMBLE_H
#define FWSNAP_ASSEMBLE_H

#include "engine.h"

struct assembly {
	struct ruleset *out;
	bool renumbered; /* a number in what was adopted is another one in out */
};

/* A table of a ruleset, taken apart. */
struct assembly_side {
	struct ruleset *rs;
	const struct table *table; /* NULL: there is none */
	struct items items;
};
/* Fills items. 0 or -EBADMSG (not logged). The caller releases them, also then. */
must_check int assembly_take_apart(struct assembly_side *s);

struct assembly_pieces {
	struct piece *piece;
	size_t n;
};
void assembly_add(struct assembly_pieces *p, const struct assembly_side *s, const struct item *item);

/* A zeroed out becomes a ruleset without tables, in which numbers mean what they mean in `like`. */
void assembly_begin(struct assembly *a, struct ruleset *out, const struct ruleset *like);
/* Gives all interfaces and ipsets of `from` a number, by name. */
void assembly_adopt(struct assembly *a, const struct ruleset *from);
/* Adds a whole table of `from`; own: `from` is what out was begun like. 0 or -errno (not logged). */
must_check int assembly_copy(struct assembly *a, struct ruleset *from, const struct table *t, bool own);
/* Adds a table with the identity of `like`. As engine.compose; nothing is added if it fails. */
must_check int assembly_compose(struct assembly *a, const struct table *like,
				const struct assembly_pieces *pieces);
/* Takes the table that was added last out again if it equals an absent one. */
void assembly_drop_empty(struct assembly *a);
/* The order of base chains: order_merge of these, as far as the chains are in out. */
void assembly_order(struct assembly *a, const struct buf *base, const struct buf *ours,
		    const struct buf *theirs);
/* Which sets rules write to may be others than before. 0 or -EBADMSG (logged). */
must_check int assembly_end(struct assembly *a);

#endif
