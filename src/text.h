/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * text - a ruleset as the distribution's programs write and read it, proved
 *
 * A table goes to the first text that provably carries it: iptables-save text of
 * the variant (legacy or nft) that holds it, else nft text; ipsets to ipset-save text. A text is
 * proved when the stock program, alone, loads it in a scratch and the capture there equals
 * the original in what counts. What no text carries stays in the exact part only.
 */
#ifndef FWSNAP_TEXT_H
#define FWSNAP_TEXT_H

#include "manifest.h"
#include "scratch.h"

/* One row per text, in load order. */
enum text_kind { TEXT_IPSET, TEXT_IPTABLES, TEXT_IP6TABLES, TEXT_NFT, TEXT_KINDS };

struct text_format {
	const char *name;    /* "ipset", "iptables", "ip6tables", "nft": --format, --type */
	const char *part;    /* "ipset.rules", ...: its entry in a snapshot */
	const char *package; /* Debian's package of the programs: "ipset", "iptables", "nftables" */
	enum proof proof;
};
extern const struct text_format text_formats[TEXT_KINDS];
/* The kind of this name, or -1. */
int text_kind_named(const char *name);

/* Which variant's programs an iptables text is for. */
enum text_variant { VARIANT_NFT, VARIANT_LEGACY };

struct texts {
	bool nft_first; /* the nft text is to be loaded before those of iptables (its head says so) */
	struct buf content[TEXT_KINDS];       /* empty: nothing goes there */
	enum text_variant variant[TEXT_KINDS]; /* of iptables and ip6tables */
	bool attempted[TEXT_KINDS]; /* tables were meant for it (content may be empty: none was proved) */
	/* one for each table of the ruleset; PROOF_EXACT: no text; PROOF_NONE: it is empty */
	enum proof *proofs;
	char **reasons;       /* why, where PROOF_EXACT ("nft: line 3: ..."); else NULL */
	size_t n;
	struct strlist missing; /* programs that are not installed: "iptables-nft-save (package iptables)" */
};
void texts_release(struct texts *t);

/* The text where a table is looked for first. */
enum text_kind text_home(const struct table *t);

/*
 * Writes and proves the texts of rs (with records). counters: rule counters are part of the
 * text. 0 also where some tables are PROOF_EXACT; -errno (logged) only where the scratch itself fails.
 * Each nonempty text begins with two comment lines: who made it (fwsnap and its version), and
 * with what program to load it.
 */
must_check int text_prove(struct ruleset *rs, bool counters, struct texts *out);

/*
 * One text of a ruleset as a person reads it (show): tables that the program cannot
 * show are left out and named in a warning; iptables texts are proved to tell that.
 */
must_check int text_render(struct ruleset *rs, enum text_kind kind, struct buf *out);

/*
 * Loads text of one kind with its program into the scratch. name is for messages; on a refusal logs
 * "cannot load 'NAME': line N: what the program said" and returns -EINVAL; -ENOENT: no program (logged with
 * its package).
 */
must_check int text_load(struct scratch *s, enum text_kind kind, enum text_variant variant,
			 const struct buf *text, const char *name);

/*
 * The order to load texts in. Of base chains of equal priority the kernel asks the one
 * made last first, so it may matter whether iptables' or nft's come first: what the head of the nft text says.
 */
void text_load_order(bool nft_first, enum text_kind order[static TEXT_KINDS]);
bool text_nft_first(const struct buf *nft);

/* The variant that a text was written for, as its head says; VARIANT_NFT if it does not. */
enum text_variant text_variant_of(const struct buf *text);
/* Likewise, but -1 if it does not. */
int text_variant_told(const struct buf *text);
/* The variant of this machine's iptables (or ip6tables) programs. */
enum text_variant text_variant_installed(enum text_kind kind);

/*
 * Guesses the kind from content and file name ("*filter" ..., "create ...", "table inet x {"; a name with
 * "6" before "rules" or ".v6", or an address with "::", means ip6tables). -EINVAL if it is none.
 */
must_check int text_guess(const struct buf *text, const char *name);

#endif
