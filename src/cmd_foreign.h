/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd_foreign - what commands do with rules of other programs: leave them alone, unless --all is given
 */
#ifndef FWSNAP_CMD_FOREIGN_H
#define FWSNAP_CMD_FOREIGN_H

#include "cmd.h"

/* A ruleset, and what of it is ours. */
struct ours {
	struct ruleset *rs;   /* `all` if nothing is foreign, else `cut` */
	struct ruleset cut;
	struct foreign_shares shares; /* of others; none with --all */
};
/* all: with records, it stays. 0 or -errno (logged). The caller releases it, also then. */
must_check int ours_open(struct context *c, struct ruleset *all, struct ours *o);
void ours_release(struct ours *o);
/* Takes what is ours out of o; all is released, unless it is just that. */
struct ruleset ours_detach(struct ours *o, struct ruleset *all);

/*
 * The live rules, without records unless something is foreign, and what is ours of them. 0 or -errno (logged). The caller releases
 * both, also then.
 */
must_check int live_open(struct context *c, struct ruleset *live, struct ours *o);

/* What live is to become. */
struct grafted {
	struct ruleset *rs; /* the target if nothing is foreign, else `made` */
	struct ruleset made;
	int status; /* EXIT_PARTIAL: rules were left out (logged), since what they refer to is not there */
};
/*
 * The target with what is foreign in live instead of what is foreign in it; both with records, they stay. what: the target, for
 * messages. 0 or -errno (logged). The caller releases it, also then.
 */
must_check int graft_open(struct context *c, struct ruleset *live, struct ruleset *target, const char *what,
			  struct grafted *g);
void graft_release(struct grafted *g);

/* What undoing a change has to leave alone. NULL: nothing. */
struct foreign *context_foreign(struct context *c);

/* Names the programs whose rules a change from one ruleset (with records) to another did not leave alone. */
void warn_touched(struct context *c, struct ruleset *before, struct ruleset *after);

/* Whether what is ours in rs (a cut of live), and front-ends, are as in the snapshot of this manifest. */
bool is_saved_as(struct context *c, const struct ruleset *rs, const struct manifest *m);

/* As JSON, for the caller to release; as lines "foreign  Docker: 7 chains, 12 rules", with the names of all objects or not. */
struct json_t *shares_json(const struct foreign_shares *s);
void print_shares(const struct foreign_shares *s, bool objects);
struct json_t *manifest_foreign_json(const struct manifest *m);
void print_manifest_foreign(const struct manifest *m);
/* Notes for a new manifest what was left out. */
void manifest_note_foreign(struct manifest *m, const struct foreign_shares *s);

#endif
