/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_hold - holding all packets back while a change takes more than one commit
 *
 * The table `inet fwsnap_hold` drops what comes in or goes out, loopback excepted, before any other
 * table sees it (prerouting and output, the lowest priority there is). Forwarded packets come in
 * first; frames that a bridge hands to legacy tables (br_netfilter) pass prerouting too. Tables of
 * the bridge, arp and netdev families are changed by one commit and need no hold.
 *
 * The table is in no capture. Whoever made it may have crashed: each command removes a left one.
 */
#ifndef FWSNAP_NFT_HOLD_H
#define FWSNAP_NFT_HOLD_H

#include "engine.h"

#define NFT_HOLD_TABLE "fwsnap_hold"

/*
 * Makes the table, or removes it; there already, or gone already, is fine. One commit, which
 * outdates the generation of an earlier capture unless that has this watch (may be NULL). 0;
 * -EOPNOTSUPP, not logged: no nf_tables here; -errno (logged).
 */
must_check int nft_hold(struct watch *w, bool on);
bool nft_is_hold(uint8_t family, const char *table);
/* Whether the table is there: 1, 0 or -errno (logged). */
must_check int nft_hold_left(void);

/* Whether the kernel has nf_tables, or can load it. */
bool nft_there(void);

#endif
