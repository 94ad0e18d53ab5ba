/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd - what the commands share: options, context, exit statuses
 */
#ifndef FWSNAP_CMD_H
#define FWSNAP_CMD_H

#include "config.h"
#include "foreign.h"
#include "guard.h"
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

enum colour { COLOUR_AUTO, COLOUR_ALWAYS, COLOUR_NEVER };

/* Global options. */
struct options {
	const char *root;   /* "" without --root; no trailing slash */
	const char *config; /* NULL: the default */
	bool json;
	enum colour colour; /* auto: on a terminal that has any, unless NO_COLOR is set */
};

/* What main prepares for a command, as its row needs. */
struct context {
	struct options opt;
	const struct command *command;
	struct config config;
	struct store store; /* dir NULL where there is none yet */
	struct foreign foreign;
	bool all;           /* --all: nothing is foreign */
	struct frontends frontends, frontends_all; /* as they are (context_frontends) */
	bool frontends_known;
	int lock;           /* -1: not held */
};

enum needs {
	NEEDS_ADMIN = 1,  /* CAP_NET_ADMIN: it looks into the kernel */
	NEEDS_LOCK = 2,   /* it changes something: lock, and store_recover first */
	NEEDS_CREATE = 4, /* the store is made if absent */
	NEEDS_SETTLED = 8, /* it is refused while a change is pending */
	NEEDS_NO_MORE = 16, /* not even the configuration */
	NEEDS_NO_STORE = 32, /* it opens none, and works in any namespace */
};

struct command {
	const char *name;
	/* argv[0] is the command's name; returns an exit status. */
	int (*run)(struct context *c, int argc, char **argv);
	unsigned needs;
	const char *arguments; /* for the usage line */
	const char *help;      /* one line; NULL: fwsnap itself calls it */
};

int cmd_save(struct context *c, int argc, char **argv);
int cmd_apply(struct context *c, int argc, char **argv);
int cmd_run(struct context *c, int argc, char **argv);
int cmd_confirm(struct context *c, int argc, char **argv);
int cmd_rollback(struct context *c, int argc, char **argv);
int cmd_restore(struct context *c, int argc, char **argv);
int cmd_lockdown(struct context *c, int argc, char **argv);
int cmd_boot(struct context *c, int argc, char **argv);
int cmd_check(struct context *c, int argc, char **argv);
int cmd_status(struct context *c, int argc, char **argv);
int cmd_diff(struct context *c, int argc, char **argv);
int cmd_list(struct context *c, int argc, char **argv);
int cmd_show(struct context *c, int argc, char **argv);
int cmd_verify(struct context *c, int argc, char **argv);
int cmd_tag(struct context *c, int argc, char **argv);
int cmd_untag(struct context *c, int argc, char **argv);
int cmd_prune(struct context *c, int argc, char **argv);
int cmd_export(struct context *c, int argc, char **argv);
int cmd_import(struct context *c, int argc, char **argv);
int cmd_guard(struct context *c, int argc, char **argv);

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

/* --type NAME: one of enum text_kind. EXIT_DONE, or EXIT_USAGE (told). */
int type_option(const struct context *c, const char *name, int *type);

/* The lock of all that changes below the root: taken (main does it for NEEDS_LOCK; 0 or -errno, logged), given back. */
must_check int context_lock(struct context *c);
void context_unlock(struct context *c);
/* What guard.h works on. */
struct guard context_guard(struct context *c);
/* EXIT_FAILED (logged, with what ends it) if a change is pending, else EXIT_DONE. */
int refuse_pending(struct context *c);

/* What `save --on-stop` asks: the configuration, and whether a boot brought less than what was saved (warned). */
bool may_save_on_stop(struct context *c);

/* Removes versions beyond those that the configuration keeps (a failure is a warning). */
void prune_history(struct context *c);

/* Whether there is any history; if not, says so. */
bool have_store(const struct context *c);

/* A ruleset that a command names: REF, or `live`, or `text` (the text files, loaded in a scratch). */
struct named {
	char *label;              /* "snapshot 42", "live", "text" */
	unsigned id;              /* 0: not from the store */
	struct manifest manifest; /* rs is what is ours; the rest is there if id is not 0 */
	struct foreign_shares foreign; /* what is not, where it was looked at */
};
/* records: with them. 0 or -errno (logged). Caller: named_release. */
must_check int named_load(struct context *c, const char *ref, bool records, struct named *n);
/* The same with records that can be used here: those of another machine's snapshot are made from its texts. */
must_check int named_load_here(struct context *c, const char *ref, struct named *n);
/* Leaves only what is ours (of live it is that already). 0 or -errno (logged). */
must_check int named_cut(struct context *c, struct named *n);
void named_release(struct named *n);
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
 * Stores what is ours in rs (with records), and front-ends, as an automatic snapshot if no snapshot has their like and
 * rs enforces anything, or there are any. 0 or -errno (logged).
 */
must_check int keep_live(struct context *c, struct ruleset *rs);

/*
 * Prints what differs (difference.h), or with --json that; both with records. frontends: what differs there, as
 * frontends_differences has it; NULL: nothing. EXIT_DONE: they are equal; EXIT_DIFFERS, or another exit
 * status (logged).
 */
int print_difference(struct context *c, struct ruleset *old, const char *old_label, struct ruleset *new,
		     const char *new_label, bool dynamic, const struct strlist *frontends);

#endif
