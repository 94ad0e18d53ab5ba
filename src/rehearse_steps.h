/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rehearse_steps - what a rehearsal does besides loading (for rehearse*.c only)
 */
#ifndef FWSNAP_REHEARSE_STEPS_H
#define FWSNAP_REHEARSE_STEPS_H

#include "rehearse.h"
#include "rehearse_text.h"

/* Runs r->command in the scratch, or for real (NULL); fills r->status and r->touched. 0, -EINVAL
 * (logged): refused, other -errno (logged). */
must_check int rehearse_run(struct rehearsal *r, struct scratch *s);

#endif
