/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_lockdown - a table of nf_tables that lets in hardly anything, made without any program
 *
 *   table inet fwsnap_lockdown: chains input and forward, policy drop. Let in are loopback, what belongs to connections
 *   that are established or is related to one, answers to a DHCP client (v4, v6), neighbour discovery and multicast
 *   listener discovery of IPv6, and new connections to the ways in. What the host sends is not stopped.
 *
 * Its records are what the kernel dumps of such a table, so that it compares like one that was captured.
 */
#ifndef FWSNAP_ENGINE_NFT_LOCKDOWN_H
#define FWSNAP_ENGINE_NFT_LOCKDOWN_H

#include "ruleset.h"

#define NFT_LOCKDOWN_TABLE "fwsnap_lockdown"

struct way_in {
	uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP */
	uint16_t port;
};

/* Adds the table, with records, to a ruleset of the caller's namespace; digests are the caller's to compute. */
void nft_lockdown(struct ruleset *rs, const struct way_in *ways, size_t n);

#endif
