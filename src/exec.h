/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec - the one place that forks and runs programs
 *
 * Programs are found in a fixed PATH
 * (/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin), get a clean
 * environment (PATH, LC_ALL=C), signals as at birth and no descriptor but 0, 1 and 2.
 * They die with us. The caller's own 0, 1 and 2 must be open.
 */
#ifndef FWSNAP_EXEC_H
#define FWSNAP_EXEC_H

#include "buf.h"

struct exec {
	const char *const *argv; /* argv[0] is the program's name, or its path */
	const struct strlist *variables; /* "NAME=VALUE", added to the environment; NULL: none */
	const struct buf *in;    /* given on stdin; NULL: /dev/null */
	struct buf *out;         /* stdout is appended here; NULL: thrown away */
	struct buf *err;         /* stderr likewise */
	int netns, mntns;        /* namespaces to run in (descriptors), -1: ours */
	unsigned timeout;        /* seconds, 0: none; the process group is killed after */
	/*
	 * With an environment the program is the caller's own command: found in our PATH, with our 0, 1 and 2 and in
	 * our process group, so that Ctrl-C reaches it (we outlive that); in, out, err and timeout are unused.
	 */
	char *const *environment;
};

#define EXEC_INIT {.netns = -1, .mntns = -1}

/*
 * Runs the program and waits for it. Returns its exit status 0..255 (128 + signal
 * if one ended it), -ENOENT if it is not installed, -ETIMEDOUT, or another
 * negative errno.
 */
must_check int exec_run(const struct exec *e);

/* Whether a program of this name is installed. */
bool exec_have(const char *program);

/*
 * Forks a child that calls fn(arg) and exits with its return value (0..255);
 * returns like exec_run. For work that must not change this process (namespaces).
 */
must_check int exec_fork(int (*fn)(void *arg), void *arg);

/* Likewise, without waiting: the child's pid, or -errno. It dies with us. */
must_check int exec_start(int (*fn)(void *arg), void *arg);
/* Ends a child of exec_start. */
void exec_stop(int pid);
/*
 * Forks a process that outlives us and calls fn(arg): with a session of its own, no terminal, folder /, no
 * signal blocked, no descriptor of ours, 0, 1 and 2 on /dev/null. 0 once it was started, or -errno.
 */
must_check int exec_detach(int (*fn)(void *arg), void *arg);

#endif
