/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hooks - the administrator's own programs around a change: ROOT/etc/fwsnap/hooks.d/
 *
 * All executable files there whose names are of letters, digits, "_" and "-" are run in the order of their names, one after the
 * other, with the event as their argument and in the environment:
 *   FWSNAP_EVENT    pre-change, post-change, post-rollback, boot
 *   FWSNAP_COMMAND  what changes the rules: "apply /etc/iptables.test.rules", "rollback"
 *   FWSNAP_RESULT   post-change: done, pending; post-rollback: undone, lost; boot: a word of boot_rungs
 *   FWSNAP_ROOT     DIR of --root
 * A file that others than root could write, or any in a folder that they could, is not run (warned). What they print is shown on stderr.
 */
#ifndef FWSNAP_HOOKS_H
#define FWSNAP_HOOKS_H

#include "buf.h"

#define HOOK_PRE_CHANGE "pre-change"
#define HOOK_POST_CHANGE "post-change"
#define HOOK_POST_ROLLBACK "post-rollback"
#define HOOK_BOOT "boot"

struct hook {
	const char *root; /* "" */
	const char *event, *command;
	const char *result; /* NULL: none */
};

/*
 * 0; -ECANCELED: one failed or took more than HOOK_TIMEOUT seconds (logged, as a warning unless it is
 * pre-change; of pre-change hooks the rest are not run then).
 */
#define HOOK_TIMEOUT 60
int hooks_run(const struct hook *h);

#endif
