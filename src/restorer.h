/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * restorer - who else brings rules back at boot, as files below the root tell
 *
 * Services count if the init system of this root starts them: links in etc/systemd/system/NAME.wants and .requires, in
 * etc/rc?.d, in etc/runlevels/NAME; and if what they load has rules of its own, where that can be seen. Scripts and
 * interfaces of ifupdown count if they call a program that loads rules. Nothing is changed, no program asked.
 */
#ifndef FWSNAP_RESTORER_H
#define FWSNAP_RESTORER_H

#include "buf.h"

struct restorer {
	char *name;    /* "nftables", "/etc/network/if-pre-up.d/iptables" */
	char *reason;  /* "'/etc/nftables.conf' flushes all rules" */
	char *command; /* what ends it: "systemctl disable nftables" */
};

struct restorers {
	struct restorer *r;
	size_t n;
};

/* Adds all of them to a zeroed list, which restorers_release frees. */
void restorers_find(struct restorers *found, const char *root);
void restorers_release(struct restorers *found);
/* Warns of each. */
void restorers_warn(const char *root);

#endif
