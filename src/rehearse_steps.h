/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rehearse_steps - what a rehearsal does besides loading (for rehearse*.c only)
 */
#ifndef FWSNAP_REHEARSE_STEPS_H
#define FWSNAP_REHEARSE_STEPS_H

#include "rehearse.h"
#include "rehearse_text.h"

/*
 * Fills r->opened, and r->unmentioned if there are files (m, sorted; else NULL), from live and the
 * candidate. 0 or -errno (logged).
 */
must_check int rehearse_compare(struct rehearsal *r, const struct mentions *m);

/* Runs r->command in the scratch, or for real (NULL); fills r->status and r->touched. 0, -EINVAL
 * (logged): refused, other -errno (logged). */
must_check int rehearse_run(struct rehearsal *r, struct scratch *s);

#endif
