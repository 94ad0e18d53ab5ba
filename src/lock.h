/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lock - one process at a time changes
 *
 * flock(2) on a file; its content names the holder ("PID COMMAND\n"), for the
 * message of whoever waits. Released when the descriptor is closed or the
 * process ends, however it ends. The file stays.
 */
#ifndef FWSNAP_LOCK_H
#define FWSNAP_LOCK_H

#include "buf.h"

/*
 * Takes the lock on path, waiting at most `wait` seconds. Returns the
 * descriptor that holds it (caller closes, close-on-exec), -EAGAIN when time ran out
 * (then *holder, if not NULL, is what the file says; caller frees), or another
 * negative errno. Logs nothing.
 */
must_check int lock_take(const char *path, unsigned wait, char **holder);

/* Takes the lock of all that changes below root: ROOT/run/fwsnap/lock; its folder is made. Else like lock_take. */
must_check int lock_take_root(const char *root, unsigned wait, char **holder);

/* Whether somebody holds the lock on path, without taking it: 1, 0 (there is none, too), or -errno. */
must_check int lock_held(const char *path);

/*
 * Takes iptables' own lock, /run/xtables.lock, as the legacy programs do. Honours
 * XTABLES_LOCKFILE. Returns like lock_take, without a holder.
 */
must_check int lock_take_xtables(unsigned wait);

#endif
