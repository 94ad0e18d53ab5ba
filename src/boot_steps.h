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

/* A log_sink. */
void boot_say_nothing(const char *line);

/* From whatever is live to the target, with records, verified. 0 or -errno (logged). */
must_check int climb_change(struct climb *c, struct ruleset *target);

/* What the files make of a base, in the scratch, loaded. 0 or -errno (logged). */
must_check int climb_load_files(struct climb *c, struct ruleset *base);
/* Adds the text that the current version has of this kind; none is none. 0 or -errno (logged). */
must_check int climb_add_part(struct climb *c, enum text_kind kind);
/*
 * The current version less these tables (by its places). Nothing is copied but the array and the order: climb_base_free.
 */
struct ruleset climb_base(const struct climb *c, const bool *without);
void climb_base_free(struct ruleset *base);
/* The text that carries a table of the current version, whether that was proved or not; whether none does. */
enum text_kind climb_home(const struct climb *c, size_t i);
bool climb_is_exact_only(const struct climb *c, size_t i);

/*
 * nft text in which rules name interfaces that are missing (sorted) by index: appends it with these rules by name. A rule
 * that goes by index is refused where the interface is not there, one that goes by name waits for it.
 */
void boot_text_by_name(const struct buf *text, const struct strlist *missing, struct buf *out);
/* Appends nft text as save writes it, without a table ("netdev edge"). */
void boot_text_without(const struct buf *text, const char *table, struct buf *out);

/* Each rung: 1 it is in force; 0 there is no such rung here; -errno (logged): it failed. */
int boot_try_edited(struct climb *c);
int boot_try_partly(struct climb *c);
int boot_try_text(struct climb *c);
int boot_try_files(struct climb *c);

/* Whether there is any text file. */
bool boot_has_files(const struct climb *c);
void climb_files_release(struct climb *c);

#endif
