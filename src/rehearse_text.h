/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rehearse_text - what texts say that they are about, before they are loaded (for rehearse*.c only)
 *
 * Names only; what they mean is the kernel's business. Texts that their programs will refuse give
 * something or nothing.
 */
#ifndef FWSNAP_REHEARSE_TEXT_H
#define FWSNAP_REHEARSE_TEXT_H

#include "text.h"

/* Labels as table_label makes them, with the name of the chain or set behind them. */
struct mentions {
	struct strlist names;  /* "ip filter DOCKER", "legacy ip nat POSTROUTING", "inet site
				  blocked", "ipset friends" */
	struct strlist tables; /* "inet site": deleted by name, with all that is in it */
	struct strlist families; /* of nf_tables, flushed with all their tables; "": all */
};
void mentions_release(struct mentions *m);
/* Sorts them, for mentions_have. */
void mentions_sort(struct mentions *m);
bool mentions_have(const struct mentions *m, const char *table, const char *name);

/* iptables and ip6tables: chains that are declared, filled or removed; the built-in ones of each
 * table there. */
void iptables_mentions(const struct buf *text, uint8_t family, enum text_variant variant,
		       struct mentions *m);

/*
 * nft: chains and sets that are declared or removed; files that it includes are read, too (as nft
 * finds them: in /etc, or where the path says). declared: "inet site" of table blocks at top level.
 * Returns whether the text only declares: there are no commands.
 */
bool nft_mentions(const struct buf *text, struct mentions *m, struct strlist *declared);

/*
 * Adds the names of interfaces that nft text has where they have to be there for it to load: behind
 * iif, oif, device, devices, and in definitions, at most NFT_LINKS.
 */
#define NFT_LINKS 64
void nft_links(const struct buf *text, struct strlist *links);

/*
 * ipset: sets that are made, filled, flushed or removed. created: names of those that are made,
 * sorted. Returns whether no set is destroyed, renamed or swapped.
 */
bool ipset_mentions(const struct buf *text, struct mentions *m, struct strlist *created);
/* Appends the lines that make sets, or all the others; lines keep their numbers, and are empty
 * where they are left out. */
void ipset_lines(const struct buf *text, bool create, struct buf *out);

/* Whether an IPv4 address stands in it. */
bool text_has_ip4(const struct buf *text);
/* Adds those of the names (sorted) that occur in the text as words. */
void text_words(const struct buf *text, const struct strlist *names, struct strlist *found);
bool strlist_search(const struct strlist *sorted, const char *s);

#endif
