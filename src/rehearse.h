/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rehearse - what files or a command would make of the live rules, found out in the scratch
 *
 * A copy of live is loaded into a scratch; text is loaded there by the distribution's own programs, or a command is run
 * there; what comes out is captured: the candidate. Live is only read. What the files do not mention stays.
 */
#ifndef FWSNAP_REHEARSE_H
#define FWSNAP_REHEARSE_H

#include "text.h"

/* A file to apply; several are one change, loaded in the order of text_load_order. */
struct rehearse_file {
	const char *name;     /* as given, "-" for standard input; for messages */
	enum text_kind kind;
	struct buf content;
};

struct rehearsal {
	/* what to do */
	struct ruleset *live;      /* with records */
	const struct rehearse_file *files;
	size_t nfiles;
	const char *const *command; /* NULL-terminated, instead of files: run in the scratch with our 0, 1, 2 */
	/* what came of it; rehearsal_release */
	struct ruleset candidate;    /* with records */
	struct strlist resolved;     /* "mail.example.com: 192.0.2.1, 2001:db8::1": names that were looked up */
	struct strlist touched;      /* files under /etc that changed while the command ran */
	struct mentions *mentions;   /* what the files are about; NULL: there are none */
	/* what rehearse_compare finds */
	struct strlist unmentioned;  /* chains and sets ("ip filter mail") of live that go though no file mentions them */
	struct strlist opened;       /* input hooks ("ip filter INPUT") that had rules and now let everything in */
	int status;                  /* of the command */
};

/*
 * Reads a file ("-": standard input) and tells its kind (type: from --type, or -1: by text_guess). 0, or -errno (logged with what it is:
 * empty, binary, a directory, too large, no rules).
 */
must_check int rehearse_read(const char *name, int type, struct rehearse_file *file);
void rehearse_file_release(struct rehearse_file *file);

/*
 * 0; -EINVAL: refused (logged with file and line; or the command's exit status is not 0); -ESTALE: a copy of live
 * itself is refused, so nothing can be told (logged with --no-rehearsal as the way out); other -errno (logged).
 */
must_check int rehearse(struct rehearsal *r);
void rehearsal_release(struct rehearsal *r);
/*
 * What a change from live to the target, made of the candidate, would do away with: fills opened, and unmentioned if there are
 * files. 0 or -errno (logged).
 */
must_check int rehearse_compare(struct rehearsal *r, struct ruleset *target);
/*
 * Runs r->command, or loads the files, for real, in the caller's namespace and environment: fills status and touched. Returns as
 * rehearse; part of it may be done all the same.
 */
must_check int rehearse_live(struct rehearsal *r);

/*
 * Only whether it loads (check): base is live, or NULL for the empty ruleset. Works without privilege in a user namespace if base is
 * NULL. What loads is shown (live: the base) before it goes: perhaps in a child, which may make a scratch. 0; -EINVAL refused
 * (logged); -EPERM: what this caller's privilege cannot judge (logged what).
 */
typedef void rehearse_show(struct rehearsal *r, void *arg);
must_check int rehearse_check(struct ruleset *base, const struct rehearse_file *files, size_t n,
			      rehearse_show *show, void *arg);

#endif
