/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * difference - what differs between two rulesets, as rules that a person reads
 *
 * Table by table, chain by chain, as the distribution's programs write the rules: both sides, cut
 * down to what differs, are loaded into a scratch and listed there. What cannot be listed (its program is
 * not installed) is still named and counted, and the line says why. Elements are summarised when
 * they are many.
 *
 * All text can be printed as it is: names and comments hold whatever somebody put there, so what is no
 * printable UTF-8 stands as \xNN (buf_add_visible).
 */
#ifndef FWSNAP_DIFFERENCE_H
#define FWSNAP_DIFFERENCE_H

#include "scratch.h"

enum difference_sign {
	SIGN_ADDED = '+',   /* in the second only */
	SIGN_REMOVED = '-', /* in the first only */
	SIGN_NONE = ' ',    /* in both; of a line: a remark */
};

struct difference_line {
	enum difference_sign sign;
	char *text; /* a rule, an attribute, an object, elements */
};

/* A chain or set of a table, or the table itself. */
struct difference_section {
	enum difference_sign sign;
	char *name; /* "chain input", "set blocked"; NULL: the table */
	char *note; /* "policy accept -> drop"; what a new one is: "type ipv4_addr"; NULL: nothing */
	struct difference_line *lines;
	size_t nlines;
};

struct difference_table {
	enum difference_sign sign;
	char *label; /* table_label; NULL: of no table (the order of base chains) */
	struct difference_section *sections;
	size_t nsections;
};

struct difference_counts {
	unsigned rules_added, rules_removed;
	unsigned elements_added, elements_removed;
	unsigned others; /* tables, chains, sets, objects and their attributes */
};

struct difference {
	struct difference_table *tables; /* none: they are equal */
	size_t ntables;
	struct difference_counts counts;
};

/* Beyond this many elements of one set only some are named. */
#define DIFFERENCE_ELEMENTS 10
#define DIFFERENCE_EXAMPLES 3

/*
 * Both with records, d zeroed. dynamic: dynamic elements too. 0 (also where they are equal) or
 * -errno (logged).
 */
must_check int difference_make(struct ruleset *old, struct ruleset *new, bool dynamic,
			       struct difference *d);
void difference_release(struct difference *d);

/* Appends it as text, coloured or not: nothing where they are equal. */
void difference_format(const struct difference *d, bool colour, struct buf *out);
/* Appends "2 rules added, 1 removed; 1 other change" without a newline. */
void difference_summary(const struct difference *d, struct buf *out);
/* The same as JSON: an object, for the caller to release. */
struct json_t *difference_json(const struct difference *d);

/* For whoever puts one together. Texts are made visible; NULL stays NULL. */
struct difference_table *difference_add_table(struct difference *d, enum difference_sign sign,
					      const char *label);
struct difference_section *difference_add_section(struct difference_table *t,
						  enum difference_sign sign, const char *name);
void difference_add_line(struct difference_section *s, enum difference_sign sign,
			 const char *text);
void difference_set_note(struct difference_section *s, const char *text);
/* Appends a number, each three digits apart: "1,200". */
void difference_put_count(struct buf *out, size_t n);

#endif
