/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockdown - the ruleset that lets in hardly anything (engine/nft_lockdown.h), and the ways in that it leaves
 *
 * Ways are told by the configuration (lockdown_ports): "22", "51820/udp", and "ssh", which stands for the ports that sshd
 * listens on: Port and ListenAddress of sshd_config(5) in ROOT/etc/ssh/sshd_config, up to the first Match, and of what it
 * includes; 22 if they say nothing, or cannot be read.
 *
 * Without nf_tables in the kernel the same rules, as text, are made by the programs of legacy iptables in the scratch.
 *
 * A lockdown is never saved.
 */
#ifndef FWSNAP_LOCKDOWN_H
#define FWSNAP_LOCKDOWN_H

#include "engine/nft_lockdown.h"

struct lockdown {
	struct way_in *ways;
	size_t n;
	char *text; /* "tcp 22, udp 51820", "none": for people */
	struct ruleset rs; /* with records, of the caller's namespace */
};

/* Fills a zeroed l. 0 or -errno (logged). Caller: lockdown_release. */
must_check int lockdown_make(struct lockdown *l, const char *root, const char *ports);
void lockdown_release(struct lockdown *l);

/* Whether a ruleset is one, or has one in it. */
bool lockdown_is(const struct ruleset *rs);

/* Appends the ports that sshd listens on to ports, which has room for LOCKDOWN_WAYS; returns how many there are. For lockdown*.c only. */
#define LOCKDOWN_WAYS 64
size_t sshd_ports(const char *root, uint16_t ports[static LOCKDOWN_WAYS]);

#endif
