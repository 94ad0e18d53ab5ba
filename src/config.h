/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * config - /etc/fwsnap/fwsnap.conf: "key = value" lines, "#" comments; right without the file
 *
 * One row per key in config.c (name, kind, default); fwsnap.conf(5) documents each.
 *   layout = up.rules | debian | redhat    the text paths:
 *     up.rules: /etc/iptables.up.rules /etc/ip6tables.up.rules /etc/nftables.up.rules /etc/ipset.up.rules
 *     debian:   /etc/iptables/rules.v4 /etc/iptables/rules.v6 /etc/nftables.up.rules /etc/iptables/ipsets
 *     redhat:   /etc/sysconfig/iptables /etc/sysconfig/ip6tables /etc/nftables.up.rules /etc/sysconfig/ipset
 *   iptables, ip6tables, nftables, ipset = PATH | none      one path singly; none: that text is not written
 *   store = /var/lib/fwsnap
 *   keep = 50, keep_automatic = 10         versions (0..100000)
 *   lock_wait = 10                         seconds
 *   foreign = auto | none | NAME ...       descriptions of other programs' rules (foreign.h)
 *   last_resort = lockdown | none          what a boot does if nothing that was saved can be loaded
 *   lockdown_ports = ssh                   ways in that a lockdown leaves (lockdown.h); none
 *   save_on_stop = no | yes                whether `save --on-stop` saves
 *   ifupdown_block = yes | no              whether `restore --boot --link` fails if nothing is in force
 */
#ifndef FWSNAP_CONFIG_H
#define FWSNAP_CONFIG_H

#include "buf.h"

struct config {
	/* absolute, without --root; NULL: none. Index is enum text_kind (ipset, iptables, ip6tables, nft). */
	char *texts[4];
	char *store;
	unsigned keep, keep_automatic, lock_wait;
	char *foreign;
	char *lockdown_ports; /* as given */
	bool lockdown_last;   /* last_resort = lockdown */
	bool save_on_stop, ifupdown_block;
};

/*
 * Reads path (absent: all defaults; required: absent is an error). Logs "PATH:LINE: what is wrong" and
 * returns -EINVAL on an unknown key, a bad value, a key given twice; other -errno logged too.
 */
must_check int config_read(struct config *c, const char *path, bool required);
void config_release(struct config *c);

#endif
