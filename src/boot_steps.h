/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * boot_steps - what the rungs of the ladder have in common (for boot*.c only)
 */
#ifndef FWSNAP_BOOT_STEPS_H
#define FWSNAP_BOOT_STEPS_H

#include "boot.h"
#include "rehearse.h"

/* While the ladder is climbed. */
struct climb {
	struct boot *b;
	unsigned id;             /* of the current version; 0: none */
	struct manifest current; /* as much of it as can be read */
	bool known;              /* its manifest is there */
	bool whole;              /* its records are, too, and can be used here */
	bool damaged;            /* something is saved, but what is current cannot be told */
	struct ruleset before;   /* what was live, with records */
	bool captured;           /* before is there */
	struct rehearse_file files[TEXT_KINDS];
	char *names[TEXT_KINDS];
	size_t nfiles;
};

/* From whatever is live to the target, with records, verified. 0 or -errno (logged). */
must_check int climb_change(struct climb *c, struct ruleset *target);

/* Each rung: 1 it is in force; 0 there is no such rung here; -errno (logged): it failed. */
int boot_try_edited(struct climb *c);
int boot_try_partly(struct climb *c);
int boot_try_text(struct climb *c);
int boot_try_files(struct climb *c);

/* Whether there is any text file. */
bool boot_has_files(const struct climb *c);
void climb_files_release(struct climb *c);

#endif
