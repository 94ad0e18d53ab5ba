/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * boot_record - how the last boot of a network namespace went: ROOT/run/fwsnap/boot.COOKIE
 *
 * COOKIE is the SO_NETNS_COOKIE of the namespace. "key: value" lines, control characters as \n, \xNN:
 *   boot       boot id; a record of another boot is none
 *   when       seconds since 1970
 *   rung       a word of boot_rungs
 *   snapshot   its id, if it is one
 *   lower      1: what should have been loaded could not be
 *   missing    an interface that was not there (a line each), in rung `partly`
 *   ruleset    digest of what was loaded then
 *   reason     what was logged on the way there (a line each)
 * The file is whole or absent, 0600.
 */
#ifndef FWSNAP_BOOT_RECORD_H
#define FWSNAP_BOOT_RECORD_H

#include "ruleset.h"

/* What is in force after a boot; in the order in which it is tried. */
enum boot_rung {
	BOOT_UNKNOWN,  /* there is no record */
	BOOT_NOTHING,  /* there was nothing to load */
	BOOT_EDITED,   /* the current version with the text files that were edited since */
	BOOT_EXACT,    /* the current version */
	BOOT_PARTLY,   /* the current version, some tables of it from their text */
	BOOT_TEXT,     /* its texts */
	BOOT_OLDER,    /* an older version */
	BOOT_FILES,    /* the text files; no version can tell whether they are as it left them */
	BOOT_LOCKDOWN, /* last_resort = lockdown */
	BOOT_FAILED,   /* none of these */
	BOOT_RUNGS
};
/* "nothing", "edited", "exact", "partly", "text", "older", "files", "lockdown", "failed". */
extern const char *const boot_rungs[BOOT_RUNGS];

struct boot_record {
	enum boot_rung rung;
	unsigned snapshot; /* 0: none */
	int64_t when;      /* seconds since 1970 */
	bool lower;        /* what should have been loaded could not be */
	struct strlist missing; /* interfaces that were not there, of rung BOOT_PARTLY */
	struct digest ruleset;  /* of what was loaded then */
	struct strlist reasons;
};
void boot_record_release(struct boot_record *r);

/* Whether a ruleset of ours is in force since, so that there is nothing left to do in this boot. */
bool boot_record_done(const struct boot_record *r);
/* Whether some of it could not be loaded for want of interfaces, and all of these are there now. */
bool boot_record_can_do_more(const struct boot_record *r);
/* "the current snapshot 42, exactly". Caller frees. */
char *boot_record_text(const struct boot_record *r);

/* Of the caller's namespace and boot, into a zeroed r; rung BOOT_UNKNOWN: there is none. 0 or -errno (not logged). */
must_check int boot_record_read(struct boot_record *r, const char *root);
must_check int boot_record_write(const struct boot_record *r, const char *root);

#endif
