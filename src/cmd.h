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
	struct config config;
	struct store store; /* dir NULL where there is none yet */
	struct netns_id netns;
	int lock;           /* -1: not held */
};

enum needs {
	NEEDS_ROOT = 1,   /* CAP_NET_ADMIN: it looks into the kernel */
	NEEDS_LOCK = 2,   /* it changes something: lock, and store_recover first */
	NEEDS_STORE = 4,  /* the store is opened; absent: the command says so */
	NEEDS_CREATE = 8, /* the store is made if absent */
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
int cmd_status(struct context *c, int argc, char **argv);
int cmd_list(struct context *c, int argc, char **argv);
int cmd_show(struct context *c, int argc, char **argv);
int cmd_verify(struct context *c, int argc, char **argv);
int cmd_tag(struct context *c, int argc, char **argv);
int cmd_untag(struct context *c, int argc, char **argv);
int cmd_prune(struct context *c, int argc, char **argv);
int cmd_export(struct context *c, int argc, char **argv);
int cmd_import(struct context *c, int argc, char **argv);

/* Exit status for a negative errno of a lower layer that has been logged. */
int exit_status(int r);
/* "fwsnap COMMAND: TEXT" and the usage line on stderr; returns EXIT_USAGE. */
int usage_error(const struct command *cmd, const char *format, ...) printf_like(2, 3);

#endif
