/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * difference - what differs between two rulesets, as rules that a person reads
 *
 * Table by table, chain by chain, as the distribution's programs write the rules: both sides, cut down to what differs, are loaded into
 * a scratch and listed there. Elements are summarised when they are many.
 */
#ifndef FWSNAP_DIFFERENCE_H
#define FWSNAP_DIFFERENCE_H

#include "scratch.h"

struct difference_line {
	enum { LINE_ADDED = '+', LINE_REMOVED = '-', LINE_NOTE = ' ' } sign;
	char *text; /* a rule, an attribute, elements */
};

/* A chain or set of a table, or the table itself (section NULL). */
struct difference_part {
	char *table;   /* table_label */
	char *section; /* "chain input", "set blocked"; NULL */
	struct difference_line *lines;
	size_t nlines;
};

struct difference {
	struct difference_part *parts;
	size_t nparts;
	unsigned added, removed; /* rules and elements */
};

/* Both with records. dynamic: dynamic elements too. 0 (also where they are equal: no parts) or -errno (logged). */
must_check int difference_make(struct ruleset *old, struct ruleset *new, bool dynamic, struct difference *d);
void difference_release(struct difference *d);
/* As text, coloured or not; as JSON (an object, for the caller to print). */
void difference_format(const struct difference *d, bool colour, struct buf *out);
struct json_t *difference_json(const struct difference *d);

#endif
