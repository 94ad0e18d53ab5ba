/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_watch - which tables of nf_tables were changed, by whom, up to which generation
 *
 * The kernel tells each commit as messages that name what changed, and at the end NFT_MSG_NEWGEN
 * with the new generation and the program. GETGEN may be ahead of what was told: nft_watch_read
 * waits for the rest, so that a generation counts as read only when all that led to it is known.
 * What overflowed the receive buffer is a change of any table. Watches of other processes, and of
 * this one, do not disturb each other.
 */
#ifndef FWSNAP_NFT_WATCH_H
#define FWSNAP_NFT_WATCH_H

#include "engine/nft.h"

/* A table that somebody else changed; generations are 0 until it happens. */
struct nft_seen {
	uint8_t family;
	char *name;
	uint32_t changed; /* last, in whatever */
	uint32_t shaped; /* last, in more than rules and elements: itself, its chains, sets, objects
			  */
	char who[64];	 /* who changed it last: "'nft' (pid 123)" */
	/* told, by a commit whose end is not */
	bool pending, pending_shape;
};

struct watch {
	struct netlink ask; /* requests, dumps and our own batches */
	struct netlink events;
	uint32_t port;	     /* of ask: what comes from there does not count */
	uint32_t generation; /* all that led to it is known */
	uint32_t lost;	     /* what led to this one is not: 0, or a change of any table */
	uint32_t moved; /* the last in which something was made or removed that is not a rule or an
			   element */
	bool moving;
	struct nft_seen *seen, *last; /* last: of the last message */
	size_t nseen;
};

/* -EOPNOTSUPP, not logged: the kernel has no nf_tables in use. */
must_check int nft_watch_init(struct watch *w);
void nft_watch_release(struct watch *w);
/* Reads all events up to the kernel's generation now. 0 or -errno, not logged. */
must_check int nft_watch_read(struct watch *w);
/* The last generation in which somebody else changed the table (shape: more than rules and
 * elements), or 0. */
uint32_t nft_watch_changed(const struct watch *w, uint8_t family, const char *table, bool shape);
/* Whether generation a is newer than b; 0 is older than any. */
bool nft_newer(uint32_t a, uint32_t b);

/*
 * A large batch of our own would be told to us too, and overflow: not heard from pause to resume.
 * Unless the generation is then the one before (committed: the next one), somebody else
 * came in between, and that is a change of any table.
 */
must_check int nft_watch_pause(struct watch *w);
must_check int nft_watch_resume(struct watch *w, bool committed);

#endif
