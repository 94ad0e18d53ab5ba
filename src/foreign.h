/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * foreign - what in a ruleset belongs to other programs
 *
 * Docker, fail2ban and their like keep rules of their own beside the administrator's. They are described in
 * data: fwsnap-foreign(5) has the format, src/foreign.d/ what is shipped, /etc/fwsnap/foreign.d/ what
 * the administrator adds. A description counts once one of its tables, chains or sets is there.
 *
 *   foreign_read; foreign_look for each ruleset at hand; then
 *   foreign_cut: what is left of a ruleset without what is foreign (to save, to compare)
 *   foreign_graft: a target that has what is foreign in live (to change to)
 *   foreign_touched: whose part a change did not leave alone
 *   foreign_release
 *
 * Where a rule of ours refers to a foreign chain or set, the cut keeps that, empty: it can be loaded alone. A graft
 * takes it from live, or leaves out the rule.
 */
#ifndef FWSNAP_FOREIGN_H
#define FWSNAP_FOREIGN_H

#include "engine.h"

struct foreign_row;

/* How one that has a configuration of its own is dealt with (frontend.h). Commands are words apart by blanks. */
struct foreign_frontend {
	struct strlist config; /* files and folders; none: it is no front-end */
	char *enabled;         /* "FILE LINE": only with that line there it is active; NULL: always */
	char *ready, *says;    /* succeeds, and has that in a line, once it answers; says NULL: whatever it prints */
	char *reload, *stop;   /* commands; NULL: there is none */
	char *runtime;         /* the program that tells, as firewall-cmd, what is so only at run time; NULL: none */
};

struct foreign_owner {
	char *name;   /* of the description: "docker" */
	char *title;  /* for people: "Docker" */
	char *repair; /* the command that brings its rules back; NULL: not known */
	struct foreign_frontend frontend;
	struct foreign_row *rows;
	size_t nrows;
	bool counts;
};

struct foreign {
	struct foreign_owner *owners; /* sorted by name */
	size_t n;
};

/*
 * Fills a zeroed f with the descriptions that `which` names: "auto" (all, each counts once it is found), "none", or
 * names apart by commas or blanks, which count at once. root: of --root. 0; -EINVAL (logged with file and
 * line): a description is broken, f has the others; other -errno (logged).
 */
must_check int foreign_read(struct foreign *f, const char *root, const char *which);
void foreign_release(struct foreign *f);

/* From here on those count whose tables, chains or sets are in rs, which needs no records. */
void foreign_look(struct foreign *f, const struct ruleset *rs);
/* Whether any counts: if not, all is ours. */
bool foreign_any(const struct foreign *f);

/* A base chain of ours that an owner relies on. */
struct foreign_relied {
	char *chain; /* "ip filter FORWARD" */
	struct digest digest;
};

/* What belongs to an owner in a ruleset. */
struct foreign_share {
	const struct foreign_owner *owner;
	struct table_counts counts;
	unsigned tables;      /* that are its own as a whole */
	struct strlist objects; /* tables, chains and sets: "ip filter DOCKER" */
	struct digest *items; /* of all that is not dynamic: their digests, sorted */
	size_t nitems;
	struct foreign_relied *relied;
	size_t nrelied;
};
struct foreign_shares {
	struct foreign_share *share; /* of those that have anything, in the order of owners */
	size_t n;
};
void foreign_shares_release(struct foreign_shares *s);
/* The share of an owner; NULL: there is none. */
const struct foreign_share *foreign_share_of(const struct foreign_shares *s, const struct foreign_owner *o);
/* How many items of a share (NULL: none) are not in the other one. */
size_t foreign_share_more(const struct foreign_share *s, const struct foreign_share *than);
/* "7 chains, 12 rules". Caller frees. */
char *foreign_counts_text(const struct table_counts *n, unsigned tables);

/*
 * Both with records. Fills a zeroed `ours` with what is not foreign in rs; shares (may be NULL) with what is. 0 or -errno
 * (logged).
 */
must_check int foreign_cut(const struct foreign *f, struct ruleset *rs, struct ruleset *ours,
			   struct foreign_shares *shares);

/* The shares alone. */
must_check int foreign_count(const struct foreign *f, struct ruleset *rs, struct foreign_shares *shares);

/*
 * All with records. Fills a zeroed `out` with the target, without what is foreign there unless `all`, and all that is foreign
 * in live, each rule at its place beside ours. What foreign rules refer to is there, too, if only
 * empty. notes (may be NULL): the caller releases them. 0 or -errno (logged).
 */
struct foreign_notes {
	struct strlist dropped; /* rules of the target that refer to a foreign chain or set which is not there, one line each */
	struct foreign_shares live, target; /* what is foreign in them */
};
must_check int foreign_graft(const struct foreign *f, struct ruleset *live, struct ruleset *target,
			     bool all, struct ruleset *out, struct foreign_notes *notes);
void foreign_notes_release(struct foreign_notes *n);

/* Adds what a change did to the part of an owner, and what repairs it, one line each. */
void foreign_touched(const struct foreign_shares *before, const struct foreign_shares *after,
		     struct strlist *lines);

#endif
