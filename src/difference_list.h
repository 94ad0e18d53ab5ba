/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * difference_list - the listing of one table, cut apart (for difference*.c only)
 *
 * Nothing is understood of a rule but where it ends. Comments hold whatever somebody put there, so
 * a listing can be made to mislead: then it has another number of pieces than was loaded, and
 * whoever loaded them has to look at that.
 */
#ifndef FWSNAP_DIFFERENCE_LIST_H
#define FWSNAP_DIFFERENCE_LIST_H

#include "buf.h"

enum listed_kind { LISTED_TABLE, LISTED_CHAIN, LISTED_OBJECT, LISTED_SET };

struct listed {
	enum listed_kind kind;
	char *name; /* of the table, and of an ipset (a LISTED_SET too): "" */
	char *head; /* "chain input", "map ports", "ct helper ftp"; "" where name is */
	/* all but the pieces in one line: "type filter hook input priority filter; policy drop" */
	char *text;
	struct strlist pieces; /* rules of a chain, elements of a set, each in one line */
};

struct listing {
	struct listed *part; /* sorted by kind and name */
	size_t n;
};
void listing_release(struct listing *l);

/* The first that has this name, *n of them in all (two objects of different types may share one);
 * NULL. */
const struct listed *listing_find(const struct listing *l, enum listed_kind kind, const char *name,
				  size_t *n);

/* What `nft -a list table`, iptables-save of one table and `ipset save NAME` print. */
void listing_cut_nft(const char *text, struct listing *out);
void listing_cut_iptables(const char *text, struct listing *out);
void listing_cut_ipset(const char *text, const char *name, struct listing *out);

#endif
