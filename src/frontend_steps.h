/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * frontend_steps - the parts of frontend.h, for frontend*.c only
 */
#ifndef FWSNAP_FRONTEND_STEPS_H
#define FWSNAP_FRONTEND_STEPS_H

#include "frontend.h"

/* Runs a command, words apart by blanks, and adds what it prints to out (may be NULL). 0 or -errno (logged, quiet: not). */
must_check int frontend_run(const char *command, unsigned seconds, bool quiet, struct buf *out);
must_check int frontend_run_argv(const char *const *argv, unsigned seconds, bool quiet, struct buf *out);

/* Adds the files below the configuration's paths. 0 or -errno (logged). */
must_check int frontend_files_look(const struct foreign_frontend *f, const char *root, struct frontend_state *s);
/* Whether a path is one of the configuration's, and no other one in disguise. */
bool frontend_owns(const struct foreign_frontend *f, const char *path);
/* Makes the files of `now` those of `want`. 1: something changed, 0, -errno (logged). */
must_check int frontend_files_put(const struct foreign_frontend *f, const char *root,
				  const struct frontend_state *now, const struct frontend_state *want);

/*
 * Fills s->runtime, and some of s->unkept, by a program like firewall-cmd; _direct: adds what else is not kept. 0; -EIO: it
 * failed (not logged, of _look: it may just not run); other -errno (logged).
 */
must_check int frontend_runtime_look(const char *program, struct frontend_state *s);
must_check int frontend_runtime_direct(const char *program, struct frontend_state *s);
/* From what is so at run time to what is wanted. 0 or -errno (logged). */
must_check int frontend_runtime_put(const char *program, const struct strlist *now, const struct strlist *want);

#endif
