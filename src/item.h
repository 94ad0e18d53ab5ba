/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * item - what a table is made of, piece by piece, and how two tables of one identity differ
 *
 * An engine takes a table apart into items (engine.h); equality of items is that of
 * ruleset.h. What belongs to a rule (its anonymous sets, the chain that is bound to it) is part of the
 * rule's item and no item of its own. A difference is at the grain of DESIGN: equal chains, sets, elements
 * and rules do not appear in it; a changed rule is one removed and one added.
 */
#ifndef FWSNAP_ITEM_H
#define FWSNAP_ITEM_H

#include "ruleset.h"

/* In the order in which a table is put together. */
enum item_kind {
	ITEM_TABLE,   /* the table's own attributes; of an ipset its header */
	ITEM_CHAIN,   /* a chain without its rules: type, hook, priority, policy, devices */
	ITEM_OBJECT,  /* a stateful object or a flowtable */
	ITEM_SET,     /* a named set without its elements */
	ITEM_ELEMENT, /* of a named set, or of an ipset; an interval (its two ends) is one */
	ITEM_RULE,
	ITEM_KINDS
};

struct item {
	enum item_kind kind;
	/* equal though it is not there in the other: a dynamic element, a base chain without rules and policy accept */
	bool silent;
	/* set: rules add to it; element: it may be of these, and is silent only where the set is so in both */
	bool fed;
	bool base;    /* a chain at a hook */
	bool input;   /* a chain that judges packets for the host: a filter at hook input */
	bool passing; /* a rule or chain that is there only while a change takes: one was cut off */
	/* chain, object, set: its own name; element: its set's; rule: its chain's; table: "". In the records. */
	const char *name;
	struct digest key;    /* with kind and name its identity: of an element its key, of an object its type */
	struct digest digest; /* of all that counts */
	size_t at;            /* for the engine: where it is in the records */
	size_t end;           /* likewise: of an interval where its other end is; 0: it has none */
};

/* Rules of one chain stand in their order; chains, sets and elements in that of the records. */
struct items {
	struct item *item;
	size_t n;
};
void items_release(struct items *i);

/* One piece of the difference. Both: the same thing with other content (never a rule). */
struct item_change {
	const struct item *old; /* NULL: added */
	const struct item *new; /* NULL: removed */
	size_t place; /* of a rule: how many rules of the old chain stand before it */
};

struct item_changes {
	struct item_change *change;
	size_t n;
};
void item_changes_release(struct item_changes *c);

/*
 * The way from old to new, sorted by kind, then by chain or set in the order of `new` (those that are gone last),
 * rules by place, removed before added. The items are borrowed. Either may be empty: all is added, or removed.
 */
void items_compare(const struct items *old, const struct items *new, struct item_changes *out);

/*
 * The shortest way from one list of rules to another: keep[i] is the place in b of what a[i] is, or
 * SIZE_MAX: it is not kept; ascending. Common head and tail are kept; of the middle a longest common subsequence up to
 * ITEMS_ALIGN_LIMIT rules on either side, nothing beyond.
 */
#define ITEMS_ALIGN_LIMIT 1000
void items_align(const struct digest *a, size_t na, const struct digest *b, size_t nb, size_t *keep);

#endif
