/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scratch - a private network and mount namespace that looks like the live one
 *
 * Text becomes a ruleset, and a ruleset text, only here: by the distribution's own
 * programs, with a /run (so /run/xtables.lock) and a /sys of their own, and only the interfaces
 * that the ruleset names, with the same names and indexes. Nothing is left behind when it is closed
 * or the process ends. Needs root (CAP_SYS_ADMIN and CAP_NET_ADMIN).
 */
#ifndef FWSNAP_SCRATCH_H
#define FWSNAP_SCRATCH_H

#include "engine.h"
#include "exec.h"

struct scratch {
	int netns, mntns;
};
#define SCRATCH_INIT                                                                               \
	{                                                                                          \
		-1, -1                                                                             \
	}

/* Makes one with the interfaces that `like` notes (NULL: none but lo). 0 or -errno (logged). */
must_check int scratch_open(struct scratch *s, const struct ruleset *like);
/* The same with all interfaces of the caller's namespace: for text, which may name any. */
must_check int scratch_open_here(struct scratch *s);
void scratch_close(struct scratch *s);

/* Loads a ruleset (with records) exactly. 0 or -errno (logged). rs is only read but for resolved
 * names. */
must_check int scratch_load(struct scratch *s, struct ruleset *rs);
/* Captures the scratch; digests only unless `records`. rs zeroed. */
must_check int scratch_capture(struct scratch *s, struct ruleset *rs, bool records);
/* Runs a program in it: exec_run with its namespaces. */
must_check int scratch_run(struct scratch *s, struct exec *e);

#endif
