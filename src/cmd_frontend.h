/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd_frontend - what commands do with front-ends (frontend.h)
 */
#ifndef FWSNAP_CMD_FRONTEND_H
#define FWSNAP_CMD_FRONTEND_H

#include "cmd.h"

/*
 * How front-ends are: looked at once, after foreign_look at what is live, and kept for the command; those that are in charge, or
 * all that have a configuration. With --all there are none. 0 or -errno (logged).
 */
must_check int context_frontends(struct context *c, const struct frontends **f);
must_check int context_frontends_all(struct context *c, const struct frontends **f);

/* Whether they are as the snapshot of this manifest has them. */
bool frontends_saved(struct context *c, const struct manifest *m);

/* Adds them (with contents) to a new snapshot. 0 or -errno (logged). */
must_check int add_frontends(struct snapshot_new *n, const struct frontends *f);

/* Names what cannot be kept: EXIT_PARTIAL, else EXIT_DONE. */
int report_frontends(struct context *c, const struct frontends *f);

/* Says so, if a command changed files of front-ends and nothing that runs. */
void note_permanent_only(struct context *c, const struct frontends *before, const struct frontends *after);

/* As JSON, for the caller to release; as lines "frontend firewalld: 23 files". */
struct json_t *frontends_json(const struct frontends *f);
void print_frontends(const struct frontends *f);

#endif
