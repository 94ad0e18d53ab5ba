/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * text_program - the distribution's programs that list and load text (for text*.c and difference*.c only)
 *
 * Nothing is logged here: what a program says comes back in `why`, one line in our
 * form ("line 7: unknown option ..."), for whoever knows what the text was for.
 */
#ifndef FWSNAP_TEXT_PROGRAM_H
#define FWSNAP_TEXT_PROGRAM_H

#include "text.h"

/* The line in the head of an nft text that is to be loaded before those of iptables. */
#define TEXT_NFT_FIRST "# Load before the texts of iptables\n"

/* One way to write a table as text. */
struct text_way {
	enum text_kind kind;
	enum text_variant variant; /* of iptables and ip6tables */
	const char *option;	   /* of an ipset, that ipset save forgets; NULL: none */
};

/* The programs of a way: NULL-terminated argv of the one that loads; the name of the one that
 * lists. */
const char *const *text_loader(enum text_kind kind, enum text_variant variant);
const char *text_lister(enum text_kind kind, enum text_variant variant);

/*
 * Appends the listing of one table of the scratch to out, without what changes from
 * one listing to the next (time stamps; counters unless wanted). 0, or -errno with `why`.
 */
must_check int text_list(struct scratch *s, const struct table *t, const struct text_way *w,
			 bool counters, struct buf *out, struct buf *why);

/*
 * The same for whoever takes the listing apart: without counters; of nft with " # handle N" behind each rule,
 * which may have several lines.
 */
must_check int text_list_apart(struct scratch *s, const struct table *t, const struct text_way *w,
			       struct buf *out, struct buf *why);

/* Loads text into the scratch. 0; -EINVAL: refused, with `why`; other -errno: it could not be run,
 * with `why`. */
must_check int text_feed(struct scratch *s, enum text_kind kind, enum text_variant variant,
			 const struct buf *text, struct buf *why);

/* The lines that a text begins with. */
void text_put_head(struct buf *out, enum text_kind kind, enum text_variant variant, bool counters);
/* What must stand before the listing of an nf_tables table, or a second load would double its
 * rules. */
void text_put_delete(struct buf *out, const struct table *t);
/*
 * Declares a base chain as the listing of its table does, to have it made before
 * others. Nothing if the listing has no such chain.
 */
void text_put_chain(struct buf *out, const struct table *t, const char *chain,
		    const struct buf *listing);

#endif
