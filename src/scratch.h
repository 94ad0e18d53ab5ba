/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scratch - a private network and mount namespace that looks like the live one
 *
 * Text becomes a ruleset, and a ruleset text, only here: by the distribution's own
 * programs, with a /run (so /run/xtables.lock) and a /sys of their own, and only the interfaces
 * that the ruleset names, with the same names and indexes. Nothing is left behind when it is closed
 * or the process ends. Needs root (CAP_SYS_ADMIN and CAP_NET_ADMIN), if only that of a user namespace.
 *
 * Who is root only of a user namespace cannot come back from it to a network that is not that namespace's: such a process
 * stays in the first one that it loads or captures, and can do no more than that.
 *
 * One for a rehearsal looks more like live: its interfaces have their addresses and routes, though they lead nowhere;
 * sockets of daemons are hidden, /run with all of them, and any other that listens on a path; host names are
 * looked up outside for whoever asks by the C library (scratch_names.c).
 */
#ifndef FWSNAP_SCRATCH_H
#define FWSNAP_SCRATCH_H

#include "engine.h"
#include "exec.h"

struct scratch {
	int netns, mntns;
	int resolver; /* pid of the process that looks up names; 0: none */
	int lookups;  /* file of what it found; -1 */
	bool likeness; /* of a rehearsal: indexes mean what they mean outside */
	bool for_good; /* in a user namespace that may not come back: who once entered stays there */
};
#define SCRATCH_INIT                                                                               \
	{                                                                                          \
		-1, -1, 0, -1, false, false                                                                   \
	}

/* Makes one with the interfaces that `like` notes (NULL: none but lo). 0 or -errno (logged). */
must_check int scratch_open(struct scratch *s, const struct ruleset *like);
/* The same with all interfaces of the caller's namespace: for text, which may name any. */
must_check int scratch_open_here(struct scratch *s);
/*
 * For a rehearsal: interfaces that `like` notes and those called `names`, or all if names is NULL; with addresses and connected and
 * default routes, or all routes. 0 or -errno (logged).
 */
must_check int scratch_open_rehearsal(struct scratch *s, const struct ruleset *like,
				      const struct strlist *names);
/* Adds the names that were looked up there so far, and their addresses: "mail.example.com: 192.0.2.1, 2001:db8::1". */
void scratch_lookups(const struct scratch *s, struct strlist *lookups);
void scratch_close(struct scratch *s);

/* Loads a ruleset (with records) exactly. 0 or -errno (logged). rs is only read but for resolved
 * names. */
must_check int scratch_load(struct scratch *s, struct ruleset *rs);
/* Captures the scratch; digests only unless `records`. rs zeroed. */
must_check int scratch_capture(struct scratch *s, struct ruleset *rs, bool records);
/* Runs a program in it: exec_run with its namespaces. */
must_check int scratch_run(struct scratch *s, struct exec *e);

/* For scratch*.c: serves programs that ask for names on this listening socket (in a child, for ever). */
struct resolver {
	int socket, lookups;
};
int scratch_resolve(void *resolver);
/* Makes that socket, in the mounts of the scratch. A descriptor or -errno. */
must_check int scratch_resolver_socket(void);

#endif
