/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd - what the commands share: options, context, exit statuses
 */
#ifndef FWSNAP_CMD_H
#define FWSNAP_CMD_H

#include "config.h"
#include "store.h"

/* Exit statuses; fwsnap(8) EXIT STATUS documents each. */
enum exit_status {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,   /* failed or refused; the firewall is as it was */
	EXIT_USAGE = 2,
	EXIT_DIFFERS = 3,
	EXIT_DENIED = 4,   /* no privilege, or the lock was not to be had in time */
	EXIT_UNDONE = 5,
	EXIT_LOST = 6,
	EXIT_DAMAGED = 7,
	EXIT_PARTIAL = 8,
};

/* Global options. */
struct options {
	const char *root;   /* "" without --root; no trailing slash */
	const char *config; /* NULL: the default */
	bool json;
};

/* What main prepares for a command, as its row needs. */
struct context {
	struct options opt;
	const struct command *command;
	struct config config;
	struct store store; /* dir NULL where there is none yet */
	int lock;           /* -1: not held */
};

enum needs {
	NEEDS_ADMIN = 1,  /* CAP_NET_ADMIN: it looks into the kernel */
	NEEDS_LOCK = 2,   /* it changes something: lock, and store_recover first */
	NEEDS_CREATE = 4, /* the store is made if absent */
	NEEDS_NO_STORE = 8, /* it opens none, and works in any namespace */
};

struct command {
	const char *name;
	/* argv[0] is the command's name; returns an exit status. */
	int (*run)(struct context *c, int argc, char **argv);
	unsigned needs;
	const char *arguments; /* for the usage line */
	const char *help;      /* one line */
};

int cmd_save(struct context *c, int argc, char **argv);
int cmd_restore(struct context *c, int argc, char **argv);
int cmd_check(struct context *c, int argc, char **argv);
int cmd_status(struct context *c, int argc, char **argv);
int cmd_list(struct context *c, int argc, char **argv);
int cmd_show(struct context *c, int argc, char **argv);
int cmd_verify(struct context *c, int argc, char **argv);
int cmd_tag(struct context *c, int argc, char **argv);
int cmd_untag(struct context *c, int argc, char **argv);
int cmd_prune(struct context *c, int argc, char **argv);
int cmd_export(struct context *c, int argc, char **argv);
int cmd_import(struct context *c, int argc, char **argv);

/* Exit status for what a lower layer returned and logged: 0 or -errno. */
int exit_status(int r);
/* "fwsnap COMMAND: TEXT" and the usage line on stderr; returns EXIT_USAGE. */
int usage_error(const struct context *c, const char *format, ...) printf_like(2, 3);

/*
 * getopt_long for a command's arguments: -1 at their end; '?' after a usage error, which it has
 * printed. Anything else is the option's value.
 */
struct option;
int next_option(const struct context *c, int argc, char **argv, const char *letters,
		const struct option *options);

/* Whether there is any history; if not, says so. */
bool have_store(const struct context *c);

/* A ruleset that a command names: REF, or `live`, or `text` (the text files, loaded in a scratch). */
struct named {
	char *label;              /* "snapshot 42", "live", "text" */
	unsigned id;              /* 0: not from the store */
	struct manifest manifest; /* rs is the ruleset; the rest is there if id is not 0 */
};
/* records: with them. 0 or -errno (logged). Caller: named_release. */
must_check int named_load(struct context *c, const char *ref, bool records, struct named *n);
void named_release(struct named *n);
/* Whether the exact parts can be used here: they are the kernel's own structures. */
bool of_this_machine(const struct manifest *m);
/* The ruleset of a snapshot's texts, loaded by their programs in a scratch. 0 or -errno (logged). */
must_check int snapshot_text_ruleset(struct context *c, unsigned id, struct ruleset *rs);

/* Fills created, host, kernel, machine, user, from and message of a new snapshot's manifest. */
void story_fill(struct manifest *m, const char *message);
/* Adds the records of all tables to a new snapshot. 0 or -errno (logged). */
must_check int add_records(struct snapshot_new *n, const struct ruleset *rs);
/* The plural's ending: printf("%u rule%s", n, plural(n)). */
static inline const char *plural(unsigned n)
{
	return n == 1 ? "" : "s";
}
/* "2026-11-23 21:06:26" in local time; static storage. */
const char *time_text(int64_t seconds);

/*
 * Stores rs (with records) as an automatic snapshot if no snapshot has its like and it enforces
 * anything. 0 or -errno (logged).
 */
must_check int keep_live(struct context *c, struct ruleset *rs);

/* Appends the names of chains that look like other programs', in one line; returns how many there are. */
size_t foreign_line(const struct ruleset *rs, struct buf *line);

#endif
